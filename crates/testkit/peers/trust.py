"""Which of several servers Python's ssl trusts, for each way to give it roots. In: ports with commas, then WAY=FILE each, WAY `file`
(cafile), `default` (SSL_CERT_FILE) or `system` (as the environment says). Out: a line for each WAY=FILE: 1 (trusted) or 0 for each port, or an error that is no verdict."""
import os
import socket
import ssl
import sys

ports = [int(port) for port in sys.argv[1].split(",")]


def context(way, file):
    if way == "file":
        return ssl.create_default_context(cafile=file)
    if way == "default":
        os.environ["SSL_CERT_FILE"] = file
        os.environ["SSL_CERT_DIR"] = "/nonexistent"
    return ssl.create_default_context()


def trusts(made, port):
    with socket.create_connection(("127.0.0.1", port), 60) as plain:
        try:
            made.wrap_socket(plain, server_hostname="localhost").close()
            return "1"
        except ssl.SSLCertVerificationError:
            return "0"


for argument in sys.argv[2:]:
    way, _, file = argument.partition("=")
    try:
        made = context(way, file)
    except ssl.SSLError:
        print("".join("0" for _ in ports))
        continue
    print("".join(trusts(made, port) for port in ports))
