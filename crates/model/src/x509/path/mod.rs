//! Certification paths: every candidate from a leaf to an anchor, one verdict per check and certificate, why each path ended, and what
//! must change first. In: a chain as sent, anchors, a name, a time, whose rules. Out: [`Exploration`]. Spec: RFC 5280 §6, RFC 4158.
//!
//! Facts are gathered for every path; words are made by whoever shows them. rustls-webpki gives the verdict for connections that
//! sidelight makes; this says why, and what other clients would say.

mod along;
mod certificate;
mod constraints;
mod fault;
mod forms;
mod leaf;
mod pool;
mod revocation;
mod rules;
mod search;
pub(crate) mod signatures;
mod syntax;

use std::fmt;
use std::net::IpAddr;

use super::strict::{Malformed, RevocationList, Strict};
use crate::finding::Cause;
use crate::flow::Host;
use crate::time::Timestamp;

use certificate::Asking;
pub use fault::{Breach, Check, Fault, Form, ListFault};
use pool::Pool;
pub use pool::{AnchorSet, Known, Origin};
pub use rules::{Profile, Rules, Stack};
use search::Search;

/// Certificates of a chain that are read at the most.
const MOST_SENT: usize = 20_000;

/// What the leaf is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be a TLS server.
    #[default]
    Server,
    /// To be a TLS client.
    Client,
}

/// Whom the leaf must speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A host, in lower case, as A-labels, without the last dot.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mailbox.
    Email(String),
}

impl Asked {
    /// Reads a host name, which may be written in any script.
    ///
    /// # Errors
    /// When no name can be made of it.
    pub fn dns(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text).map_err(|_| format!("`{text}` is no host name"))?
        };
        let sound = !ascii.is_empty()
            && ascii.len() <= 253
            && !ascii.split('.').any(|label| label.is_empty() || label.len() > 63);
        if sound { Ok(Self::Dns(ascii)) } else { Err(format!("`{text}` is no host name")) }
    }

    /// Reads an address, a mailbox or a host name, whatever it looks like.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        if text.contains('@') { Ok(Self::Email(text.to_owned())) } else { Self::dns(text) }
    }
}

impl From<&Host> for Asked {
    fn from(host: &Host) -> Self {
        match host {
            Host::Ip(address) => Self::Ip(*address),
            // A name that cannot be written as A-labels matches nothing, as it should.
            Host::Name(name) => Self::dns(name).unwrap_or_else(|_| Self::Dns(name.clone())),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Email(text) => f.write_str(text),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The chain as sent, in DER: the leaf, then whatever came with it, in any order.
    pub chain: &'a [Vec<u8>],
    /// What is trusted.
    pub anchors: &'a AnchorSet,
    /// Revocation lists in DER.
    pub crls: &'a [Vec<u8>],
    /// Whom the leaf must speak for; `None`: names are not looked at.
    pub name: Option<&'a Asked>,
    /// What it is wanted for.
    pub purpose: Purpose,
    /// When.
    pub now: Timestamp,
    /// Most intermediates; those that a CA issued to itself are not counted.
    pub max_depth: Option<u32>,
    /// Whose rules.
    pub profile: Profile,
    /// Whether all paths are wanted though one is good.
    pub every_path: bool,
}

/// A fault and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Position in the path; the leaf is 0.
    pub position: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// Where a path ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At an anchor.
    Anchor,
    /// At an anchor that is no root, which these rules do not take.
    AnchorNotRoot,
    /// Certificates of the issuer's name are there, but their keys did not make the signature.
    WrongKey {
        /// Their numbers.
        tried: Vec<usize>,
    },
    /// At a certificate that signed itself and is no anchor.
    SelfSigned,
    /// The issuer is not there.
    NoIssuer,
    /// Every issuer stands in the path already.
    Loop,
    /// At a limit.
    TooLong,
}

/// A candidate path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Numbers of certificates, the leaf first.
    pub certificates: Vec<usize>,
    /// Where it ended.
    pub end: End,
    /// All that is wrong.
    pub faults: Vec<Found>,
}

impl Path {
    /// Whether it ends at an anchor without a fault.
    pub fn is_good(&self) -> bool {
        self.end == End::Anchor && self.faults.is_empty()
    }

    /// The fault that must change first: chain and trust before validity, name and usage; rules of form last. `None` for a good
    /// path, and for one whose end is the first fault.
    pub fn first_fault(&self) -> Option<&Found> {
        let top = self.certificates.len().saturating_sub(1);
        self.faults.iter().min_by_key(|found| {
            let is_anchor = self.end == End::Anchor && found.position == top;
            let is_form = matches!(found.fault, Fault::Form(..));
            (is_form, found.fault.cause(found.position, is_anchor), found.position)
        })
    }

    /// The faults of one check at one position; empty when it passed.
    pub fn verdict(&self, position: usize, check: Check) -> impl Iterator<Item = &Fault> {
        let here = self.faults.iter().filter(move |found| found.position == position && found.fault.check() == check);
        here.map(|found| &found.fault)
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// The certificates, numbered; the leaf is number 0 if it can be read.
    pub certificates: Vec<Known>,
    /// Certificates that cannot be read.
    pub unreadable: Vec<(Origin, Malformed)>,
    /// The candidate paths, the best one first.
    pub paths: Vec<Path>,
    /// Whether a limit to the work was reached.
    pub cut_short: bool,
}

impl Exploration {
    /// The path by which the leaf is trusted.
    pub fn good_path(&self) -> Option<&Path> {
        self.paths.first().filter(|path| path.is_good())
    }

    /// The path that comes nearest.
    pub fn best(&self) -> Option<&Path> {
        self.paths.first()
    }

    /// The cause that it is for a connection: the first thing that must change. `Ok` when the leaf is trusted.
    pub fn cause(&self) -> Cause {
        let Some(best) = self.best() else { return Cause::BadCertificateEncoding };
        let top = best.certificates.len().saturating_sub(1);
        let has_anchors = self.certificates.iter().any(|known| known.is_anchor);
        match &best.end {
            End::Anchor => best.first_fault().map_or(Cause::Ok, |found| {
                let is_anchor = found.position == top && top > 0;
                found.fault.cause(found.position, is_anchor)
            }),
            _ if !has_anchors => Cause::TrustStoreEmpty,
            End::WrongKey { tried } if tried.iter().all(|number| self.certificates[*number].is_anchor) => {
                Cause::RootRekeyed
            }
            End::WrongKey { .. } => Cause::BadSignature,
            End::SelfSigned if top == 0 => Cause::SelfSignedLeaf,
            End::NoIssuer if top == 0 => Cause::MissingIntermediate,
            End::NoIssuer | End::SelfSigned | End::AnchorNotRoot | End::Loop | End::TooLong => Cause::RootNotTrusted,
        }
    }

    /// The certificate of this number.
    pub fn certificate(&self, number: usize) -> &Strict {
        &self.certificates[number].certificate
    }
}

/// What `profile` holds against a certificate as an anchor by itself, whatever chain ends in it.
pub fn anchor_faults(certificate: &Strict, purpose: Purpose, now: Timestamp, profile: Profile) -> Vec<Fault> {
    let rules = profile.rules();
    certificate::faults(certificate, certificate::Role::Anchor, Asking { rules: &rules, name: None, purpose, now })
}

/// Whether `profile` lets a chain end in this certificate of its store although another CA issued it.
pub fn ends_chains(certificate: &Strict, profile: Profile) -> bool {
    profile.rules().partial_chains || certificate.is_self_issued()
}

/// Finds paths from the leaf to the anchors, and judges them.
pub fn explore(question: &Question<'_>) -> Exploration {
    let mut sent = Vec::new();
    let mut unreadable = Vec::new();
    for (index, der) in question.chain.iter().take(MOST_SENT).enumerate() {
        match Strict::read(der) {
            Ok(read) => sent.push((index, read)),
            Err(what) if index == 0 => unreadable.push((Origin::Leaf, what)),
            Err(what) => unreadable.push((Origin::Sent(index), what)),
        }
    }
    unreadable.extend(question.anchors.unreadable.iter().map(|(index, what)| (Origin::Anchor(*index), *what)));
    if sent.first().is_none_or(|(index, _)| *index != 0) {
        return Exploration { certificates: Vec::new(), unreadable, paths: Vec::new(), cut_short: false };
    }
    let rules = question.profile.rules();
    let lists: Vec<_> = question.crls.iter().map(|der| RevocationList::read(der)).collect();
    let asking = Asking { rules: &rules, name: question.name, purpose: question.purpose, now: question.now };
    let pool = Pool::new(sent, question.anchors, &rules);
    let mut search = Search::new(pool, asking, &lists, question.max_depth);
    let good = search.good_path();
    let mut paths = Vec::new();
    if good.is_none() || question.every_path {
        paths = search.all_paths();
    }
    if let Some(certificates) = good.filter(|good| !paths.iter().any(|path| path.certificates == *good)) {
        paths.push(Path { certificates, end: End::Anchor, faults: Vec::new() });
    }
    paths.sort_by_key(rank);
    Exploration { certificates: search.pool.known, unreadable, paths, cut_short: search.cut_short }
}

/// Good paths first, short ones before long ones; then those that reach an anchor, by how much is wrong; then those that come farthest.
fn rank(path: &Path) -> (bool, u8, usize, usize) {
    let end = match path.end {
        End::Anchor => 0,
        End::AnchorNotRoot => 1,
        End::WrongKey { .. } | End::SelfSigned | End::NoIssuer => 2,
        End::Loop => 3,
        End::TooLong => 4,
    };
    let length = path.certificates.len();
    (!path.is_good(), end, path.faults.len(), if end == 0 { length } else { usize::MAX - length })
}
