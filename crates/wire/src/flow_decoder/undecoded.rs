//! A conversation that no decoder knows. In: its bytes. Out: what it looks like, its first bytes, and counts when it ends.

use bytes::Bytes;
use sidelight_model::flow::{AnomalyKind, Decoded, Direction, OpaqueData};

use super::context::Context;

/// Bytes of one direction after which it is told of, even when the other side says nothing.
const TOLD_AFTER: u64 = 512;
/// First bytes of a direction that are kept at most.
const MOST_FIRST: usize = 64 * 1024;

/// An opaque conversation.
#[derive(Debug, Default)]
pub(super) struct Undecoded {
    first: [Vec<u8>; 2],
    counts: [u64; 2],
    /// After a gap nothing joins on to the first bytes.
    gap: [bool; 2],
    last: Option<Direction>,
    turns: u8,
    told: bool,
}

impl Undecoded {
    /// The next bytes of one direction.
    ///
    /// It is told of when each side has had its first turn or one has said a good deal: never in the middle of a first message,
    /// so that the pieces in which bytes come do not matter.
    pub(super) fn data(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        if self.last.replace(direction) != Some(direction) {
            self.turns = self.turns.saturating_add(1);
            if self.turns == 3 {
                self.tell(cx);
            }
        }
        let count = self.counts[direction.index()];
        let untold = TOLD_AFTER.saturating_sub(count);
        let (before, after) = bytes.split_at(bytes.len().min(usize::try_from(untold).unwrap_or(usize::MAX)));
        self.take(cx, direction, before);
        if self.counts[direction.index()] >= TOLD_AFTER {
            self.tell(cx);
        }
        self.take(cx, direction, after);
    }

    fn take(&mut self, cx: &Context<'_>, direction: Direction, bytes: &[u8]) {
        let side = direction.index();
        self.counts[side] = self.counts[side].saturating_add(bytes.len() as u64);
        if !self.gap[side] {
            let room = cx.limits.body_kept.min(MOST_FIRST).saturating_sub(self.first[side].len());
            self.first[side].extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Bytes passed unseen.
    pub(super) fn lost(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        let side = direction.index();
        self.counts[side] = self.counts[side].saturating_add(bytes);
        if !std::mem::replace(&mut self.gap[side], true) {
            let detail = format!("{bytes} bytes were not seen");
            cx.anomaly(direction, AnomalyKind::Gap, detail, None);
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            cx.out.push(Decoded::Opaque(self.data_so_far(false)));
        }
    }

    /// The conversation is over.
    pub(super) fn closed(&self, cx: &mut Context<'_>) {
        cx.out.push(Decoded::Opaque(self.data_so_far(true)));
    }

    fn data_so_far(&self, ended: bool) -> OpaqueData {
        let [client, server] = &self.first;
        OpaqueData {
            looks_like: crate::opaque::looks_like(client, server).map(str::to_owned),
            first_to_server: Bytes::copy_from_slice(client),
            first_to_client: Bytes::copy_from_slice(server),
            to_server: self.counts[0],
            to_client: self.counts[1],
            ended,
        }
    }
}
