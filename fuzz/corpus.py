#!/usr/bin/env python3
"""Writes the corpus of the fuzz targets: small inputs by hand, sound and odd ones, in the shape that each target reads.

In: nothing. Out: corpus/TARGET/NAME, next to this file. The same bytes in every run."""

import base64
import hashlib
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent / "corpus"


def put(target, **inputs):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in inputs.items():
        (folder / name).write_bytes(content)


def v8(content):
    return bytes([len(content)]) + content


def v16(content):
    return struct.pack(">H", len(content)) + content


def v24(content):
    return struct.pack(">I", len(content))[1:] + content


def numbers(*values):
    return b"".join(struct.pack(">H", value) for value in values)


def turns(*conversation):
    """Conversation as pairs of a side, `c` or `s`, and bytes."""
    return b"".join(
        struct.pack(">H", (0x8000 if side == "s" else 0) | len(content)) + content for side, content in conversation
    )


def halves(client, server):
    return v16(client) + server


# TLS ---------------------------------------------------------------------------------------------------------------


def extension(kind, content):
    return numbers(kind) + v16(content)


def server_name(name):
    return extension(0, v16(b"\0" + v16(name)))


def hello(version, ciphers, extensions=None):
    content = numbers(version) + bytes(32) + v8(bytes(range(32))) + v16(numbers(*ciphers)) + v8(b"\0")
    if extensions is not None:
        content += v16(b"".join(extensions))
    return b"\x01" + v24(content)


def records(message, size=16384):
    return b"".join(
        b"\x16\x03\x01" + v16(message[start : start + size]) for start in range(0, len(message), size)
    )


MODERN = hello(
    0x0303,
    (0x1A1A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F),
    [
        extension(0x2A2A, b""),
        server_name(b"registry.test"),
        extension(16, v16(v8(b"h2") + v8(b"http/1.1"))),
        extension(10, v16(numbers(0x3A3A, 0x11EC, 29, 23))),
        extension(13, v16(numbers(0x0403, 0x0804, 0x0401))),
        extension(43, v8(numbers(0x4A4A, 0x0304, 0x0303))),
        extension(51, v16(numbers(0x3A3A) + v16(b"\0") + numbers(29) + v16(bytes(32)))),
        extension(0xFE0D, bytes(40)),
        extension(35, bytes(16)),
        extension(41, bytes(24)),
    ],
)
OLD = hello(0x0301, (0x0005, 0x000A, 0x00FF))

def server_hello(version, suite, extensions=()):
    content = numbers(version) + bytes(32) + v8(b"") + numbers(suite) + b"\0"
    return b"\x02" + v24(content + (v16(b"".join(extensions)) if extensions else b""))


def flight_message(kind, content):
    return bytes([kind]) + v24(content)


FLIGHT_12 = (
    server_hello(0x0303, 0xC02F, [extension(16, v16(v8(b"h2"))), extension(5, b"")])
    + flight_message(11, v24(v24(b"\x30\x03\x02\x01\x05") + v24(b"\x30\x03\x02\x01\x06")))
    + flight_message(22, b"\x01" + v24(b"\x30\x03\x0a\x01\x00"))
    + flight_message(12, b"\x03" + numbers(29) + v8(bytes(32)) + numbers(0x0403) + v16(bytes(70)))
    + flight_message(13, v8(b"\x40") + v16(numbers(0x0403)) + v16(v16(b"\x30\x00")))
    + flight_message(14, b"")
)
FLIGHT_DH = (
    server_hello(0x0301, 0x0033)
    + flight_message(12, v16(b"\xff" * 64) + v16(b"\x02") + v16(b"\x05" * 64) + v16(bytes(70)))
    + flight_message(14, b"")
)
RETRY = server_hello(0x0303, 0x1301, [extension(43, numbers(0x0304)), extension(51, numbers(29))])
put(
    "server_flight",
    tls12=records(FLIGHT_12),
    small_records=records(FLIGHT_12, 7),
    half=records(FLIGHT_12)[:90],
    dh=records(FLIGHT_DH),
    tls13=records(RETRY) + b"\x14\x03\x03\x00\x01\x01",
    alert=b"\x15\x03\x03\x00\x02\x02\x28",
    not_tls=b"HTTP/1.1 400 Bad Request\r\n\r\n",
)

put(
    "client_hello",
    modern=records(MODERN),
    tiny_records=records(MODERN, 1),
    records_of_40=records(MODERN, 40),
    without_extensions=records(OLD),
    empty_records=b"\x16\x03\x01\0\0" * 3 + records(OLD),
    too_many_empty_records=b"\x16\x03\x01\0\0" * 12 + records(OLD),
    two_names=records(hello(0x0303, (0x1301,), [server_name(b"a.test"), server_name(b"b.test")])),
    odd_name=records(hello(0x0303, (0x1301,), [server_name(b"a\0.\xfftest")])),
    post_quantum=records(
        hello(0x0303, (0x1301,), [extension(51, v16(numbers(0x11EC) + v16(bytes(1216)))), server_name(b"pq.test")])
    ),
    followed_by_data=records(MODERN) + b"\x17\x03\x03\0\x05early",
    ssl2=b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10" + bytes(37),
    alert=b"\x15\x03\x03\0\x02\x02\x28",
    too_long=b"\x16\x03\x01\0\x04\x01\x01\0\x01",
    cut_extension=records(hello(0x0303, (0x1301,), [extension(16, b"\0\x09\x02h")])),
)

# The other ways in -------------------------------------------------------------------------------------------------

put(
    "connect",
    connect=b"CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
    ipv6=b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n",
    absolute=b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\nGET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
    with_body=b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET http://b.test/ HTTP/1.0\r\n\r\n",
    chunked=b"PUT http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    smuggling=b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    two_lengths=b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    bare_lf=b"GET / HTTP/1.1\nHost: a\n folded\nX : y\n\nrest",
    not_http=b"\x16\x03\x01\x02\0",
)
put(
    "socks5",
    greeting=b"\x05\x02\0\x02",
    credentials=b"\x01\x03ann\x06secret",
    ipv4=b"\x05\x01\0\x01\xc0\0\x02\x07\x01\xbb",
    ipv6=b"\x05\x01\0\x04" + bytes(15) + b"\x01\x01\xbb",
    name=b"\x05\x01\0\x03\x0dregistry.test\x13\x88",
    name_of_dots=b"\x05\x01\0\x03\x03...\x13\x88",
    bind=b"\x05\x02\0\x01\x7f\0\0\x01\0\x50",
    reply=b"\x05\0\0\x01\x7f\0\0\x01\x9c\x40",
    refusal=b"\x05\x05\0\x01\0\0\0\0\0\0",
    socks4a=b"\x04\x01\x01\xbb\0\0\0\x01ann\0registry.test\0",
)

# Upgrades to TLS ---------------------------------------------------------------------------------------------------

LDAP_ASK = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
LDAP_YES = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"
MYSQL = b"\x0a8.0.36\0\x09\0\0\0abcdefgh\0\xff\xff" + bytes(40)
XMPP = b"<?xml version='1.0'?><stream:stream to='a.test' xmlns:stream='http://etherx.jabber.org/streams'>"
SMTP = (("s", b"220 mail.test ESMTP\r\n"), ("c", b"EHLO c\r\n"), ("s", b"250-mail.test\r\n250 STARTTLS\r\n"))

put(
    "starttls",
    smtp=turns(*SMTP, ("c", b"STARTTLS\r\n"), ("s", b"220 go\r\n")),
    smtp_refused=turns(*SMTP, ("c", b"STARTTLS\r\n"), ("s", b"454 no\r\n"), ("c", b"QUIT\r\n")),
    smtp_early=turns(*SMTP, ("c", b"STARTTLS\r\n\x16\x03\x01\0\x01\x01"), ("s", b"220 go\r\n")),
    smtp_mail=turns(*SMTP, ("c", b"MAIL FROM:<a>\r\nDATA\r\n"), ("s", b"250 ok\r\n354 go\r\n")),
    lmtp=turns(("s", b"220 l\r\n"), ("c", b"LHLO c\r\nSTARTTLS\r\n"), ("s", b"250 l\r\n220 go\r\n")),
    imap=turns(("s", b"* OK hi\r\n"), ("c", b"a STARTTLS\r\n"), ("s", b"* x\r\na OK go\r\n")),
    pop3=turns(("s", b"+OK\r\n"), ("c", b"CAPA\r\nSTLS\r\n"), ("s", b"+OK\r\nSTLS\r\n.\r\n+OK go\r\n")),
    ftp=turns(("s", b"220-hi\r\n220 ftp\r\n"), ("c", b"AUTH TLS\r\n"), ("s", b"234 go\r\n")),
    nntp=turns(("s", b"200 n\r\n"), ("c", b"STARTTLS\r\n"), ("s", b"382 go\r\n")),
    sieve=turns(("s", b'"IMPLEMENTATION" "x"\r\nOK\r\n'), ("c", b"STARTTLS\r\n"), ("s", b"OK\r\n")),
    ldap=turns(("c", LDAP_ASK), ("s", LDAP_YES)),
    ldap_long_form=turns(("c", b"\x30\x84\0\0\0\x05\x02\x01\x07\x42\0" + LDAP_ASK), ("s", LDAP_YES)),
    xmpp=turns(("c", XMPP), ("s", XMPP), ("c", b"<starttls xmlns='a>b'/>"), ("s", b"<proceed/>")),
    postgres=turns(("c", b"\0\0\0\x08\x04\xd2\x16\x30"), ("s", b"N"), ("c", b"\0\0\0\x08\x04\xd2\x16\x2f"), ("s", b"S")),
    mysql=turns(("s", struct.pack("<I", len(MYSQL)) + MYSQL), ("c", b"\x20\0\0\x01\x85\xae\x0f\0" + bytes(28))),
)

# HTTP --------------------------------------------------------------------------------------------------------------

GET = b"GET /v2/ HTTP/1.1\r\nHost: registry.test\r\nUser-Agent: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


def chunks(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def gzip(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def deflated(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


HTTP1 = {
    "simple": (GET, OK),
    "pipelined": (GET * 3, OK * 3),
    "head": (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + OK),
    "continue": (
        b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\n\r\n",
    ),
    "chunked_gzip": (
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(gzip(b"hello" * 9)),
    ),
    "trailers": (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\nDigest: y\r\n\r\n"),
    "until_close": (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    "length_and_chunked": (
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
        OK + OK,
    ),
    "two_lengths": (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    "bare_lf": (b"GET / HTTP/1.1\nHost: a\n\n", b"HTTP/1.1 204 No Content\nX : y\n folded\n\n"),
    "bad_chunk": (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx"),
    "websocket": (
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x82\x01\x02\x03\x04ik",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi",
    ),
    "h2c": (
        b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x88",
    ),
    "connect": (b"CONNECT a.test:80 HTTP/1.1\r\n\r\n" + GET, b"HTTP/1.1 200 Connection established\r\n\r\n" + OK),
    "events": (
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\nevent: a\ndata: x\ndata: y\n\n: note\r\rdata:z\r\n\r\n",
    ),
    "response_first": (b"", OK + GET),
    "not_http": (b"\x00\x01\x02", b"\xff\xfe"),
    "cut": (GET, OK[:40]),
}
put("http1", **{name: halves(client, server) for name, (client, server) in HTTP1.items()})
put("local_port", **{name: turns(("c", client), ("s", server)) for name, (client, server) in HTTP1.items()})
put(
    "local_port",
    registry=turns(
        ("c", b"GET /v2/a/b/manifests/1?ns=r.test HTTP/1.1\r\nHost: 127.0.0.1:1\r\nReferer: http://127.0.0.1:1/v2/\r\n\r\n"),
        ("s", b'HTTP/1.1 401 no\r\nWWW-Authenticate: Bearer realm="https://t.test:8443/token?x=y",service="r"\r\nContent-Length: 2\r\n\r\n{}'),
        ("c", b"GET /v2/a/b/blobs/sha256:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"),
        ("s", b"HTTP/1.1 307 go\r\nLocation: HTTPS://[::1]:5/store?sig=https://x\r\nLink: <https://r.test/v2/>; rel=next\r\nContent-Length: 0\r\n\r\n"),
    ),
    odd=turns(
        ("c", GET),
        ("s", b"HTTP/1.1 401 no\r\nWWW-Authenticate: Bearer realm=https://t.test, realm=\"https://\"\r\nLocation:\r\nLink: <\r\n\r\n"),
    ),
)


# HTTP/2 ------------------------------------------------------------------------------------------------------------


def frame(kind, flags, stream, content=b""):
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def field(name, value):
    return b"\x40" + v8(name) + v8(value)


REQUEST = b"\x82\x87\x84\x41\x0dregistry.test" + field(b"x-id", b"1")
# `www.example.com` in the Huffman code of RFC 7541 appendix C.4.1, with :method, :scheme and :path from the static table.
HUFFMAN = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")
ANSWER = b"\x88" + field(b"content-type", b"text/plain")

H2 = {
    "get": (frame(1, 5, 1, REQUEST), frame(1, 4, 1, ANSWER) + frame(0, 1, 1, b"hello")),
    "huffman": (frame(1, 5, 1, HUFFMAN), frame(1, 5, 1, b"\x89")),
    "post_and_trailers": (
        frame(1, 4, 1, b"\x83\x87\x84") + frame(0, 0, 1, b"ab") + frame(0, 1, 1, b"cd"),
        frame(1, 4, 1, ANSWER) + frame(0, 0, 1, b"x") + frame(1, 5, 1, field(b"digest", b"y")),
    ),
    "two_streams": (
        frame(1, 5, 1, REQUEST) + frame(1, 5, 3, b"\x82\x87\x85\xbf"),
        frame(1, 4, 3, ANSWER) + frame(1, 4, 1, b"\x88\xbe") + frame(0, 1, 1, b"one") + frame(0, 1, 3, b"two"),
    ),
    "continuation": (
        frame(1, 1, 1, REQUEST[:5]) + frame(9, 0, 1, REQUEST[5:9]) + frame(9, 4, 1, REQUEST[9:]),
        frame(1, 5, 1, b"\x88"),
    ),
    "padded_with_priority": (
        frame(1, 0x2D, 1, b"\x02" + bytes(5) + REQUEST + bytes(2)),
        frame(1, 4, 1, ANSWER) + frame(0, 9, 1, b"\x03hi" + bytes(3)),
    ),
    "interim": (frame(1, 5, 1, REQUEST), frame(1, 4, 1, b"\x08\x03103") + frame(1, 5, 1, b"\x88")),
    "push": (
        frame(1, 5, 1, REQUEST),
        frame(5, 4, 1, struct.pack(">I", 2) + REQUEST) + frame(1, 5, 2, ANSWER) + frame(1, 5, 1, b"\x88"),
    ),
    "reset": (frame(1, 5, 1, REQUEST) + frame(3, 0, 1, struct.pack(">I", 8)), frame(1, 4, 1, ANSWER)),
    "goaway": (frame(1, 5, 1, REQUEST), frame(7, 0, 0, struct.pack(">II", 0, 11) + b"enhance your calm")),
    "settings_and_window": (
        frame(4, 0, 0, struct.pack(">HIHI", 1, 0, 4, 1)) + frame(8, 0, 0, struct.pack(">I", 9)) + frame(1, 5, 1, REQUEST),
        frame(4, 1, 0) + frame(6, 0, 0, bytes(8)) + frame(1, 5, 1, b"\x20\x88"),
    ),
    "unknown_table_entry": (frame(1, 5, 1, b"\x82\x87\x84\xc5\xff\x05"), frame(1, 5, 1, b"\x88")),
    "too_large_a_frame": (b"\xff\xff\xff\x01\x04\0\0\0\x01" + REQUEST, b""),
    "websocket": (
        frame(1, 4, 1, b"\x02\x07CONNECT\x87\x84" + field(b":protocol", b"websocket")) + frame(0, 0, 1, b"\x81\x80\0\0\0\0"),
        frame(1, 4, 1, b"\x88") + frame(0, 1, 1, b"\x81\x02hi"),
    ),
}
put("http2", **{name: halves(client, server) for name, (client, server) in H2.items()})


# Content codings ---------------------------------------------------------------------------------------------------

# `hello hello hello` by the tools brotli and zstd.
BROTLI = bytes.fromhex("1b1000f88d946ede445586966c206f014f1c601c")
ZSTD = bytes.fromhex("28b52ffd24116500003068656c6c6f200100314a11a2ed1e0c")
put(
    "content_coding",
    gzip=b"\0" + gzip(b"hello" * 40),
    gzip_twice_over=b"\0" + gzip(b"hello") + gzip(b"there"),
    gzip_cut=b"\0" + gzip(bytes(range(200)))[:-30],
    gzip_bomb=b"\0" + gzip(bytes(100000)),
    gzip_wrong_sum=b"\0" + gzip(b"hello")[:-8] + bytes(8),
    deflate=b"\1" + zlib.compress(b"hello" * 40),
    deflate_raw=b"\1" + deflated(b"hello" * 40),
    brotli=b"\2" + BROTLI,
    brotli_cut=b"\2" + BROTLI[:-3],
    zstd=b"\3" + ZSTD,
    zstd_cut=b"\3" + ZSTD[:-5],
    stacked=b"\4" + gzip(BROTLI),
    too_many=b"\6" + gzip(b"x"),
    unknown=b"\7hello",
)

# WebSocket and gRPC ------------------------------------------------------------------------------------------------


def masked(head, content, key=b"\x01\x02\x03\x04"):
    hidden = bytes(byte ^ key[index % 4] for index, byte in enumerate(content))
    return bytes([head, 0x80 | len(content)]) + key + hidden


HELLO = deflated(b"hello hello hello")
put(
    "websocket",
    text=b"\0" + halves(masked(0x81, b"hello"), b"\x81\x05there"),
    fragments=b"\0" + halves(masked(0x01, b"hel") + masked(0x89, b"?") + masked(0x80, b"lo"), b"\x8a\x01?"),
    deflated=b"\x01" + halves(masked(0xC1, HELLO) + masked(0xC1, HELLO), b"\xc1" + v8(HELLO)),
    deflated_alone=b"\x02" + halves(masked(0xC1, HELLO) + masked(0xC1, HELLO), b"\xc2" + v8(HELLO)),
    small_window=b"\x03" + halves(masked(0xC1, HELLO), b"\x41" + v8(HELLO[:4]) + b"\x80" + v8(HELLO[4:])),
    bomb=b"\x01" + halves(masked(0xC2, deflated(bytes(20000))), b""),
    close=b"\0" + halves(masked(0x88, b"\x03\xe8bye"), b"\x88\x02\x03\xe8"),
    long=b"\0" + halves(b"", b"\x82\x7e\x01\x00" + bytes(256) + b"\x82\x7f" + bytes(6) + b"\x01\x00" + bytes(256)),
    unmasked=b"\0" + halves(b"\x81\x02hi", masked(0x81, b"hi")),
    reserved=b"\0" + halves(masked(0xB1, b"x"), b"\x83\x01x"),
    bad_close=b"\0" + halves(masked(0x88, b"\x01"), b""),
    bad_deflate=b"\x01" + halves(masked(0xC1, b"\xff\xff\xff"), b""),
)


def message(content, flag=0):
    return bytes([flag]) + struct.pack(">I", len(content)) + content


put(
    "grpc",
    unary=b"\x3f" + halves(message(b"\x0a\x03abc"), message(b"\x0a\x03def")),
    small_frames=b"\0" + halves(message(b"hello"), message(b"there")),
    stream=b"\x05" + halves(b"".join(message(bytes(n)) for n in range(5)), message(b"") * 3),
    compressed=b"\x3f" + halves(message(gzip(b"hello"), 1), message(b"x", 1)),
    cut=b"\x3f" + halves(message(b"hello")[:7], message(b"x")[:2]),
    odd_flag=b"\x3f" + halves(message(b"x", 7), b""),
    huge=b"\x3f" + halves(b"\0\xff\xff\xff\xff" + b"x" * 600, b""),
)

# Conversations of any kind -----------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
put(
    "flow_decoder",
    http1=turns(("c", GET), ("s", OK), ("c", GET), ("s", OK)),
    interleaved=turns(("c", GET[:9]), ("s", OK[:20]), ("c", GET[9:]), ("s", OK[20:])),
    h2c=turns(("c", PREFACE + frame(1, 5, 1, REQUEST)), ("s", frame(4, 0, 0) + frame(1, 5, 1, b"\x88"))),
    h2_midway=turns(("s", frame(0, 0, 5, b"data")), ("c", frame(1, 5, 7, REQUEST)), ("s", frame(1, 5, 7, b"\xbe"))),
    upgrade=turns(("c", HTTP1["websocket"][0]), ("s", HTTP1["websocket"][1])),
    tunnel=turns(("c", HTTP1["connect"][0][:30]), ("s", HTTP1["connect"][1][:39]), ("c", GET), ("s", OK)),
    ssh=turns(("s", b"SSH-2.0-a\r\n"), ("c", b"SSH-2.0-b\r\n"), ("s", bytes(40))),
    redis=turns(("c", b"*1\r\n$4\r\nPING\r\n"), ("s", b"+PONG\r\n")),
    dns=turns(("c", b"\0\x1a\x12\x34\x01\0\0\x01" + bytes(6) + b"\x08registry\0\0\x01\0\x01")),
    kafka=turns(("c", b"\0\0\0\x11\0\x12\0\x03\0\0\0\x01\0\x05kafka\0\0")),
    server_first=turns(("s", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
)

# Stores of certificates --------------------------------------------------------------------------------------------


def pem(label, content):
    text = base64.b64encode(content)
    lines = b"\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, lines, label)


ONE, TWO = pem(b"CERTIFICATE", bytes(range(100))), pem(b"CERTIFICATE", b"two")
put(
    "pem",
    two=ONE + TWO,
    crlf=(ONE + TWO).replace(b"\n", b"\r\n"),
    joined=ONE[:-1] + TWO,
    missing_end=ONE[:-27] + TWO,
    bad_base64=ONE.replace(b"AAEC", b"AA*C") + TWO,
    headers=pem(b"RSA PRIVATE KEY", b"key").replace(b"-----\na", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,\n B\n\na"),
    indented=b"  " + ONE.replace(b"\n", b"\n  ") + TWO,
    bom=b"\xef\xbb\xbf" + ONE + b"\xef\xbb\xbf" + TWO,
    utf16=ONE.decode().encode("utf-16"),
    der=b"\x30\x82\x01\x02" + bytes(20),
    other_label=ONE.replace(b"END CERTIFICATE", b"END X509 CERTIFICATE"),
    text=b"# a comment\nsubject=CN = a\n" + ONE + b"and more",
)


def utf(text):
    return v16(text)


def jks(*entries, version=2, count=None, password="changeit"):
    data = b"\xfe\xed\xfe\xed" + struct.pack(">II", version, len(entries) if count is None else count) + b"".join(entries)
    return data + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + data).digest()


def stored(content):
    return utf(b"X.509") + struct.pack(">I", len(content)) + content


ROOT = struct.pack(">I", 2) + utf(b"root") + struct.pack(">q", 1795372833123) + stored(b"\x30\x03abc")
KEY = struct.pack(">I", 1) + utf(b"k\xc3\xbc") + bytes(8) + struct.pack(">I", 6) + b"sealed" + struct.pack(">I", 1) + stored(b"leaf")
put(
    "jks",
    two=jks(ROOT, KEY),
    empty=jks(),
    wrong_password=jks(ROOT, password="other"),
    cut=jks(ROOT, KEY)[:-40],
    version_1=jks(struct.pack(">I", 2) + utf(b"a") + bytes(8) + struct.pack(">I", 2) + b"\1\2", version=1),
    unknown_tag=jks(ROOT, struct.pack(">I", 3) + utf(b"s")),
    hostile_count=jks(ROOT, count=0xFFFFFFFF),
    odd_name=jks(ROOT.replace(b"root", b"\xed\xa0\xbd\xff")),
    far_date=jks(ROOT.replace(struct.pack(">q", 1795372833123), b"\x7f" + b"\xff" * 7)),
    jceks=b"\xce\xce\xce\xce" + jks(ROOT)[4:],
    trailing=jks(ROOT)[:-20] + b"rest" + bytes(20),
)

# The smallest root that is in use, as an example of a certificate that parsers accept.
SMALL_ROOT = base64.b64decode(
    "MIIBtjCCAVugAwIBAgITBmyf1XSXNmY/Owua2eiedgPySjAKBggqhkjOPQQDAjA5MQswCQYDVQQGEwJVUzEPMA0GA1UEChMGQW1h"
    "em9uMRkwFwYDVQQDExBBbWF6b24gUm9vdCBDQSAzMB4XDTE1MDUyNjAwMDAwMFoXDTQwMDUyNjAwMDAwMFowOTELMAkGA1UEBhMC"
    "VVMxDzANBgNVBAoTBkFtYXpvbjEZMBcGA1UEAxMQQW1hem9uIFJvb3QgQ0EgMzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCmX"
    "p8ZBf8ANm+gBG1bG8lKlui2yEujSLtf6ycXYqm0fc4E7O5hrOXwzpcVOho6AF2hiRVd9RFgdszflZwjrZt6jQjBAMA8GA1UdEwEB"
    "/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgGGMB0GA1UdDgQWBBSrttvXBp43rDCGB5Fwx5zEGbF4wDAKBggqhkjOPQQDAgNJADBGAiEA"
    "4IWSoxe3jfkrBqWTrBqYaGFy+uGh0PsceGCmQ5nFuMQCIQCcAu/xlJyzlvnrxir4tiz+OpAUFteMYyRIHN8wfdVoOw=="
)


def element(tag, content):
    size = len(content)
    head = bytes([size]) if size < 128 else b"\x82" + struct.pack(">H", size)
    return bytes([tag]) + head + content


def zip_member(name, content, streamed):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    sizes = struct.pack("<II", len(packed), len(content))
    head = b"PK\3\4\x14\0" + bytes([8 * streamed, 0, 8, 0]) + bytes(8) + (bytes(8) if streamed else sizes)
    return head + struct.pack("<HH", len(name), 0) + name + packed + (b"PK\7\8" + bytes(4) + sizes if streamed else b"")


SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
AUX = element(0x30, element(0x30, bytes.fromhex("06082b06010505070301")) + element(0x0C, b"alias"))
EDK2 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
BKS = struct.pack(">II", 2, 20) + bytes(20) + struct.pack(">I", 1024) + b"\1" + v16(b"root") + bytes(8) + bytes(4)
BLOCK = pem(b"CERTIFICATE", SMALL_ROOT)
# The first byte chooses the path: a bundle, any file, a source, an anchor, settings.
put(
    "trust_store",
    bundle=b"\0" + ONE + BLOCK + BLOCK[:-1] + BLOCK,
    anchor=b"\3" + pem(b"TRUSTED CERTIFICATE", SMALL_ROOT + AUX),
    der=b"\1" + SMALL_ROOT,
    pkcs7=b"\1" + element(0x30, SIGNED_DATA + element(0xA0, element(0x30, b"\2\1\1" + element(0xA0, SMALL_ROOT)))),
    pkcs12=b"\1" + element(0x30, b"\2\1\3" + element(0x30, bytes.fromhex("06092a864886f70d010701") + element(0xA0, b"\4\2\x30\0"))),
    jks=b"\1" + jks(struct.pack(">I", 2) + utf(b"root") + bytes(8) + stored(SMALL_ROOT), KEY),
    bks=b"\1" + BKS + stored(SMALL_ROOT) + bytes(21),
    edk2=b"\1" + EDK2 + struct.pack("<III", 44 + len(SMALL_ROOT), 0, 16 + len(SMALL_ROOT)) + bytes(16) + SMALL_ROOT,
    p11_kit=b"\1[p11-kit-object-v1]\nlabel: \"a\"\ntrusted: true\n" + BLOCK + b"[p11-kit-object-v1]\nobject-id: 2.5.29.37\nvalue: \"%30%00\"\n",
    elf=b"\1\x7fELF" + bytes(99) + SMALL_ROOT + b"OPENSSLDIR: \"/x\"\0libssl.so.3\0" + BLOCK + b"\xff Go buildinf:\x08\2" + bytes(16) + b"\6go1.27\0",
    literal=b"\2x = " + BLOCK.replace(b"\n", b'\\n" +\n  "') + b'";',
    script=b"\1#!/bin/sh\nSSL_CERT_FILE=/x\n" + BLOCK,
    settings=b"\4insecure\n",
    zip=b"\1" + zip_member(b"a.txt", b"text", True) + zip_member(b"cacert.pem", BLOCK, True) + zip_member(b"b.crt", BLOCK, False) + b"PK\1\2",
    key=b"\1" + pem(b"PRIVATE KEY", element(0x30, b"\2\1\0" + element(0x30, bytes.fromhex("06032b6570")) + element(4, element(4, bytes(32))))),
    sqlite=b"\1SQLite format 3\0" + bytes(80) + b"nssPublic" + bytes(500),
)

put(
    "filter",
    mitmproxy=rb"""~d registry.test & (~m GET | ~m POST) & !~c 200 | ~hq "^authorization: Bearer" ~bs 'a \'b\\'""",
    numbers=b"~size > 1.5MB ~ttfb 200ms..1h30m ~tls < 1.3 & ~c 4xx | ~grpc != unavailable & ~expires -5d..2026-12-01",
    times=b"~at 22:00..06:00 | ~at 2026-11-22T12:00..12:05Z ~at != 12:05:30.25 & !~at <= 2026-11-22",
    words=b"~cause root_not_trusted & ~fault server ~fate relayed ~registry push ~anomaly bare_lf ~cert 5a:03:9F ~mode explicit",
    quotes="\"x\\\"y\\d\" ~u 'gr\u00f6\u00dfe' (a|b) ! !c&&d||e".encode(),
    errors=b"~hdr x & ~u \"a(\" | ~c abc ) (",
)


def ipv4(payload, protocol=6, fragment=0, length=None):
    length = 20 + len(payload) if length is None else length
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, fragment, 64, protocol, 0, b"\xc0\0\2\1", b"\xc0\0\2\2")
    return head + payload


def ipv6(payload, following=6):
    return struct.pack(">IHBB", 0x60000000, len(payload), following, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + payload


def tcp(payload=b"", flags=0x18, options=b""):
    offset = (20 + len(options)) // 4 << 4
    return struct.pack(">HHIIBBHHH", 40000, 443, 0xFFFFFFF0, 7, offset, flags, 65535, 0, 0) + options + payload


UDP = struct.pack(">HHHH", 40000, 443, 11, 0) + b"abc"
ETHERNET = bytes(12)

put(
    "packet",
    raw_ipv4=b"\0" + ipv4(tcp(b"hello")),
    raw_ipv6=b"\0" + ipv6(tcp(b"hello")),
    syn=b"\0" + ipv4(tcp(flags=2, options=b"\2\4\5\xb4\1\1\4\2")),
    ethernet=b"\1" + ETHERNET + b"\x08\0" + ipv4(tcp(b"hello")) + bytes(6),
    vlan=b"\1" + ETHERNET + b"\x81\0\0\5\x88\xa8\0\6\x86\xdd" + ipv6(tcp(b"x")),
    null=b"\2\2\0\0\0" + ipv4(tcp(b"x")),
    cooked=b"\4" + bytes(14) + b"\x08\0" + ipv4(UDP, 17),
    cooked_2=b"\5" + b"\x86\xdd" + bytes(18) + ipv6(UDP, 17),
    extensions=b"\0" + ipv6(b"\x2c\0" + bytes(6) + b"\6\0\0\0\0\0\0\1" + tcp(b"x"), 0),
    fragment=b"\0" + ipv4(b"rest", fragment=0x2003),
    no_length=b"\0" + ipv4(tcp(b"hello"), length=0),
    cut=b"\xf0" + ipv4(tcp(b"hello"), length=60),
)


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code, value, order="<"):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order="<", options=b""):
    return block(1, struct.pack(order + "HHI", 101, 0, 65535) + options, order)


def captured(content, order="<", options=b""):
    head = struct.pack(order + "IIIII", 0, 5, 9, len(content), len(content))
    return block(6, head + content + bytes(-len(content) % 4) + options, order)


PACKET = ipv4(tcp(b"hello"))
COMMENTED = option(1, b"sidelight: connection 1, client leg") + bytes(4)
SECRET = b"CLIENT_RANDOM " + b"0a" * 32 + b" " + b"0b" * 48 + b"\n"
NAMED = option(1, b"\xc0\0\2\1a.test\0") + option(2, bytes(15) + b"\1b.test\0c.test\0") + bytes(4)

put(
    "pcapng",
    whole=section() + interface() + captured(PACKET, options=COMMENTED),
    big_endian=section(">") + interface(">", option(9, b"\x8a", ">") + option(14, bytes(7) + b"d", ">")) + captured(PACKET, ">"),
    secrets=section() + block(10, struct.pack("<II", 0x544C534B, len(SECRET)) + SECRET) + interface() + captured(PACKET),
    names=section() + block(4, NAMED) + block(5, bytes(12)),
    simple=section() + interface() + block(3, struct.pack("<I", len(PACKET)) + PACKET),
    obsolete=section() + interface() + block(2, struct.pack("<HHIIII", 0, 0, 5, 9, 4, 4) + b"abcd"),
    no_interface=section() + captured(PACKET),
    unknown=section() + block(0xBAD, b"what") + section(">"),
    bad_length=section() + struct.pack("<II", 6, 13) + bytes(20),
    cut=(section() + interface() + captured(PACKET))[:-9],
    classic=struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + struct.pack("<IIII", 5, 9, len(PACKET), len(PACKET)) + PACKET,
    nanoseconds=struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1) + struct.pack(">IIII", 5, 9, 4, 40) + b"abcd",
)

put(
    "key_log",
    tls_1_2=b"# a comment\n" + SECRET,
    tls_1_3=b"".join(b"%s %s %s\r\n" % (label, b"0A" * 32, b"ff" * 48) for label in (b"CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"SERVER_TRAFFIC_SECRET_0")),
    odd=b"\n\nCLIENT_RANDOM 00 11\nlabel-x " + b"00" * 32 + b" 00\nA B\n" + b"z" * 1100 + b"\nOK\t" + b"00" * 32 + b"  ab",
)


# Views -------------------------------------------------------------------------------------------------------------


def shown(kind, how, content):
    """Content with the number of its declared type, as in `src/sinks/views.rs`, and how it is shown."""
    return bytes([kind, how]) + content


TAR = b"etc/motd".ljust(100, b"\0") + b"0000644\0" * 3 + b"00000000005\0" + b"14712351055\0" + bytes(8) + b"0"
TAR = (TAR.ljust(257, b"\0") + b"ustar\x0000").ljust(512, b"\0") + b"hello".ljust(512, b"\0") + bytes(1024)
GZIP = zlib.compressobj(9, zlib.DEFLATED, 31)
GZIP = GZIP.compress(TAR) + GZIP.flush()
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: %s\r\n\r\n%s\r\n'
TOKEN = b".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"ES256"}', b'{"exp":1795372833,"a":[1]}', b"sig")
)

put(
    "views",
    json=shown(1, 1, b'{"a":[1,2.50,{}],"token":"s3cret","a":{"b":null,"c":"\\u00e9 {"}}\n[]\n"x"'),
    json_cut=shown(1, 2, b'{"a":[{"b":"cut in the mi'),
    json_secret=shown(0, 0, b'{"password":"hunter2","token":123456,"tokens":["a"]}'),
    form=shown(2, 0, b"grant_type=password&pass%77ord=hunter2&data=%7B%22a%22%3A1%7D&&x"),
    multipart=shown(3, 0, PART % (b"meta", b"application/json", b'{"a":1}') + PART % (b"password", b"text/plain", b"x") + b"--b--\r\n"),
    xml=shown(4, 0, b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x ">">]><a b=\'>\'><!-- n --><c>&x;</c><d/><![CDATA[<e>]]></a>'),
    html=shown(5, 0, b"<!doctype html><html><head><meta a=b><script>if (a<b) c()</script></head><p>one<br>two</html>"),
    grpc=shown(6, 0, b"\0\0\0\0\x07\x0a\x05world\0\0\0\0\x03\x10\x96\x01\x01\0\0\0\x02xy"),
    grpc_web=shown(17, 0, base64.b64encode(b"\0\0\0\0\x02\x08\x01") + base64.b64encode(b"\x80\0\0\0\x0egrpc-status: 0")),
    protobuf=shown(7, 0, b"\x0a\x05hello\x12\x06\x0a\x04\x08\x01\x10\x02\x1b\x08\x01\x1c\x25\0\0\x80\x3f\x31" + bytes(8) + b"\x3a\x09cut"),
    delimited=shown(18, 2, b"\x02\x08\x01\x04\x0a\x02ab\x09\x08"),
    msgpack=shown(8, 0, bytes.fromhex("88a2696407a47461677392a161c40200ffa27069cb400c000000000000a46e6f6e65c0a36e6567d1fed4a16580a5746f6b656ea6733363726574a47768656ed7ff00000fa06b033721")),
    msgpack_deep=shown(8, 0, b"\x91" * 300),
    cbor=shown(9, 0, bytes.fromhex("bf6346756ef563416d7421ff") + bytes.fromhex("5f42010243030405ff") + bytes.fromhex("c11a514b67b0f90001")),
    png=shown(10, 2, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + bytes(9)),
    jwt=shown(11, 0, TOKEN),
    pem=shown(12, 1, b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"),
    gzip=shown(13, 0, GZIP),
    tar=shown(14, 4, TAR),
    zip=shown(15, 0, bytes.fromhex("504b03041400000000000000210086a61036050000000500000005000000612e74787468656c6c6f504b010214031400000000000000210086a610360500000005000000050000000000000000000000800100000000612e747874504b05060000000001000100330000002800000000 00".replace(" ", ""))),
    utf16=shown(16, 0, "né\n".encode("utf-16-le")),
    hex=shown(0, 0x20, bytes(range(256)) + b"token=0123456789abcdef"),
    raw=shown(1, 0x18, b'{"a":1, "long": "' + b"x" * 200 + b'"}'),
)

ENTRY = b'{"startedDateTime":"2026-11-22T18:40:33.000Z","time":"3","request":{"method":"GET","url":"https://a.test/?a=b","headers":[{"name":":path","value":"/?a=b"},{"name":"x","value":"?","_base64":"/w=="}],"bodySize":null},"response":{"status":"200","content":{"size":3,"text":"YWJj","encoding":"base64","_cut":4}},"timings":{"send":1,"wait":-1},"_webSocketMessages":[{"type":"send","time":1.5,"opcode":1,"data":"x"}]}'
ARCHIVE = b'{"log":{"version":"1.2","creator":{"name":"WebInspector"},"pages":[{"entries":[]}],"entries":[' + ENTRY + b',7,\n{"a":"}]"}]}}'

put(
    "har",
    whole=ARCHIVE,
    cut=ARCHIVE[:300],
    surrogate=b'{"log":{"entries":[{"request":{"method":"a\\ud800\\u00e9\n"}}]}}',
    no_entries=b'{"log":{"entries":{}},"entries":[{}]}',
    order=b'\xef\xbb\xbf {"x":[{"log":{}}],"log":{"entries":[{}],"creator":{"name":"late"}}}',
)

put(
    "content_log",
    request=b"@ 2026-11-22T18:40:33.000001Z 1/3 127.0.0.1:5 -> a.test:443 request url=https://a.test/x%20y us=1 bytes=5\nhello\n\n",
    connection=b"@ 2026-11-22T18:40:33.000001Z 1/- - -- - connection escaped=1 bytes=3\n\\x40\n",
    escapes=b"\x1b[2J\n@ 2026\xff\\x41\r\xe2\x80\xaex\\u{61}",
)


def segment(side_and_flags, seq, ack, length, missing=0, ticks=1):
    """A segment of the target tcp: bit 0 is the side, bit 1 says that `ack` counts; 4 is SYN, 8 FIN, 12 RST."""
    return struct.pack(">BHHBBB", side_and_flags, seq, ack, length, missing, ticks)


# Number 0x8000 is 0: these streams wrap around in their first bytes.
FIRST = 0x7FFF
BEGIN = segment(4, FIRST, 0, 0)
put(
    "tcp",
    whole=BEGIN + segment(7, 100, FIRST + 1, 0) + segment(2, FIRST + 1, 101, 20) + segment(3, 101, FIRST + 21, 50)
    + segment(10, FIRST + 21, 151, 0) + segment(11, 151, FIRST + 22, 0),
    mixed=BEGIN + segment(2, FIRST + 41, 1, 20) + segment(2, FIRST + 1, 1, 30) + segment(2, FIRST + 21, 1, 20)
    + segment(2, FIRST + 11, 1, 60),
    gap=BEGIN + segment(2, FIRST + 41, 1, 20, 10) + segment(3, 5, FIRST + 60, 0, 0, 50) + segment(3, 5, FIRST + 60, 0, 0, 60)
    + segment(12, FIRST + 61, 0, 0),
    midway=segment(3, 5, FIRST + 60, 9) + segment(2, FIRST + 62, 14, 5) + segment(2, FIRST + 60, 14, 5),
)


def tar_entry(name, content=b"", kind=b"0", target=b"", **fields):
    """One tar entry."""
    header = bytearray(512)
    header[0 : len(name)] = name
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % fields.get("size", len(content))
    header[156:157] = kind
    header[157 : 157 + len(target)] = target
    header[257:265] = b"ustar\00000" if kind in b"xg" else b"ustar  \0"
    if "sparse" in fields:
        for index, number in enumerate(fields["sparse"]):
            header[386 + 12 * index : 398 + 12 * index] = b"%011o\0" % number
        header[483:495] = b"%011o\0" % fields["real"]
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    return bytes(header) + content + bytes(-len(content) % 512)


def pax(**records):
    """A PAX header of these records."""
    text = b""
    for key, value in records.items():
        body = b" %s=%s\n" % (key.replace("_", ".").encode(), value)
        length = len(body) + 2 if len(body) + 2 < 100 else len(body) + 3
        text += b"%d" % length + body
    return tar_entry(b"pax", text, b"x")


def sha256_name(content):
    return b"blobs/sha256/" + hashlib.sha256(content).hexdigest().encode()


def oci_archive(layer, stored):
    """An OCI archive of one layer, with manifest.json beside the index."""
    diff_id, digest = (hashlib.sha256(content).hexdigest() for content in (layer, stored))
    config = b'{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:%s"]}}' % diff_id.encode()
    describe = lambda content: b'{"digest":"sha256:%s","size":%d}' % (hashlib.sha256(content).hexdigest().encode(), len(content))
    manifest = b'{"schemaVersion":2,"config":%s,"layers":[%s]}' % (describe(config), describe(stored))
    files = [(sha256_name(content), content) for content in (stored, config, manifest)]
    files += [(b"oci-layout", b"{}"), (b"index.json", b'{"manifests":[%s]}' % describe(manifest))]
    return b"".join(tar_entry(*file) for file in files)


ROOT = tar_entry(b"etc/a", b"one") + tar_entry(b"etc/l", b"", b"2", b"a") + tar_entry(b"etc/h", b"", b"1", b"etc/a")
LAYER = tar_entry(b"etc/a", b"one") + bytes(1024)
put(
    "image",
    root=ROOT + bytes(1024),
    gzip=zlib.compress(ROOT, wbits=31) + zlib.compress(bytes(1024), wbits=31),
    pax=pax(path=b"long/name", size=b"4") + tar_entry(b"short", b"four"),
    gnu=tar_entry(b"././@LongLink", b"a/long/name\0", b"L") + tar_entry(b"a", b"x"),
    sparse=tar_entry(b"s", b"abcd", b"S", size=4, sparse=(0, 2, 10, 2), real=20),
    sparse_pax=pax(GNU_sparse_major=b"1", GNU_sparse_name=b"s", GNU_sparse_realsize=b"9")
    + tar_entry(b"x", (b"1\n3\n2\n" + bytes(505)) + b"ab"),
    links=tar_entry(b"a", b"", b"2", b"../..") + tar_entry(b"a/b/../c", b"x") + tar_entry(b"../d", b"x"),
    oci=oci_archive(LAYER, LAYER),
    oci_gzip=oci_archive(LAYER, zlib.compress(LAYER, wbits=31)),
    cut=ROOT[:600],
)

# What came with trust and diagnosis --------------------------------------------------------------------------------

put(
    "registry",
    challenge=b'Bearer realm="https://t.test/token",service="s",scope="repository:a/b:pull", Basic realm=x',
    token=b'{"token":"abc","expires_in":300,"refresh_token":"r"}',
    errors=b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown","detail":{}}]}',
    logins=b'{"auths":{"r.test":{"auth":"dTpw"}},"credHelpers":{"r.test":"pass"},"credsStore":"../x"}',
    helper=b'{"ServerURL":"r.test","Username":"u","Secret":"s"}',
    reference=b"r.test:5000/team/app:1@sha256:" + b"0" * 64,
)
CHALLENGED = b'''HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Bearer realm="http://r.test/token",service="r"\r\nContent-Length: 0\r\n\r\n'''
DIGEST = b"sha256:" + b"0" * 64
put(
    "registry_traffic",
    pull=b"\0"
    + turns(
        ("c", b"GET /v2/ HTTP/1.1\r\nHost: r.test\r\nUser-Agent: docker/20.10\r\n\r\n"),
        ("s", CHALLENGED),
        ("c", b"GET /token?service=r&scope=repository%3Aa%3Apull HTTP/1.1\r\nHost: r.test\r\nUser-Agent: docker/20.10\r\n\r\n"),
        ("s", b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"token":"e30.e30.c2lnbmVk"}'),
        ("c", b"GET /v2/a/manifests/1 HTTP/1.1\r\nHost: r.test\r\nAuthorization: Bearer e30.e30.c2lnbmVk\r\n\r\n"),
        ("s", b'HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n{"schemaVersion":2,"layers":[{"digest":"sha256:1"}],"config":{"digest":"x:y"}}'),
        ("c", b"GET /v2/a/blobs/" + DIGEST + b" HTTP/1.1\r\nHost: r.test\r\n\r\n"),
        ("s", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /s3?sig=x\r\nContent-Length: 0\r\n\r\n"),
        ("c", b"GET /s3?sig=x HTTP/1.1\r\nHost: r.test\r\n\r\n"),
        ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
    ),
    push=b"\0"
    + turns(
        ("c", b"HEAD /v2/a/blobs/" + DIGEST + b" HTTP/1.1\r\nHost: r.test\r\n\r\n"),
        ("s", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ("c", b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r.test\r\nContent-Length: 0\r\n\r\n"),
        ("s", b"HTTP/1.1 202 Accepted\r\nLocation: /v2/a/blobs/uploads/1?_state=x\r\nContent-Length: 0\r\n\r\n"),
        ("c", b"PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: r.test\r\nContent-Length: 3\r\n\r\nabc"),
        ("s", b"HTTP/1.1 202 Accepted\r\nLocation: /v2/a/blobs/uploads/2\r\nRange: 0-2\r\nContent-Length: 0\r\n\r\n"),
        ("c", b"PUT /v2/a/blobs/uploads/2?digest=" + DIGEST + b" HTTP/1.1\r\nHost: r.test\r\nContent-Length: 0\r\n\r\n"),
        ("s", b'HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\n\r\n{"errors":[{"code":"DIGEST_INVALID"}]}   '),
    ),
    log=rb'''\1time="2026-11-30T10:07:06Z" level=info msg="token signed by untrusted key with ID: \"AAAA\""
time="2026-11-30T10:07:06Z" level=warning msg="error authorizing context: invalid token" http.request.method=GET http.request.uri=/v2/
10.0.0.7 - - [30/Nov/2026:10:07:06 +0000] "GET /v2/ HTTP/1.1" 401 157 "" "docker/20.10.24"
time="2026-11-30T10:07:07Z" level=error msg="response completed with error" err.code="blob unknown" http.request.host="r.test" http.request.method=HEAD http.request.uri="/v2/a/blobs/sha256:b8" http.response.duration="993.981\u00b5s" http.response.status=404 http.response.written=157
'''.replace(b"\\1", b"\1"),
    dump=b"\2"
    + b"".join(
        b'time="2026-11-30T10:07:11Z" level=info msg="' + words + b'"\n'
        for words in (b"GET /v2/a/manifests/1 HTTP/1.1", b"Host: r.test", b"", b"HTTP/1.1 200 OK", b"Content-Length: 2", b"", b"{}GET /v2/a/tags/list HTTP/1.1")
    ),
    manifest=b"\3" + b'{"schemaVersion":2,"manifests":[{"digest":"sha256:1","platform":{"os":"linux","architecture":"arm"}}]}',
    token=b"\4eyJhbGciOiJFUzI1NiIsImtpZCI6IkEifQ.eyJpc3MiOiJpIiwiYWNjZXNzIjpbeyJ0eXBlIjoicmVwb3NpdG9yeSIsIm5hbWUiOiJhIiwiYWN0aW9ucyI6WyJwdWxsIl19XX0.c2ln",
)
put(
    "dialogue",
    smtp=b"\0220 a.test ESMTP\r\n250-a.test\r\n250 STARTTLS\r\n220 go\r\n",
    imap=b"\2* OK ready\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n",
    ldap=b"\7" + bytes.fromhex("300c02010178070a010004000400"),
    postgres=b"\x08S",
    mysql=b"\x09" + bytes.fromhex("4a0000000a382e302e333600080000003a5c2d4f6e7a5d2100ff"),
    xmpp=b"\x0a<stream:stream><stream:features><starttls/></stream:features><proceed/>",
)


def record(place, kind, content=b""):
    return bytes([place, kind]) + v16(content)


PKCS12_HEAD = bytes.fromhex("3028020103302306092a864886f70d010701a0160414")
put(
    "pkcs12",
    empty_safe=bytes.fromhex("3018020103301306092a864886f70d010701a00604043002") + b"\5\0",
    cut=PKCS12_HEAD,
    many_rounds=PKCS12_HEAD + bytes.fromhex("3012300e0408") + b"saltsalt" + bytes.fromhex("02047fffffff"),
)
put(
    "trust_edit",
    debian=record(0, 0, b"# none\n") + record(4, 0, b"") + record(6, 2) + record(13, 0, b"ID=debian\n"),
    links=record(0, 1, b"../../../../../etc/shadow") + record(2, 1, b"/etc/ssl/certs") + record(3, 1, b"certs/ca-certificates.crt"),
    no_place=record(0, 1, b"/") + record(3, 1, b".."),
    java=record(9, 0, b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\0") + record(10, 1, b"/etc/pki/ca-trust/extracted/java/cacerts"),
    red_hat=record(7, 0, b"") + record(8, 2) + record(13, 0, b"ID=fedora\n"),
    carried=record(12, 0, b"# x\n") + record(14, 0, b"\x7fELF") + record(0, 0, b"-----BEGIN CERTIFICATE-----\nAA"),
)
