//! What one connection showed. In: the chain that was sent, issuers that were found elsewhere, the ordinary roots, a name, a moment.
//! Out: [`Shown`]: trusted as it is, wrong in one way alone (nobody knows the issuer), or wrong otherwise.
//!
//! Whether "nobody knows the issuer" is the only fault is found by asking what would be if it were known: the topmost issuer is put
//! among the roots, and the chain is judged again by the rules of rustls-webpki, which every client's stack is at least as lenient
//! as for private CAs; keys that are too short and signatures that are too weak fail there.

use crate::finding::Cause;
use crate::flow::Host;
use crate::time::Timestamp;
use crate::trust::Runtime;
use crate::x509::path::{AnchorSet, Asked, Found, Profile, Purpose, Question, Stack, explore};
use crate::x509::{Certificate, San, fingerprint};

use super::{KeyPin, Scope};

/// Most certificates of a chain that is followed.
const MOST: usize = 10;

/// A CA certificate by whose key the chain is signed.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: KeyPin,
    /// Whether the peer sent it itself; otherwise it was found elsewhere.
    pub sent: bool,
}

/// What a connection showed.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing: the endpoint could not be reached, or spoke no TLS. Why, in plain words.
    Unreachable(String),
    /// The ordinary roots verify it; adopted ones are not among them.
    Trusted,
    /// Its issuer is unknown, and nothing else is wrong. The issuers, the topmost one first; never empty.
    UnknownIssuer(Vec<Candidate>),
    /// Its issuer is unknown, and no certificate of it can be had.
    NoIssuer {
        /// The name of the issuer that is missing.
        issuer: String,
    },
    /// Something else is wrong, too, which no adopted root heals.
    Broken {
        /// What.
        cause: Cause,
        /// The same in a sentence.
        summary: String,
    },
}

/// Says what a chain is. `chain` is what was sent in DER, leaf first; `others` are certificates in DER from elsewhere that may be issuers.
pub fn classify(chain: &[Vec<u8>], others: &[Vec<u8>], ordinary: &AnchorSet, host: &Host, now: Timestamp) -> Shown {
    let sent: Vec<Vec<u8>> = chain.iter().chain(others).cloned().collect();
    let with = |anchors: &AnchorSet| verify(&sent, anchors, host, now);
    if with(ordinary).is_ok() {
        return Shown::Trusted;
    }
    let Some(leaf) = chain.first().and_then(|der| Certificate::parse(der).ok()) else {
        return broken(Cause::BadCertificateEncoding, host);
    };
    if leaf.is_self_signed() {
        return broken(Cause::SelfSignedLeaf, host);
    }
    let issuers = issuers(&leaf, chain, others);
    let Some(top) = issuers.first() else {
        // What else is wrong with the leaf must not hide behind the missing issuer.
        return match leaf_alone(&leaf, host, now) {
            Some(cause) => broken(cause, host),
            None => Shown::NoIssuer { issuer: leaf.issuer },
        };
    };
    if top.certificate.not_after < now {
        return broken(Cause::RootExpired, host);
    }
    match with(&AnchorSet::new([top.certificate.der.as_slice()])) {
        Ok(()) => Shown::UnknownIssuer(issuers),
        Err(cause) => broken(cause, host),
    }
}

/// Whether a chain is good with these anchors alone: what was made for the adopted CA, or the CA itself.
///
/// # Errors
/// When it is not: the cause that is nearest the wire.
pub fn scope_holds(chain: &[Vec<u8>], anchors: &[Vec<u8>], host: &Host, now: Timestamp) -> Result<(), Cause> {
    verify(chain, &AnchorSet::new(anchors.iter().map(Vec::as_slice)), host, now)
}

/// The clients that take roots from outside, each with rules of its own; Git and Wget are GnuTLS here.
const CLIENTS: [Stack; 9] = [
    Stack::Of(Runtime::OpenSsl),
    Stack::Of(Runtime::Curl),
    Stack::Of(Runtime::GnuTls),
    Stack::Of(Runtime::Python),
    Stack::PythonStrict,
    Stack::Of(Runtime::Node),
    Stack::Of(Runtime::Go),
    Stack::Of(Runtime::Java),
    Stack::Of(Runtime::RustNative),
];

/// A client that refuses a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusing {
    /// Whose rules.
    pub client: Stack,
    /// The cause.
    pub cause: Cause,
    /// What is wrong with which certificate (0 is the leaf); none where no path leads to an anchor.
    pub found: Option<Found>,
}

/// The clients that refuse a chain with these anchors alone.
pub fn refusals(chain: &[Vec<u8>], anchors: &[Vec<u8>], host: &Host, now: Timestamp) -> Vec<Refusing> {
    let anchors = AnchorSet::new(anchors.iter().map(Vec::as_slice));
    let refuses = |client: Stack| {
        let (cause, found) = judge(chain, &anchors, host, now, Profile::Stack(client)).err()?;
        Some(Refusing { client, cause, found })
    };
    CLIENTS.into_iter().filter_map(refuses).collect()
}

fn verify(chain: &[Vec<u8>], anchors: &AnchorSet, host: &Host, now: Timestamp) -> Result<(), Cause> {
    judge(chain, anchors, host, now, Profile::Lenient).map_err(|(cause, _)| cause)
}

fn judge(
    chain: &[Vec<u8>],
    anchors: &AnchorSet,
    host: &Host,
    now: Timestamp,
    profile: Profile,
) -> Result<(), (Cause, Option<Found>)> {
    let name = Asked::from(host);
    let exploration = explore(&Question {
        chain,
        anchors,
        crls: &[],
        name: Some(&name),
        purpose: Purpose::Server,
        now,
        max_depth: None,
        profile,
        every_path: false,
    });
    match exploration.good_path() {
        Some(_) => Ok(()),
        None => Err((exploration.cause(), exploration.best().and_then(|path| path.first_fault()).cloned())),
    }
}

impl Scope {
    /// The names of this certificate that lie outside; with one of them, clients refuse it under this scope.
    pub fn left_out(&self, leaf: &Certificate) -> Vec<String> {
        let Self::Names { names, addresses } = self else { return Vec::new() };
        let is_in = |san: &San| match san {
            San::Dns(dns) => {
                let bare = dns.strip_prefix("*.").unwrap_or(dns).to_ascii_lowercase();
                names.iter().any(|name| {
                    bare == *name || bare.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
                })
            }
            San::Ip(address) => addresses.contains(address),
            _ => true,
        };
        let outside = leaf.sans.iter().filter(|san| !is_in(san));
        let text = |san: &San| match san {
            San::Dns(text) | San::Other(text) => text.clone(),
            San::Ip(address) => address.to_string(),
        };
        outside.map(text).collect()
    }
}

fn broken(cause: Cause, host: &Host) -> Shown {
    let what = match cause {
        Cause::SelfSignedLeaf => "its certificate is signed by itself: there is no CA to adopt".to_owned(),
        Cause::CertExpired => "its certificate has expired".to_owned(),
        Cause::CertNotYetValid => "its certificate is not valid yet".to_owned(),
        Cause::IntermediateExpired => "an issuer's certificate has expired".to_owned(),
        Cause::RootExpired => "the CA's own certificate has expired".to_owned(),
        Cause::HostnameMismatch | Cause::NoSan => "its certificate is for other names".to_owned(),
        Cause::WeakKey => "a key in its chain is too short".to_owned(),
        Cause::WeakSignature => "a signature in its chain is too weak (MD5 or SHA-1)".to_owned(),
        Cause::BadSignature => "a signature in its chain is wrong".to_owned(),
        Cause::IssuerNotCa => "a certificate in its chain signs without being a CA".to_owned(),
        Cause::LeafNotForServer => "its certificate is not for servers".to_owned(),
        Cause::NameConstraintViolation => "its CA may not speak for this name".to_owned(),
        other => format!("its chain is refused ({})", other.code()),
    };
    Shown::Broken { cause, summary: format!("{host}: {what}") }
}

/// The issuers above a leaf whose signatures hold, the topmost one first.
fn issuers(leaf: &Certificate, chain: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<Candidate> {
    let read = |ders: &[Vec<u8>], sent: bool| {
        let read = ders.iter().filter_map(|der| Certificate::parse(der).ok());
        read.map(|certificate| Candidate { key: KeyPin::of(&certificate.public_key), certificate, sent })
            .collect::<Vec<_>>()
    };
    let mut pool = read(chain.get(1..).unwrap_or_default(), true);
    pool.extend(read(others, false));
    let mut found: Vec<Candidate> = Vec::new();
    let mut below = leaf.clone();
    while found.len() < MOST && !below.is_self_signed() {
        let is_issuer = |it: &&Candidate| {
            it.certificate.subject_der == below.issuer_der
                && !found.iter().any(|known| known.certificate.der == it.certificate.der)
                && below.is_signed_by(&it.certificate.public_key)
        };
        // One that is its own issuer ends the chain, which is where the key to be pinned stands.
        let Some(next) = pool.iter().filter(is_issuer).max_by_key(|it| it.certificate.is_self_signed()).cloned() else {
            break;
        };
        below = next.certificate.clone();
        found.push(next);
    }
    found.reverse();
    found
}

/// What is wrong with a leaf whatever its issuer.
fn leaf_alone(leaf: &Certificate, host: &Host, now: Timestamp) -> Option<Cause> {
    if now > leaf.not_after {
        return Some(Cause::CertExpired);
    }
    if now < leaf.not_before {
        return Some(Cause::CertNotYetValid);
    }
    (!crate::x509::name_matches(&leaf.sans, host)).then_some(Cause::HostnameMismatch)
}

/// A key with its certificate's fingerprint, as records name them.
impl Candidate {
    /// The key and the certificate's SHA-256.
    pub fn named(&self) -> (KeyPin, String) {
        (self.key, fingerprint(&self.certificate.der))
    }
}
