//! Calls of [`Consumer`] as values. In: calls. Out: a list that two sides can be compared by.

use std::path::Path;
use std::sync::{Arc, Mutex};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnectionRecord, Decoded, Event, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;
use sidelight_sink::store::{Recorder, Rotation, StoreOptions};

/// One call. What is not comparable is compared by its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Opened(String),
    Exchange(String, Box<Exchange>),
    Decoded(String, Decoded),
    Finding(String, Finding),
    Closed(String),
    Event(String),
}

/// Remembers calls.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn add(&self, call: Call) {
        self.0.lock().unwrap().push(call);
    }
}

fn words(conn: &ConnectionRecord) -> String {
    format!("{conn:?}")
}

impl Consumer for Calls {
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        self.add(Call::Event(format!("{} {event:?}", conn.id.0)));
    }
    fn opened(&mut self, conn: &ConnectionRecord) {
        self.add(Call::Opened(words(conn)));
    }
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.add(Call::Exchange(words(conn), Box::new(Exchange::clone(exchange))));
    }
    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        self.add(Call::Decoded(words(conn), decoded.clone()));
    }
    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        self.add(Call::Finding(words(conn), finding.clone()));
    }
    fn closed(&mut self, conn: &ConnectionRecord) {
        self.add(Call::Closed(words(conn)));
    }
    fn end(&mut self, _ledger: &Ledger) {}
}

pub(crate) fn options(path: &Path) -> StoreOptions {
    StoreOptions {
        path: path.to_owned(),
        rotation: Rotation::default(),
        ring: None,
        packets: false,
        notices: Notices::none(),
    }
}

pub(crate) fn recorder(path: &Path) -> Recorder {
    Recorder::create(options(path)).unwrap()
}
