"""Requests: a large body, a hashed upload, a chunked echo. In: SIDE_URL, SIDE_CA (else the usual trust) and the proxy variables. Out: the bodies on standard output."""
import os
import sys

import requests

url = os.environ["SIDE_URL"]
with requests.Session() as session:
    session.verify = os.environ.get("SIDE_CA", True)
    large = session.get(url + "/bytes/3000017", timeout=60)
    large.raise_for_status()
    sent = session.post(url + "/hash", data=large.content, timeout=60)
    sent.raise_for_status()
    chunked = session.post(url + "/echo", data=iter([b"one ", b"two ", b"three\n"]), timeout=60)
    chunked.raise_for_status()
sys.stdout.buffer.write(large.content + sent.content + chunked.content)
