//! Captures of recordings: plaintext conversations made from exchanges and messages. In: exchanges, messages. Out: packets.

use std::collections::HashMap;
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Direction, Exchange, How, WireEnd};
use sidelight_model::time::Timestamp;
use sidelight_wire::encode::{Piece, Turn};

use super::comment::Comments;
use super::decrypted;
use super::file::{File, Interface};
use super::talk::Talk;
use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::raw::Gathering;
use crate::record::ConnectionRecord;

/// Writes what a recording holds as a pcapng file: one TCP conversation, without TLS, for each connection. What the recording did
/// not keep of a body is missing in it, too, as a gap.
#[derive(Debug)]
pub struct FromMessages {
    file: File,
    gathering: Gathering,
    talks: HashMap<ConnId, Talk>,
}

impl FromMessages {
    pub(super) fn new(file: File) -> Self {
        Self { file, gathering: Gathering::default(), talks: HashMap::new() }
    }

    fn write(&mut self, conn: &ConnectionRecord, turns: Vec<Turn>) {
        let Some(first) = turns.first() else { return };
        if let (Some(address), Some(target)) = (conn.upstream, &conn.target) {
            super::comment::name(conn, address, target).into_iter().for_each(|(address, name)| {
                self.file.name(conn.id, address, name);
            });
        }
        let file = &mut self.file;
        let talk = self.talks.entry(conn.id).or_insert_with(|| {
            let opening = turns.iter().flat_map(|turn| &turn.pieces).find_map(|piece| match piece {
                Piece::Bytes(bytes) => Some(bytes.as_ref()),
                Piece::Unseen(_) => None,
            });
            let http = decrypted::is_http(conn, opening.unwrap_or_default());
            let (ends, remark) = decrypted::ends(conn, http, |_| false);
            let mut comments = Comments::default();
            comments.set_remark(remark);
            let mut talk = Talk::new(conn.id, Interface::Decrypted, ends);
            talk.open(file, first.at, comments.decrypted(conn).as_deref());
            talk
        });
        for turn in turns {
            for piece in turn.pieces {
                match piece {
                    Piece::Bytes(bytes) => talk.data(file, turn.direction, turn.at, &bytes, None),
                    Piece::Unseen(bytes) => talk.lost(turn.direction, bytes),
                }
            }
        }
    }

    fn close(&mut self, conn: &ConnectionRecord) {
        let turns = self.gathering.take(conn.id);
        let last = turns.last().map(|turn| turn.at);
        self.write(conn, turns);
        let Some(mut talk) = self.talks.remove(&conn.id) else { return };
        let closed = conn.closed.as_ref();
        let at = closed.map_or(conn.latest, |(at, _)| *at).max(last.unwrap_or(Timestamp(0)));
        talk.close(&mut self.file, at, closed.map(|(_, closed)| &closed.how), None);
        self.file.forget(conn.id);
    }
}

impl Talk {
    /// The connection ended like this; the comment is what was learned after the last packet.
    pub(super) fn close(&mut self, file: &mut File, at: Timestamp, how: Option<&How>, comment: Option<&str>) {
        self.add(file, at, comment);
        match how {
            Some(How::ClientCut(_)) => self.end(file, Direction::ToServer, at, WireEnd::Reset, None),
            Some(How::ServerCut(_)) => self.end(file, Direction::ToClient, at, WireEnd::Reset, None),
            _ => {
                self.end(file, Direction::ToServer, at, WireEnd::Fin, None);
                self.end(file, Direction::ToClient, at, WireEnd::Fin, None);
            }
        }
    }
}

impl Consumer for FromMessages {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        let turns = self.gathering.exchange(conn, exchange);
        self.write(conn, turns);
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        let turns = self.gathering.decoded(conn, decoded);
        self.write(conn, turns);
    }

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn closed(&mut self, conn: &ConnectionRecord) {
        self.close(conn);
    }

    fn idle(&mut self) {
        self.file.flush();
    }

    fn end(&mut self, _ledger: &Ledger) {
        for conn in self.gathering.open() {
            self.close(&conn);
        }
        self.file.end();
    }
}
