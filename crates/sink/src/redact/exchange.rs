//! Traffic without secrets, for what leaves this machine. In: calls of [`Consumer`]. Out: the same calls with copies in which each
//! secret is replaced by its fingerprint: in fields, cookies, URLs, bodies, messages and findings. Equal secrets become equal
//! fingerprints, so that they can still be followed.
//!
//! The copies are whole messages of their own: a body in which something was replaced has the length of the copy, also in
//! Content-Length. Bytes that cannot be judged are left out: those of conversations that no decoder knows, and all packets.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use sidelight_model::finding::{Evidence, Finding};
use sidelight_model::flow::{
    Body, Decoded, Event, EventKind, Exchange, Grpc, GrpcMessage, Header, OpaqueData, Outcome, Request, RequestTarget,
    ServerSentEvent, WebSocketKind, WebSocketMessage,
};

use super::{Redactor, body};
use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;

/// Hands a consumer traffic without secrets, or all of it when the redactor reveals them.
pub struct Redacting {
    redactor: Redactor,
    inner: Box<dyn Consumer>,
}

impl Redacting {
    /// Redacts what `inner` gets.
    pub fn new(redactor: Redactor, inner: Box<dyn Consumer>) -> Self {
        Self { redactor, inner }
    }

    /// The record, with its first finding redacted.
    fn record<'r>(&self, record: &'r ConnectionRecord) -> Cow<'r, ConnectionRecord> {
        match &record.finding {
            Some(first) if !self.redactor.reveals() => {
                let mut copy = record.clone();
                copy.finding = Some(Box::new(finding(self.redactor, first)));
                Cow::Owned(copy)
            }
            _ => Cow::Borrowed(record),
        }
    }
}

impl std::fmt::Debug for Redacting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redacting").field("redactor", &self.redactor).finish_non_exhaustive()
    }
}

impl Consumer for Redacting {
    fn event(&mut self, record: &ConnectionRecord, event: &Event) {
        if self.redactor.reveals() {
            return self.inner.event(record, event);
        }
        let kind = match &event.kind {
            EventKind::Data(..) | EventKind::Wire(..) | EventKind::Secret(..) => return,
            EventKind::Finding(found) => EventKind::Finding(Box::new(finding(self.redactor, found))),
            kind => kind.clone(),
        };
        self.inner.event(&self.record(record), &Event { conn: event.conn, at: event.at, kind });
    }

    fn opened(&mut self, record: &ConnectionRecord) {
        self.inner.opened(&self.record(record));
    }

    fn exchange(&mut self, record: &ConnectionRecord, found: &Arc<Exchange>) {
        if self.redactor.reveals() {
            return self.inner.exchange(record, found);
        }
        self.inner.exchange(&self.record(record), &Arc::new(exchange(self.redactor, found)));
    }

    fn decoded(&mut self, record: &ConnectionRecord, found: &Decoded) {
        if self.redactor.reveals() {
            return self.inner.decoded(record, found);
        }
        self.inner.decoded(&self.record(record), &decoded(self.redactor, found));
    }

    fn finding(&mut self, record: &ConnectionRecord, found: &Finding) {
        if self.redactor.reveals() {
            return self.inner.finding(record, found);
        }
        self.inner.finding(&self.record(record), &finding(self.redactor, found));
    }

    fn closed(&mut self, record: &ConnectionRecord) {
        self.inner.closed(&self.record(record));
    }

    fn idle(&mut self) {
        self.inner.idle();
    }

    fn end(&mut self, ledger: &Ledger) {
        self.inner.end(ledger);
    }
}

/// A copy of `exchange` without secrets.
pub fn exchange(redactor: Redactor, exchange: &Exchange) -> Exchange {
    let mut copy = exchange.clone();
    if redactor.reveals() {
        return copy;
    }
    if let Some(request) = &mut copy.request {
        redact_request(redactor, request);
    }
    for interim in &mut copy.interim {
        redact_fields(redactor, &mut interim.headers);
    }
    if let Some(response) = &mut copy.response {
        redact_body(redactor, &mut response.headers, &mut response.body);
        redact_fields(redactor, &mut response.headers);
        redact_fields(redactor, &mut response.trailers);
    }
    copy.outcome = match copy.outcome {
        Outcome::Cut(words) => Outcome::Cut(redactor.text(&words)),
        Outcome::Undecodable(words) => Outcome::Undecodable(redactor.text(&words)),
        outcome @ (Outcome::Complete | Outcome::Upgraded(_)) => outcome,
    };
    for anomaly in &mut copy.anomalies {
        anomaly.detail = redactor.text(&anomaly.detail);
    }
    if let Some(Grpc { message: Some(message), .. }) = &mut copy.grpc {
        *message = redactor.text(message);
    }
    copy
}

/// A copy of `decoded` without secrets. The first bytes of unknown conversations are left out: they may be a login in any protocol.
pub fn decoded(redactor: Redactor, decoded: &Decoded) -> Decoded {
    if redactor.reveals() {
        return decoded.clone();
    }
    match decoded {
        Decoded::Exchange(found) => Decoded::Exchange(Arc::new(exchange(redactor, found))),
        Decoded::WebSocket(message) => Decoded::WebSocket(websocket(redactor, message)),
        Decoded::Grpc(message) => {
            let kept = body::message(redactor, false, &message.kept).unwrap_or_else(|| message.kept.clone());
            Decoded::Grpc(GrpcMessage { kept, ..message.clone() })
        }
        Decoded::ServerSent(event) => {
            Decoded::ServerSent(ServerSentEvent { data: redactor.text(&event.data), ..event.clone() })
        }
        Decoded::Opaque(data) => Decoded::Opaque(OpaqueData {
            looks_like: data.looks_like.clone(),
            first_to_server: Bytes::new(),
            first_to_client: Bytes::new(),
            ..*data
        }),
        Decoded::Stopped(direction, words) => Decoded::Stopped(*direction, redactor.text(words)),
        Decoded::Anomaly(direction, anomaly) => {
            let mut anomaly = anomaly.clone();
            anomaly.detail = redactor.text(&anomaly.detail);
            Decoded::Anomaly(*direction, anomaly)
        }
    }
}

/// A copy of `finding` without secrets.
pub fn finding(redactor: Redactor, finding: &Finding) -> Finding {
    let text = |words: &str| redactor.text(words);
    let mut facts = finding.evidence().iter();
    // A finding has evidence; were there none, the summary would be it.
    let Evidence { what, place, value } = facts.next().cloned().unwrap_or_else(|| Evidence {
        what: String::new(),
        place: String::new(),
        value: finding.summary.clone(),
    });
    let first = Finding::new(finding.cause, text(&finding.summary), what, text(&place), text(&value));
    let mut copy = facts.fold(first, |copy, it| copy.with_evidence(it.what.clone(), text(&it.place), text(&it.value)));
    copy.fixes.clone_from(&finding.fixes);
    copy.warnings = finding.warnings.iter().map(|warning| text(warning)).collect();
    copy.blaming(finding.fault)
}

fn redact_request(redactor: Redactor, request: &mut Request) {
    redact_body(redactor, &mut request.headers, &mut request.body);
    redact_fields(redactor, &mut request.headers);
    redact_fields(redactor, &mut request.trailers);
    let RequestTarget { raw, authority, .. } = &mut request.target;
    let target = String::from_utf8_lossy(raw);
    let redacted = redactor.url(&target);
    if redacted != target {
        *raw = Bytes::from(body::for_url(&redacted));
    }
    if let Some((login, host)) = authority.as_ref().and_then(|authority| authority.rsplit_once('@')) {
        *authority = Some(format!("{}@{host}", super::hidden(login)));
    }
}

/// Values in which nothing is a secret keep their bytes.
fn redact_fields(redactor: Redactor, headers: &mut [Header]) {
    for header in headers {
        let redacted = redactor.field(header);
        if redacted != String::from_utf8_lossy(&header.value) {
            header.value = Bytes::from(redacted);
        }
    }
}

/// Replaces the body, and what the head says of its length.
fn redact_body(redactor: Redactor, headers: &mut [Header], body: &mut Body) {
    let Some(redacted) = body::redact(redactor, headers, body) else { return };
    let before = body.length.to_string();
    for header in headers.iter_mut() {
        if header.is("content-length") && header.value.trim_ascii() == before.as_bytes() {
            header.value = Bytes::from(redacted.length.to_string());
        }
        // Digests of the content would tell a short secret by trying.
        if ["content-md5", "digest", "content-digest", "repr-digest"].iter().any(|name| header.is(name)) {
            header.value = Bytes::from(super::hidden(&String::from_utf8_lossy(&header.value)));
        }
    }
    *body = redacted;
}

fn websocket(redactor: Redactor, message: &WebSocketMessage) -> WebSocketMessage {
    let mut copy = message.clone();
    if let Some(kept) = body::message(redactor, message.kind == WebSocketKind::Text, &message.kept) {
        let missing = message.length.saturating_sub(message.kept.len() as u64);
        copy.length = kept.len() as u64 + missing;
        copy.kept = kept;
    }
    if let WebSocketKind::Close(_, reason) = &mut copy.kind {
        *reason = redactor.text(reason);
    }
    copy
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
