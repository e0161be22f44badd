"""A WebSocket conversation: text, binary, fragments, ping, close, in lockstep. In: SIDE_CA, WEBSOCKET_URL, SIDE_PROXY if there is one. Out: the answers."""
import os
import ssl

from websockets.sync.client import connect

context = ssl.create_default_context(cafile=os.environ["SIDE_CA"])
proxy = os.environ.get("SIDE_PROXY")
with connect(os.environ["WEBSOCKET_URL"], ssl=context, proxy=f"http://{proxy}" if proxy else None) as connection:
    for message in ["hello", "ü" * 70000, b"\x00\x01\x02", ["in ", "three ", "parts"]]:
        connection.send(message)
        print(repr(connection.recv(timeout=60)))
    print("pong", connection.ping().wait(60))
    connection.close(1000, "enough")
    print(connection.close_code, connection.close_reason)
