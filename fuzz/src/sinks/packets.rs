//! Imports of packets. In: bytes of a capture. Out: broken promises.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Event, EventKind, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::import::{Format, ImportOptions, import_bytes};
use sidelight_sink::ledger::Ledger;

/// Connections that are open, bytes that were told of them, and whether the end came.
#[derive(Default)]
struct Told {
    open: BTreeSet<ConnId>,
    bytes: usize,
    ends: u32,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Told>>);

impl Consumer for Watch {
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        let mut told = self.0.lock().unwrap();
        assert_eq!(conn.id, event.conn);
        if let EventKind::Data(_, bytes) = &event.kind {
            told.bytes += bytes.len();
        }
    }
    fn opened(&mut self, conn: &ConnectionRecord) {
        assert!(self.0.lock().unwrap().open.insert(conn.id), "opened twice");
    }
    fn exchange(&mut self, conn: &ConnectionRecord, _: &Arc<Exchange>) {
        assert!(self.0.lock().unwrap().open.contains(&conn.id));
    }
    fn decoded(&mut self, conn: &ConnectionRecord, _: &Decoded) {
        assert!(self.0.lock().unwrap().open.contains(&conn.id));
    }
    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        assert!(self.0.lock().unwrap().open.contains(&conn.id) && !finding.evidence().is_empty());
    }
    fn closed(&mut self, conn: &ConnectionRecord) {
        assert!(self.0.lock().unwrap().open.remove(&conn.id), "closed and not open");
        assert!(conn.closed.is_some(), "the source tells how each connection ended");
    }
    fn end(&mut self, _: &Ledger) {
        self.0.lock().unwrap().ends += 1;
    }
}

/// Every connection that is opened is closed, once; no more is told than the file holds; the end comes once.
pub fn import_pcap(data: &[u8]) {
    let watch = Watch::default();
    let options = ImportOptions { format: Some(Format::Pcapng), ..ImportOptions::default() };
    let report = import_bytes("fuzz", data, &options, &mut [Box::new(watch.clone())]);
    let told = watch.0.lock().unwrap();
    assert!(told.open.is_empty() && told.ends == 1 && told.bytes <= data.len(), "{} bytes told", told.bytes);
    if let Ok(report) = report {
        assert!(report.damage.len() <= 1_001);
        assert!(report.damage.iter().all(|it| it.offset <= data.len() as u64 && !it.what.is_empty()));
    }
}
