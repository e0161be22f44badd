"""A WebSocket echo server with permessage-deflate. In: port, chain, key. Out: runs until it is ended."""
import asyncio
import ssl
import sys

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main():
    port, chain, key = sys.argv[1:4]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    async with serve(echo, "127.0.0.1", int(port), ssl=context) as server:
        await server.serve_forever()


asyncio.run(main())
