//! The shape of a recorded flow: `"type":"flow"`. In: a [`StoredFlow`]. Out: a value: its number, the exchange or the connection,
//! and in full its messages and findings.

use serde::Serialize;
use sidelight_model::flow::Decoded;

use super::{Anomaly, Connection, Exchange, Finding, Grpc, Opaque, ServerSent, Stopped, View, WebSocket};
use crate::record::ConnectionRecord;
use crate::store::StoredFlow;

/// A flow.
#[derive(Debug, Serialize)]
pub struct Flow {
    id: u64,
    #[serde(flatten)]
    body: Body,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Message>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
}

/// What the flow is; the member `kind` says which.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Body {
    Exchange(Box<Exchange>),
    Connection(Box<Connection>),
}

/// What passed inside, each with its `type`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Websocket(WebSocket),
    Grpc(Grpc),
    Event(ServerSent),
    Opaque(Opaque),
    Stopped(Stopped),
    Anomaly(Anomaly),
}

impl Flow {
    /// What a list holds of `flow`.
    pub fn brief(flow: &StoredFlow, view: View) -> Self {
        let body = match &flow.exchange {
            Some(exchange) => Body::Exchange(Box::new(Exchange::new(&flow.conn, exchange, view))),
            None => Body::Connection(Box::new(Connection::new(&flow.conn, view))),
        };
        Self { id: flow.id.0, body, messages: None, findings: None }
    }

    /// All of `flow`.
    pub fn whole(flow: &StoredFlow, view: View) -> Self {
        let messages = flow.messages.iter().filter_map(|message| Message::new(&flow.conn, message, view)).collect();
        let findings = flow.findings.iter().map(|finding| Finding::new(finding, view.redactor)).collect();
        Self { messages: Some(messages), findings: Some(findings), ..Self::brief(flow, view) }
    }
}

impl Message {
    fn new(conn: &ConnectionRecord, decoded: &Decoded, view: View) -> Option<Self> {
        Some(match decoded {
            Decoded::Exchange(_) => return None,
            Decoded::WebSocket(message) => Self::Websocket(WebSocket::new(conn, message, view)),
            Decoded::Grpc(message) => Self::Grpc(Grpc::new(conn, message, view)),
            Decoded::ServerSent(event) => Self::Event(ServerSent::new(conn, event, view)),
            Decoded::Opaque(data) => Self::Opaque(Opaque::new(conn, data)),
            Decoded::Stopped(direction, because) => Self::Stopped(Stopped::new(conn, *direction, because, view)),
            Decoded::Anomaly(direction, anomaly) => Self::Anomaly(Anomaly::of(conn, *direction, anomaly, view)),
        })
    }
}
