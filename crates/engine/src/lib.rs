//! Listen, peek, decide, dial, forge, relay. In: client connections. Out: the same bytes on the other side, and events.

pub mod ca;
mod capture;
mod conn;
pub mod dial;
mod engine;
pub mod forge;
mod intake;
mod peek;
pub mod probe;
pub mod registry_client;
pub mod relay;
pub mod resolve;
pub mod serve;
pub mod tap;
pub mod tls;
pub mod transport;
pub mod wrapper;

pub use capture::Capture;
pub use conn::drive;
pub use engine::{Engine, Identify, Listener, Login, Mode, NewEdit, OnUntrusted, Parts, Scope, Settings, Warn};
