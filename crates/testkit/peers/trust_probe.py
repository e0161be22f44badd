"""Python's TLS as a judge of trust anchors.

In: lines "PORT CA-FILE" on standard input. Out: a line each, "ok" or "no REASON", of a handshake with localhost at that port in
which only the certificates of the file are trusted.
"""

import socket
import ssl
import sys

for line in sys.stdin:
    port, roots = line.split()
    try:
        context = ssl.create_default_context(cafile=roots)
        with socket.create_connection(("127.0.0.1", int(port)), 20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost"):
                print("ok", flush=True)
    except Exception as error:  # every failure is an answer
        print("no", str(error).replace("\n", " "), flush=True)
