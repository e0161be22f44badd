"""Pulls an image as a kubelet does. In: containerd's socket, an image, a user, a password, the server that the login is for ('' for none).
Out: the image's ID. Spec: runtime/v1 ImageService of the Kubernetes CRI; the message is encoded by hand, so that no generated code is needed."""

import sys

import grpc

SOCKET, IMAGE, USER, PASSWORD, SERVER = sys.argv[1:6]


def field(number, value):
    """A field of length-delimited type; lengths of one byte are enough here."""
    value = value if isinstance(value, bytes) else value.encode()
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


auth = field(1, USER) + field(2, PASSWORD) + (field(4, SERVER) if SERVER else b"")
request = field(1, field(1, IMAGE)) + field(2, auth)
with grpc.insecure_channel(f"unix://{SOCKET}") as channel:
    answer = channel.unary_unary("/runtime.v1.ImageService/PullImage")(request, timeout=60)
    print(answer[2:].decode(errors="replace"))
