//! What every decoder of a conversation is given with each piece of it. In: limits, the moment. Out: the list of what was found.

use sidelight_model::flow::{Anomaly, AnomalyKind, ConnId, Decoded, Direction, Exchange};
use sidelight_model::time::Timestamp;

use crate::body::Budget;
use crate::http1::{DEFAULT_HEAD_BYTES, DEFAULT_HEAD_FIELDS, HeadLimits};

/// How many unfinished messages of one connection may keep as much of their body as they are allowed to.
const BODIES_AT_A_TIME: usize = 32;
/// Bytes of unfinished bodies that a connection may keep in any case.
const LEAST_BUDGET: usize = 4 << 20;

/// How much a decoder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes kept of each body, message or event; all are counted, whatever their length.
    pub body_kept: usize,
    /// Bytes of an HTTP/1 head; decoding of a direction stops at a longer one.
    pub head: usize,
    /// Whether to compute the SHA-256 of each body.
    pub hash_bodies: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_kept: 64 * 1024, head: DEFAULT_HEAD_BYTES, hash_bodies: false }
    }
}

impl Limits {
    pub(crate) const fn head_limits(&self) -> HeadLimits {
        HeadLimits { bytes: self.head, fields: DEFAULT_HEAD_FIELDS }
    }

    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.body_kept.saturating_mul(BODIES_AT_A_TIME).max(LEAST_BUDGET))
    }
}

/// The world of a decoder while it works on one piece.
pub(crate) struct Context<'a> {
    pub(crate) conn: ConnId,
    pub(crate) limits: &'a Limits,
    /// When the piece passed.
    pub(crate) at: Timestamp,
    pub(crate) budget: &'a mut Budget,
    pub(crate) out: &'a mut Vec<Decoded>,
}

impl Context<'_> {
    pub(crate) fn anomaly(&mut self, direction: Direction, kind: AnomalyKind, detail: String, offset: Option<u64>) {
        self.out.push(Decoded::Anomaly(direction, Anomaly::new(kind, detail, offset)));
    }

    pub(crate) fn stopped(&mut self, direction: Direction, why: String) {
        self.out.push(Decoded::Stopped(direction, why));
    }
}

/// Says that a decoder has reached bytes that another one must read.
#[derive(Debug)]
pub(crate) struct Switch {
    /// What comes next.
    pub(crate) next: Next,
    /// Bytes of the piece in hand that were taken; the next decoder gets the rest.
    pub(crate) used: usize,
    /// Pieces taken earlier that the next decoder must see first, in order.
    pub(crate) replay: Vec<Run>,
    /// Where the next decoder begins in each direction.
    pub(crate) offsets: [u64; 2],
}

/// Bytes that passed in one direction, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) to_client: bool,
    pub(crate) at: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

impl Run {
    pub(crate) const fn direction(&self) -> Direction {
        if self.to_client { Direction::ToClient } else { Direction::ToServer }
    }
}

/// A protocol that a conversation goes over to.
#[derive(Debug)]
pub(crate) enum Next {
    /// HTTP/1 was recognised.
    Http1,
    /// HTTP/2 was recognised, or agreed on; with the exchange that asked for it by `Upgrade: h2c`.
    Http2 { upgraded: Option<Box<Exchange>> },
    /// WebSocket was agreed on by the exchange of this number, with these extensions.
    WebSocket { stream: u64, deflate: Option<crate::websocket::Deflate> },
    /// Whatever a tunnel holds.
    Tunnel,
    /// Something that is not decoded.
    Opaque,
}
