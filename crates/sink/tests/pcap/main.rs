//! Captures made by real tools, of real programs, imported. In: conversations on the loopback of a network namespace, captured by
//! tcpdump. Out: what the origin sent, byte for byte.

mod failures;
mod http;
mod openssl;
mod packets;
mod peers;
mod stage;
