"""A bidirectional gRPC stream in lockstep: message N+1 goes out only after the answer to N came. In: SIDE_CA, GRPC_TARGET, the proxy variables. Out: the answers."""
import os
import queue
import sys

import grpc

with open(os.environ["SIDE_CA"], "rb") as file:
    credentials = grpc.ssl_channel_credentials(file.read())
with grpc.secure_channel(os.environ["GRPC_TARGET"], credentials) as channel:
    outgoing = queue.Queue()
    call = channel.stream_stream("/echo.Echo/Chat")(iter(outgoing.get, None), timeout=60)
    for number in range(5):
        outgoing.put(f"message {number} ".encode() * (1 + number * 4000))
        sys.stdout.buffer.write(next(call) + b"\n")
    outgoing.put(None)
    assert next(call, None) is None
    print(call.code(), dict(call.trailing_metadata())["x-echoed"])
    try:
        channel.unary_unary("/echo.Echo/Fail")(b"please", timeout=60)
    except grpc.RpcError as error:
        print(error.code(), error.details())
