//! What was seen of an endpoint. In: attempts that `engine` made. Out: values that are planned from and judged here, never text
//! for people. Nothing in them depends on the order in which attempts were made, but that the first one is what was asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Authority, Host};
use crate::time::Timestamp;
use crate::x509::path::{AnchorSet, Profile};
use crate::x509::{Anchors, Certificate};

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// The endpoint.
    pub target: Authority,
    /// What its certificate must be for.
    pub name: Host,
    /// The server name that is sent; `None`: none.
    pub sni: Option<String>,
    /// Whether the user forbade a server name, rather than that there is none to send.
    pub sni_forbidden: bool,
    /// The time for which certificates are judged.
    pub at: Timestamp,
    /// By whose rules the chain is judged.
    pub rules: Profile,
    /// Application protocols that the user named; empty: none were named.
    pub alpn: Vec<Vec<u8>>,
    /// The protocol that turns into TLS, by its name.
    pub starttls: Option<&'static str>,
    /// The proxy, without its login, and where it was named (`--proxy`, `HTTPS_PROXY`).
    pub proxy: Option<(Authority, String)>,
    /// The longest wait of one step.
    pub patience: Duration,
    /// Whether issuers, OCSP responses and revocation lists may be fetched where certificates say.
    pub may_fetch: bool,
    /// Whether every address of the name is to be tried.
    pub every_address: bool,
    /// The client's own certificate.
    pub client: Option<ClientIdentity>,
    /// The image source whose trust is judged, as the user wrote it.
    pub source: Option<String>,
    /// The command that puts a root where it is missing.
    pub adding: Adding,
    /// The options by which the user chose whose trust counts, as they were written: ` --roots root.pem`; empty: none.
    pub trust_options: String,
}

/// A command that adds a root to what is trusted: what stands before the root's file in it, and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adding {
    /// `sidelight trust add`.
    pub before: String,
    /// `--into rootfs:./root`; empty: nothing.
    pub after: String,
}

impl Adding {
    /// The command for the root in this file.
    pub fn root(&self, file: &str) -> String {
        format!("{} {file} {}", self.before, self.after).trim_end().to_owned()
    }
}

/// A client certificate as it stands in the user's files.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// Its chain, leaf first; never empty.
    pub chain: Vec<Certificate>,
    /// The file of the certificate.
    pub cert_file: String,
    /// The file of the key.
    pub key_file: String,
    /// Whether the key is the certificate's.
    pub key_matches: bool,
}

/// The roots that are judged by; [`Roots::new`] makes them.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// Where they come from, for people: a file, `the host's trust store`, `Go in docker-archive:app.tar (/etc/ssl/certs/…)`.
    pub source: String,
    /// The roots, to be looked up.
    pub anchors: Anchors,
    /// The same, to search paths to.
    pub set: Arc<AnchorSet>,
    /// What was lost or odd while reading them, one sentence each.
    pub notes: Vec<String>,
}

impl Roots {
    /// The roots in these certificates.
    pub fn new<'a>(source: impl Into<String>, ders: impl IntoIterator<Item = &'a [u8]>, notes: Vec<String>) -> Self {
        let ders: Vec<&[u8]> = ders.into_iter().collect();
        let anchors = Anchors::new(ders.iter().copied());
        Self { source: source.into(), anchors, set: Arc::new(AnchorSet::new(ders)), notes }
    }
}

/// How a name was resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Who was asked: `/etc/hosts, then 10.0.0.2 (/etc/resolv.conf)`.
    pub resolver: String,
    /// The search list, in order.
    pub search: Vec<String>,
    /// The addresses, or why there are none, in plain words.
    pub addresses: Option<Result<Vec<IpAddr>, String>>,
    /// Why there are none, in the words of the library that asked; for programs and reports of defects.
    pub raw: Option<String>,
}

/// One attempt to open TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The address.
    pub address: SocketAddr,
    /// How long it took, or why not.
    pub outcome: Result<Duration, Unreached>,
}

/// Why TCP could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// Answered with a reset.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// The system's words: no route, not permitted …
    Other(String),
}

/// Why the proxy gave no tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyFailure {
    /// It cannot be reached, or does not answer.
    Unreachable(String),
    /// It wants a login, or another one.
    Login(String),
    /// It refused, in these words.
    Refused(String),
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSeen {
    /// Its number.
    pub number: u8,
    /// Its name in the specification.
    pub name: String,
    /// What its sender says with it, as a clause about the sender.
    pub meaning: &'static str,
}

/// What one attempt was like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// As the user asked.
    AsAsked,
    /// The very same once more.
    Again,
    /// The same with a ClientHello that fits one packet: without post-quantum key shares.
    Small,
    /// TLS 1.2 alone.
    Tls12,
    /// Without a server name.
    WithoutSni,
    /// With this server name.
    WithSni(String),
    /// Offering no application protocols.
    WithoutAlpn,
    /// As asked, and then one HTTP request, to hear what the server says of a client certificate.
    Http,
    /// The same without the client certificate.
    Anonymous,
    /// Around the proxy.
    Direct,
    /// To another address of the name.
    At(SocketAddr),
    /// A hello made by hand that offers this version and every suite there ever was.
    Every(u16),
    /// A hello made by hand that offers this version and the suites of finite-field Diffie-Hellman alone.
    FiniteField(u16),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The handshake was finished; for hellos made by hand: the server went along.
    Finished,
    /// The server sent a fatal alert.
    Alert(AlertSeen),
    /// TCP was reset.
    Reset,
    /// The server closed without an alert.
    Closed,
    /// Nothing more came.
    TimedOut,
    /// What came is no TLS: its first bytes, and what they are.
    NotTls(Vec<u8>, Spoken),
    /// The library gave up for want of something in common.
    Incompatible(String),
    /// The certificate message is larger than clients accept.
    ChainTooLarge(String),
    /// The library gave up over what the server sent.
    Broken(String),
    /// STARTTLS was refused, in these words.
    StarttlsRefused(String),
    /// There was no connection.
    NotConnected(String),
}

/// What the server asks of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRequest {
    /// Names of the authorities that it accepts, in DER; empty: it does not say.
    pub authorities: Vec<Vec<u8>>,
    /// The same for people.
    pub authority_names: Vec<String>,
    /// Signature schemes by name.
    pub schemes: Vec<String>,
}

/// What came after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// A fatal alert.
    Alert(AlertSeen),
    /// The answer to an HTTP request: status and the beginning of its text.
    Http(u16, String),
    /// Closed or reset, without an alert.
    Cut,
    /// Nothing that says anything.
    Quiet,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What it was like.
    pub variant: Variant,
    /// The address that it went to, or the proxy's.
    pub peer: Option<SocketAddr>,
    /// How it ended.
    pub end: End,
    /// Whether a ServerHello came.
    pub answered: bool,
    /// The version that was agreed.
    pub version: Option<u16>,
    /// The suite by its name.
    pub suite: Option<String>,
    /// The key exchange group by its name.
    pub group: Option<String>,
    /// Bits of a finite-field Diffie-Hellman group.
    pub dh_bits: Option<usize>,
    /// The application protocol.
    pub alpn: Option<Vec<u8>>,
    /// The server's certificates, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The stapled OCSP response; empty: none.
    pub stapled: Vec<u8>,
    /// Whether the key of the certificate signed the handshake; `None`: that was not seen, or cannot be checked.
    pub key_proved: Option<bool>,
    /// What the server asks of the client; `None`: nothing.
    pub request: Option<ClientRequest>,
    /// Whether a client certificate was sent.
    pub presented: bool,
    /// What came after the handshake.
    pub late: Option<Late>,
    /// Bytes of the ClientHello.
    pub hello_size: usize,
    /// How long it took.
    pub took: Duration,
}

impl Attempt {
    /// An attempt of which nothing was seen yet.
    pub const fn new(variant: Variant, end: End) -> Self {
        Self {
            variant,
            peer: None,
            end,
            answered: false,
            version: None,
            suite: None,
            group: None,
            dh_bits: None,
            alpn: None,
            chain: Vec::new(),
            stapled: Vec::new(),
            key_proved: None,
            request: None,
            presented: false,
            late: None,
            hello_size: 0,
            took: Duration::ZERO,
        }
    }

    /// Whether the handshake was finished.
    pub fn finished(&self) -> bool {
        self.end == End::Finished
    }

    /// Whether the connection was cut, or nothing came, before the server said anything in TLS.
    pub const fn cut_at_hello(&self) -> bool {
        !self.answered && matches!(self.end, End::Reset | End::Closed | End::TimedOut)
    }

    /// Whether the server said anything in TLS: a ServerHello or an alert.
    pub const fn spoke_tls(&self) -> bool {
        self.answered || matches!(self.end, End::Finished | End::Alert(_))
    }
}

/// Something asked in plain, without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlainWords {
    /// Nothing: the server speaks first or not at all.
    Silence,
    /// An HTTP request.
    Http,
    /// What opens a dialogue that ends in TLS, by the protocol's name.
    Starttls(&'static str),
}

/// What a port answers without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// What it was told.
    pub words: PlainWords,
    /// What it said; empty: nothing.
    pub heard: Vec<u8>,
    /// What that is.
    pub spoken: Spoken,
    /// Whether a dialogue came to the point where TLS begins.
    pub upgrades: bool,
}

/// What the first bytes of a server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP.
    Http,
    /// A protocol that can turn into TLS, by its name.
    Upgrades(&'static str),
    /// Another, by its name.
    Other(&'static str),
    /// Nothing known.
    Unknown,
}

/// What was fetched where a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The address.
    pub url: String,
    /// What is there, or why it could not be had.
    pub body: Result<Vec<u8>, String>,
}

/// Everything that was seen.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What was asked.
    pub question: Question,
    /// The roots.
    pub roots: Roots,
    /// Other sets of roots, for comparison: what they are called, and they.
    pub others: Vec<(String, Anchors)>,
    /// How the name was resolved (the proxy's, where there is one).
    pub resolution: Resolution,
    /// TCP to each address that was tried.
    pub reached: Vec<Reach>,
    /// Why there is no tunnel.
    pub proxy_failure: Option<ProxyFailure>,
    /// Attempts; the first is [`Variant::AsAsked`].
    pub attempts: Vec<Attempt>,
    /// Suites that the server takes, by version, in its order.
    pub suites: Vec<(u16, Vec<String>)>,
    /// What the port says in plain.
    pub plain: Vec<Plain>,
    /// Certificates of issuers that were fetched.
    pub issuers: Vec<Fetched>,
    /// OCSP responses that were fetched for the leaf.
    pub ocsp: Vec<Fetched>,
    /// Revocation lists that were fetched, by the certificate of the path that names them.
    pub lists: Vec<Fetched>,
    /// What an accepted library says of the chain: nothing wrong, or its words. `None`: it was not asked.
    pub library: Option<Result<(), String>>,
}

impl Facts {
    /// Facts of which nothing but the question is known.
    pub const fn new(question: Question, roots: Roots) -> Self {
        Self {
            question,
            roots,
            others: Vec::new(),
            resolution: Resolution { resolver: String::new(), search: Vec::new(), addresses: None, raw: None },
            reached: Vec::new(),
            proxy_failure: None,
            attempts: Vec::new(),
            suites: Vec::new(),
            plain: Vec::new(),
            issuers: Vec::new(),
            ocsp: Vec::new(),
            lists: Vec::new(),
            library: None,
        }
    }

    /// The attempt that was asked for.
    pub fn main(&self) -> Option<&Attempt> {
        self.attempts.first()
    }

    /// The attempt of this kind.
    pub fn attempt(&self, variant: &Variant) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.variant == *variant)
    }

    /// The attempt whose certificates are judged: the first that got any.
    pub fn certified(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| !attempt.chain.is_empty())
    }

    /// The names of versions that the server was seen to speak, the newest first.
    pub fn versions(&self) -> Vec<u16> {
        let mut all: Vec<u16> =
            self.attempts.iter().filter(|attempt| attempt.answered).filter_map(|attempt| attempt.version).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.dedup();
        all
    }
}
