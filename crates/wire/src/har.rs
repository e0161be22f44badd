//! HTTP archives. In: JSON text. Out: entries, and back. Spec: HAR 1.2.
//!
//! Reading is lenient, because every program writes it a little differently: members may be missing, null, or a number in quotes.
//! Members that HAR 1.2 does not know begin with `_`: those of Chromium are read and written under its names, ours are described in
//! docs/captures.md.

mod extensions;
mod lenient;
mod message;
mod split;

use serde::{Deserialize, Serialize};

pub use self::extensions::{
    Anomaly, Client, EventSourceMessage, Grpc, GrpcMessage, Interim, Micros, SecurityDetails, WebSocketMessage,
};
use self::lenient::{flag, integer, items, maybe, number, optional_text, text};
pub use self::message::{BodyFacts, Content, Cookie, Field, PostData, Request, Response, Target};
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
