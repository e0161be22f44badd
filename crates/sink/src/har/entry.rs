//! An exchange as an entry of an archive. In: the exchange, its connection, the messages that came before its end. Out: [`Entry`].

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use sidelight_model::flow::{self, Exchange, Header, HttpVersion, Outcome, TlsSide};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::Certificate;
use sidelight_wire::har::{
    Anomaly, Client, Content, Entry, Field, Grpc, Interim, Micros, Request, Response, SecurityDetails, Target, Timings,
};

use super::waiting::Pending;
use super::{body, cookies, messages, target};
use crate::record::ConnectionRecord;

/// The entry for `exchange`.
pub(super) fn new(record: &ConnectionRecord, exchange: &Exchange, pending: Pending) -> Entry {
    let tls = record.server_tls.as_deref().or(record.client_tls.as_deref());
    let timings = timings(&exchange.timings);
    let mut entry = Entry {
        started_date_time: exchange.timings.request_start.rfc3339(),
        time: round(timings.send + timings.wait + timings.receive),
        request: request(record, exchange, tls.is_some()),
        response: response(exchange),
        timings,
        server_ip_address: record.upstream.map(|address| address.ip().to_string()),
        connection: Some(exchange.conn.0.to_string()),
        resource_type: resource_type(exchange).map(str::to_owned),
        grpc: exchange.grpc.as_ref().map(grpc),
        interim: exchange.interim.iter().map(interim).collect(),
        anomalies: exchange.anomalies.iter().map(anomaly).collect(),
        outcome: match &exchange.outcome {
            Outcome::Complete => None,
            Outcome::Upgraded(to) => Some(format!("upgraded: {to}")),
            Outcome::Cut(words) => Some(format!("cut: {words}")),
            Outcome::Undecodable(words) => Some(format!("undecodable: {words}")),
        },
        micros: Some(micros(&exchange.timings)),
        stream: i64::try_from(exchange.stream).unwrap_or(i64::MAX),
        pushed: exchange.pushed,
        request_unseen: exchange.request.is_none(),
        client: client(record),
        security_details: tls.map(security_details),
        ..Entry::default()
    };
    messages::add(&mut entry, pending);
    entry
}

fn request(record: &ConnectionRecord, exchange: &Exchange, tls_known: bool) -> Request {
    let http_version = exchange.version.name().to_owned();
    let Some(request) = &exchange.request else {
        let scheme = if tls_known { "https" } else { "http" };
        let url = format!("{scheme}://{}/", record.service().replace(' ', "-"));
        return Request { url, http_version, headers_size: -1, body_size: -1, ..Request::default() };
    };
    let url = target::url(record, request);
    let likely = target::likely(&request.method, &url, exchange.version, &request.headers, tls_known);
    let head = [&request.method[..], &request.target.raw[..], exchange.version.name().as_bytes()];
    Request {
        method: String::from_utf8_lossy(&request.method).into_owned(),
        query_string: target::pairs(target::parts(&url).query)
            .into_iter()
            .map(|(name, value)| Field { name, value, base64: None })
            .collect(),
        cookies: cookies::sent(&request.headers),
        headers: fields(&request.headers),
        post_data: body::post_data(&request.headers, &request.body),
        headers_size: head_size(exchange.version, &head, &request.headers),
        body_size: i64::try_from(request.body.length).unwrap_or(i64::MAX),
        target: (likely != request.target).then(|| exact(&request.target)),
        trailers: fields(&request.trailers),
        url,
        http_version,
    }
}

fn exact(target: &flow::RequestTarget) -> Target {
    let (raw, base64) = text_and_base64(&target.raw);
    Target { raw, base64, scheme: target.scheme.clone(), authority: target.authority.clone() }
}

fn response(exchange: &Exchange) -> Response {
    let error = match &exchange.outcome {
        Outcome::Cut(words) | Outcome::Undecodable(words) => Some(words.clone()),
        Outcome::Complete | Outcome::Upgraded(_) => None,
    };
    let http_version = exchange.version.name().to_owned();
    let Some(response) = &exchange.response else {
        let content = Content { mime_type: "x-unknown".to_owned(), ..Content::default() };
        let error = error.or_else(|| Some("there was no response".to_owned()));
        return Response { http_version, content, headers_size: -1, body_size: -1, error, ..Response::default() };
    };
    let head = [exchange.version.name().as_bytes(), b"200", &response.reason[..]];
    Response {
        status: i64::from(response.status),
        status_text: String::from_utf8_lossy(&response.reason).into_owned(),
        http_version,
        cookies: cookies::set(&response.headers),
        headers: fields(&response.headers),
        content: body::content(&response.headers, &response.body),
        redirect_url: Header::find(&response.headers, "location").unwrap_or_default().to_owned(),
        headers_size: head_size(exchange.version, &head, &response.headers),
        body_size: i64::try_from(response.body.length).unwrap_or(i64::MAX),
        trailers: fields(&response.trailers),
        error,
    }
}

/// Bytes of a head in HTTP/1; those of a compressed one are not known.
fn head_size(version: HttpVersion, start: &[&[u8]; 3], headers: &[Header]) -> i64 {
    if !matches!(version, HttpVersion::Http10 | HttpVersion::Http11) {
        return -1;
    }
    let start: usize = start.iter().map(|part| part.len()).sum::<usize>() + 2 + 2;
    let fields: usize = headers.iter().map(|it| it.name.len() + it.value.len() + 4).sum();
    i64::try_from(start + fields + 2).unwrap_or(-1)
}

fn fields(headers: &[Header]) -> Vec<Field> {
    let field = |header: &Header| {
        let (value, base64) = text_and_base64(&header.value);
        Field { name: String::from_utf8_lossy(&header.name).into_owned(), value, base64 }
    };
    headers.iter().map(field).collect()
}

/// The text of bytes, and the bytes themselves where it is not all of them.
fn text_and_base64(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(BASE64.encode(bytes))),
    }
}

/// Never negative, in the order in which HAR has them; what ended out of order took no time.
fn timings(timings: &flow::Timings) -> Timings {
    let start = timings.request_start;
    let last = timings.end.or(timings.response_start).or(timings.request_end).unwrap_or(start).max(start);
    let answered = timings.response_start.unwrap_or(last).clamp(start, last);
    let sent = timings.request_end.unwrap_or(answered).clamp(start, answered);
    let between = |from: Timestamp, to: Timestamp| round(to.since(from).as_micros() as f64 / 1000.0);
    Timings {
        blocked: -1.0,
        dns: -1.0,
        connect: -1.0,
        send: between(start, sent),
        wait: between(sent, answered),
        receive: between(answered, last),
        ssl: -1.0,
    }
}

/// To the microsecond: sums of such numbers are written without a tail of digits.
fn round(millis: f64) -> f64 {
    (millis * 1000.0).round() / 1000.0
}

fn micros(timings: &flow::Timings) -> Micros {
    let after = |moment: Option<Timestamp>| moment.map(|moment| moment.0.saturating_sub(timings.request_start.0));
    Micros {
        request_end: after(timings.request_end),
        response_start: after(timings.response_start),
        end: after(timings.end),
    }
}

fn resource_type(exchange: &Exchange) -> Option<&'static str> {
    let response = exchange.response.as_ref();
    let media = response.and_then(|response| Header::find(&response.headers, "content-type")).unwrap_or_default();
    if matches!(&exchange.outcome, Outcome::Upgraded(to) if to == "websocket") {
        return Some("websocket");
    }
    media.trim_start().to_ascii_lowercase().starts_with("text/event-stream").then_some("eventsource")
}

fn grpc(grpc: &flow::Grpc) -> Grpc {
    Grpc {
        requests: i64::try_from(grpc.requests).unwrap_or(i64::MAX),
        responses: i64::try_from(grpc.responses).unwrap_or(i64::MAX),
        status: grpc.status,
        message: grpc.message.clone(),
    }
}

fn interim(interim: &flow::Interim) -> Interim {
    Interim { status: i64::from(interim.status), headers: fields(&interim.headers), time: interim.at.rfc3339() }
}

fn anomaly(anomaly: &flow::Anomaly) -> Anomaly {
    Anomaly { kind: anomaly.kind.name().to_owned(), detail: anomaly.detail.clone(), offset: anomaly.offset }
}

fn client(record: &ConnectionRecord) -> Option<Client> {
    let address = record.opened.as_ref().map(|opened| opened.client.to_string());
    let process = record.process.as_ref();
    let client = Client {
        address,
        pid: process.map(|it| it.pid),
        name: process.map(|it| it.name.clone()),
        exe: process.and_then(|it| it.exe.clone()),
        container: process.and_then(|it| it.container.clone()),
    };
    (client != Client::default()).then_some(client)
}

fn security_details(side: &TlsSide) -> SecurityDetails {
    let leaf = side.chain.first().and_then(|der| Certificate::parse(der).ok());
    SecurityDetails {
        protocol: side.version.name(),
        cipher: side.cipher.clone(),
        key_exchange_group: side.group.clone(),
        subject_name: leaf.as_ref().map(|leaf| leaf.subject.clone()),
        issuer: leaf.as_ref().map(|leaf| leaf.issuer.clone()),
        valid_from: leaf.as_ref().map(|leaf| leaf.not_before.as_secs()),
        valid_to: leaf.as_ref().map(|leaf| leaf.not_after.as_secs()),
        chain_sha256: side.chain.iter().map(|der| HEXLOWER.encode(&Sha256::digest(der))).collect(),
        alpn: side.alpn.as_ref().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        sni: side.sni.clone(),
        resumed: side.resumed,
        verified: side.verified.as_ref().map(Result::is_ok),
        unverified_because: side.verified.as_ref().and_then(|it| it.as_ref().err().cloned()),
    }
}
