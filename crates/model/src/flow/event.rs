//! The events of a connection, in the order in which the engine saw them. In: what the engine did. Out: what sinks read.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::{Authority, Hello, TlsSide};
use crate::finding::Finding;
use crate::redact::Secret;
use crate::time::Timestamp;

/// Names one intercepted (or relayed) client connection; unique within a run of the program, starting at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client, towards the service.
    ToServer,
    /// From the service, towards the client.
    ToClient,
}

impl Direction {
    /// The opposite way.
    pub const fn other(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 for [`Direction::ToServer`], 1 for [`Direction::ToClient`]: an index into a pair.
    pub const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// One of the two TCP connections of an interception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// From the client to us.
    Client,
    /// From us to the service (or to a further proxy).
    Server,
}

impl Leg {
    /// 0 for [`Leg::Client`], 1 for [`Leg::Server`]: an index into a pair.
    pub const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

/// The two ends of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who connected: the client on [`Leg::Client`], we on [`Leg::Server`].
    pub from: SocketAddr,
    /// Who was connected to. A redirected client sees the original destination here, not our listener.
    pub to: SocketAddr,
}

/// How one direction of a socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireEnd {
    /// FIN.
    Fin,
    /// RST.
    Reset,
}

/// One line of a key log (the NSS format): what decrypts one TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLogLine {
    /// `CLIENT_RANDOM`, `CLIENT_TRAFFIC_SECRET_0` …
    pub label: String,
    /// The random of the ClientHello, which names the connection.
    pub client_random: [u8; 32],
    /// The secret.
    pub secret: Secret<Vec<u8>>,
}

/// One thing that happened on one connection.
#[derive(Clone, Debug)]
pub struct Event {
    /// The connection.
    pub conn: ConnId,
    /// When the engine saw it.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. [`EventKind::Opened`] comes first and [`EventKind::Closed`] last; both are never dropped.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A client connected.
    Opened(Opened),
    /// The local program behind the client's socket was found.
    Process(Process),
    /// No local program is behind the client's socket, or none could be found. Exactly one of `Process` and `NoProcess` comes,
    /// before `Closed`; as the look-up runs beside the connection, other events may come before it.
    NoProcess,
    /// The client's ClientHello was read. Comes before `Decided`, also for TLS that is then relayed untouched.
    Hello(Arc<Hello>),
    /// It is now known who the connection is for. May come again (absolute-form requests over one kept-alive connection).
    Target(Authority),
    /// The other side was reached at this address.
    Upstream(SocketAddr),
    /// What is done with the connection, and why.
    Decided(Decision),
    /// The handshake with the service ended well. Comes before `ClientTls`.
    ServerTls(Arc<TlsSide>),
    /// The handshake with the client ended well.
    ClientTls(Arc<TlsSide>),
    /// Bytes of the conversation, decrypted where it is intercepted TLS. Not sent for connections that are relayed untouched.
    Data(Direction, Bytes),
    /// This many bytes of the conversation passed, but were not handed to the sinks, which were too slow.
    Lost(Direction, u64),
    /// One direction ended in order (FIN, close_notify).
    HalfClosed(Direction),
    /// A TCP connection begins on this leg; whatever was on this leg before is over. Told only when packets are captured, as are
    /// `Wire`, `WireLost` and `WireEnd`.
    Socket(Leg, Ends),
    /// Bytes as they passed on the socket of this leg, TLS records and all, when they were read or written.
    Wire(Leg, Direction, Bytes),
    /// This many bytes passed on the socket of this leg unseen: the sinks were too slow.
    WireLost(Leg, Direction, u64),
    /// One direction of the socket of this leg ended.
    WireEnd(Leg, Direction, WireEnd),
    /// A secret of the TLS connection on this leg. Told only when secrets are captured, before the bytes that it decrypts.
    Secret(Leg, Box<KeyLogLine>),
    /// So many whole connections passed unseen before this event, because the sinks were too slow; of no connection ([`ConnId`] 0).
    Shed(u64),
    /// Something to explain to a person.
    Finding(Box<Finding>),
    /// The connection is over.
    Closed(Closed),
}

/// How a connection began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The client's address.
    pub client: SocketAddr,
    /// The address of ours that it connected to.
    pub local: SocketAddr,
    /// The mode of the listener, as on the command line: `explicit`, `socks5`, `transparent` …
    pub mode: Arc<str>,
}

/// A program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process ID in our PID namespace.
    pub pid: u32,
    /// `comm`, at most 15 bytes.
    pub name: String,
    /// Path of the executable, when readable.
    pub exe: Option<String>,
    /// Container ID (64 hex digits), when it runs in one.
    pub container: Option<String>,
}

/// What is done with a connection, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// Why, in one clause for people: `matches --pass *.example`, `refused our certificate 12 s ago`.
    pub because: String,
}

/// What is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// TLS on both sides ends here; the decrypted bytes are relayed and seen.
    Intercept,
    /// It is not TLS: the bytes are relayed and seen as they are.
    Plain,
    /// Relayed untouched and unseen.
    Relay,
    /// Not let through.
    Refuse,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Bytes passed from the client to the service (decrypted, where intercepted).
    pub to_server: Tally,
    /// Bytes passed from the service to the client.
    pub to_client: Tally,
    /// In order, or not.
    pub how: How,
}

/// Counters of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that passed.
    pub bytes: u64,
    /// Bytes of them that sinks never saw.
    pub lost: u64,
}

/// The way a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Both directions ended with FIN (and close_notify where TLS).
    Clean,
    /// The client cut it: reset, alert or a missing close_notify; with the words for it.
    ClientCut(String),
    /// The service cut it; with the words for it.
    ServerCut(String),
    /// It never got as far as relaying; a finding says why.
    Failed,
    /// Ended by us: idle limit or end of the program; with the words for it.
    Ended(String),
}
