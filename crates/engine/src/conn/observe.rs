//! What is seen of a relay. In: bytes as they pass. Out: events, counters, and the word that TLS is about to begin.

use std::task::{Context, Poll};

use std::sync::Arc;

use sidelight_model::flow::{Authority, ConnId, Decoded, Direction};
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use sidelight_wire::starttls::{Watch, Watcher};

use crate::engine::{Engine, Scope, now};
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

/// The client's process and the service's name: the first byte that it sends says that it took our certificate.
type Asking = (Arc<Engine>, u32, String);

/// Hands all bytes to the tap.
pub(super) struct Seen<'t> {
    tap: &'t mut ConnTap,
    learning: Option<Box<Learning>>,
    asking: Option<Box<Asking>>,
    /// The direction that ended first.
    pub(super) first_end: Option<Direction>,
}

impl<'t> Seen<'t> {
    pub(super) const fn new(tap: &'t mut ConnTap) -> Self {
        Self { tap, learning: None, asking: None, first_end: None }
    }

    /// The same, with a reader beside the tap.
    pub(super) fn learning(self, learning: Option<Learning>) -> Self {
        Self { learning: learning.map(Box::new), ..self }
    }

    /// The same; the first byte from the client is noted for its process.
    pub(super) fn asking(self, asking: Option<Asking>) -> Self {
        Self { asking: asking.map(Box::new), ..self }
    }
}

impl Observer for Seen<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        if direction == Direction::ToServer
            && let Some(asking) = self.asking.take()
        {
            let (engine, pid, host) = *asking;
            engine.fail_open().taken(pid, host);
        }
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
    /// What the service said first, as much as a finding shows.
    greeting: Option<Vec<u8>>,
    /// Whether the client's first words were a ClientHello.
    hello: Option<bool>,
}

/// Of a greeting no more is kept.
const GREETING: usize = 160;

impl<'t> Upgrading<'t> {
    pub(super) fn new(tap: &'t mut ConnTap) -> Self {
        Self { tap, watcher: Some(Watcher::new()), protocol: None, early: false, greeting: None, hello: None }
    }

    /// With what the service met a client that began TLS, if that was not TLS. (One that was met with nothing is not watched as a plain one.)
    pub(super) fn crossed(self) -> Option<Vec<u8>> {
        let is_tls = |said: &Vec<u8>| matches!(said[..], [20..=23, 3, ..]);
        self.greeting.filter(|said| self.hello == Some(true) && !is_tls(said))
    }

    /// Takes note of each side's first words.
    fn note(&mut self, direction: Direction, bytes: &[u8]) {
        match direction {
            Direction::ToClient if self.greeting.is_none() => {
                self.greeting = Some(bytes[..bytes.len().min(GREETING)].to_vec());
            }
            // A handshake record that begins with a ClientHello.
            Direction::ToServer if self.hello.is_none() => {
                self.hello = Some(matches!(bytes.first_chunk(), Some([22, 3, _, _, _, 1])));
            }
            _ => {}
        }
    }
}

impl Observer for Upgrading<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.note(direction, bytes);
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
