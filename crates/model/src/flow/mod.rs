//! What passes through an interception: connections, the events on them, the exchanges that decoders find in them.
//!
//! In: nothing. Out: the vocabulary that `engine` (which produces events), `wire` (which decodes bytes) and `sink` (which
//! shows and keeps) share, so that none of them needs to know another.

mod addr;
mod event;
mod http;
mod message;
mod tls;

pub use addr::{Authority, Host, ParseAuthorityError};
pub use event::{Closed, ConnId, Decision, Direction, Event, EventKind, How, Opened, Process, Tally, Verdict};
pub use http::{
    Anomaly, AnomalyKind, Body, Exchange, Header, HttpVersion, Interim, Outcome, Request, RequestTarget, Response,
    Timings,
};
pub use message::{Decoded, Grpc, GrpcMessage, OpaqueData, ServerSentEvent, WebSocketKind, WebSocketMessage};
pub use tls::{PeerChain, TlsSide, TlsVersion};
