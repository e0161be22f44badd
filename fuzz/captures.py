#!/usr/bin/env python3
"""Writes the corpus of the targets tls_decrypt and import_pcap: real sessions of OpenSSL, recorded by a relay between its client and
its server.

In: nothing. Out: corpus/tls_decrypt/NAME and corpus/import_pcap/NAME, next to this file; new keys and randoms in every run."""

import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent / "corpus"
SUITES = {
    "tls13_gcm": ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    "tls13_chacha": ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
    "tls13_ccm8": ["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"],
    "tls12_gcm": ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
    "tls12_cbc": ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def record(listener, port, turns):
    """Relays one connection, and writes down what passes as pairs of side and bytes."""
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))

    def copy(source, sink, side):
        while data := source.recv(16384):
            turns.append((side, data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    other = threading.Thread(target=copy, args=(server, client, 1))
    other.start()
    copy(client, server, 0)
    other.join()


def session(folder, options):
    """What passed between a client and a server, and the key log."""
    port, turns, keys = free_port(), [], folder / "keys"
    keys.unlink(missing_ok=True)
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(port), "-cert", "c.pem", "-key", "k.pem", "-WWW", "-naccept", "1",
         "-num_tickets", "1", "-cipher", "ALL:@SECLEVEL=0",
         "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_8_SHA256"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = threading.Thread(target=record, args=(listener, port, turns))
        relay.start()
        client = ["openssl", "s_client", "-quiet", "-keylogfile", "keys", "-servername", "a.test",
                  "-connect", f"127.0.0.1:{listener.getsockname()[1]}", *options]
        subprocess.run(client, cwd=folder, input=b"GET /page HTTP/1.0\r\n\r\n", stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=20)
        relay.join()
    server.wait(20)
    lines = [line for line in keys.read_text().splitlines() if not line.startswith("#") and "EXPORTER" not in line]
    return turns, ("\n".join(lines) + "\n").encode()


def packets(turns):
    """IPv4 packets of a TCP connection that carried these turns; checksums are left out."""
    ports, next_numbers = (40000, 443), [1000, 5000]

    def packet(side, flags, data=b""):
        seq, ack = next_numbers[side], next_numbers[1 - side]
        tcp = struct.pack(">HHIIBBHHH", ports[side], ports[1 - side], seq, ack if flags & 16 else 0, 0x50, flags, 65535, 0, 0)
        address = [bytes([192, 0, 2, 1 + side]), bytes([192, 0, 2, 2 - side])]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0) + address[0] + address[1]
        next_numbers[side] += len(data) + bool(flags & 3)
        return ip + tcp + data

    yield packet(0, 2)
    yield packet(1, 18)
    for side, data in turns:
        yield packet(side, 24, data)
    yield packet(0, 17)
    yield packet(1, 17)


def pcap(turns):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, packet in enumerate(packets(turns)):
        out += struct.pack("<IIII", 1_700_000_000, number * 1000, len(packet), len(packet)) + packet
    return out


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(turns, keys):
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 101, 0, 0))
    out += block(10, struct.pack("<II", 0x544C534B, len(keys)) + keys)
    for number, packet in enumerate(packets(turns)):
        time_of_it = 1_700_000_000_000_000 + number * 1000
        head = struct.pack("<IIIII", 0, time_of_it >> 32, time_of_it & 0xFFFFFFFF, len(packet), len(packet))
        out += block(6, head + packet)
    return out


def put(target, name, content):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def main():
    plain = [(0, b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
    put("import_pcap", "plain.pcap", pcap(plain))
    connect = [(0, b"CONNECT a.test:443 HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")]
    socks = [(0, b"\5\1\0"), (1, b"\5\0"), (0, b"\5\1\0\3\6a.test\1\xbb"), (1, b"\5\0\0\1\0\0\0\0\0\0")]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem",
             "-out", "c.pem", "-days", "9", "-subj", "/CN=a.test"],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (folder / "page").write_text("hello")
        for name, options in SUITES.items():
            turns, keys = session(folder, options)
            heads = b"".join(struct.pack(">H", side << 15 | len(data)) + data for side, data in turns)
            put("tls_decrypt", name, struct.pack(">H", len(keys)) + keys + heads)
            put("import_pcap", f"{name}.pcapng", pcapng(turns, keys))
            if name == "tls13_gcm":
                put("import_pcap", "no_secrets.pcap", pcap(turns))
                put("import_pcap", "connect.pcapng", pcapng(connect + turns, keys))
                put("import_pcap", "socks.pcapng", pcapng(socks + turns, keys))


main()
