//! Every byte format that sidelight reads or writes: bytes to values and back, without sockets, files, clocks or panics.
//!
//! In: bytes, as they come, in whatever pieces. Out: values of `model`, with the anomalies beside them.

mod anomalies;
mod body;
pub mod certificate;
pub mod content_coding;
pub mod content_log;
pub mod der;
pub mod encode;
pub mod flow_decoder;
pub mod greeting;
mod grpc;
pub mod har;
pub mod http1;
mod http2;
pub mod jks;
pub mod jwks;
pub mod jwt;
pub mod key_file;
pub mod key_log;
pub mod known_roots;
pub mod mitmproxy;
pub mod ocsp;
pub mod opaque;
pub mod packet;
pub mod paranoia;
pub mod pcapng;
pub mod pem;
pub mod pkcs12;
pub mod reader;
pub mod registry;
pub mod scan;
pub mod socks5;
mod sse;
pub mod sslsplit;
pub mod starttls;
pub mod tcp;
pub mod tls;
pub mod tofu_log;
pub mod trust_edit;
pub mod trust_store;
mod websocket;
