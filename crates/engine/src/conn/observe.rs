//! What is seen of a relay. In: bytes as they pass. Out: events, counters, and the word that TLS is about to begin.

use std::task::{Context, Poll};

use sidelight_model::flow::Direction;
use sidelight_wire::starttls::{Watch, Watcher};

use crate::relay::{Flow, Observer};
use crate::tap::ConnTap;

/// Hands all bytes to the tap.
pub(super) struct Seen<'t> {
    tap: &'t mut ConnTap,
    /// The direction that ended first.
    pub(super) first_end: Option<Direction>,
}

impl<'t> Seen<'t> {
    pub(super) const fn new(tap: &'t mut ConnTap) -> Self {
        Self { tap, first_end: None }
    }
}

impl Observer for Seen<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.tap.data(direction, bytes);
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
