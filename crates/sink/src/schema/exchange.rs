//! The shape of an HTTP exchange: `"type":"exchange"`. In: [`flow::Exchange`] and its connection. Out: a value.

use serde::Serialize;
use sidelight_model::flow::{self, Header, Outcome, url};
use sidelight_model::time::Timestamp;

use super::connection::{Client, Tls};
use super::messages::{Anomaly, GrpcResult};
use super::{View, millis};
use crate::content::Content;
use crate::record::ConnectionRecord;

/// One request and its response.
#[derive(Debug, Serialize)]
pub struct Exchange {
    conn: u64,
    stream: u64,
    /// When the first byte of the request passed.
    time: String,
    mode: Option<String>,
    client: Client,
    target: Option<String>,
    upstream: Option<String>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    protocol: &'static str,
    method: Option<String>,
    url: Option<String>,
    status: Option<u16>,
    tls: Option<Tls>,
    client_tls: Option<Tls>,
    request: Option<Request>,
    interim: Vec<Interim>,
    response: Option<Response>,
    timings: Timings,
    /// `complete`, `upgraded`, `cut` or `undecodable`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    anomalies: Vec<Anomaly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcResult>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pushed: bool,
}

#[derive(Debug, Serialize)]
struct Request {
    /// The target as it was on the wire.
    target: String,
    headers: Fields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trailers: Fields,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Response {
    reason: String,
    headers: Fields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trailers: Fields,
    body: Body,
}

/// Name and value, in the order and case of the wire.
type Fields = Vec<(String, String)>;

#[derive(Debug, Serialize)]
struct Body {
    /// Bytes of content, still coded.
    size: u64,
    /// Bytes that carried it, chunk framing or frame heads included.
    wire_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    content: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct Shown {
    media_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decoded_from: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Interim {
    status: u16,
    headers: Fields,
    time: String,
}

#[derive(Debug, Serialize)]
struct Timings {
    request_end: Option<String>,
    response_start: Option<String>,
    end: Option<String>,
    /// From the first byte of the request to the first of the response.
    first_byte_ms: Option<f64>,
    /// From the first byte of the request to the end.
    total_ms: Option<f64>,
}

impl Exchange {
    /// The shape of `exchange`, which was on the connection of `record`.
    pub fn new(record: &ConnectionRecord, exchange: &flow::Exchange, view: View) -> Self {
        let (outcome, detail) = match &exchange.outcome {
            Outcome::Complete => ("complete", None),
            Outcome::Upgraded(to) => ("upgraded", Some(to)),
            Outcome::Cut(words) => ("cut", Some(words)),
            Outcome::Undecodable(words) => ("undecodable", Some(words)),
        };
        let fields = |headers: &[Header]| fields(headers, view);
        Self {
            conn: exchange.conn.0,
            stream: exchange.stream,
            time: exchange.timings.request_start.rfc3339(),
            mode: record.opened.as_ref().map(|opened| opened.mode.to_string()),
            client: Client::new(record),
            target: record.target.as_ref().map(ToString::to_string),
            upstream: record.upstream.map(|address| address.to_string()),
            protocol: exchange.version.name(),
            method: exchange.request.as_ref().map(|request| String::from_utf8_lossy(&request.method).into_owned()),
            url: exchange.request.as_ref().map(|request| view.redactor.url(&url(record, request))),
            status: exchange.response.as_ref().map(|response| response.status),
            tls: record.server_tls.as_deref().map(Tls::new),
            client_tls: record.client_tls.as_deref().map(Tls::new),
            request: exchange.request.as_ref().map(|request| Request {
                target: view.redactor.url(&String::from_utf8_lossy(&request.target.raw)),
                headers: fields(&request.headers),
                trailers: fields(&request.trailers),
                body: body(&request.headers, &request.body, view),
            }),
            interim: exchange
                .interim
                .iter()
                .map(|it| Interim { status: it.status, headers: fields(&it.headers), time: it.at.rfc3339() })
                .collect(),
            response: exchange.response.as_ref().map(|response| Response {
                reason: String::from_utf8_lossy(&response.reason).into_owned(),
                headers: fields(&response.headers),
                trailers: fields(&response.trailers),
                body: body(&response.headers, &response.body, view),
            }),
            timings: Timings::new(&exchange.timings),
            outcome,
            detail: detail.map(|words| view.redactor.text(words)),
            anomalies: exchange.anomalies.iter().map(|it| Anomaly::new(it, view)).collect(),
            grpc: exchange.grpc.as_ref().map(|grpc| GrpcResult::new(grpc, view)),
            pushed: exchange.pushed,
        }
    }
}

impl Timings {
    fn new(timings: &flow::Timings) -> Self {
        let text = |moment: Option<Timestamp>| moment.map(Timestamp::rfc3339);
        let after = |moment: Option<Timestamp>| moment.map(|moment| millis(moment.since(timings.request_start)));
        Self {
            request_end: text(timings.request_end),
            response_start: text(timings.response_start),
            end: text(timings.end),
            first_byte_ms: after(timings.response_start),
            total_ms: after(timings.end),
        }
    }
}

fn fields(headers: &[Header], view: View) -> Fields {
    headers
        .iter()
        .map(|header| (String::from_utf8_lossy(&header.name).into_owned(), view.redactor.field(header)))
        .collect()
}

fn body(headers: &[Header], body: &flow::Body, view: View) -> Body {
    let show = |limit| {
        let content = Content::read(headers, body, limit);
        Shown {
            text: content.text.as_ref().map(|text| view.redactor.body(&content.media_type, text)),
            base64: (!content.bytes.is_empty()).then(|| data_encoding::BASE64.encode(&content.bytes)),
            media_type: content.media_type,
            decoded_from: content.codings,
            cut: content.cut,
            problem: content.problem,
        }
    };
    Body {
        size: body.length,
        wire_size: body.wire_length,
        sha256: body.sha256.map(|digest| data_encoding::HEXLOWER.encode(&digest)),
        content: view.bodies.filter(|_| body.length > 0).map(show),
    }
}
