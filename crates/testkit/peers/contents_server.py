"""Content that other libraries write, over HTTP/1.1 with TLS: MessagePack, CBOR, images, archives. In: port, chain, key. Out: runs until it is ended."""
import datetime
import http.server
import io
import ssl
import sys
import tarfile
import zipfile

import cbor2
import msgpack
from PIL import Image

VALUE = {"id": 7, "tags": ["a", b"\x00\xff"], "pi": 3.5, "none": None, "neg": -300, "empty": {}, "token": "s3cret-marked"}


def image(kind):
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, kind)
    return file.getvalue()


def archive(mode):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in (("etc/motd", b"hello\n"), ("long/" * 40 + "name", b"x" * 3000)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello" * 1000)
    return file.getvalue()


TIME = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)
CONTENTS = {
    "/msgpack": ("application/msgpack", msgpack.packb({**VALUE, "when": msgpack.Timestamp(1795372833, 1000)})),
    "/cbor": ("application/cbor", cbor2.dumps({**VALUE, "when": TIME, "big": 2**70})),
    "/layer": ("application/vnd.oci.image.layer.v1.tar+gzip", archive("w:gz")),
    "/tar": ("application/x-tar", archive("w")),
    "/zip": ("application/zip", zipped()),
    **{f"/{kind}": ("application/octet-stream", image(kind)) for kind in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "ico")},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, content = CONTENTS[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


port, chain, key = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
