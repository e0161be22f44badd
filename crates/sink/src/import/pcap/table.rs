//! Which connection a segment belongs to. In: segments of all connections of a capture, comments. Out: events.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use sidelight_model::flow::{ConnId, Event};
use sidelight_model::time::Timestamp;
use sidelight_wire::packet::{Flags, Segment};
use sidelight_wire::pcapng::Packet;
use sidelight_wire::tls::decrypt::Secrets;

use super::conversation::{Conversation, Role};
use super::own::{self, Part};

/// Connections of sidelight's own whose legs are remembered.
const MOST_OWN: usize = 1 << 20;

/// Both ends of a TCP connection, the lower first.
pub(super) type Pair = (SocketAddr, SocketAddr);

/// What a segment has changed.
#[derive(Default)]
pub(super) struct Change {
    /// Bytes that wait behind gaps.
    pub(super) held: isize,
    pub(super) differs: bool,
    /// Why something cannot be decrypted further.
    pub(super) stopped: Vec<String>,
}

/// The connections of a capture, while a packet is read.
pub(super) struct Table<'t> {
    pub(super) secrets: &'t Secrets,
    pub(super) conversations: &'t mut HashMap<Pair, Box<Conversation>>,
    pub(super) own: &'t mut HashMap<u64, ConnId>,
    pub(super) legs: &'t mut HashSet<u64>,
    pub(super) doubles: &'t mut HashSet<Pair>,
    pub(super) next: &'t mut u64,
}

impl Table<'_> {
    /// Takes a segment, which may begin a connection.
    pub(super) fn segment(
        mut self,
        packet: &Packet<'_>,
        at: Timestamp,
        segment: &Segment<'_>,
        out: &mut Vec<Event>,
    ) -> Change {
        let pair = if segment.from <= segment.to { (segment.from, segment.to) } else { (segment.to, segment.from) };
        let comment = packet.comments.iter().find_map(|comment| own::read(comment));
        if let Some(old) = self.conversations.get_mut(&pair)
            && old.is_reused_by(segment)
        {
            old.end(at, self.secrets, out);
            self.conversations.remove(&pair);
            self.doubles.remove(&pair);
        }
        if self.doubles.contains(&pair) {
            return Change::default();
        }
        if !self.conversations.contains_key(&pair) {
            // A lone acknowledgement or the last words of a connection tell nothing.
            let tells = segment.flags.has(Flags::SYN) || !segment.payload.is_empty() || segment.missing > 0;
            if !tells {
                return Change::default();
            }
            let Some((id, role)) = self.role(comment.clone()) else {
                self.doubles.insert(pair);
                return Change::default();
            };
            let conversation = Conversation::new(id, role, ends(segment), at);
            self.conversations.insert(pair, Box::new(conversation));
        }
        let Some(conversation) = self.conversations.get_mut(&pair) else { return Change::default() };
        if let Some((_, _, about)) = comment {
            conversation.learn(about, at, out);
        }
        let before = conversation.held();
        conversation.segment(at, segment, self.secrets, out);
        let held = conversation.held().cast_signed() - before.cast_signed();
        Change { held, differs: conversation.take_differs(), stopped: conversation.take_stopped() }
    }

    /// Which connection a new conversation belongs to; `None`: its content is in the capture already.
    fn role(&mut self, comment: Option<(u64, Part, own::About)>) -> Option<(ConnId, Role)> {
        let Some((number, part, about)) = comment.filter(|_| self.own.len() < MOST_OWN) else {
            return Some((self.number(), Role::default()));
        };
        if part == Part::Content && self.legs.contains(&number) {
            return None;
        }
        let known = self.own.get(&number).copied();
        let id = known.unwrap_or_else(|| self.number());
        self.own.insert(number, id);
        // A service's leg alone is a connection like any other.
        let part = if part == Part::Service && !self.legs.contains(&number) { None } else { Some(part) };
        if part == Some(Part::Client) {
            self.legs.insert(number);
        }
        Some((id, Role { part, about }))
    }

    const fn number(&mut self) -> ConnId {
        let id = ConnId(*self.next);
        *self.next += 1;
        id
    }
}

/// Client and server of a connection, by its first segment.
fn ends(segment: &Segment<'_>) -> (SocketAddr, SocketAddr) {
    let asks = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
    let answers = segment.flags.has(Flags::SYN) && segment.flags.has(Flags::ACK);
    // Under way, the lower port is most likely the service's.
    if asks || !answers && segment.to.port() <= segment.from.port() {
        (segment.from, segment.to)
    } else {
        (segment.to, segment.from)
    }
}
