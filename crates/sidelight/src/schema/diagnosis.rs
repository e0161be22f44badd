//! The shape of `diagnose --json`: the members of a finding, then what was seen. In: facts and the diagnosis. Out: a value.

use serde::Serialize;
use sidelight_model::diagnose::{self, Details, End, Facts, Late, Variant};
use sidelight_model::finding::Cause;
use sidelight_model::flow::TlsVersion;
use sidelight_model::x509::{Certificate, San};
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::Finding;

/// `"type":"diagnosis"`.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    target: String,
    name: String,
    sni: Option<String>,
    address: Option<String>,
    proxy: Option<String>,
    starttls: Option<&'static str>,
    at: String,
    #[serde(flatten)]
    finding: Finding,
    chain: Vec<Link>,
    versions: Vec<String>,
    ciphers: Vec<String>,
    ciphers_by_version: Vec<Suites>,
    version: Option<String>,
    cipher: Option<String>,
    group: Option<String>,
    alpn: Option<String>,
    client_auth: Option<ClientAuth>,
    path: Option<Path>,
    roots: Roots,
    ocsp: Ocsp,
    expires_in_days: Option<i64>,
    missing: Vec<Link>,
    wanted_root: Option<Link>,
    attempts: Vec<Attempt>,
}

/// A certificate.
#[derive(Debug, Serialize)]
struct Link {
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
    sans: Vec<String>,
    key: String,
    sha256: String,
    pem: String,
}

#[derive(Debug, Serialize)]
struct Suites {
    version: String,
    ciphers: Vec<String>,
}

/// What the server asks of clients.
#[derive(Debug, Serialize)]
struct ClientAuth {
    requested: bool,
    presented: bool,
    accepted_issuers: Vec<String>,
    schemes: Vec<String>,
}

/// The way to a trusted root.
#[derive(Debug, Serialize)]
struct Path {
    root: String,
    sha256: String,
    via: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Roots {
    source: String,
    count: usize,
}

#[derive(Debug, Serialize)]
struct Ocsp {
    stapled: bool,
    fetched: Vec<String>,
}

/// One attempt, in the order in which they were made.
#[derive(Debug, Serialize)]
struct Attempt {
    attempt: String,
    address: Option<String>,
    outcome: &'static str,
    detail: Option<String>,
    version: Option<String>,
    cipher: Option<String>,
    hello_bytes: usize,
    milliseconds: u128,
}

impl Link {
    fn new(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            not_before: seconds(&certificate.not_before.rfc3339()),
            not_after: seconds(&certificate.not_after.rfc3339()),
            sans: certificate.sans.iter().map(san).collect(),
            key: Details::of(certificate).key,
            sha256: certificate.sha256(),
            pem: sidelight_wire::pem::write("CERTIFICATE", &certificate.der),
        }
    }
}

/// RFC 3339 without a fraction: certificates have none.
fn seconds(text: &str) -> String {
    text.replace(".000000Z", "Z")
}

fn san(san: &San) -> String {
    match san {
        San::Dns(name) => format!("DNS:{name}"),
        San::Ip(address) => format!("IP:{address}"),
        San::Other(other) => other.clone(),
    }
}

impl Diagnosis {
    /// The shape of a diagnosis.
    pub(crate) fn new(facts: &Facts, diagnosis: &diagnose::Diagnosis, redactor: Redactor) -> Self {
        let question = &facts.question;
        let used = facts.certified().or_else(|| facts.main());
        let main = facts.main();
        let version = |number: u16| TlsVersion(number).name();
        let suites: Vec<Suites> = facts
            .suites
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(number, names)| Suites { version: version(*number), ciphers: names.clone() })
            .collect();
        let mut ciphers: Vec<String> = suites.iter().flat_map(|it| it.ciphers.iter().cloned()).collect();
        ciphers.extend(used.and_then(|used| used.suite.clone()).filter(|suite| !ciphers.contains(suite)));
        Self {
            target: question.target.to_string(),
            name: question.name.to_string(),
            sni: question.sni.clone(),
            address: main.and_then(|main| main.peer).map(|peer| peer.to_string()),
            proxy: question.proxy.as_ref().map(|(at, _)| at.to_string()),
            starttls: question.starttls,
            at: seconds(&question.at.rfc3339()),
            finding: Finding::new(&with_raw_words(facts, diagnosis), redactor),
            chain: diagnosis.chain.iter().map(Link::new).collect(),
            versions: facts.versions().into_iter().map(version).collect(),
            ciphers,
            ciphers_by_version: suites,
            version: used.and_then(|used| used.version).map(version),
            cipher: used.and_then(|used| used.suite.clone()),
            group: used.and_then(|used| used.group.clone()),
            alpn: used.and_then(|used| used.alpn.as_ref()).map(|name| String::from_utf8_lossy(name).into_owned()),
            client_auth: main.and_then(|main| {
                main.request.as_ref().map(|request| ClientAuth {
                    requested: true,
                    presented: main.presented,
                    accepted_issuers: request.authority_names.clone(),
                    schemes: request.schemes.clone(),
                })
            }),
            path: diagnosis.path.as_ref().and_then(|path| {
                let root = path.last()?;
                Some(Path {
                    root: root.subject.clone(),
                    sha256: root.sha256(),
                    via: path.iter().map(|cert| cert.subject.clone()).collect(),
                })
            }),
            roots: Roots { source: facts.roots.source.clone(), count: facts.roots.anchors.len() },
            ocsp: Ocsp {
                stapled: used.is_some_and(|used| !used.stapled.is_empty()),
                fetched: facts.ocsp.iter().filter(|it| it.body.is_ok()).map(|it| it.url.clone()).collect(),
            },
            expires_in_days: diagnosis.chain.first().map(|leaf| diagnose::days_left(leaf.not_after, question.at)),
            missing: diagnosis.missing.iter().map(Link::new).collect(),
            wanted_root: diagnosis.wanted_root.as_ref().map(Link::new),
            attempts: facts.attempts.iter().map(Attempt::new).collect(),
        }
    }
}

/// The finding, with what libraries said of it in their own words: people read the plain ones.
fn with_raw_words(facts: &Facts, diagnosis: &diagnose::Diagnosis) -> sidelight_model::finding::Finding {
    let finding = diagnosis.finding.clone();
    let finding = match &facts.library {
        Some(Err(words)) if finding.cause != Cause::Ok => {
            finding.with_evidence("verifier", "rustls-webpki", words.clone())
        }
        _ => finding,
    };
    match &facts.resolution.raw {
        Some(raw) => finding.with_evidence("resolver's words", facts.resolution.resolver.clone(), raw.clone()),
        None => finding,
    }
}

impl Attempt {
    fn new(attempt: &diagnose::Attempt) -> Self {
        let (outcome, detail) = match (&attempt.end, &attempt.late) {
            (_, Some(Late::Alert(alert))) => ("late_alert", Some(alert.name.clone())),
            (End::Finished, _) => ("finished", None),
            (End::Alert(alert), _) => ("alert", Some(alert.name.clone())),
            (End::Reset, _) => ("reset", None),
            (End::Closed, _) => ("closed", None),
            (End::TimedOut, _) => ("timeout", None),
            (End::NotTls(heard, _), _) => ("not_tls", Some(String::from_utf8_lossy(heard).into_owned())),
            (End::Incompatible(why), _) => ("incompatible", Some(why.clone())),
            (End::ChainTooLarge(why), _) => ("chain_too_large", Some(why.clone())),
            (End::Broken(why), _) => ("broken", Some(why.clone())),
            (End::StarttlsRefused(why), _) => ("starttls_refused", Some(why.clone())),
            (End::NotConnected(why), _) => ("not_connected", Some(why.clone())),
        };
        Self {
            attempt: variant(&attempt.variant),
            address: attempt.peer.map(|peer| peer.to_string()),
            outcome,
            detail,
            version: attempt.version.map(|version| TlsVersion(version).name()),
            cipher: attempt.suite.clone(),
            hello_bytes: attempt.hello_size,
            milliseconds: attempt.took.as_millis(),
        }
    }
}

fn variant(variant: &Variant) -> String {
    match variant {
        Variant::AsAsked => "as_asked".to_owned(),
        Variant::Again => "again".to_owned(),
        Variant::Small => "small_hello".to_owned(),
        Variant::Tls12 => "tls12_only".to_owned(),
        Variant::WithoutSni => "without_sni".to_owned(),
        Variant::WithSni(name) => format!("with_sni {name}"),
        Variant::WithoutAlpn => "without_alpn".to_owned(),
        Variant::Http => "http".to_owned(),
        Variant::Anonymous => "without_client_certificate".to_owned(),
        Variant::Direct => "around_the_proxy".to_owned(),
        Variant::At(address) => format!("at {address}"),
        Variant::Every(version) => format!("every_suite {}", TlsVersion(*version).name()),
        Variant::FiniteField(_) => "finite_field_dh".to_owned(),
    }
}
