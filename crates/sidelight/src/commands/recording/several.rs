//! Several consumers as one. In: calls of the bus. Out: the same calls to each, in their order.

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Event, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::record::ConnectionRecord;
use std::sync::Arc;

/// Hands every call on to each.
pub(crate) struct Several(pub(crate) Vec<Box<dyn Consumer>>);

impl Several {
    fn each(&mut self, call: impl Fn(&mut dyn Consumer)) {
        for consumer in &mut self.0 {
            call(consumer.as_mut());
        }
    }
}

impl Consumer for Several {
    fn wants_content(&self) -> bool {
        self.0.iter().any(|consumer| consumer.wants_content())
    }

    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        self.each(|consumer| consumer.event(conn, event));
    }

    fn opened(&mut self, conn: &ConnectionRecord) {
        self.each(|consumer| consumer.opened(conn));
    }

    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.each(|consumer| consumer.exchange(conn, exchange));
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        self.each(|consumer| consumer.decoded(conn, decoded));
    }

    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        self.each(|consumer| consumer.finding(conn, finding));
    }

    fn closed(&mut self, conn: &ConnectionRecord) {
        self.each(|consumer| consumer.closed(conn));
    }

    fn idle(&mut self) {
        self.each(|consumer| consumer.idle());
    }

    fn end(&mut self, ledger: &Ledger) {
        self.each(|consumer| consumer.end(ledger));
    }
}
