//! The stable shapes of `--json`. In: records, exchanges, findings, ledgers. Out: serialisable values.
//!
//! Every object has `v`, the version of these shapes, and `type`. Within a version, members are only added. Times are RFC 3339
//! in UTC, sizes are bytes, durations milliseconds, fingerprints the lower-case hex SHA-256 of a certificate's DER.

mod connection;
mod exchange;
mod flow;
mod ledger;
mod line;
mod messages;
mod stats;

pub use connection::{Client, Connection, Finding, Tls};
pub use exchange::Exchange;
pub use flow::Flow;
pub use ledger::Ledger;
pub use line::line;
pub use messages::{Anomaly, Grpc, Opaque, ServerSent, Stopped, WebSocket};
pub use sidelight_model::flow::url;
pub use stats::Stats;

use std::time::Duration;

use serde::Serialize;
use sidelight_model::flow::Direction;

use crate::redact::Redactor;

/// The version of these shapes.
pub const VERSION: u32 = 1;

/// What of the traffic goes into the shapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// How secrets appear.
    pub redactor: Redactor,
    /// Bytes of each decoded body that appear; `None`: no bodies.
    pub bodies: Option<usize>,
}

/// An object with its version and type before its own members.
#[derive(Debug, Serialize)]
pub struct Tagged<T> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    value: T,
}

impl<T> Tagged<T> {
    /// Tags `value` as a `kind`.
    pub const fn new(kind: &'static str, value: T) -> Self {
        Self { v: VERSION, kind, value }
    }
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "to_server",
        Direction::ToClient => "to_client",
    }
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
