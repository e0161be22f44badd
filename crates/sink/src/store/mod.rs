//! The flow store: one SQLite file a recording. In: what the bus tells a [`Recorder`]. Out: the same, found again by a
//! [`Recording`]. Spec: docs/store.md (the schema, for people with `sqlite3`).
//!
//! Three parts: [`Recorder`] hands owned values to a thread of its own through a queue that is bounded by bytes; that thread
//! writes them in transactions of half a second, and survives what disks do; [`Recording`] reads, also while the first two write.

mod body;
mod connection;
mod document;
mod entry;
mod error;
mod intern;
mod latin1;
mod load;
mod packets;
mod place;
mod queue;
mod recorder;
mod recording;
mod replay;
mod ring;
mod rows;
mod schema;
mod segment;
mod select;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use sidelight_model::filter::Filter;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{ConnectionRecord, Decoded, Exchange};
use sidelight_model::time::Timestamp;

pub use self::error::StoreError;
pub use self::recorder::Recorder;
pub use self::recording::{Loss, Recording, RecordingInfo};
pub use crate::capture::Rotation;
use crate::notice::Notices;

/// How to record.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The recording. With rotation, the name may hold conversions of strftime(3), which are expanded for each file in local
    /// time. A recording that exists is continued.
    pub path: PathBuf,
    /// When a file ends and the next begins.
    pub rotation: Rotation,
    /// The file is kept at about so many bytes by taking the oldest out.
    pub ring: Option<u64>,
    /// Keep the bytes of the sockets and the secrets of their TLS as well.
    pub packets: bool,
    /// Who is told what cannot be recorded.
    pub notices: Notices,
}

/// Names a flow: an HTTP exchange, or a connection that ended without any. Per recording, from 1, in the order of their ends;
/// the files of one rotated recording go on counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

impl std::fmt::Display for FlowId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Which flows, in which order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only those that match.
    pub filter: Option<Filter>,
    /// Only those after this one.
    pub after: Option<FlowId>,
    /// No more than so many: the first ones, or the last ones with `newest_first`.
    pub limit: Option<usize>,
    /// The last one comes first. A replay is always in the order of time; there it says which are meant by `limit`.
    pub newest_first: bool,
}

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowKind {
    /// An HTTP exchange.
    Exchange,
    /// A connection that ended without any.
    Connection,
}

/// A flow as a line of a list needs it: without heads and bodies.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRow {
    /// Which flow.
    pub id: FlowId,
    /// What it is.
    pub kind: FlowKind,
    /// Number of its connection.
    pub conn: u64,
    /// Stream or count of the exchange on its connection.
    pub stream: Option<u64>,
    /// First byte of the request, or the beginning of the connection.
    pub started: Timestamp,
    /// The method.
    pub method: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Host of the URL, or whom the connection was for.
    pub host: Option<String>,
    /// Port of the URL, or of the service.
    pub port: Option<u16>,
    /// The target of the request as it was sent.
    pub path: Option<String>,
    /// The status.
    pub status: Option<u16>,
    /// Bytes of the request's content, or from the client.
    pub request_size: u64,
    /// Bytes of the response's content, or to the client.
    pub response_size: u64,
    /// From the first byte of the request to the first of the response.
    pub first_byte: Option<Duration>,
    /// From the first byte of the request to the end.
    pub total: Option<Duration>,
    /// Media type of the response without parameters, lower-case.
    pub media_type: Option<String>,
    /// `complete`, `upgraded`, `cut` or `undecodable`; of a connection `decrypted`, `plain`, `relayed`, `refused` or `failed`.
    pub outcome: &'static str,
    /// Who connected, for people.
    pub client: String,
    /// Cause of the connection's first finding.
    pub cause: Option<Cause>,
}

/// A flow with all that is known of it.
#[derive(Clone, Debug)]
pub struct StoredFlow {
    /// Which flow.
    pub id: FlowId,
    /// Its connection as it was known when the flow ended, and how it went on: its latest moment, its count of exchanges, its end.
    pub conn: ConnectionRecord,
    /// The exchange; `None` for a connection without any.
    pub exchange: Option<Exchange>,
    /// Messages of its stream in their order. What belongs to the connection as a whole (opaque data, a decoder that stopped,
    /// oddities of the connection) is with the last flow of the connection.
    pub messages: Vec<Decoded>,
    /// Findings about its connection.
    pub findings: Vec<Finding>,
}
