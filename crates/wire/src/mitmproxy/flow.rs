//! One flow of a flow file. In: its dictionary. Out: connections, and an exchange or the messages of a TCP conversation.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sidelight_model::flow::{
    Authority, Body, ConnId, Direction, Exchange, Header, Host, HttpVersion, Outcome, Request, RequestTarget, Response,
    Timings, TlsSide, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;

use super::tls;
use super::tnetstring::Value;
use crate::flow_decoder::Limits;

/// One flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The version of the format; 0 when it names none.
    pub version: i64,
    /// The connection with the client.
    pub client: FlowConnection,
    /// The connection with the service.
    pub server: FlowConnection,
    /// When the flow began.
    pub created: Timestamp,
    /// Why it ended early, in mitmproxy's words.
    pub error: Option<String>,
    /// What passed.
    pub content: Content,
}

/// What passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// An HTTP exchange.
    Http(Box<Http>),
    /// A conversation over TCP.
    Tcp(Vec<TcpMessage>),
    /// Something that sidelight keeps no record of: `udp`, `dns` or a kind of the future.
    Other(String),
}

/// An HTTP exchange, and what passed after it on an upgraded connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// The exchange; its connection and stream are for the reader to number.
    pub exchange: Exchange,
    /// Messages of the WebSocket that it became.
    pub messages: Vec<WebSocketMessage>,
}

/// Bytes of a TCP conversation, as mitmproxy read them.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpMessage {
    /// Which way they went.
    pub direction: Direction,
    /// When.
    pub at: Timestamp,
    /// The bytes.
    pub bytes: Bytes,
}

/// A connection of mitmproxy's.
#[derive(Clone, Debug, Default)]
pub struct FlowConnection {
    /// mitmproxy's name of it; flows of one connection share it.
    pub id: String,
    /// The far end's address, when it is one.
    pub peer: Option<SocketAddr>,
    /// Our end's address.
    pub local: Option<SocketAddr>,
    /// Whom it was for, as the client asked (services only).
    pub asked: Option<Authority>,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// What TLS agreed on.
    pub tls: Option<TlsSide>,
}

impl PartialEq for FlowConnection {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.peer, self.local, &self.asked) == (&other.id, other.peer, other.local, &other.asked)
    }
}

/// Reads a flow.
///
/// # Errors
/// In words, when it is no dictionary, or an HTTP flow without a request.
pub fn read(value: &Value<'_>, limits: Limits) -> Result<Flow, String> {
    if !matches!(value, Value::Dict(_)) {
        return Err("a flow is a dictionary, and this is none".to_owned());
    }
    let version = value.get("version").map_or(0, |version| match version {
        // Before version 4 it was that of the program, as a list.
        Value::List(_) => 3,
        other => other.int().unwrap_or(0),
    });
    let nothing = Value::Null;
    let client = value.get("client_conn").unwrap_or(&nothing);
    let server = value.get("server_conn").unwrap_or(&nothing);
    let client = FlowConnection {
        tls: tls::side(client, client.get("mitmcert").and_then(tls::certificate)),
        peer: client.any(&["peername", "address"]).and_then(socket),
        local: client.get("sockname").and_then(socket),
        ..connection(client)
    };
    let server = FlowConnection {
        tls: tls::side(server, None),
        peer: server.any(&["peername", "ip_address"]).and_then(socket),
        local: server.any(&["sockname", "source_address"]).and_then(socket),
        asked: server.get("address").and_then(authority),
        ..connection(server)
    };
    let error = value.get("error").map(|error| error.get("msg").and_then(Value::text).unwrap_or_default());
    let kind = value.get("type").and_then(Value::text).unwrap_or_else(|| "http".to_owned());
    let content = match kind.as_str() {
        "http" => Content::Http(Box::new(http(value, error.as_deref(), limits)?)),
        "tcp" => Content::Tcp(value.get("messages").map_or(&[][..], Value::items).iter().map(tcp).collect()),
        _ => Content::Other(kind),
    };
    let created = value.get("timestamp_created").and_then(Value::micros).map(Timestamp);
    let created = created.or(client.opened).unwrap_or_default();
    Ok(Flow { version, client, server, created, error, content })
}

fn connection(conn: &Value<'_>) -> FlowConnection {
    FlowConnection {
        id: conn.get("id").and_then(Value::text).unwrap_or_default(),
        opened: time(conn, "timestamp_start"),
        closed: time(conn, "timestamp_end"),
        ..FlowConnection::default()
    }
}

fn time(of: &Value<'_>, name: &str) -> Option<Timestamp> {
    of.get(name).and_then(Value::micros).map(Timestamp)
}

/// Host and port; IPv6 addresses may have two more members. Older files wrap the pair in a dictionary.
fn pair(value: &Value<'_>) -> Option<(String, u16)> {
    let value = value.get("address").unwrap_or(value);
    let [host, port, ..] = value.items() else { return None };
    let host = host.text()?;
    let host = host.split('%').next().unwrap_or_default().to_owned();
    Some((host, u16::try_from(port.int()?).ok()?))
}

fn socket(value: &Value<'_>) -> Option<SocketAddr> {
    let (host, port) = pair(value)?;
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?.to_canonical(), port))
}

fn authority(value: &Value<'_>) -> Option<Authority> {
    let (host, port) = pair(value)?;
    Some(Authority { host: Host::parse(&host).ok()?, port })
}

fn http(flow: &Value<'_>, error: Option<&str>, limits: Limits) -> Result<Http, String> {
    let asked = flow.get("request").ok_or("an HTTP flow without a request")?;
    let version = match asked.any(&["http_version", "httpversion"]).and_then(Value::bytes) {
        Some(b"HTTP/1.0") => HttpVersion::Http10,
        Some(b"HTTP/2.0" | b"HTTP/2") => HttpVersion::Http2,
        Some(b"HTTP/3" | b"HTTP/3.0") => HttpVersion::Http3,
        _ => HttpVersion::Http11,
    };
    let answered = flow.get("response");
    let websocket = flow.get("websocket");
    let timings = Timings {
        request_start: time(asked, "timestamp_start").unwrap_or_default(),
        request_end: time(asked, "timestamp_end"),
        response_start: answered.and_then(|it| time(it, "timestamp_start")),
        end: answered.and_then(|it| time(it, "timestamp_end")),
    };
    let outcome = match (error, websocket, answered) {
        (_, Some(_), _) => Outcome::Upgraded("websocket".to_owned()),
        (Some(words), ..) => Outcome::Cut(words.to_owned()),
        (None, None, Some(_)) => Outcome::Complete,
        (None, None, None) => Outcome::Cut("no response was recorded".to_owned()),
    };
    let exchange = Exchange {
        conn: ConnId::default(),
        stream: 0,
        version,
        request: Some(request(asked, limits)),
        interim: Vec::new(),
        response: answered.map(|it| response(it, limits)),
        timings,
        outcome,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    };
    let messages = websocket.map(|it| websocket_messages(it, limits)).unwrap_or_default();
    Ok(Http { exchange, messages })
}

fn request(asked: &Value<'_>, limits: Limits) -> Request {
    let headers = fields(asked.get("headers"));
    let method = owned(asked.get("method"));
    let named = asked.get("authority").and_then(Value::text).filter(|name| !name.is_empty());
    let host = Header::find(&headers, "host").map(str::to_owned);
    let addressed = || {
        let host = asked.get("host").and_then(Value::text)?;
        let port = asked.get("port").and_then(Value::int);
        Some(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    };
    let authority = named.or(host).or_else(addressed);
    let path = owned(asked.get("path"));
    let raw = if path.is_empty() { Bytes::from(authority.clone().unwrap_or_default()) } else { path };
    let scheme = asked.get("scheme").and_then(Value::text).filter(|scheme| !scheme.is_empty());
    Request {
        target: RequestTarget { raw, scheme, authority },
        trailers: fields(asked.get("trailers")),
        body: body(asked, &headers, limits),
        headers,
        method,
    }
}

fn response(answered: &Value<'_>, limits: Limits) -> Response {
    let headers = fields(answered.get("headers"));
    Response {
        status: answered
            .any(&["status_code", "code"])
            .and_then(Value::int)
            .map_or(0, |it| u16::try_from(it).unwrap_or(0)),
        reason: owned(answered.any(&["reason", "msg"])),
        trailers: fields(answered.get("trailers")),
        body: body(answered, &headers, limits),
        headers,
    }
}

fn owned(value: Option<&Value<'_>>) -> Bytes {
    Bytes::copy_from_slice(value.and_then(Value::bytes).unwrap_or_default())
}

fn fields(list: Option<&Value<'_>>) -> Vec<Header> {
    let list = list.map_or(&[][..], Value::items);
    let field = |item: &Value<'_>| match item.items() {
        [name, value] => Some(Header::new(name.bytes()?, value.bytes()?)),
        _ => None,
    };
    list.iter().filter_map(field).collect()
}

/// The body as mitmproxy keeps it: without framing, still coded. One that was streamed past it is not there; its length is
/// what the head says.
fn body(message: &Value<'_>, headers: &[Header], limits: Limits) -> Body {
    let Some(content) = message.any(&["content", "body"]).and_then(Value::bytes) else {
        let length = Header::find(headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        return Body { length, wire_length: length, ..Body::default() };
    };
    let length = content.len() as u64;
    Body {
        length,
        kept: Bytes::copy_from_slice(&content[..content.len().min(limits.body_kept)]),
        sha256: limits.hash_bodies.then(|| Sha256::digest(content).into()),
        wire_length: length,
    }
}

fn direction(from_client: Option<bool>) -> Direction {
    if from_client == Some(true) { Direction::ToServer } else { Direction::ToClient }
}

/// `[from_client, content, timestamp]`.
fn tcp(message: &Value<'_>) -> TcpMessage {
    let items = message.items();
    TcpMessage {
        direction: direction(items.first().and_then(Value::bool)),
        at: Timestamp(items.get(2).and_then(Value::micros).unwrap_or_default()),
        bytes: owned(items.get(1)),
    }
}

/// `[type, from_client, content, timestamp, …]`, and how it was closed.
fn websocket_messages(websocket: &Value<'_>, limits: Limits) -> Vec<WebSocketMessage> {
    let message = |direction, at, kind, content: &[u8]| WebSocketMessage {
        stream: 0,
        direction,
        at,
        kind,
        length: content.len() as u64,
        kept: Bytes::copy_from_slice(&content[..content.len().min(limits.body_kept)]),
        frames: 1,
        compressed: false,
    };
    let mut latest = Timestamp::default();
    let mut messages: Vec<WebSocketMessage> = Vec::new();
    for item in websocket.get("messages").map_or(&[][..], Value::items) {
        let [kind, from_client, content, at, ..] = item.items() else { continue };
        latest = Timestamp(at.micros().unwrap_or(latest.0));
        let kind = if kind.int() == Some(1) { WebSocketKind::Text } else { WebSocketKind::Binary };
        messages.push(message(direction(from_client.bool()), latest, kind, content.bytes().unwrap_or_default()));
    }
    if let Some(code) = websocket.get("close_code").and_then(Value::int) {
        let reason = websocket.get("close_reason").and_then(Value::text).unwrap_or_default();
        let at = time(websocket, "timestamp_end").unwrap_or(latest);
        let from = direction(websocket.get("closed_by_client").and_then(Value::bool));
        let code = u16::try_from(code).ok();
        let content = [&code.unwrap_or_default().to_be_bytes()[..], reason.as_bytes()].concat();
        messages.push(message(from, at, WebSocketKind::Close(code, reason), &content));
    }
    messages
}
