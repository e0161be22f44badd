//! All that is known of one connection so far. In: events, in order. Out: [`ConnectionRecord`], which consumers read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Authority, Closed, ConnId, Decision, EventKind, Hello, How, Opened, Process, TlsSide, Verdict};
use crate::finding::{Cause, Finding, Party};
use crate::time::Timestamp;

/// Targets kept per connection: a kept-alive proxy connection may be for any number of them.
const MOST_TARGETS: usize = 16;

/// What is known of a connection. Fields are `None` until the event that tells them, which may never come.
#[derive(Clone, Debug, Default)]
pub struct ConnectionRecord {
    /// Which connection.
    pub id: ConnId,
    /// When its first event came.
    pub since: Timestamp,
    /// When its latest event came.
    pub latest: Timestamp,
    /// How it began.
    pub opened: Option<Opened>,
    /// The local program behind it.
    pub process: Option<Process>,
    /// Whom it is for now.
    pub target: Option<Authority>,
    /// Whom it was for before, the last 16 of them, without repetition.
    pub former_targets: Vec<Authority>,
    /// The address at which the service was reached.
    pub upstream: Option<SocketAddr>,
    /// What is done with it, and why.
    pub decision: Option<Decision>,
    /// What the client's ClientHello offered; known also of TLS that is relayed untouched.
    pub hello: Option<Arc<Hello>>,
    /// TLS with the service.
    pub server_tls: Option<Arc<TlsSide>>,
    /// TLS with the client.
    pub client_tls: Option<Arc<TlsSide>>,
    /// The first finding about it.
    pub finding: Option<Box<Finding>>,
    /// Number of findings about it.
    pub findings: u32,
    /// HTTP exchanges seen on it.
    pub exchanges: u64,
    /// How it ended, and when.
    pub closed: Option<(Timestamp, Closed)>,
}

/// The mode of a plain local port in a registry's place.
pub const LOCAL_PORT: &str = "registry";

/// Who a client is, for counting: a program by its path or name, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// A program on this machine.
    Program(String),
    /// A client elsewhere, or one whose program could not be found.
    Address(IpAddr),
    /// Nothing is known.
    Unknown,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
            Self::Unknown => f.write_str("unknown client"),
        }
    }
}

impl ConnectionRecord {
    /// A connection of which nothing is known but its first moment.
    pub fn new(id: ConnId, since: Timestamp) -> Self {
        Self { id, since, latest: since, ..Self::default() }
    }

    /// Whether what is asked on it is asked over TLS of the service: also by a client that a plain local port stands in for a registry to.
    pub fn is_https(&self) -> bool {
        let is_local_port = || self.opened.as_ref().is_some_and(|it| &*it.mode == LOCAL_PORT);
        self.client_tls.is_some() || self.server_tls.is_some() && is_local_port()
    }

    /// Takes in what an event tells about the connection itself; data is not its business.
    pub fn learn(&mut self, at: Timestamp, kind: &EventKind) {
        self.latest = self.latest.max(at);
        match kind {
            EventKind::Opened(opened) => self.opened = Some(opened.clone()),
            EventKind::Process(process) => self.process = Some(process.clone()),
            EventKind::Target(target) => self.retarget(target),
            EventKind::Upstream(address) => self.upstream = Some(*address),
            EventKind::Decided(decision) => self.decision = Some(decision.clone()),
            EventKind::Hello(hello) => self.hello = Some(Arc::clone(hello)),
            EventKind::ServerTls(side) => self.server_tls = Some(Arc::clone(side)),
            EventKind::ClientTls(side) => self.client_tls = Some(Arc::clone(side)),
            EventKind::Finding(finding) => {
                self.findings = self.findings.saturating_add(1);
                self.finding.get_or_insert_with(|| finding.clone());
            }
            EventKind::Closed(closed) => self.closed = Some((at, closed.clone())),
            EventKind::NoProcess | EventKind::Data(..) | EventKind::Lost(..) | EventKind::HalfClosed(_) => {}
            EventKind::Socket(..)
            | EventKind::Wire(..)
            | EventKind::WireLost(..)
            | EventKind::WireEnd(..)
            | EventKind::Secret(..)
            | EventKind::Shed(_) => {}
        }
    }

    fn retarget(&mut self, target: &Authority) {
        if let Some(former) = self.target.replace(target.clone())
            && former != *target
            && !self.former_targets.contains(&former)
        {
            if self.former_targets.len() == MOST_TARGETS {
                self.former_targets.remove(0);
            }
            self.former_targets.push(former);
        }
    }

    /// Who the client is, for counting.
    pub fn client(&self) -> Client {
        match (&self.process, &self.opened) {
            (Some(process), _) => Client::Program(process.exe.clone().unwrap_or_else(|| process.name.clone())),
            (None, Some(opened)) => Client::Address(opened.client.ip().to_canonical()),
            (None, None) => Client::Unknown,
        }
    }

    /// The service by name and port, for people: the target, else the address that was reached.
    pub fn service(&self) -> String {
        match (&self.target, self.upstream) {
            (Some(target), _) => target.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => "unknown destination".to_owned(),
        }
    }

    /// Whether decrypted bytes, or plain ones, are seen.
    pub fn is_seen(&self) -> bool {
        self.client_tls.is_some() || self.decision.as_ref().is_some_and(|it| it.verdict == Verdict::Plain)
    }

    /// The client did not accept the certificate that sidelight showed it.
    ///
    /// The engine says so by a finding of [`Cause::TlsIntercepted`] whose fault is the proxy, on a connection without TLS with
    /// the client; the place of its first evidence is the client, not sidelight itself. Of an interception beyond sidelight the first
    /// evidence is its issuer.
    pub fn refused_our_certificate(&self) -> bool {
        let refuses = |finding: &Finding| {
            finding.cause == Cause::TlsIntercepted
                && finding.fault == Party::Proxy
                && finding
                    .evidence()
                    .first()
                    .is_some_and(|evidence| evidence.place != "sidelight" && evidence.what != "issuer")
        };
        self.client_tls.is_none() && self.finding.as_deref().is_some_and(refuses)
    }

    /// Whether it ended before anything could be relayed.
    pub fn failed(&self) -> bool {
        matches!(&self.closed, Some((_, Closed { how: How::Failed, .. })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_targets_are_kept_once_and_bounded() {
        let mut record = ConnectionRecord::new(ConnId(1), Timestamp(1));
        for n in 0..40 {
            let target = format!("h{}.test:443", n % 20).parse().unwrap();
            record.learn(Timestamp(2), &EventKind::Target(target));
        }
        assert_eq!(record.service(), "h19.test:443");
        assert_eq!(record.former_targets.len(), MOST_TARGETS);
        let mut sorted = record.former_targets.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), MOST_TARGETS);
    }

    #[test]
    fn the_first_finding_stays() {
        let mut record = ConnectionRecord::new(ConnId(1), Timestamp(1));
        for cause in [Cause::TlsIntercepted, Cause::CertExpired] {
            let finding = Finding::new(cause, "s", "alert", "client", "unknown_ca");
            record.learn(Timestamp(2), &EventKind::Finding(Box::new(finding)));
        }
        assert_eq!(record.findings, 2);
        assert!(record.refused_our_certificate());
        record.finding = Some(Box::new(Finding::new(Cause::TlsIntercepted, "s", "error", "sidelight", "not minted")));
        assert!(!record.refused_our_certificate());
    }
}
