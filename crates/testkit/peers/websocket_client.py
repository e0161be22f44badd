"""A WebSocket conversation: text, binary, fragments, ping, close, in lockstep. In: SIDE_CA, WEBSOCKET_URL, SIDE_PROXY if there is one. Out: the answers.

One thread alone: with two on one TLS connection, Python 3.13.0 stands still once in a few hundred handshakes, with and without a proxy.
"""
import asyncio
import os
import ssl

from websockets.asyncio.client import connect


async def converse():
    context = ssl.create_default_context(cafile=os.environ["SIDE_CA"])
    proxy = os.environ.get("SIDE_PROXY")
    proxy = f"http://{proxy}" if proxy else None
    async with connect(os.environ["WEBSOCKET_URL"], ssl=context, proxy=proxy) as connection:
        for message in ["hello", "ü" * 70000, b"\x00\x01\x02", ["in ", "three ", "parts"]]:
            await connection.send(message)
            print(repr(await asyncio.wait_for(connection.recv(), 60)))
        pong = await connection.ping()
        await asyncio.wait_for(pong, 60)
        print("pong", True)
        await connection.close(1000, "enough")
        print(connection.close_code, connection.close_reason)


asyncio.run(converse())
