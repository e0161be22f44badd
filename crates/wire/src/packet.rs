//! Packets of TCP over IP, as capture files hold them. In: addresses, flags, payload. Out: bytes, and back. Spec: RFC 791, RFC 8200, RFC 9293.
