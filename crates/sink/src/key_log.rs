//! Key logs, written live. In: events. Out: lines in the NSS format, each in the file before the bytes that it decrypts.
//! Spec: RFC 9850.

use std::collections::HashMap;
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Event, EventKind, Exchange, KeyLogLine, Leg};
use sidelight_model::time::Timestamp;
use sidelight_wire::key_log;

use crate::bus::Consumer;
use crate::capture::{CaptureFile, Writer};
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// Whose secrets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legs {
    /// Those of both TLS connections of an interception.
    #[default]
    Both,
    /// Those of the connection with the client.
    Client,
    /// Those of the connection with the service.
    Server,
}

impl Legs {
    const fn has(self, leg: Leg) -> bool {
        matches!((self, leg), (Self::Both, _) | (Self::Client, Leg::Client) | (Self::Server, Leg::Server))
    }
}

/// Writes secrets as a key log. Whoever reads the growing file sees each line at once.
#[derive(Debug)]
pub struct KeyLog {
    writer: Writer,
    legs: Legs,
    /// What was said before the latest secrets of each open connection, on either leg.
    said: HashMap<ConnId, [String; 2]>,
}

impl KeyLog {
    /// Writes to `file` the secrets of `legs`; trouble is told to `notices`.
    pub fn new(file: CaptureFile, legs: Legs, notices: Notices) -> Self {
        Self { writer: Writer::new(file, "secrets", notices), legs, said: HashMap::new() }
    }

    fn secret(&mut self, conn: &ConnectionRecord, at: Timestamp, leg: Leg, line: &KeyLogLine) {
        let said = &mut self.said.entry(conn.id).or_default()[leg.index()];
        let comment = comment(conn, leg);
        let mut record = Vec::new();
        if *said != comment {
            record.extend_from_slice(comment.as_bytes());
            *said = comment;
        }
        key_log::write(&mut record, line);
        if !self.writer.record(at, &record, Vec::new) {
            said.clear();
        }
        self.writer.flush();
    }
}

/// `# connection 7, client leg; SNI registry.test`.
fn comment(conn: &ConnectionRecord, leg: Leg) -> String {
    let leg = match leg {
        Leg::Client => "client leg",
        Leg::Server => "service leg",
    };
    let mut text = format!("# connection {}, {leg}", conn.id.0);
    if let Some(sni) = conn.hello.as_ref().and_then(|hello| hello.sni.as_deref()) {
        text.push_str("; SNI ");
        text.extend(sni.chars().take(255).map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    }
    text.push('\n');
    text
}

impl Consumer for KeyLog {
    fn wants_content(&self) -> bool {
        false
    }

    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        match &event.kind {
            EventKind::Secret(leg, line) if self.legs.has(*leg) => self.secret(conn, event.at, *leg, line),
            EventKind::Closed(_) => {
                self.said.remove(&conn.id);
            }
            _ => {}
        }
    }

    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Arc<Exchange>) {}

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn idle(&mut self) {
        self.writer.flush();
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.writer.end();
    }
}

#[cfg(test)]
mod tests;
