"""A WebSocket echo server with permessage-deflate. In: port, chain, key. Out: runs until it is ended."""
import ssl
import sys

from websockets.sync.server import serve


def echo(connection):
    for message in connection:
        connection.send(message)


port, chain, key = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
with serve(echo, "127.0.0.1", int(port), ssl=context) as server:
    server.serve_forever()
