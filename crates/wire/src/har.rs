//! HTTP archives. In: JSON text. Out: entries, and back. Spec: HAR 1.2.
//!
//! Reading is lenient, because every program writes it a little differently: members may be missing, null, or a number in quotes.
//! Members that HAR 1.2 does not know begin with `_`: those of Chromium are read and written under its names, ours are described in
//! docs/captures.md.

mod lenient;
mod split;

use serde::{Deserialize, Serialize};

use self::lenient::{flag, integer, items, maybe, number, optional_text, text};
pub use self::split::{Found, Splitter};

/// What stands before the first entry of an archive that sidelight writes.
pub fn head(version: &str) -> String {
    // The name and version are plain words: nothing in them is to be escaped.
    format!(
        r#"{{"log":{{"version":"1.2","creator":{{"name":"{CREATOR}","version":"{version}"}},"pages":[],"entries":["#
    )
}

/// What stands after the last entry of an archive that sidelight writes.
pub const TAIL: &str = "\n]}}\n";

/// The creator of archives that sidelight writes.
pub const CREATOR: &str = "sidelight";

/// One request and its response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Entry {
    /// When the request began: RFC 3339.
    #[serde(deserialize_with = "text")]
    pub started_date_time: String,
    /// Milliseconds that it took: the sum of the timings.
    #[serde(deserialize_with = "number")]
    pub time: f64,
    /// What was asked.
    #[serde(deserialize_with = "maybe")]
    pub request: Request,
    /// What was answered.
    #[serde(deserialize_with = "maybe")]
    pub response: Response,
    /// Always empty.
    #[serde(skip_deserializing)]
    pub cache: Cache,
    /// Where the time went.
    #[serde(deserialize_with = "maybe")]
    pub timings: Timings,
    /// Where the service was reached.
    #[serde(rename = "serverIPAddress", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub server_ip_address: Option<String>,
    /// Names the TCP connection within the archive.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// `websocket`, `eventsource` or `fetch`, in Chromium's words.
    #[serde(rename = "_resourceType", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Messages of a WebSocket, in Chromium's shape.
    #[serde(rename = "_webSocketMessages", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub web_socket_messages: Vec<WebSocketMessage>,
    /// Events of an event stream.
    #[serde(rename = "_eventSourceMessages", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub event_source_messages: Vec<EventSourceMessage>,
    /// Messages of a gRPC call.
    #[serde(rename = "_grpcMessages", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub grpc_messages: Vec<GrpcMessage>,
    /// The result of a gRPC call.
    #[serde(rename = "_grpc", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc>,
    /// Messages that are not here because there were too many.
    #[serde(rename = "_messagesLeftOut", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub messages_left_out: i64,
    /// 1xx responses.
    #[serde(rename = "_interim", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<Interim>,
    /// What was not as the specification has it.
    #[serde(rename = "_anomalies", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// `upgraded: PROTOCOL`, `cut: WORDS` or `undecodable: WORDS`; absent when the exchange is whole.
    #[serde(rename = "_outcome", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Microseconds from the start to the ends of the parts that ended.
    #[serde(rename = "_micros", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub micros: Option<Micros>,
    /// The HTTP/2 stream, or the count of the exchange on its connection.
    #[serde(rename = "_stream", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub stream: i64,
    /// The server pushed it.
    #[serde(rename = "_pushed", deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub pushed: bool,
    /// The request was not seen: recording began in the middle.
    #[serde(rename = "_requestUnseen", deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub request_unseen: bool,
    /// Who asked.
    #[serde(rename = "_client", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// TLS with the service.
    #[serde(rename = "_securityDetails", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub security_details: Option<SecurityDetails>,
}

/// Cache use, of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cache {}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Field {
    /// The name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The value; of bytes that are no UTF-8, the nearest text.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// The value in base64, when it is no UTF-8.
    #[serde(rename = "_base64", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// A cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// `Path`.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `Domain`.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// `Expires`, as RFC 3339.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `HttpOnly`.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub http_only: bool,
    /// `Secure`.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub secure: bool,
    /// `SameSite`.
    #[serde(rename = "_sameSite", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub same_site: Option<String>,
}

/// The client's half.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    /// The method.
    #[serde(deserialize_with = "text")]
    pub method: String,
    /// The absolute URL, without fragment.
    #[serde(deserialize_with = "text")]
    pub url: String,
    /// `HTTP/1.1`, `HTTP/2`; others write `h2`, `http/2.0` …
    #[serde(deserialize_with = "text")]
    pub http_version: String,
    /// Cookies in the head.
    #[serde(deserialize_with = "items")]
    pub cookies: Vec<Cookie>,
    /// Fields in their order.
    #[serde(deserialize_with = "items")]
    pub headers: Vec<Field>,
    /// Parameters of the URL, decoded.
    #[serde(deserialize_with = "items")]
    pub query_string: Vec<Field>,
    /// The body, if there is one.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub post_data: Option<PostData>,
    /// Bytes of the head; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub headers_size: i64,
    /// Bytes of the body; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub body_size: i64,
    /// The target as it was on the wire, where the URL and the head do not tell it.
    #[serde(rename = "_target", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Fields after the body.
    #[serde(rename = "_trailers", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field>,
}

/// A request's target, exactly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// As in the request line, or `:path`.
    #[serde(deserialize_with = "text")]
    pub raw: String,
    /// The same in base64, when it is no UTF-8.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The scheme, when the message says it.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The authority, when the message says it.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// A request's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PostData {
    /// The media type, as in the head.
    #[serde(deserialize_with = "text")]
    pub mime_type: String,
    /// Form fields, decoded.
    #[serde(deserialize_with = "items")]
    pub params: Vec<Field>,
    /// The content.
    #[serde(deserialize_with = "text")]
    pub text: String,
    /// `base64` when the text is that.
    #[serde(rename = "_encoding", alias = "encoding", deserialize_with = "optional_text")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What HAR has no place for.
    #[serde(flatten)]
    pub more: BodyFacts,
}

/// What HAR has no place for in a body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BodyFacts {
    /// The kept bytes as they were on the wire, in base64, when a content coding was undone in the text.
    #[serde(rename = "_coded", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub coded: Option<String>,
    /// Bytes of the coded content that were not kept.
    #[serde(rename = "_cut", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub cut: i64,
    /// SHA-256 of the whole coded content, in hex.
    #[serde(rename = "_sha256", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes on the wire that carried it, where these are more.
    #[serde(rename = "_wireSize", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub wire_size: i64,
}

/// The service's half.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Response {
    /// The status; 0 when there was no response.
    #[serde(deserialize_with = "integer")]
    pub status: i64,
    /// The reason phrase.
    #[serde(deserialize_with = "text")]
    pub status_text: String,
    /// As in the request.
    #[serde(deserialize_with = "text")]
    pub http_version: String,
    /// Cookies that are set.
    #[serde(deserialize_with = "items")]
    pub cookies: Vec<Cookie>,
    /// Fields in their order.
    #[serde(deserialize_with = "items")]
    pub headers: Vec<Field>,
    /// The body.
    #[serde(deserialize_with = "maybe")]
    pub content: Content,
    /// The field Location.
    #[serde(rename = "redirectURL", deserialize_with = "text")]
    pub redirect_url: String,
    /// Bytes of the head; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub headers_size: i64,
    /// Bytes of the body as it was sent; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub body_size: i64,
    /// Fields after the body.
    #[serde(rename = "_trailers", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field>,
    /// Why there is no whole response.
    #[serde(rename = "_error", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A response's body, without content codings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Content {
    /// Bytes of the content.
    #[serde(deserialize_with = "integer")]
    pub size: i64,
    /// Bytes that the content coding saved.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub compression: Option<i64>,
    /// The media type, as in the head.
    #[serde(deserialize_with = "text")]
    pub mime_type: String,
    /// The content.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `base64` when the text is that.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What HAR has no place for.
    #[serde(flatten)]
    pub more: BodyFacts,
}

/// Where the time went, in milliseconds; -1 where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Waiting for a connection.
    #[serde(deserialize_with = "number")]
    pub blocked: f64,
    /// Looking up the name.
    #[serde(deserialize_with = "number")]
    pub dns: f64,
    /// Connecting, TLS included.
    #[serde(deserialize_with = "number")]
    pub connect: f64,
    /// Sending the request.
    #[serde(deserialize_with = "number")]
    pub send: f64,
    /// Waiting for the response.
    #[serde(deserialize_with = "number")]
    pub wait: f64,
    /// Reading the response.
    #[serde(deserialize_with = "number")]
    pub receive: f64,
    /// TLS.
    #[serde(deserialize_with = "number")]
    pub ssl: f64,
}

/// Ends of the parts of an exchange, in microseconds after its start; absent where a part did not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Micros {
    /// Last byte of the request.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub request_end: Option<i64>,
    /// First byte of the response.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub response_start: Option<i64>,
    /// Last byte of the response.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
}

/// A message of a WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebSocketMessage {
    /// `send` by the client, or `receive`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    /// Seconds since the epoch.
    #[serde(deserialize_with = "number")]
    pub time: f64,
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    #[serde(deserialize_with = "integer")]
    pub opcode: i64,
    /// Text, or base64 of anything else.
    #[serde(deserialize_with = "text")]
    pub data: String,
    /// Bytes of the message that were not kept.
    #[serde(rename = "_cut", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub cut: i64,
    /// Frames that carried it, when more than one.
    #[serde(rename = "_frames", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub frames: i64,
    /// It was deflated.
    #[serde(rename = "_compressed", deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub compressed: bool,
    /// The code of a close.
    #[serde(rename = "_code", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The reason of a close.
    #[serde(rename = "_reason", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An event of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventSourceMessage {
    /// Seconds since the epoch.
    #[serde(deserialize_with = "number")]
    pub time: f64,
    /// `event:`.
    #[serde(deserialize_with = "text")]
    pub event_name: String,
    /// `id:`.
    #[serde(deserialize_with = "text")]
    pub event_id: String,
    /// `data:`.
    #[serde(deserialize_with = "text")]
    pub data: String,
}

/// A message of a gRPC call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrpcMessage {
    /// `send` by the client, or `receive`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    /// Seconds since the epoch.
    #[serde(deserialize_with = "number")]
    pub time: f64,
    /// The message in base64.
    #[serde(deserialize_with = "text")]
    pub data: String,
    /// Bytes of the message that were not kept.
    #[serde(deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub cut: i64,
    /// The compressed flag is set.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub compressed: bool,
}

/// The result of a gRPC call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grpc {
    /// Messages from the client.
    #[serde(deserialize_with = "integer")]
    pub requests: i64,
    /// Messages from the service.
    #[serde(deserialize_with = "integer")]
    pub responses: i64,
    /// `grpc-status`.
    #[serde(deserialize_with = "maybe")]
    pub status: Option<u32>,
    /// `grpc-message`.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A 1xx response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interim {
    /// The status.
    #[serde(deserialize_with = "integer")]
    pub status: i64,
    /// Fields in their order.
    #[serde(deserialize_with = "items")]
    pub headers: Vec<Field>,
    /// When: RFC 3339.
    #[serde(deserialize_with = "text")]
    pub time: String,
}

/// Something that was not as the specification has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Anomaly {
    /// Its kind, by its name in `--json`.
    #[serde(deserialize_with = "text")]
    pub kind: String,
    /// The bytes or values in question.
    #[serde(deserialize_with = "text")]
    pub detail: String,
    /// Where in the stream of its direction.
    #[serde(deserialize_with = "maybe")]
    pub offset: Option<u64>,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// Address and port.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The process ID, of a local program.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its executable.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// The container that it runs in.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// TLS with the service, in the words of Chromium's `securityDetails`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityDetails {
    /// `TLS 1.3`.
    #[serde(deserialize_with = "text")]
    pub protocol: String,
    /// The cipher suite.
    #[serde(deserialize_with = "text")]
    pub cipher: String,
    /// The group of the key exchange.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub key_exchange_group: Option<String>,
    /// The subject of the service's certificate.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// Its issuer.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Seconds since the epoch from which it is valid.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
    /// Seconds since the epoch until which it is valid.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<i64>,
    /// Fingerprints of the chain, leaf first: SHA-256 in hex.
    #[serde(rename = "chainSha256", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub chain_sha256: Vec<String>,
    /// The application protocol that was agreed.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The name in the ClientHello.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// An earlier session was resumed.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub resumed: bool,
    /// Whether the chain was verified; absent when that was not checked.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Why it was not.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub unverified_because: Option<String>,
}

impl Entry {
    /// Reads one entry, which is a JSON object.
    ///
    /// # Errors
    /// When it is no JSON object, in words. Members that are missing or odd are no errors.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        lenient::parse(json)
    }

    /// The entry as JSON, on one line.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers only: nothing in it can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}
