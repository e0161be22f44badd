//! Rows as values again. In: a database, numbers of rows. Out: connections, exchanges, messages, findings, as they were written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use serde::de::DeserializeOwned;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{
    Authority, Body, Closed, ConnId, ConnectionRecord, Decision, Decoded, Direction, Exchange, GrpcMessage, Hello,
    Host, How, HttpVersion, OpaqueData, Opened, Process, ServerSentEvent, Tally, Timings, TlsSide, TlsVersion, Verdict,
    WebSocketMessage,
};
use sidelight_model::time::Timestamp;

use super::document::{
    FindingDetail, FindingDocument, MessageDetail, RequestHead, ResponseHead, Rest, outcome, shared,
};
use super::latin1;
use super::{body, schema};

/// Rows that each cache holds before it is emptied.
const MOST: usize = 2_000;

/// Reads rows; remembers those that many others refer to.
pub(super) struct Loader<'d> {
    db: &'d Connection,
    /// The columns of a flow with its exchange, for [`Loader::exchange`].
    pub(super) flow_columns: String,
    connections: Cache<i64, ConnectionRecord>,
    sides: Cache<i64, Arc<TlsSide>>,
    hellos: Cache<i64, Arc<Hello>>,
    certificates: Cache<i64, Vec<u8>>,
}

struct Cache<K, V>(RefCell<HashMap<K, Rc<V>>>);

impl<K: Eq + Hash + Copy, V> Cache<K, V> {
    fn new() -> Self {
        Self(RefCell::new(HashMap::new()))
    }

    fn get(&self, key: K, load: impl FnOnce() -> rusqlite::Result<V>) -> rusqlite::Result<Rc<V>> {
        if let Some(value) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(value));
        }
        let value = Rc::new(load()?);
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, Rc::clone(&value));
        Ok(value)
    }
}

/// A number that was written as its bits.
fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, Option<i64>>(column).map(|it| it.unwrap_or(0).cast_unsigned())
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|it| it.map(Timestamp))
}

/// Text that a file of ours holds; damage is an error that names the column.
fn parsed<T: DeserializeOwned>(text: &str, what: &'static str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(format!("{what}: {error}")))
}

fn damaged(words: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, words.into())
}

/// What a recording has had since there are small bodies beside the heads, and what stands for it in one from before.
const SMALL: &str =
    "exchange.response_length AS response_length, exchange.response_wire_length AS response_wire_length,
    exchange.response_sha256 AS response_sha256, exchange.response_data AS response_data";
const OF_OLD: &str =
    "NULL AS response_length, NULL AS response_wire_length, NULL AS response_sha256, NULL AS response_data";

const FLOW_COLUMNS: &str = "flow.id AS id, flow.seq AS seq, flow.kind AS kind, flow.connection AS connection,
    flow.conn AS conn, flow.stream AS stream, flow.conn_latest AS conn_latest, flow.conn_exchanges AS conn_exchanges,
    flow.conn_closed AS conn_closed, flow.version AS version, flow.started AS started, flow.request_end AS request_end,
    flow.response_start AS response_start, flow.ended AS ended, flow.path AS path, flow.status AS status,
    flow.outcome AS outcome, flow.flags AS flags, (SELECT name FROM method WHERE id = flow.method) AS method,
    exchange.request AS request, exchange.request_body AS request_body, exchange.response AS response,
    exchange.response_body AS response_body, exchange.rest AS rest";

impl<'d> Loader<'d> {
    pub(super) fn new(db: &'d Connection) -> Self {
        // Whatever keeps the version from being read keeps rows from being read as well.
        let is_old = schema::user_version(db).is_ok_and(|version| version < schema::WITH_SMALL_BODIES);
        Self {
            db,
            flow_columns: format!("{FLOW_COLUMNS}, {}", if is_old { OF_OLD } else { SMALL }),
            connections: Cache::new(),
            sides: Cache::new(),
            hellos: Cache::new(),
            certificates: Cache::new(),
        }
    }

    /// The connection as it was when the entry in `row` was written.
    pub(super) fn connection_of(&self, row: &Row<'_>) -> rusqlite::Result<ConnectionRecord> {
        let id: i64 = row.get("connection")?;
        let mut record = self.connection(id)?.as_ref().clone();
        record.latest = Timestamp(row.get("conn_latest")?);
        record.exchanges = unsigned(row, "conn_exchanges")?;
        if !row.get::<_, bool>("conn_closed")? {
            record.closed = None;
        }
        Ok(record)
    }

    /// Tells of a connection how it went on: its latest moment, the count of its exchanges, its end.
    pub(super) fn catch_up(&self, record: &mut ConnectionRecord) -> rusqlite::Result<()> {
        let latest = "SELECT id FROM connection WHERE conn = ?1 ORDER BY id DESC LIMIT 1";
        let conn = record.id.0.cast_signed();
        let latest = self.connection(self.db.prepare_cached(latest)?.query_row([conn], |row| row.get(0))?)?;
        record.latest = latest.latest;
        record.exchanges = latest.exchanges;
        record.closed.clone_from(&latest.closed);
        Ok(())
    }

    /// The connection of a row, as it stands there.
    pub(super) fn connection(&self, id: i64) -> rusqlite::Result<Rc<ConnectionRecord>> {
        self.connections.get(id, || {
            let sql = "SELECT connection.*, (SELECT name FROM host WHERE id = connection.target_host) AS target_name
                       FROM connection WHERE id = ?1";
            self.db.prepare_cached(sql)?.query_row([id], |row| self.read_connection(row))
        })
    }

    fn read_connection(&self, row: &Row<'_>) -> rusqlite::Result<ConnectionRecord> {
        let text = |column: &str| row.get::<_, Option<String>>(column);
        let target = match (text("target_name")?, row.get::<_, Option<u16>>("target_port")?) {
            (Some(host), Some(port)) => Some(Authority { host: host_of(host), port }),
            _ => None,
        };
        let former: Vec<String> = match text("former_targets")? {
            Some(former) => parsed(&former, "former_targets")?,
            None => Vec::new(),
        };
        let finding = match text("finding")? {
            Some(finding) => parsed::<FindingDocument>(&finding, "finding")?.finding(),
            None => None,
        };
        let tls = |column: &str| row.get::<_, Option<i64>>(column)?.map(|id| self.side(id)).transpose();
        Ok(ConnectionRecord {
            id: ConnId(unsigned(row, "conn")?),
            since: Timestamp(row.get("since")?),
            latest: Timestamp(row.get("latest")?),
            opened: opened(row)?,
            process: row.get::<_, Option<i64>>("process")?.map(|id| self.process(id)).transpose()?,
            target,
            former_targets: former.iter().filter_map(|it| it.parse().ok()).collect(),
            upstream: text("upstream")?.and_then(|it| it.parse().ok()),
            decision: decision(text("verdict")?, text("because")?),
            hello: row.get::<_, Option<i64>>("hello")?.map(|id| self.hello(id)).transpose()?,
            server_tls: tls("server_tls")?,
            client_tls: tls("client_tls")?,
            finding: finding.map(Box::new),
            findings: row.get("findings")?,
            exchanges: unsigned(row, "exchanges")?,
            closed: closed(row)?,
        })
    }

    fn process(&self, id: i64) -> rusqlite::Result<Process> {
        let sql = "SELECT pid, name, exe, container FROM process WHERE id = ?1";
        self.db.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Process { pid: row.get(0)?, name: row.get(1)?, exe: row.get(2)?, container: row.get(3)? })
        })
    }

    fn hello(&self, id: i64) -> rusqlite::Result<Arc<Hello>> {
        let load = || {
            let sql = "SELECT sni, alpn, versions, ja3, ja3_text, ja4 FROM hello WHERE id = ?1";
            self.db.prepare_cached(sql)?.query_row([id], |row| {
                let alpn: Vec<String> = parsed(&row.get::<_, String>(1)?, "hello.alpn")?;
                Ok(Arc::new(Hello {
                    sni: row.get(0)?,
                    alpn: alpn.iter().map(|it| latin1::bytes(it)).collect(),
                    versions: parsed(&row.get::<_, String>(2)?, "hello.versions")?,
                    ja3: row.get(3)?,
                    ja3_text: row.get(4)?,
                    ja4: row.get(5)?,
                }))
            })
        };
        self.hellos.get(id, load).map(|it| Arc::clone(&it))
    }

    fn side(&self, id: i64) -> rusqlite::Result<Arc<TlsSide>> {
        let load = || {
            let sql = "SELECT * FROM tls WHERE id = ?1";
            self.db.prepare_cached(sql)?.query_row([id], |row| self.read_side(row)).map(Arc::new)
        };
        self.sides.get(id, load).map(|it| Arc::clone(&it))
    }

    fn read_side(&self, row: &Row<'_>) -> rusqlite::Result<TlsSide> {
        let chain: Vec<i64> = parsed(&row.get::<_, String>("chain")?, "tls.chain")?;
        let certificate = |id: i64| {
            let sql = "SELECT der FROM certificate WHERE id = ?1";
            let load = || self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0));
            self.certificates.get(id, load).map(|der| der.as_ref().clone())
        };
        let verified = match row.get::<_, Option<bool>>("verified")? {
            None => None,
            Some(true) => Some(Ok(())),
            Some(false) => Some(Err(row.get::<_, Option<String>>("unverified_because")?.unwrap_or_default())),
        };
        Ok(TlsSide {
            version: TlsVersion(row.get("version")?),
            cipher: row.get("cipher")?,
            group: row.get("key_group")?,
            alpn: row.get::<_, Option<String>>("alpn")?.map(|it| latin1::bytes(&it)),
            sni: row.get("sni")?,
            hello: row.get::<_, Option<i64>>("hello")?.map(|id| self.hello(id)).transpose()?,
            resumed: row.get("resumed")?,
            chain: chain.into_iter().map(certificate).collect::<rusqlite::Result<_>>()?,
            verified,
        })
    }

    /// The exchange in a row of [`Loader::flow_columns`].
    pub(super) fn exchange(&self, row: &Row<'_>) -> rusqlite::Result<Exchange> {
        let text = |column: &str| row.get::<_, Option<String>>(column);
        let mut rest: Rest = match text("rest")? {
            Some(rest) => parsed(&rest, "exchange.rest")?,
            None => Rest::default(),
        };
        let mut request = match text("request")? {
            Some(head) => {
                let (method, path) = (text("method")?.unwrap_or_default(), text("path")?.unwrap_or_default());
                Some(parsed::<RequestHead>(&head, "exchange.request")?.request(&method, &path))
            }
            None => None,
        };
        if let Some(request) = &mut request {
            request.body = body::load(self.db, row.get("request_body")?)?;
        }
        let mut response = match text("response")? {
            Some(head) => {
                let status = row.get::<_, Option<u16>>("status")?.unwrap_or(0);
                Some(parsed::<ResponseHead>(&head, "exchange.response")?.response(status))
            }
            None => None,
        };
        if let Some(response) = &mut response {
            response.body = match row.get::<_, Option<i64>>("response_length")? {
                None => body::load(self.db, row.get("response_body")?)?,
                Some(length) => Body {
                    length: length.cast_unsigned(),
                    wire_length: unsigned(row, "response_wire_length")?,
                    sha256: row.get("response_sha256")?,
                    kept: row.get::<_, Option<Vec<u8>>>("response_data")?.unwrap_or_default().into(),
                },
            };
        }
        let outcome = outcome(&row.get::<_, String>("outcome")?, rest.outcome.take());
        let (interim, anomalies, grpc) = rest.take();
        Ok(Exchange {
            conn: ConnId(unsigned(row, "conn")?),
            stream: unsigned(row, "stream")?,
            version: match row.get::<_, Option<i64>>("version")? {
                Some(10) => HttpVersion::Http10,
                Some(20) => HttpVersion::Http2,
                Some(30) => HttpVersion::Http3,
                _ => HttpVersion::Http11,
            },
            request,
            interim,
            response,
            timings: Timings {
                request_start: Timestamp(row.get("started")?),
                request_end: time(row, "request_end")?,
                response_start: time(row, "response_start")?,
                end: time(row, "ended")?,
            },
            outcome,
            anomalies,
            grpc,
            pushed: row.get::<_, i64>("flags")? & super::entry::flag::PUSHED != 0,
        })
    }

    /// The message in a row of the table `message`.
    pub(super) fn message(&self, row: &Row<'_>) -> rusqlite::Result<Decoded> {
        let mut detail: MessageDetail = parsed(&row.get::<_, String>("detail")?, "message.detail")?;
        let direction = match row.get::<_, Option<i64>>("direction")? {
            Some(1) => Direction::ToClient,
            _ => Direction::ToServer,
        };
        let stream = unsigned(row, "stream")?;
        let at = time(row, "at")?.unwrap_or_default();
        let length = unsigned(row, "length")?;
        let kept = |column: &str| body::load(self.db, row.get(column)?).map(|body| body.kept);
        Ok(match row.get::<_, String>("kind")?.as_str() {
            "websocket" => Decoded::WebSocket(WebSocketMessage {
                stream,
                direction,
                at,
                kind: detail.websocket_kind(),
                length,
                kept: kept("body")?,
                frames: detail.frames.unwrap_or(1),
                compressed: detail.compressed,
            }),
            "grpc" => Decoded::Grpc(GrpcMessage {
                stream,
                direction,
                at,
                length,
                kept: kept("body")?,
                compressed: detail.compressed,
            }),
            "sse" => Decoded::ServerSent(ServerSentEvent {
                stream,
                at,
                event: detail.event.unwrap_or_default(),
                id: detail.id.unwrap_or_default(),
                data: utf8(&kept("body")?),
            }),
            "opaque" => Decoded::Opaque(OpaqueData {
                looks_like: detail.looks_like,
                first_to_server: kept("body")?,
                first_to_client: kept("body_to_client")?,
                to_server: detail.to_server.unwrap_or(0),
                to_client: detail.to_client.unwrap_or(0),
                ended: detail.ended,
            }),
            "anomaly" => match detail.anomaly {
                Some(anomaly) => Decoded::Anomaly(direction, anomaly.anomaly()),
                None => return Err(damaged("message.detail: no anomaly in it".to_owned())),
            },
            _ => Decoded::Stopped(direction, detail.because.unwrap_or_default()),
        })
    }
}

/// The finding in a row of the table `finding`; `None` when this version does not know its cause.
pub(super) fn finding(row: &Row<'_>) -> rusqlite::Result<Option<Finding>> {
    let document = FindingDocument {
        cause: row.get("cause")?,
        fault: row.get("fault")?,
        summary: row.get("summary")?,
        detail: parsed::<FindingDetail>(&row.get::<_, String>("detail")?, "finding.detail")?,
    };
    Ok(document.finding())
}

fn utf8(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A host as it was: a name that cannot be read stays what it is.
pub(super) fn host_of(text: String) -> Host {
    Host::parse(&text).unwrap_or(Host::Name(text))
}

fn opened(row: &Row<'_>) -> rusqlite::Result<Option<Opened>> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let address = |text: Option<String>| text.and_then(|it| it.parse().ok());
    Ok(match (address(text("client")?), address(text("local")?), text("mode")?) {
        (Some(client), Some(local), Some(mode)) => Some(Opened { client, local, mode: shared(&mode) }),
        _ => None,
    })
}

fn decision(verdict: Option<String>, because: Option<String>) -> Option<Decision> {
    let verdict = match verdict?.as_str() {
        "intercept" => Verdict::Intercept,
        "plain" => Verdict::Plain,
        "relay" => Verdict::Relay,
        _ => Verdict::Refuse,
    };
    Some(Decision { verdict, because: because.unwrap_or_default() })
}

fn closed(row: &Row<'_>) -> rusqlite::Result<Option<(Timestamp, Closed)>> {
    let Some(at) = time(row, "closed")? else { return Ok(None) };
    let words = row.get::<_, Option<String>>("how_words")?.unwrap_or_default();
    let how = match row.get::<_, Option<String>>("how")?.as_deref() {
        Some("client_cut") => How::ClientCut(words),
        Some("server_cut") => How::ServerCut(words),
        Some("failed") => How::Failed,
        Some("ended") => How::Ended(words),
        _ => How::Clean,
    };
    let tally = |bytes: &str, lost: &str| -> rusqlite::Result<Tally> {
        Ok(Tally { bytes: unsigned(row, bytes)?, lost: unsigned(row, lost)? })
    };
    let to_server = tally("bytes_to_server", "lost_to_server")?;
    let to_client = tally("bytes_to_client", "lost_to_client")?;
    Ok(Some((at, Closed { to_server, to_client, how })))
}
