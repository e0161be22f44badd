"""Hands requests on to a registry, but for one fault. In: ADDRESS to listen on, ADDRESS of the registry, the fault's name."""

import http.client
import http.server
import sys


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


LISTEN, REGISTRY, FAULT = address(sys.argv[1]), address(sys.argv[2]), sys.argv[3]
PAGE = b"<!DOCTYPE html><html><head><title>Access Denied</title></head></html>"
EXPIRED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fault(self):
        """Answers wrongly, and says whether it did."""
        if self.path.startswith("/storage/"):
            self.answer(403, EXPIRED, Content_Type="application/xml")
            return True
        is_manifest, is_blob = "/manifests/" in self.path, "/blobs/" in self.path
        if is_manifest:
            if FAULT == "rate":
                self.answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', Retry_After="1",
                            RateLimit_Limit="100;w=21600", RateLimit_Remaining="0;w=21600")
            elif FAULT == "broken":
                self.answer(502, b"", Server="balancer")
            elif FAULT == "blocked":
                self.answer(403, PAGE, Content_Type="text/html")
            elif FAULT == "page":
                self.answer(200, PAGE, Content_Type="text/html")
            elif FAULT == "unauthorized":
                self.answer(401, b"{}")
            elif FAULT == "basic":
                self.answer(401, b"{}", WWW_Authenticate='Basic realm="r"')
            elif FAULT == "elsewhere":
                self.answer(404, b"404 page not found", Content_Type="text/plain")
            else:
                return False
            return True
        if is_blob and FAULT == "blob-404":
            self.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}')
            return True
        if is_blob and FAULT == "storage":
            self.answer(307, b"", Location="/storage/" + self.path.rsplit("/", 1)[1].replace(":", "/") + "?sig=secret")
            return True
        return False

    def hand_on(self):
        if self.fault():
            return
        registry = http.client.HTTPConnection(*REGISTRY)
        registry.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # Accept comes several times.
            registry.putheader(name, value)
        registry.endheaders()
        answer = registry.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        is_big = "/blobs/" in self.path and len(body) > 1000
        if FAULT == "blob-altered" and is_big:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if FAULT == "manifest-altered" and "/manifests/" in self.path:
            body = body.replace(b"{", b" ", 1).replace(b" ", b"{", 1).replace(b'":', b'": ', 1)[: len(body) - 1] + b" "
        if FAULT == "blob-cut" and is_big:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = hand_on


http.server.ThreadingHTTPServer(LISTEN, Handler).serve_forever()
