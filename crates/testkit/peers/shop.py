"""A gRPC service and its client with protobuf messages that protobuf's own library writes. In: port, chain, key: serves until it is
ended. In: SIDE_CA, GRPC_TARGET, a file for the descriptor set: calls it once. Out: the answer."""
import os
import sys
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

KINDS = descriptor_pb2.FieldDescriptorProto
FILE = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop.v1", syntax="proto3")


def message(name, **fields):
    declared = FILE.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        repeated = kind.startswith("repeated ")
        kind = kind.removeprefix("repeated ")
        added = declared.field.add(name=field, number=number, label=KINDS.LABEL_REPEATED if repeated else KINDS.LABEL_OPTIONAL)
        added.type = getattr(KINDS, "TYPE_" + kind.upper(), KINDS.TYPE_MESSAGE)
        if added.type == KINDS.TYPE_MESSAGE:
            added.type_name = f".shop.v1.{kind}"


message("Item", sku="string", change="sint32", weight="double")
message("Order", id="int64", items="repeated Item", sizes="repeated uint32", password="string", blob="bytes", gift="bool")
service = FILE.service.add(name="Shop")
service.method.add(name="Place", input_type=".shop.v1.Order", output_type=".shop.v1.Item")
POOL = descriptor_pool.DescriptorPool()
POOL.Add(FILE)
Item, Order = (message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"shop.v1.{name}")) for name in ("Item", "Order"))

if len(sys.argv) > 2:
    port, chain, key = sys.argv[1:4]

    class Service(grpc.GenericRpcHandler):
        def service(self, call):
            place = grpc.unary_unary_rpc_method_handler(lambda order, context: order.items[0], Order.FromString, Item.SerializeToString)
            return place if call.method == "/shop.v1.Shop/Place" else None

    with open(chain, "rb") as chain_file, open(key, "rb") as key_file:
        credentials = grpc.ssl_server_credentials([(key_file.read(), chain_file.read())])
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Service(),))
    if server.add_secure_port(f"127.0.0.1:{port}", credentials) == 0:
        sys.exit(f"cannot listen on port {port}")
    server.start()
    server.wait_for_termination()
else:
    with open(sys.argv[1], "wb") as file:
        file.write(descriptor_pb2.FileDescriptorSet(file=[FILE]).SerializeToString())
    with open(os.environ["SIDE_CA"], "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    order = Order(id=-7, items=[Item(sku='tea "1"', change=-3, weight=2.5)], sizes=[1, 300], password="s3cret-marked", blob=b"\0\xff" + bytes(400), gift=True)
    with grpc.secure_channel(os.environ["GRPC_TARGET"], credentials) as channel:
        place = channel.unary_unary("/shop.v1.Shop/Place", Order.SerializeToString, Item.FromString)
        # With gzip, the order is worth compressing; its answer is not.
        print(place(order, timeout=60, compression=getattr(grpc.Compression, os.environ.get("GRPC_COMPRESSION", "NoCompression"))).sku)
