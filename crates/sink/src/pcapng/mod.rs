//! pcapng files, written live. In: events. Out: packets, secrets, names and comments that Wireshark opens as they are.
//!
//! What passed on the sockets becomes TCP conversations again: with the times at which the bytes were read and written, with the
//! handshake, the acknowledgements and the ends that they had. What was decrypted becomes conversations of its own, on a third
//! interface (docs/pcapng.md).

mod comment;
mod decrypted;
mod file;
mod messages;
mod talk;

use std::collections::HashMap;
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Ends, Event, EventKind, Exchange, Leg, WireEnd};
use sidelight_model::time::Timestamp;

use self::comment::Comments;
use self::file::{File, Interface};
pub use self::messages::FromMessages;
use self::talk::Talk;
use crate::bus::Consumer;
use crate::capture::CaptureFile;
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// What a capture holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcapContent {
    /// Both TCP connections of each intercepted one as they were, and the secrets that decrypt them.
    #[default]
    Tls,
    /// What was decrypted, and what was plain, as one TCP connection without TLS.
    Plain,
    /// Both of these.
    Both,
}

impl PcapContent {
    /// Whether `Socket`, `Wire` and `Secret` events are needed for it.
    pub const fn needs_packets(self) -> bool {
        matches!(self, Self::Tls | Self::Both)
    }
}

/// One connection under way.
#[derive(Debug, Default)]
struct Connection {
    legs: [Option<Talk>; 2],
    decrypted: Option<Talk>,
    comments: Comments,
}

/// Writes what passes as a pcapng file.
#[derive(Debug)]
pub struct Pcapng {
    file: File,
    content: PcapContent,
    connections: HashMap<ConnId, Connection>,
}

/// The capture of a recording: plaintext, made from exchanges and messages.
pub fn from_messages(file: CaptureFile, notices: Notices) -> FromMessages {
    FromMessages::new(File::new(file, notices))
}

impl Pcapng {
    /// Writes to `file` what `content` names; trouble is told to `notices`.
    pub fn new(file: CaptureFile, content: PcapContent, notices: Notices) -> Self {
        Self { file: File::new(file, notices), content, connections: HashMap::new() }
    }

    /// A TCP connection begins on a leg.
    fn socket(&mut self, conn: &ConnectionRecord, at: Timestamp, leg: Leg, ends: Ends) {
        let connection = self.connections.entry(conn.id).or_default();
        connection.comments.renew(Some(leg));
        let comment = connection.comments.leg(conn, leg);
        let interface = if leg == Leg::Client { Interface::Clients } else { Interface::Services };
        let mut talk = Talk::new(conn.id, interface, ends);
        talk.open(&mut self.file, at, comment.as_deref());
        connection.legs[leg.index()] = Some(talk);
    }

    /// Lets a leg do something, with a comment when something new is known.
    fn on_leg(&mut self, conn: &ConnectionRecord, leg: Leg, step: impl FnOnce(&mut Talk, &mut File, Option<&str>)) {
        let Some(connection) = self.connections.get_mut(&conn.id) else { return };
        let Some(talk) = &mut connection.legs[leg.index()] else { return };
        let comment = connection.comments.leg(conn, leg);
        step(talk, &mut self.file, comment.as_deref());
    }

    /// Lets the decrypted conversation do something; it begins with its first bytes.
    fn on_decrypted(
        &mut self,
        conn: &ConnectionRecord,
        (at, first): (Timestamp, &[u8]),
        step: impl FnOnce(&mut Talk, &mut File, Option<&str>),
    ) {
        // What is not TLS is on the legs already.
        let opened = conn.client_tls.is_some();
        if self.content == PcapContent::Tls || (self.content == PcapContent::Both && !opened) {
            return;
        }
        let connection = self.connections.entry(conn.id).or_default();
        let legs = &connection.legs;
        let comment = if connection.decrypted.is_none() {
            let taken = |ends: &Ends| legs.iter().flatten().any(|talk| talk.has_ends(ends));
            let (ends, why) = decrypted::ends(conn, decrypted::is_http(conn, first), taken);
            connection.comments.set_remark(why);
            let comment = connection.comments.decrypted(conn);
            let mut talk = Talk::new(conn.id, Interface::Decrypted, ends);
            talk.open(&mut self.file, at, comment.as_deref());
            connection.decrypted = Some(talk);
            None
        } else {
            connection.comments.decrypted(conn)
        };
        if let Some(talk) = &mut connection.decrypted {
            step(talk, &mut self.file, comment.as_deref());
        }
    }

    /// The connection is over: its conversations end, where nobody said how.
    fn close(&mut self, conn: &ConnectionRecord, at: Timestamp) {
        self.file.forget(conn.id);
        let Some(mut connection) = self.connections.remove(&conn.id) else { return };
        for leg in [Leg::Client, Leg::Server] {
            let Some(talk) = &mut connection.legs[leg.index()] else { continue };
            let comment = connection.comments.leg(conn, leg);
            talk.add(&mut self.file, at, comment.as_deref());
        }
        let Some(mut talk) = connection.decrypted else { return };
        let comment = connection.comments.decrypted(conn);
        let how = conn.closed.as_ref().map(|(_, closed)| &closed.how);
        talk.close(&mut self.file, at, how, comment.as_deref());
    }
}

impl Consumer for Pcapng {
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::Socket(leg, ends) if self.content.needs_packets() => self.socket(conn, at, *leg, *ends),
            EventKind::Wire(leg, direction, bytes) => {
                self.on_leg(conn, *leg, |talk, file, comment| talk.data(file, *direction, at, bytes, comment));
            }
            EventKind::WireLost(leg, direction, bytes) => {
                self.on_leg(conn, *leg, |talk, _, _| talk.lost(*direction, *bytes));
            }
            EventKind::WireEnd(leg, direction, end) => {
                self.on_leg(conn, *leg, |talk, file, comment| talk.end(file, *direction, at, *end, comment));
            }
            EventKind::Secret(leg, line) if self.content.needs_packets() => self.file.secret(conn.id, *leg, line),
            EventKind::Data(direction, bytes) => {
                self.on_decrypted(conn, (at, bytes), |talk, file, comment| {
                    talk.data(file, *direction, at, bytes, comment)
                });
            }
            EventKind::Lost(direction, bytes) => {
                self.on_decrypted(conn, (at, &[]), |talk, _, _| talk.lost(*direction, *bytes));
            }
            EventKind::HalfClosed(direction) => {
                if let Some(connection) = self.connections.get_mut(&conn.id)
                    && let Some(talk) = &mut connection.decrypted
                {
                    let comment = connection.comments.decrypted(conn);
                    talk.end(&mut self.file, *direction, at, WireEnd::Fin, comment.as_deref());
                }
            }
            EventKind::Closed(_) => self.close(conn, at),
            _ => {}
        }
        if let Some(connection) = self.connections.get_mut(&conn.id) {
            connection.comments.learn(&event.kind);
        }
        if let Some((address, name)) = comment::name_of(conn, &event.kind) {
            self.file.name(conn.id, address, name);
        }
    }

    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Arc<Exchange>) {}

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn idle(&mut self) {
        self.file.flush();
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.file.end();
    }
}

#[cfg(test)]
mod tests;
