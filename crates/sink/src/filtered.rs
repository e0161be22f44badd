//! Traffic that a filter selects. In: calls of [`Consumer`]. Out: those of them that are about flows which [`Filter`] selects.
//!
//! A filter can be asked when an exchange ends, or a connection without any; what was found before that waits for it, unless the
//! filter can say already. What waits is bounded: of a long conversation the oldest messages are left out. A connection is told
//! (opened, findings, closed) when one of its flows is selected.

mod bodies;
mod early;
#[cfg(test)]
mod tests;

pub use bodies::Contents;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sidelight_model::filter::{Filter, FlowView};
use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Event, Exchange, Outcome};

use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;

/// Messages that wait for their exchange to end, of one stream; and their bytes.
const MOST_WAITING: usize = 256;
const MOST_WAITING_BYTES: usize = 256 << 10;

/// Findings of a connection that are remembered.
const MOST_FINDINGS: usize = 32;

/// Streams of one connection that are remembered.
const MOST_STREAMS: usize = 1_024;

/// Hands on what a filter selects.
pub struct Filtered {
    filter: Filter,
    inner: Box<dyn Consumer>,
    connections: HashMap<ConnId, Connection>,
}

/// What is remembered of a connection.
#[derive(Default)]
struct Connection {
    /// It was told to the inner consumer.
    is_told: bool,
    /// An exchange was seen on it.
    has_exchanges: bool,
    /// What was found about it, and how much of that was told.
    findings: Vec<Finding>,
    findings_told: usize,
    /// What waits for it to be selected.
    rest: Waiting,
    streams: HashMap<u64, Stream>,
}

/// What is remembered of an exchange and its messages.
enum Stream {
    /// It has not ended, and the filter cannot say yet.
    Open(Waiting),
    /// Its messages are handed on.
    Selected,
    /// It ended, and was not selected; a message that comes later may change that.
    Left(Option<Arc<Exchange>>),
}

/// Messages in order, the oldest left out when they become too many.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Decoded>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, decoded: &Decoded) {
        self.bytes += weight(decoded);
        self.messages.push_back(decoded.clone());
        while self.messages.len() > MOST_WAITING || self.bytes > MOST_WAITING_BYTES {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= weight(&oldest);
        }
    }

    fn as_slice(&mut self) -> &[Decoded] {
        self.messages.make_contiguous()
    }
}

impl Filtered {
    /// Hands `inner` what `filter` selects.
    pub fn new(filter: Filter, inner: Box<dyn Consumer>) -> Self {
        Self { filter, inner, connections: HashMap::new() }
    }

    fn is_selected(
        &self,
        conn: &ConnectionRecord,
        exchange: Option<&Exchange>,
        messages: &[Decoded],
        findings: &[Finding],
    ) -> bool {
        self.filter.matches(&view(conn, exchange, messages, findings, &Contents(exchange)))
    }

    fn early(&self, conn: &ConnectionRecord, messages: &[Decoded], findings: &[Finding]) -> Option<bool> {
        early::decide(self.filter.expr(), &view(conn, None, messages, findings, &Contents(None)))
    }

    /// Tells the connection, and what of it was waiting, if that was not done before.
    fn tell(&mut self, conn: &ConnectionRecord, state: &mut Connection) {
        if !std::mem::replace(&mut state.is_told, true) {
            self.inner.opened(conn);
        }
        for finding in state.findings.iter().skip(state.findings_told) {
            self.inner.finding(conn, finding);
        }
        state.findings_told = state.findings.len();
        for decoded in std::mem::take(&mut state.rest).messages {
            self.inner.decoded(conn, &decoded);
        }
    }

    fn exchange_ended(&mut self, conn: &ConnectionRecord, state: &mut Connection, exchange: &Arc<Exchange>) {
        state.has_exchanges = true;
        let (mut waiting, was_selected) = match state.streams.remove(&exchange.stream) {
            Some(Stream::Open(waiting)) => (waiting, false),
            Some(Stream::Selected) => (Waiting::default(), true),
            Some(Stream::Left(_)) | None => (Waiting::default(), false),
        };
        let goes_on = matches!(exchange.outcome, Outcome::Upgraded(_));
        let keep = if was_selected || self.is_selected(conn, Some(exchange), waiting.as_slice(), &state.findings) {
            self.tell(conn, state);
            for decoded in &waiting.messages {
                self.inner.decoded(conn, decoded);
            }
            self.inner.exchange(conn, exchange);
            Stream::Selected
        } else {
            Stream::Left(goes_on.then(|| Arc::clone(exchange)))
        };
        if goes_on && state.streams.len() < MOST_STREAMS {
            state.streams.insert(exchange.stream, keep);
        }
    }

    /// A message of an exchange that may have ended already, or not.
    fn message(&mut self, conn: &ConnectionRecord, state: &mut Connection, stream: u64, decoded: &Decoded) {
        let alone = std::slice::from_ref(decoded);
        let known = state.streams.remove(&stream);
        let next = match known {
            Some(Stream::Selected) => Some(Stream::Selected),
            Some(Stream::Left(None)) => Some(Stream::Left(None)),
            Some(Stream::Left(Some(exchange))) => {
                if self.is_selected(conn, Some(&exchange), alone, &state.findings) {
                    self.tell(conn, state);
                    self.inner.exchange(conn, &exchange);
                    Some(Stream::Selected)
                } else {
                    Some(Stream::Left(Some(exchange)))
                }
            }
            Some(Stream::Open(mut waiting)) => match self.early(conn, alone, &state.findings) {
                Some(true) => {
                    self.tell(conn, state);
                    waiting.messages.iter().for_each(|earlier| self.inner.decoded(conn, earlier));
                    Some(Stream::Selected)
                }
                _ => {
                    waiting.push(decoded);
                    Some(Stream::Open(waiting))
                }
            },
            None if state.streams.len() >= MOST_STREAMS => None,
            None => match self.early(conn, alone, &state.findings) {
                Some(true) => {
                    self.tell(conn, state);
                    Some(Stream::Selected)
                }
                Some(false) => Some(Stream::Left(None)),
                None => {
                    let mut waiting = Waiting::default();
                    waiting.push(decoded);
                    Some(Stream::Open(waiting))
                }
            },
        };
        if matches!(next, Some(Stream::Selected)) {
            self.inner.decoded(conn, decoded);
        }
        state.streams.extend(next.map(|next| (stream, next)));
    }

    /// Something about the connection itself: raw data, the end of decoding, an oddity.
    fn rest(&mut self, conn: &ConnectionRecord, state: &mut Connection, decoded: &Decoded) {
        if !state.is_told && self.early(conn, std::slice::from_ref(decoded), &state.findings) == Some(true) {
            self.tell(conn, state);
        }
        if state.is_told {
            self.inner.decoded(conn, decoded);
            return;
        }
        // What raw data looks like is told anew at its end.
        if matches!(decoded, Decoded::Opaque(_)) {
            state.rest.messages.retain(|it| !matches!(it, Decoded::Opaque(_)));
        }
        state.rest.push(decoded);
    }

    fn with(&mut self, conn: &ConnectionRecord, step: impl FnOnce(&mut Self, &mut Connection)) {
        let mut state = self.connections.remove(&conn.id).unwrap_or_default();
        step(self, &mut state);
        self.connections.insert(conn.id, state);
    }
}

impl Consumer for Filtered {
    /// Raw events pass for connections of which something was selected already.
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        if self.connections.get(&conn.id).is_some_and(|state| state.is_told) {
            self.inner.event(conn, event);
        }
    }

    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.with(conn, |this, state| this.exchange_ended(conn, state, exchange));
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        self.with(conn, |this, state| match stream_of(decoded) {
            Some(stream) => this.message(conn, state, stream, decoded),
            None => match decoded {
                Decoded::Exchange(exchange) => this.exchange_ended(conn, state, exchange),
                _ => this.rest(conn, state, decoded),
            },
        });
    }

    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        self.with(conn, |this, state| {
            if state.findings.len() < MOST_FINDINGS {
                state.findings.push(finding.clone());
            } else if state.is_told {
                this.inner.finding(conn, finding);
            }
            if state.is_told || this.early(conn, &[], &state.findings) == Some(true) {
                this.tell(conn, state);
            }
        });
    }

    fn closed(&mut self, conn: &ConnectionRecord) {
        let mut state = self.connections.remove(&conn.id).unwrap_or_default();
        let has_exchanges = state.has_exchanges || conn.exchanges > 0;
        let is_selected =
            !has_exchanges && self.is_selected(conn, None, state.rest.as_slice(), &state.findings) || state.is_told;
        if is_selected {
            self.tell(conn, &mut state);
            self.inner.closed(conn);
        }
    }

    fn idle(&mut self) {
        self.inner.idle();
    }

    fn end(&mut self, ledger: &Ledger) {
        self.inner.end(ledger);
    }
}

impl std::fmt::Debug for Filtered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filtered").field("filter", &self.filter).finish_non_exhaustive()
    }
}

fn view<'v>(
    conn: &'v ConnectionRecord,
    exchange: Option<&'v Exchange>,
    messages: &'v [Decoded],
    findings: &'v [Finding],
    bodies: &'v Contents<'v>,
) -> FlowView<'v> {
    FlowView { id: None, conn, exchange, messages, findings, bodies, now: conn.latest }
}

/// The exchange that a message belongs to.
const fn stream_of(decoded: &Decoded) -> Option<u64> {
    match decoded {
        Decoded::WebSocket(it) => Some(it.stream),
        Decoded::Grpc(it) => Some(it.stream),
        Decoded::ServerSent(it) => Some(it.stream),
        _ => None,
    }
}

/// About how many bytes it holds.
fn weight(decoded: &Decoded) -> usize {
    128 + match decoded {
        Decoded::WebSocket(it) => it.kept.len(),
        Decoded::Grpc(it) => it.kept.len(),
        Decoded::ServerSent(it) => it.data.len(),
        Decoded::Opaque(it) => it.first_to_server.len() + it.first_to_client.len(),
        _ => 0,
    }
}
