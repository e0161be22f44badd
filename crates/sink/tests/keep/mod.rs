//! A consumer for tests. In: the calls of an import. Out: what they were, to look at afterwards.

#![allow(dead_code, reason = "not every test looks at everything")]

use std::sync::{Arc, Mutex};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnectionRecord, Decoded, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;

/// What an import handed over.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) opened: usize,
    pub(crate) exchanges: Vec<(ConnectionRecord, Exchange)>,
    pub(crate) decoded: Vec<Decoded>,
    pub(crate) closed: Vec<ConnectionRecord>,
    pub(crate) ended: bool,
}

struct Keep(Arc<Mutex<Seen>>);

impl Consumer for Keep {
    fn opened(&mut self, _: &ConnectionRecord) {
        self.0.lock().unwrap().opened += 1;
    }
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.0.lock().unwrap().exchanges.push((conn.clone(), Exchange::clone(exchange)));
    }
    fn decoded(&mut self, _: &ConnectionRecord, decoded: &Decoded) {
        self.0.lock().unwrap().decoded.push(decoded.clone());
    }
    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}
    fn closed(&mut self, conn: &ConnectionRecord) {
        self.0.lock().unwrap().closed.push(conn.clone());
    }
    fn end(&mut self, _: &Ledger) {
        self.0.lock().unwrap().ended = true;
    }
}

/// A consumer, and where to look.
pub(crate) fn keep() -> (Arc<Mutex<Seen>>, Vec<Box<dyn Consumer>>) {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    (seen.clone(), vec![Box::new(Keep(seen))])
}
