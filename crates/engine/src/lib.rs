//! Listen, peek, decide, dial, forge, relay. In: client connections. Out: the same bytes on the other side, and events.

pub mod ca;
pub mod forge;
