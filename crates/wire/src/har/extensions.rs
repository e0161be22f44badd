//! What HAR has no member for: messages, connections, oddities. In: members that begin with `_`. Out: values, and back.
//! Spec: docs/captures.md; Chromium's names where it has some.

use serde::{Deserialize, Serialize};

use super::lenient::{flag, integer, items, maybe, number, optional_text, text};
use super::message::Field;
use super::{is_false, is_zero};

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
