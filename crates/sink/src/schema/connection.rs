//! Shapes of connections and of findings about them. In: [`ConnectionRecord`], `model::finding::Finding`. Out: values.

use serde::Serialize;
use sidelight_model::finding;
use sidelight_model::flow::{self, How, TlsSide, TlsVersion, Verdict};
use sidelight_model::time::Timestamp;

use super::View;
use crate::ledger::Fate;
use crate::record::ConnectionRecord;
use crate::redact::Redactor;

/// Who connected.
#[derive(Debug, Serialize)]
pub struct Client {
    /// Its address and port.
    address: Option<String>,
    /// The program, when it is local.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
}

/// A local program.
#[derive(Debug, Serialize)]
struct Process {
    pid: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
}

impl Client {
    /// The client of `record`.
    pub fn new(record: &ConnectionRecord) -> Self {
        Self {
            address: record.opened.as_ref().map(|opened| opened.client.to_string()),
            process: record.process.as_ref().map(|process| Process {
                pid: process.pid,
                name: process.name.clone(),
                exe: process.exe.clone(),
                container: process.container.clone(),
            }),
        }
    }
}

/// What a ClientHello offered.
#[derive(Debug, Serialize)]
struct Hello {
    sni: Option<String>,
    alpn: Vec<String>,
    versions: Vec<String>,
    ja3: String,
    ja4: String,
}

impl Hello {
    fn new(hello: &flow::Hello) -> Self {
        Self {
            sni: hello.sni.clone(),
            alpn: hello.alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            versions: hello.versions.iter().map(|version| TlsVersion(*version).name()).collect(),
            ja3: hello.ja3.clone(),
            ja4: hello.ja4.clone(),
        }
    }
}

/// One side's TLS.
#[derive(Debug, Serialize)]
pub struct Tls {
    version: String,
    cipher: String,
    group: Option<String>,
    alpn: Option<String>,
    sni: Option<String>,
    resumed: bool,
    /// What the hello of this side offered: the client's own, or ours towards the service. Told once, with the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    hello: Option<Hello>,
    /// Fingerprints of the certificates, leaf first.
    chain_sha256: Vec<String>,
    /// Whether the service's chain was verified; absent on our own side.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified_because: Option<String>,
}

impl Tls {
    /// The shape of `side` with its hello.
    fn whole(side: &TlsSide) -> Self {
        Self { hello: side.hello.as_deref().map(Hello::new), ..Self::new(side) }
    }

    /// The shape of `side`, for things that happen on the connection.
    pub fn new(side: &TlsSide) -> Self {
        Self {
            version: side.version.name(),
            cipher: side.cipher.clone(),
            group: side.group.clone(),
            alpn: side.alpn.as_ref().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
            sni: side.sni.clone(),
            resumed: side.resumed,
            hello: None,
            chain_sha256: side.chain.iter().map(|der| sidelight_model::redact::sha256_hex(der)).collect(),
            verified: side.verified.as_ref().map(Result::is_ok),
            unverified_because: side.verified.as_ref().and_then(|it| it.as_ref().err().cloned()),
        }
    }
}

/// A connection that ended: `"type":"connection"`.
#[derive(Debug, Serialize)]
pub struct Connection {
    conn: u64,
    opened: String,
    closed: Option<String>,
    mode: Option<String>,
    client: Client,
    target: Option<String>,
    upstream: Option<String>,
    /// `decrypted`, `plain`, `relayed`, `refused` or `failed`.
    fate: &'static str,
    /// `intercept`, `plain`, `relay` or `refuse`; absent when it ended before that was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    because: Option<String>,
    /// What the client's ClientHello offered; also where TLS was relayed untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    hello: Option<Hello>,
    server_tls: Option<Tls>,
    client_tls: Option<Tls>,
    exchanges: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    bytes_lost: u64,
    /// `clean`, `client_cut`, `server_cut`, `failed`, `ended` or `open`.
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Connection {
    /// The shape of `record`.
    pub fn new(record: &ConnectionRecord, view: View) -> Self {
        let (how, detail) = match record.closed.as_ref().map(|(_, closed)| &closed.how) {
            None => ("open", None),
            Some(How::Clean) => ("clean", None),
            Some(How::ClientCut(words)) => ("client_cut", Some(words)),
            Some(How::ServerCut(words)) => ("server_cut", Some(words)),
            Some(How::Failed) => ("failed", None),
            Some(How::Ended(words)) => ("ended", Some(words)),
        };
        let tallies =
            record.closed.as_ref().map(|(_, closed)| (closed.to_server, closed.to_client)).unwrap_or_default();
        Self {
            conn: record.id.0,
            opened: record.since.rfc3339(),
            closed: record.closed.as_ref().map(|(at, _)| at.rfc3339()),
            mode: record.opened.as_ref().map(|opened| opened.mode.to_string()),
            client: Client::new(record),
            target: record.target.as_ref().map(ToString::to_string),
            upstream: record.upstream.map(|address| address.to_string()),
            fate: Fate::of(record).name(),
            verdict: record.decision.as_ref().map(|decision| verdict_name(decision.verdict)),
            because: record.decision.as_ref().map(|decision| view.redactor.text(&decision.because)),
            hello: record.hello.as_deref().map(Hello::new),
            server_tls: record.server_tls.as_deref().map(Tls::whole),
            client_tls: record.client_tls.as_deref().map(Tls::whole),
            exchanges: record.exchanges,
            bytes_to_server: tallies.0.bytes,
            bytes_to_client: tallies.1.bytes,
            bytes_lost: tallies.0.lost + tallies.1.lost,
            how,
            detail: detail.map(|words| view.redactor.text(words)),
        }
    }
}

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intercept => "intercept",
        Verdict::Plain => "plain",
        Verdict::Relay => "relay",
        Verdict::Refuse => "refuse",
    }
}

/// A finding: `"type":"finding"`. The members from `cause` on are the same for every finding of every command.
#[derive(Debug, Serialize)]
pub struct Finding {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
    cause: &'static str,
    fault: &'static str,
    summary: String,
    evidence: Vec<Evidence>,
    fix: Vec<Fix>,
    warnings: Vec<String>,
}

/// The connection that a finding is about.
#[derive(Debug, Serialize)]
struct About {
    conn: u64,
    time: String,
    client: Client,
    target: Option<String>,
    upstream: Option<String>,
}

#[derive(Debug, Serialize)]
struct Evidence {
    what: String,
    #[serde(rename = "where")]
    place: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Fix {
    #[serde(rename = "do")]
    action: String,
    how: String,
}

impl Finding {
    /// A finding by itself.
    pub fn new(finding: &finding::Finding, redactor: Redactor) -> Self {
        let evidence = |it: &finding::Evidence| Evidence {
            what: it.what.clone(),
            place: redactor.text(&it.place),
            value: redactor.text(&it.value),
        };
        Self {
            about: None,
            cause: finding.cause.code(),
            fault: finding.fault.name(),
            summary: redactor.text(&finding.summary),
            evidence: finding.evidence().iter().map(evidence).collect(),
            fix: finding.fixes.iter().map(|it| Fix { action: it.action.clone(), how: it.how.clone() }).collect(),
            warnings: finding.warnings.iter().map(|warning| redactor.text(warning)).collect(),
        }
    }

    /// A finding about the connection of `record`.
    pub fn about(record: &ConnectionRecord, at: Timestamp, finding: &finding::Finding, redactor: Redactor) -> Self {
        let about = About {
            conn: record.id.0,
            time: at.rfc3339(),
            client: Client::new(record),
            target: record.target.as_ref().map(ToString::to_string),
            upstream: record.upstream.map(|address| address.to_string()),
        };
        Self { about: Some(about), ..Self::new(finding, redactor) }
    }
}
