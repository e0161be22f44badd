//! What passes through an interception: connections, the events on them, the exchanges that decoders find in them.
//!
//! In: nothing. Out: the vocabulary that `engine` (which produces events), `wire` (which decodes bytes) and `sink` (which
//! shows and keeps) share, so that none of them needs to know another.

mod addr;
mod event;
mod fate;
mod http;
mod message;
mod record;
mod tls;
mod url;

pub use addr::{Authority, Host, ParseAuthorityError};
pub use event::{
    Closed, ConnId, Decision, Direction, Ends, Event, EventKind, How, KeyLogLine, Leg, Opened, Process, Tally, Verdict,
    WireEnd,
};
pub use fate::Fate;
pub use http::{
    Anomaly, AnomalyKind, Body, Exchange, Header, HttpVersion, Interim, Outcome, Request, RequestTarget, Response,
    Timings,
};
pub use message::{Decoded, Grpc, GrpcMessage, OpaqueData, ServerSentEvent, WebSocketKind, WebSocketMessage};
pub use record::{Client, ConnectionRecord, LOCAL_PORT};
pub use tls::{Hello, PeerChain, TlsSide, TlsVersion};
pub use url::url;
