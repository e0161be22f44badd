"""A gRPC service without generated code: bidirectional echo, and a call that fails. In: port, chain, key. Out: runs until it is ended."""
import sys
from concurrent import futures

import grpc


def echo(requests, context):
    """Answers each message before the next one is sent: the client waits for it."""
    context.set_trailing_metadata((("x-echoed", "yes"),))
    for request in requests:
        yield b"echo:" + request


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")


class Service(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == "/echo.Echo/Chat":
            return grpc.stream_stream_rpc_method_handler(echo)
        if call.method == "/echo.Echo/Fail":
            return grpc.unary_unary_rpc_method_handler(fail)
        return None


port, chain, key = sys.argv[1:4]
with open(chain, "rb") as chain_file, open(key, "rb") as key_file:
    credentials = grpc.ssl_server_credentials([(key_file.read(), chain_file.read())])
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Service(),))
if server.add_secure_port(f"127.0.0.1:{port}", credentials) == 0:
    sys.exit(f"cannot listen on port {port}")
server.start()
server.wait_for_termination()
