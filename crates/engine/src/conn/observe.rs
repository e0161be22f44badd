//! What is seen of a relay. In: bytes as they pass. Out: events, counters, and the word that TLS is about to begin.

use std::task::{Context, Poll};

use std::sync::Arc;

use sidelight_model::flow::{Authority, ConnId, Decoded, Direction};
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use sidelight_wire::starttls::{Watch, Watcher};

use crate::engine::{Scope, now};
use crate::relay::{Flow, Observer};
use crate::tap::ConnTap;

/// Reads a conversation as it passes, for a [`Scope`] that learns from it before the client does.
pub(super) struct Learning {
    scope: Arc<dyn Scope>,
    from: Authority,
    decoder: FlowDecoder,
    found: Vec<Decoded>,
}

impl Learning {
    /// A conversation with `from`, in the protocol that ALPN agreed on.
    pub(super) fn new(scope: Arc<dyn Scope>, from: Authority, alpn: Option<&[u8]>) -> Self {
        // Heads tell it; of bodies nothing is kept.
        let limits = Limits { body_kept: 0, hash_bodies: false, ..Limits::default() };
        let mut decoder = FlowDecoder::new(ConnId(0), limits);
        decoder.agreed(alpn);
        Self { scope, from, decoder, found: Vec::new() }
    }

    fn read(&mut self, direction: Direction, bytes: &[u8]) {
        self.decoder.data(direction, now(), bytes, &mut self.found);
        for found in self.found.drain(..) {
            if let Decoded::Exchange(exchange) = found {
                self.scope.heard(&self.from, &exchange);
            }
        }
    }
}

/// Hands all bytes to the tap.
pub(super) struct Seen<'t> {
    tap: &'t mut ConnTap,
    learning: Option<Learning>,
    /// The direction that ended first.
    pub(super) first_end: Option<Direction>,
}

impl<'t> Seen<'t> {
    pub(super) const fn new(tap: &'t mut ConnTap) -> Self {
        Self { tap, learning: None, first_end: None }
    }

    /// The same, with a reader beside the tap.
    pub(super) fn learning(self, learning: Option<Learning>) -> Self {
        Self { learning, ..self }
    }
}

impl Observer for Seen<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.tap.data(direction, bytes);
        if let Some(learning) = &mut self.learning {
            learning.read(direction, bytes);
        }
        Flow::On
    }

    fn half_closed(&mut self, direction: Direction) {
        self.tap.half_closed(direction);
    }

    fn ended(&mut self, direction: Direction) {
        self.first_end.get_or_insert(direction);
    }
}

/// Counts, and looks at nothing.
pub(super) struct Unseen<'t> {
    pub(super) tap: &'t mut ConnTap,
    /// Its packets are captured, so it may have to wait for the sinks.
    pub(super) captured: bool,
}

impl Observer for Unseen<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.captured { self.tap.poll_ready(cx) } else { Poll::Ready(()) }
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.tap.unseen(direction, bytes.len() as u64);
        Flow::On
    }

    fn half_closed(&mut self, _: Direction) {}
}

/// Hands all bytes to the tap and watches for the upgrade to TLS.
pub(super) struct Upgrading<'t> {
    pub(super) tap: &'t mut ConnTap,
    pub(super) watcher: Option<Watcher>,
    pub(super) protocol: Option<&'static str>,
    /// The client's ClientHello waits for the server's word.
    pub(super) early: bool,
}

impl Observer for Upgrading<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        let watch = self.watcher.as_mut().map(|watcher| match direction {
            Direction::ToServer => watcher.from_client(bytes),
            Direction::ToClient => watcher.from_server(bytes),
        });
        match watch {
            Some(Watch::Upgrade { protocol, plain }) => {
                let plain = plain.min(bytes.len());
                self.protocol = Some(protocol);
                self.tap.data(direction, &bytes[..plain]);
                return Flow::StopAfter(plain);
            }
            Some(Watch::Early { plain }) => {
                let plain = plain.min(bytes.len());
                self.early = true;
                self.tap.data(direction, &bytes[..plain]);
                return Flow::RestAfter(plain);
            }
            Some(Watch::Never) => {
                self.watcher = None;
                if std::mem::take(&mut self.early) {
                    self.tap.data(direction, bytes);
                    return Flow::StopAfter(bytes.len());
                }
            }
            Some(Watch::Going) | None => {}
        }
        self.tap.data(direction, bytes);
        Flow::On
    }

    fn half_closed(&mut self, direction: Direction) {
        self.tap.half_closed(direction);
    }
}
