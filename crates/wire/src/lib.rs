//! Every byte format that sidelight reads or writes: bytes to values and back, without sockets, files, clocks or panics.
//!
//! In: bytes, as they come, in whatever pieces. Out: values of `model`, with the anomalies beside them.

mod anomalies;
mod body;
pub mod certificate;
pub mod content_coding;
pub mod der;
pub mod flow_decoder;
mod grpc;
pub mod http1;
mod http2;
pub mod jks;
pub mod opaque;
pub mod pem;
pub mod pkcs12;
pub mod socks5;
mod sse;
pub mod starttls;
pub mod tls;
mod websocket;
