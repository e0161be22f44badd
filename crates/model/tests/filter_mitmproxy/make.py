#!/usr/bin/env python3
"""Asks mitmproxy's own flowfilter which of some flows each of many filters selects, and writes answers.json.

The Rust test beside it (filter_mitmproxy.rs) builds the same flows and expects the same answers. To make it anew:

    python3 -m venv /tmp/mitmproxy && /tmp/mitmproxy/bin/pip install 'mitmproxy>=12'
    /tmp/mitmproxy/bin/python make.py > answers.json

Where Python is older than 3.12, install mitmproxy 11 and put flowfilter.py of release 12 in its place: the flows are the same,
and release 12 is the one whose filters ignore case.
"""

import gzip
import json
import sys

from mitmproxy import connection, flow, flowfilter, http, tcp, version, websocket
from wsproto.frame_protocol import Opcode

HTML = "<!doctype html><title>Größe</title><p>Hello\nWorld</p>"

FLOWS = [
    {
        "name": "manifest", "kind": "http", "src": ["10.0.0.7", 41000], "dst": ["registry.test", 5000],
        "method": "GET", "scheme": "https", "authority": "registry.test:5000", "path": "/v2/library/alpine/manifests/3.20",
        "request_headers": [["Host", "registry.test:5000"], ["Accept", "application/vnd.oci.image.index.v1+json"],
                            ["Authorization", "Bearer abc.def"]],
        "request_body": "", "status": 200,
        "response_headers": [["Content-Type", "application/vnd.oci.image.index.v1+json"], ["Docker-Content-Digest", "sha256:00"]],
        "response_body": '{"schemaVersion":2}',
    },
    {
        "name": "challenge", "kind": "http", "src": ["10.0.0.7", 41002], "dst": ["registry.test", 5000],
        "method": "GET", "scheme": "https", "authority": "registry.test:5000", "path": "/v2/",
        "request_headers": [["Host", "registry.test:5000"]],
        "request_body": "", "status": 401,
        "response_headers": [["Content-Type", "application/json; charset=utf-8"],
                             ["WWW-Authenticate", 'Bearer realm="https://auth.test/token",service="registry.test"']],
        "response_body": '{"errors":[{"code":"UNAUTHORIZED"}]}',
    },
    {
        "name": "form", "kind": "http", "src": ["192.168.1.20", 50123], "dst": ["shop.example", 80],
        "method": "POST", "scheme": "http", "authority": "shop.example", "path": "/cart?item=7&n=2",
        "request_headers": [["host", "shop.example"], ["content-type", "application/x-www-form-urlencoded"], ["x-a", "one"], ["x-b", "two"]],
        "request_body": "item=7&note=hello+world", "status": 302,
        "response_headers": [["location", "/done"], ["content-length", "0"]],
        "response_body": "",
    },
    {
        "name": "page", "kind": "http", "src": ["fd00::7", 40404], "dst": ["2001:db8::5", 443],
        "method": "GET", "scheme": "https", "authority": "www.example", "path": "/",
        "request_headers": [["host", "www.example"]],
        "request_body": "", "status": 200,
        "response_headers": [["content-type", "text/html; charset=utf-8"], ["content-encoding", "gzip"]],
        "response_body": HTML,
    },
    {
        "name": "style", "kind": "http", "src": ["192.168.1.20", 50124], "dst": ["www.example", 443],
        "method": "GET", "scheme": "https", "authority": "www.example", "path": "/a(b)/site.css",
        "request_headers": [["host", "www.example"]],
        "request_body": "", "status": 200,
        "response_headers": [["content-type", "text/css"]],
        "response_body": "body { margin: 0 }",
    },
    {
        "name": "image", "kind": "http", "src": ["192.168.1.20", 50125], "dst": ["www.example", 443],
        "method": "GET", "scheme": "https", "authority": "www.example", "path": "/logo.png",
        "request_headers": [["host", "www.example"]],
        "request_body": "", "status": 200,
        "response_headers": [["content-type", "image/png"]],
        "response_body": "\x89PNG\r\n\x1a\n\x00\xff", "latin1": True,
    },
    {
        "name": "waiting", "kind": "http", "src": ["127.0.0.1", 60000], "dst": ["slow.example", 8080],
        "method": "DELETE", "scheme": "http", "authority": "slow.example:8080", "path": "/things/9",
        "request_headers": [["host", "slow.example:8080"]],
        "request_body": "", "status": None, "response_headers": [], "response_body": "",
    },
    {
        "name": "broken", "kind": "http", "src": ["127.0.0.1", 60001], "dst": ["broken.example", 8080],
        "method": "PUT", "scheme": "http", "authority": "broken.example:8080", "path": "/upload",
        "request_headers": [["host", "broken.example:8080"], ["content-type", "application/octet-stream"]],
        "request_body": "partial", "status": None, "response_headers": [], "response_body": "",
        "error": "server disconnected",
    },
    {
        "name": "chat", "kind": "http", "src": ["127.0.0.1", 60002], "dst": ["chat.example", 443],
        "method": "GET", "scheme": "https", "authority": "chat.example", "path": "/socket",
        "request_headers": [["host", "chat.example"], ["upgrade", "websocket"], ["connection", "Upgrade"]],
        "request_body": "", "status": 101,
        "response_headers": [["upgrade", "websocket"], ["connection", "Upgrade"]],
        "response_body": "",
        "messages": [[True, "subscribe news"], [False, "breaking: all is well"]],
    },
    {
        "name": "redis", "kind": "tcp", "src": ["127.0.0.1", 60003], "dst": ["cache.internal", 6379],
        "messages": [[True, "PING\r\n"], [False, "+PONG\r\n"]],
    },
]

# Filters that both read in the same way.
FILTERS = r'''
~all
!~all
~http
~tcp
~udp
~dns
~websocket
~q
~s
~e
~a
!~a
~marked
!~marked
~marker x
~replay
~replayq
~replays
~comment x
~meta x
~http & ~s
~http & !~s
~c 200
~c 401
~c 500
!~c 200
~c 200|~c 401
~c 200 | ~c 302
~m GET
~m get
~m ^P
~m T$
~m POST|PUT
~m "POST|PUT"
~d registry
~d REGISTRY.TEST
~d ^www
~d example$
~d 5000
~d 2001
~u manifests
~u :5000
~u :443
~u ^http://
~u ^https://www\.example/$
~u item=7&n
~u \d+\.\d+$
~u "a\\(b\\)"
~u GROSS|logo
manifests
"manifests"
/v2/ 401
v2 & ~c 401
v2 ~c 401
! v2
!v2
!!v2
! (v2)
example
site.css | logo.png
a|b
item=7&n=2
~h accept
~h "accept: application"
~h ^accept:
~h ^ACCEPT:
~h "^x-a: one"
~h "one\\r\\nx-b"
~h bearer
~hq bearer
~hs bearer
~hs ^www-auth
~hq ^host:
~hs nosuch
~t json
~t JSON
~t ^text
~t html|css
~tq form
~tq json
~ts json
~ts octet
~b hello
~b HELLO
~b "hello.world"
~b "Hello.World"
~b world$
~b Größe
~b "gr.*sse"
~b PNG
~b "\\x89PNG"
~b "\\xff"
~b subscribe
~bq subscribe
~bs subscribe
~b breaking
~bq breaking
~bs breaking
~b ping
~bq PING
~bs PING
~bs pong
~b schemaVersion
~bs UNAUTHORIZED
~bq item
~b ""
~bq ""
~bs ""
~src 10.0.0.7
~src ^10\.
~src :41002
~src fd00
~src fd00::7:40404
~src 127.0.0.1:6000
~dst :5000
~dst registry
~dst REGISTRY
~dst 2001:db8::5:443
~dst :443$
~dst cache
(~m GET) & (~c 200 )
(~m GET & ~c 200 ) | ~q
~m GET & ~c 200 | ~q
~q | ~m GET & ~c 200
~q ~m GET | ~m PUT
~m GET | ~m PUT ~q
!~q & ~http
!(~q | ~tcp )
!(~d example ) & !(~d registry )
~s ~t css | ~t png
~d example ~m GET !~a
( ( ~d www ) )
~hs "(content-type|location): "
~u "(cart|upload)"
~c 0200
@all
~h x-a:\sone
~t text/.*
~m .
~m ^$
'''.strip().split("\n")

# Filters that mitmproxy does not read, nor do we.
REFUSED = r'''
~x
~d
~c
~c x
(~d a
~u "abc
~u [
~u *a
~b (unclosed
)
~m (
'''.strip().split("\n")

# Filters that we read in another way, on purpose; docs/filters.md, "Where it differs from mitmproxy", says why.
DIFFERENT = r'''
(~q)
~q|~tcp
~m GET& ~c 200
~m GET| ~m PUT
a &
& a
!
(~d registry ~c 401)
~u "\d\.\d"
~u "a\(b\)"
~c 4xx
~c >= 400
~d cache
v2(401)
~h json$
'''.strip().split("\n")


def built(it):
    client = connection.Client(peername=tuple(it["src"]), sockname=("127.0.0.1", 8080), timestamp_start=1)
    server = connection.Server(address=tuple(it["dst"]))
    if it["kind"] == "tcp":
        made = tcp.TCPFlow(client, server)
        made.messages = [tcp.TCPMessage(from_client, content.encode()) for from_client, content in it["messages"]]
        return made
    encoding = "latin-1" if it.get("latin1") else "utf-8"
    headers = lambda pairs: http.Headers([(name.encode(), value.encode()) for name, value in pairs])
    made = http.HTTPFlow(client, server)
    made.request = http.Request(
        it["dst"][0], it["dst"][1], it["method"].encode(), it["scheme"].encode(), b"", it["path"].encode(), b"HTTP/1.1",
        headers(it["request_headers"]), it["request_body"].encode(), None, 1, 2,
    )
    if it["status"] is not None:
        body = it["response_body"].encode(encoding)
        if ["content-encoding", "gzip"] in it["response_headers"]:
            body = gzip.compress(body, mtime=0)
        made.response = http.Response(
            b"HTTP/1.1", it["status"], b"", headers(it["response_headers"]), body, None, 3, 4,
        )
    if "error" in it:
        made.error = flow.Error(it["error"])
    if "messages" in it:
        messages = [
            websocket.WebSocketMessage(Opcode.TEXT, from_client, content.encode()) for from_client, content in it["messages"]
        ]
        made.websocket = websocket.WebSocketData(messages)
    return made


def answer(text, flows):
    """The names of the flows that the filter selects, or None when it cannot be read."""
    try:
        parsed = flowfilter.parse(text)
    except ValueError:
        return None
    return [it["name"] for it, made in zip(FLOWS, flows) if parsed(made)]


def main():
    flows = [built(it) for it in FLOWS]
    answers = {
        "mitmproxy": version.VERSION,
        "ignores_case": hasattr(flowfilter, "maybe_ignore_case"),
        "flows": FLOWS,
        "same": [[text, answer(text, flows)] for text in FILTERS],
        "refused": [[text, answer(text, flows)] for text in REFUSED],
        "different": [[text, answer(text, flows)] for text in DIFFERENT],
    }
    unread = [text for text, found in answers["same"] if found is None]
    read = [text for text, found in answers["refused"] if found is not None]
    if unread or read:
        sys.exit(f"mitmproxy does not read {unread}, and reads {read}")
    lines = ",\n".join(f"{json.dumps(key)}: " + (
        "[\n" + ",\n".join("  " + json.dumps(item) for item in value) + "\n]" if isinstance(value, list) else json.dumps(value)
    ) for key, value in answers.items())
    print("{\n" + lines + "\n}")


main()
