"""The standard library with strict verification (RFC 5280 as OpenSSL's X509_V_FLAG_X509_STRICT reads it; Python 3.13's default).
In: SIDE_URL, SIDE_CA, SIDE_PROXY if there is one. Out: the body on standard output."""
import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

context = ssl.create_default_context(cafile=os.environ["SIDE_CA"])
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
target = urlsplit(os.environ["SIDE_URL"])
proxy = os.environ.get("SIDE_PROXY")
if proxy:
    connection = http.client.HTTPSConnection(proxy, context=context, timeout=60)
    connection.set_tunnel(target.hostname, target.port)
else:
    connection = http.client.HTTPSConnection(target.hostname, target.port, context=context, timeout=60)
connection.request("GET", "/bytes/200003")
answer = connection.getresponse()
assert answer.status == 200, answer.status
sys.stdout.buffer.write(answer.read())
