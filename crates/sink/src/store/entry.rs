//! Flows, messages, findings and ends of connections as rows. In: values with the row of their connection. Out: rows.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params};
use sidelight_model::finding::Finding;
use sidelight_model::flow::{
    Body, ConnectionRecord, Decoded, Direction, Exchange, Fate, Header, HttpVersion, OpaqueData,
};
use sidelight_model::time::Timestamp;

use super::body::Bodies;
use super::connection::Moment;
use super::document::{
    AnomalyDocument, FindingDocument, MessageDetail, Rest, json, outcome_name, request_head, response_head,
};
use super::intern::{Interner, Names};
use super::latin1;
use super::place::Places;

/// Kinds of flows in `flow.kind`.
pub(super) const EXCHANGE: i64 = 1;
pub(super) const CONNECTION: i64 = 2;

/// Bits of `flow.flags`.
pub(super) mod flag {
    /// The service pushed it.
    pub(in crate::store) const PUSHED: i64 = 1;
    /// Something in it is not as specified.
    pub(in crate::store) const ANOMALIES: i64 = 2;
    /// It is a gRPC call.
    pub(in crate::store) const GRPC: i64 = 4;
    /// Columns do not say all, such as several content types of one message. Filters look at the flow itself.
    pub(in crate::store) const ODD: i64 = 8;
    /// The connection is for another host than the request, or for none that is known.
    pub(in crate::store) const ELSEWHERE: i64 = 64;
    /// The body of the request was not kept whole.
    pub(in crate::store) const REQUEST_CUT: i64 = 16;
    /// The body of the response was not kept whole.
    pub(in crate::store) const RESPONSE_CUT: i64 = 32;
}

/// What rows are written with.
pub(super) struct Desk<'d> {
    pub(super) db: &'d Connection,
    pub(super) interner: &'d mut Interner,
    pub(super) bodies: &'d mut Bodies,
    pub(super) places: &'d mut Places,
}

/// A field that stands in a column: its first value, and whether there are others that differ.
fn content_type(headers: &[Header]) -> (Option<&Bytes>, bool) {
    let mut values = headers.iter().filter(|header| header.is("content-type")).map(|header| &header.value);
    let first = values.next();
    (first, values.next().is_some())
}

const fn version_number(version: HttpVersion) -> i64 {
    match version {
        HttpVersion::Http10 => 10,
        HttpVersion::Http11 => 11,
        HttpVersion::Http2 => 20,
        HttpVersion::Http3 => 30,
    }
}

impl Desk<'_> {
    fn name(&mut self, names: Names, bytes: &[u8]) -> rusqlite::Result<i64> {
        self.interner.name(self.db, names, &latin1::text(bytes))
    }

    /// Writes an exchange as the flow `id`.
    pub(super) fn exchange(
        &mut self,
        (id, seq): (i64, i64),
        moment: Moment,
        record: &Arc<ConnectionRecord>,
        exchange: &Exchange,
    ) -> rusqlite::Result<()> {
        let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
        let place = self.places.of(self.db, self.interner, record, request)?;
        let method = request.map(|it| self.name(Names::Method, &it.method)).transpose()?;
        let (request_type, odd_request) = request.map_or((None, false), |it| content_type(&it.headers));
        let (response_type, odd_response) = response.map_or((None, false), |it| content_type(&it.headers));
        let request_type = request_type.map(|it| self.name(Names::ContentType, it)).transpose()?;
        let response_type = response_type.map(|it| self.name(Names::ContentType, it)).transpose()?;
        let is_cut = |body: &Body| body.length > body.kept.len() as u64;
        let flags = [
            (exchange.pushed, flag::PUSHED),
            (!exchange.anomalies.is_empty(), flag::ANOMALIES),
            (exchange.grpc.is_some(), flag::GRPC),
            (odd_request || odd_response || place.is_odd, flag::ODD),
            (place.is_elsewhere, flag::ELSEWHERE),
            (request.is_some_and(|it| is_cut(&it.body)), flag::REQUEST_CUT),
            (response.is_some_and(|it| is_cut(&it.body)), flag::RESPONSE_CUT),
        ];
        let flags = flags.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag);
        let time = |at: Option<Timestamp>| at.map(|at| at.0);
        let size = |length: Option<u64>| i64::try_from(length.unwrap_or(0)).unwrap_or(i64::MAX);
        // All columns, in the order of the schema: a statement is found again by its text, for every flow.
        let sql = "INSERT INTO flow VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
        self.db.prepare_cached(sql)?.execute(params![
            id,
            seq,
            EXCHANGE,
            moment.row,
            moment.conn,
            exchange.stream.cast_signed(),
            moment.latest,
            moment.exchanges,
            moment.closed,
            version_number(exchange.version),
            exchange.timings.request_start.0,
            time(exchange.timings.request_end),
            time(exchange.timings.response_start),
            time(exchange.timings.end),
            method,
            place.site,
            request.map(|_| place.scheme.as_ref()),
            place.host,
            place.port,
            request.map(|it| latin1::text(&it.target.raw)),
            response.map(|it| it.status),
            request_type,
            response_type,
            size(request.map(|it| it.body.length)),
            size(response.map(|it| it.body.length)),
            outcome_name(&exchange.outcome),
            flags,
        ])?;
        self.heads(id, exchange)
    }

    fn heads(&mut self, id: i64, exchange: &Exchange) -> rusqlite::Result<()> {
        let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
        let request_body = request.map(|it| self.bodies.put(self.db, &it.body)).transpose()?.flatten();
        let small = response.map(|it| &it.body).filter(|it| Bodies::is_small(it));
        let other = response.filter(|_| small.is_none());
        let response_body = other.map(|it| self.bodies.put(self.db, &it.body)).transpose()?.flatten();
        let rest = Rest::of(exchange);
        let sql = "INSERT INTO exchange VALUES (?,?,?,?,?,?,?,?,?,?)";
        self.db.prepare_cached(sql)?.execute(params![
            id,
            request.map(request_head),
            request_body,
            response.map(response_head),
            response_body,
            (!rest.is_empty()).then(|| json(&rest)),
            small.map(|it| it.length.cast_signed()),
            small.map(|it| it.wire_length.cast_signed()),
            small.and_then(|it| it.sha256),
            small.map(|it| it.kept.as_ref()),
        ])?;
        Ok(())
    }

    /// Writes a connection that ended without any exchange as the flow `id`.
    pub(super) fn connection(
        &mut self,
        (id, seq): (i64, i64),
        moment: Moment,
        record: &Arc<ConnectionRecord>,
    ) -> rusqlite::Result<()> {
        let place = self.places.of(self.db, self.interner, record, None)?;
        let closed = record.closed.as_ref();
        let bytes = closed.map_or((0, 0), |(_, it)| (it.to_server.bytes, it.to_client.bytes));
        let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let flags = if place.is_elsewhere { flag::ELSEWHERE } else { 0 };
        let sql =
            "INSERT INTO flow (id, seq, kind, connection, conn, conn_latest, conn_exchanges, conn_closed, started,
                       ended, host, port, request_size, response_size, outcome, flags)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        self.db.prepare_cached(sql)?.execute(params![
            id,
            seq,
            CONNECTION,
            moment.row,
            moment.conn,
            moment.latest,
            moment.exchanges,
            moment.closed,
            record.since.0,
            closed.map(|(at, _)| at.0),
            place.host,
            place.port,
            size(bytes.0),
            size(bytes.1),
            Fate::of(record).name(),
            flags,
        ])?;
        Ok(())
    }

    /// Writes the end of a connection.
    pub(super) fn closing(&self, seq: i64, moment: Moment) -> rusqlite::Result<()> {
        let sql = "INSERT INTO closing (seq, connection, conn, conn_latest, conn_exchanges, conn_closed)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![seq, moment.row, moment.conn, moment.latest, moment.exchanges, moment.closed];
        self.db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Writes a finding.
    pub(super) fn finding(&self, seq: i64, moment: Moment, finding: &Finding) -> rusqlite::Result<()> {
        let document = FindingDocument::of(finding);
        let sql = "INSERT INTO finding (seq, connection, conn, conn_latest, conn_exchanges, conn_closed, cause, fault,
                       summary, detail)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.db.prepare_cached(sql)?.execute(params![
            seq,
            moment.row,
            moment.conn,
            moment.latest,
            moment.exchanges,
            moment.closed,
            document.cause,
            document.fault,
            document.summary,
            json(&document.detail),
        ])?;
        Ok(())
    }

    /// Writes a message, or whatever else is no exchange.
    pub(super) fn message(&mut self, seq: i64, moment: Moment, decoded: &Decoded) -> rusqlite::Result<()> {
        let Some(row) = MessageRow::of(decoded) else { return Ok(()) };
        let body = row.body.map(|body| self.bodies.put(self.db, &body)).transpose()?.flatten();
        let other = row.body_to_client.map(|body| self.bodies.put(self.db, &body)).transpose()?.flatten();
        let sql = "INSERT INTO message (seq, kind, connection, conn, stream, conn_latest, conn_exchanges, conn_closed,
                       direction, at, length, body, body_to_client, detail)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        self.db.prepare_cached(sql)?.execute(params![
            seq,
            row.kind,
            moment.row,
            moment.conn,
            row.stream.map(u64::cast_signed),
            moment.latest,
            moment.exchanges,
            moment.closed,
            row.direction.map(|it| i64::from(it == Direction::ToClient)),
            row.at.map(|at| at.0),
            row.length.map(u64::cast_signed),
            body,
            other,
            json(&row.detail),
        ])?;
        Ok(())
    }
}

/// What stands in the columns of a message.
#[derive(Default)]
struct MessageRow {
    kind: &'static str,
    stream: Option<u64>,
    direction: Option<Direction>,
    at: Option<Timestamp>,
    length: Option<u64>,
    body: Option<Body>,
    body_to_client: Option<Body>,
    detail: MessageDetail,
}

fn kept(length: u64, kept: &Bytes) -> Option<Body> {
    (!kept.is_empty()).then(|| Body { length, kept: kept.clone(), sha256: None, wire_length: 0 })
}

impl MessageRow {
    /// `None` for an exchange, which is no message.
    fn of(decoded: &Decoded) -> Option<Self> {
        Some(match decoded {
            Decoded::Exchange(_) => return None,
            Decoded::WebSocket(it) => Self {
                kind: "websocket",
                stream: Some(it.stream),
                direction: Some(it.direction),
                at: Some(it.at),
                length: Some(it.length),
                body: kept(it.length, &it.kept),
                detail: MessageDetail::of_websocket(&it.kind, it.frames, it.compressed),
                ..Self::default()
            },
            Decoded::Grpc(it) => Self {
                kind: "grpc",
                stream: Some(it.stream),
                direction: Some(it.direction),
                at: Some(it.at),
                length: Some(it.length),
                body: kept(it.length, &it.kept),
                detail: MessageDetail { compressed: it.compressed, ..MessageDetail::default() },
                ..Self::default()
            },
            Decoded::ServerSent(it) => Self {
                kind: "sse",
                stream: Some(it.stream),
                direction: Some(Direction::ToClient),
                at: Some(it.at),
                length: Some(it.data.len() as u64),
                body: kept(it.data.len() as u64, &Bytes::copy_from_slice(it.data.as_bytes())),
                detail: MessageDetail {
                    event: Some(it.event.clone()),
                    id: Some(it.id.clone()),
                    ..MessageDetail::default()
                },
                ..Self::default()
            },
            Decoded::Opaque(it) => Self::of_opaque(it),
            Decoded::Stopped(direction, words) => Self {
                kind: "stopped",
                direction: Some(*direction),
                detail: MessageDetail { because: Some(words.clone()), ..MessageDetail::default() },
                ..Self::default()
            },
            Decoded::Anomaly(direction, anomaly) => Self {
                kind: "anomaly",
                direction: Some(*direction),
                detail: MessageDetail { anomaly: Some(AnomalyDocument::of(anomaly)), ..MessageDetail::default() },
                ..Self::default()
            },
        })
    }

    fn of_opaque(it: &OpaqueData) -> Self {
        Self {
            kind: "opaque",
            body: kept(it.to_server, &it.first_to_server),
            body_to_client: kept(it.to_client, &it.first_to_client),
            detail: MessageDetail {
                looks_like: it.looks_like.clone(),
                to_server: Some(it.to_server),
                to_client: Some(it.to_client),
                ended: it.ended,
                ..MessageDetail::default()
            },
            ..Self::default()
        }
    }
}
