//! Every byte format that sidelight reads or writes: bytes to values and back, without sockets, files, clocks or panics.
//!
//! In: bytes, as they come, in whatever pieces. Out: values of `model`, with the anomalies beside them.

mod anomalies;
pub mod certificate;
pub mod der;
pub mod http1;
pub mod jks;
pub mod opaque;
pub mod pem;
pub mod pkcs12;
pub mod socks5;
pub mod starttls;
pub mod tls;
