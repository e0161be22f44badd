//! What a program talks to: services, certificates, latencies, failures. In: a recording, and perhaps a filter. Out: [`Stats`], and
//! by [`Assertions`] findings of what is not as it should be.

mod assertion;
mod check;
mod gather;
mod names;
mod quantiles;

use std::collections::{BTreeMap, BTreeSet};

use sidelight_model::finding::{Cause, Party};
use sidelight_model::flow::{Fate, TlsVersion};
use sidelight_model::time::Timestamp;

pub use self::assertion::{AssertionError, Assertions};
pub use self::quantiles::Quantiles;
use crate::store::Loss;

/// The account of a recording.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// When it was made; days left of certificates are counted from here.
    pub now: Timestamp,
    /// When the first flow began, and when the last one ended.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Flows.
    pub flows: u64,
    /// Connections.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Bytes of content from the clients and to them; of connections without exchanges, all their bytes.
    pub bytes: [u64; 2],
    /// What became of the connections.
    pub fates: BTreeMap<Fate, u64>,
    /// Services, those with the most flows first.
    pub services: Vec<Service>,
    /// Flows to services for which there was no room; they count in the sums alone.
    pub flows_left_out: u64,
    /// Certificates that services showed, those that expire first come first.
    pub certificates: Vec<CertificateUse>,
    /// Findings by their cause, the most frequent first.
    pub causes: Vec<CauseUse>,
    /// Who connected, those with the most flows first.
    pub clients: Vec<ClientUse>,
    /// What is not in the recording.
    pub losses: Vec<Loss>,
}

/// A service: a host and a port.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// `host:port`, as in URLs, or as the client asked for it.
    pub name: String,
    /// The host alone.
    pub host: String,
    /// Connections.
    pub connections: u64,
    /// What became of them.
    pub fates: BTreeMap<Fate, u64>,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Bytes of content to it and from it; of connections without exchanges, all their bytes.
    pub bytes: [u64; 2],
    /// Exchanges by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Exchanges without a response.
    pub unanswered: u64,
    /// Exchanges that were cut.
    pub cut: u64,
    /// From the first byte of a request to the first of its response, in microseconds.
    pub first_byte: Quantiles,
    /// From the first byte of a request to the last of its response, in microseconds.
    pub total: Quantiles,
    /// Connections by the version of TLS with it.
    pub tls: BTreeMap<TlsVersion, u64>,
    /// Connections by cipher suite.
    pub ciphers: BTreeMap<String, u64>,
    /// Connections whose certificate was verified.
    pub verified: u64,
    /// Connections whose certificate was not, by the reason.
    pub unverified: BTreeMap<String, u64>,
    /// Fingerprints of its own certificates.
    pub certificates: BTreeSet<String>,
    /// Connections with a finding, by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Who connected to it, as far as there is room.
    pub clients: BTreeSet<String>,
}

/// A certificate that services showed.
#[derive(Clone, Debug)]
pub struct CertificateUse {
    /// SHA-256 of its DER, lower-case hex.
    pub sha256: String,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// First moment of its validity; `None` when it cannot be read.
    pub not_before: Option<Timestamp>,
    /// Last moment of its validity.
    pub not_after: Option<Timestamp>,
    /// It was a service's own, not an issuer's.
    pub is_leaf: bool,
    /// Connections on which it was shown.
    pub connections: u64,
    /// Services that showed it, as far as there is room.
    pub services: BTreeSet<String>,
}

impl CertificateUse {
    /// Whole days for which it is still valid at `now`; negative when it has expired.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        self.not_after.map(|end| end.0.saturating_sub(now.0).div_euclid(86_400_000_000))
    }
}

/// A cause of findings.
#[derive(Clone, Debug)]
pub struct CauseUse {
    /// Which.
    pub cause: Cause,
    /// Who has to change something, in most cases.
    pub fault: Party,
    /// Findings.
    pub findings: u64,
    /// Services that they are about, as far as there is room.
    pub services: BTreeSet<String>,
    /// What the first of them says.
    pub example: String,
}

/// Who connected.
#[derive(Clone, Debug, Default)]
pub struct ClientUse {
    /// Path or name of a program of this machine, or an address.
    pub name: String,
    /// Connections.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Bytes of content from it and to it.
    pub bytes: [u64; 2],
    /// Services that it talked to, as far as there is room.
    pub services: BTreeSet<String>,
}
