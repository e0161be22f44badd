//! The JSON texts in a recording. In: heads, messages, findings. Out: text that gives them back without loss.
//! Spec: docs/store.md. Bytes are ISO 8859-1 characters ([`super::latin1`]).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sidelight_model::finding::{Cause, Evidence, Finding, Fix, Party};
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Grpc, Header, Interim, Outcome, Request, RequestTarget, Response, WebSocketKind,
};
use sidelight_model::time::Timestamp;

use super::latin1;

/// Name and value, in the order and case of the wire.
type Fields = Vec<(String, String)>;

fn fields(headers: &[Header]) -> Fields {
    headers.iter().map(|it| (latin1::text(&it.name).into_owned(), latin1::text(&it.value).into_owned())).collect()
}

/// The same as [`Fields`], written without being put together first.
struct Written<'h>(&'h [Header]);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|it| (latin1::text(&it.name), latin1::text(&it.value))))
    }
}

impl Written<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The JSON of a [`RequestHead`].
pub(super) fn request_head(request: &Request) -> String {
    #[derive(Serialize)]
    struct Head<'r> {
        #[serde(skip_serializing_if = "Option::is_none")]
        scheme: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authority: Option<&'r str>,
        headers: Written<'r>,
        #[serde(skip_serializing_if = "Written::is_empty")]
        trailers: Written<'r>,
    }
    json(&Head {
        scheme: request.target.scheme.as_deref(),
        authority: request.target.authority.as_deref(),
        headers: Written(&request.headers),
        trailers: Written(&request.trailers),
    })
}

/// The JSON of a [`ResponseHead`].
pub(super) fn response_head(response: &Response) -> String {
    #[derive(Serialize)]
    struct Head<'r> {
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'r str,
        headers: Written<'r>,
        #[serde(skip_serializing_if = "Written::is_empty")]
        trailers: Written<'r>,
    }
    json(&Head {
        reason: &latin1::text(&response.reason),
        headers: Written(&response.headers),
        trailers: Written(&response.trailers),
    })
}

fn headers(fields: Fields) -> Vec<Header> {
    let header = |(name, value): (String, String)| Header { name: latin1_bytes(&name), value: latin1_bytes(&value) };
    fields.into_iter().map(header).collect()
}

pub(super) fn latin1_bytes(text: &str) -> Bytes {
    Bytes::from(latin1::bytes(text))
}

/// Head of a request: what is not in columns.
#[derive(Deserialize)]
pub(super) struct RequestHead {
    #[serde(default)]
    scheme: Option<String>,
    #[serde(default)]
    authority: Option<String>,
    headers: Fields,
    #[serde(default)]
    trailers: Fields,
}

impl RequestHead {
    /// The request of this head; its body is put in later.
    pub(super) fn request(self, method: &str, path: &str) -> Request {
        let target = RequestTarget { raw: latin1_bytes(path), scheme: self.scheme, authority: self.authority };
        Request {
            method: latin1_bytes(method),
            target,
            headers: headers(self.headers),
            trailers: headers(self.trailers),
            body: Default::default(),
        }
    }
}

/// Head of a response: what is not in columns.
#[derive(Deserialize)]
pub(super) struct ResponseHead {
    #[serde(default)]
    reason: String,
    headers: Fields,
    #[serde(default)]
    trailers: Fields,
}

impl ResponseHead {
    /// The response of this head; its body is put in later.
    pub(super) fn response(self, status: u16) -> Response {
        Response {
            status,
            reason: latin1_bytes(&self.reason),
            headers: headers(self.headers),
            trailers: headers(self.trailers),
            body: Default::default(),
        }
    }
}

/// What most exchanges do not have.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Rest {
    /// The words of an outcome other than `complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    interim: Vec<InterimHead>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    anomalies: Vec<AnomalyDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcDocument>,
}

#[derive(Serialize, Deserialize)]
struct InterimHead {
    status: u16,
    headers: Fields,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct GrpcDocument {
    requests: u64,
    responses: u64,
    status: Option<u32>,
    message: Option<String>,
}

impl Rest {
    pub(super) fn of(exchange: &sidelight_model::flow::Exchange) -> Self {
        let outcome = match &exchange.outcome {
            Outcome::Complete => None,
            Outcome::Upgraded(words) | Outcome::Cut(words) | Outcome::Undecodable(words) => Some(words.clone()),
        };
        let interim = exchange
            .interim
            .iter()
            .map(|it| InterimHead { status: it.status, headers: fields(&it.headers), at: it.at.0 })
            .collect();
        let grpc = exchange.grpc.as_ref().map(|it| GrpcDocument {
            requests: it.requests,
            responses: it.responses,
            status: it.status,
            message: it.message.clone(),
        });
        Self { outcome, interim, anomalies: exchange.anomalies.iter().map(AnomalyDocument::of).collect(), grpc }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outcome.is_none() && self.interim.is_empty() && self.anomalies.is_empty() && self.grpc.is_none()
    }

    pub(super) fn take(self) -> (Vec<Interim>, Vec<Anomaly>, Option<Grpc>) {
        let interim =
            |it: InterimHead| Interim { status: it.status, headers: headers(it.headers), at: Timestamp(it.at) };
        let grpc = |it: GrpcDocument| Grpc {
            requests: it.requests,
            responses: it.responses,
            status: it.status,
            message: it.message,
        };
        (
            self.interim.into_iter().map(interim).collect(),
            self.anomalies.into_iter().map(AnomalyDocument::anomaly).collect(),
            self.grpc.map(grpc),
        )
    }
}

/// The outcome of this name and these words.
pub(super) fn outcome(name: &str, words: Option<String>) -> Outcome {
    let words = words.unwrap_or_default();
    match name {
        "complete" => Outcome::Complete,
        "upgraded" => Outcome::Upgraded(words),
        "cut" => Outcome::Cut(words),
        _ => Outcome::Undecodable(words),
    }
}

/// The name of an outcome.
pub(super) const fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Upgraded(_) => "upgraded",
        Outcome::Cut(_) => "cut",
        Outcome::Undecodable(_) => "undecodable",
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AnomalyDocument {
    kind: String,
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl AnomalyDocument {
    pub(super) fn of(anomaly: &Anomaly) -> Self {
        Self { kind: anomaly.kind.name().to_owned(), detail: anomaly.detail.clone(), offset: anomaly.offset }
    }

    /// A kind that this version does not know is told as a bad head, with its own name in the words.
    pub(super) fn anomaly(self) -> Anomaly {
        match AnomalyKind::from_name(&self.kind) {
            Some(kind) => Anomaly { kind, detail: self.detail, offset: self.offset },
            None => Anomaly {
                kind: AnomalyKind::BadHead,
                detail: format!("{}: {}", self.kind, self.detail),
                offset: self.offset,
            },
        }
    }
}

/// What a message is, beside its columns.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct MessageDetail {
    /// WebSocket: `text`, `binary`, `ping`, `pong`, `close`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) frames: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) compressed: bool,
    /// Server-sent events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// Opaque data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) looks_like: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_server: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_client: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ended: bool,
    /// A decoder that stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) because: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) anomaly: Option<AnomalyDocument>,
}

impl MessageDetail {
    pub(super) fn of_websocket(kind: &WebSocketKind, frames: u32, compressed: bool) -> Self {
        let (name, code, reason) = match kind {
            WebSocketKind::Text => ("text", None, None),
            WebSocketKind::Binary => ("binary", None, None),
            WebSocketKind::Ping => ("ping", None, None),
            WebSocketKind::Pong => ("pong", None, None),
            WebSocketKind::Close(code, reason) => ("close", *code, Some(reason.clone())),
        };
        Self { kind: Some(name.to_owned()), code, reason, frames: Some(frames), compressed, ..Self::default() }
    }

    pub(super) fn websocket_kind(&mut self) -> WebSocketKind {
        match self.kind.as_deref() {
            Some("text") => WebSocketKind::Text,
            Some("ping") => WebSocketKind::Ping,
            Some("pong") => WebSocketKind::Pong,
            Some("close") => WebSocketKind::Close(self.code, self.reason.take().unwrap_or_default()),
            _ => WebSocketKind::Binary,
        }
    }
}

/// A finding as the connection carries it.
#[derive(Serialize, Deserialize)]
pub(super) struct FindingDocument {
    pub(super) cause: String,
    pub(super) fault: String,
    pub(super) summary: String,
    #[serde(flatten)]
    pub(super) detail: FindingDetail,
}

/// What of a finding has no column.
#[derive(Serialize, Deserialize)]
pub(super) struct FindingDetail {
    /// What, where, value.
    evidence: Vec<(String, String, String)>,
    /// Do, how.
    fixes: Vec<(String, String)>,
    warnings: Vec<String>,
}

impl FindingDocument {
    pub(super) fn of(finding: &Finding) -> Self {
        let evidence = |it: &Evidence| (it.what.clone(), it.place.clone(), it.value.clone());
        Self {
            cause: finding.cause.code().to_owned(),
            fault: finding.fault.name().to_owned(),
            summary: finding.summary.clone(),
            detail: FindingDetail {
                evidence: finding.evidence().iter().map(evidence).collect(),
                fixes: finding.fixes.iter().map(|it| (it.action.clone(), it.how.clone())).collect(),
                warnings: finding.warnings.clone(),
            },
        }
    }

    /// The finding; `None` when its cause is one that this version does not know, or when it has no evidence.
    pub(super) fn finding(self) -> Option<Finding> {
        let cause = cause(&self.cause)?;
        let mut evidence = self.detail.evidence.into_iter();
        let (what, place, value) = evidence.next()?;
        let mut finding = Finding::new(cause, self.summary, what, place, value);
        for (what, place, value) in evidence {
            finding = finding.with_evidence(what, place, value);
        }
        finding.fixes = self.detail.fixes.into_iter().map(|(action, how)| Fix { action, how }).collect();
        finding.warnings = self.detail.warnings;
        let fault = Party::ALL.iter().copied().find(|party| party.name() == self.fault);
        Some(finding.blaming(fault.unwrap_or_else(|| cause.party())))
    }
}

/// The cause of this code.
pub(super) fn cause(code: &str) -> Option<Cause> {
    Cause::ALL.iter().copied().find(|cause| cause.code() == code)
}

/// JSON of what cannot fail to be JSON.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Names of modes, kept once.
pub(super) fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
