//! The other end of an import: where what was read goes. In: finished exchanges, messages and findings of a format that has them,
//! or events of one that has bytes. Out: calls of [`Consumer`], and the [`Ledger`].

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Event, Exchange};
use sidelight_wire::flow_decoder::Limits;
use std::sync::Arc;

use crate::bus::{self, Consumer, EventSource};
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;

/// Hands what a format holds to the consumers, and keeps the ledger.
///
/// A format that has bytes makes events of them and calls [`Intake::events`]. One that has exchanges calls, for each connection,
/// `opened`, then `exchange`, `decoded` and `finding` in the order of time, then `closed`.
pub(super) struct Intake<'c> {
    consumers: &'c mut [Box<dyn Consumer>],
    limits: Limits,
    ledger: Ledger,
    latest: u64,
}

impl<'c> Intake<'c> {
    pub(super) fn new(consumers: &'c mut [Box<dyn Consumer>], limits: Limits) -> Self {
        Self { consumers, limits, ledger: Ledger::default(), latest: 0 }
    }

    /// A number for the next connection.
    pub(super) const fn connection(&mut self) -> ConnId {
        self.latest += 1;
        ConnId(self.latest)
    }

    /// Tells a raw event; `conn` must have learned it.
    pub(super) fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        self.each(|consumer| consumer.event(conn, event));
    }

    /// A connection began.
    pub(super) fn opened(&mut self, conn: &ConnectionRecord) {
        self.each(|consumer| consumer.opened(conn));
    }

    /// An exchange ended; counted in `conn`, for the ledger.
    pub(super) fn exchange(&mut self, conn: &mut ConnectionRecord, exchange: &Arc<Exchange>) {
        conn.exchanges += 1;
        self.each(|consumer| consumer.exchange(conn, exchange));
    }

    /// Anything else that was found.
    pub(super) fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        self.ledger.undecoded += u64::from(matches!(decoded, Decoded::Stopped(..)));
        self.each(|consumer| consumer.decoded(conn, decoded));
    }

    /// Something to explain to a person; `conn` must have learned it.
    pub(super) fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        self.each(|consumer| consumer.finding(conn, finding));
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, conn: &ConnectionRecord) {
        self.each(|consumer| consumer.closed(conn));
        self.ledger.count(conn);
    }

    /// Drains `source` to its end through the decoders. Connections take their numbers from the source.
    pub(super) fn events(&mut self, source: &mut dyn EventSource) {
        bus::decode(source, self.consumers, self.limits, &mut self.ledger);
    }

    /// Everything was told.
    pub(super) fn finish(self) -> Ledger {
        for consumer in self.consumers.iter_mut() {
            consumer.idle();
            consumer.end(&self.ledger);
        }
        self.ledger
    }

    fn each(&mut self, mut call: impl FnMut(&mut dyn Consumer)) {
        for consumer in self.consumers.iter_mut() {
            call(consumer.as_mut());
        }
    }
}
