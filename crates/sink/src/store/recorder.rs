//! Recording what the bus tells. In: calls of [`Consumer`]. Out: owned values, handed to the thread that writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Event, EventKind, Exchange};
use sidelight_model::time::Timestamp;

use super::connection::{Snapshot, same};
use super::queue::{Put, Queue, Unseen};
use super::writer::Writer;
use super::{StoreError, StoreOptions};
use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::notice::Notices;

/// How long the end of a run waits for the disk.
const FAREWELL: Duration = Duration::from_secs(10);

/// Keeps everything that the bus tells in a file. It waits for its own thread when more than 16 MiB have not been written yet,
/// and for nothing else; whatever the disk does, recording goes on as soon as it can, and what was lost is in the file.
pub struct Recorder {
    queue: Arc<Queue>,
    done: Receiver<()>,
    path: Arc<Mutex<PathBuf>>,
    /// As it was when recording began.
    first: PathBuf,
    packets: bool,
    notices: Notices,
    /// Open connections of which something was told.
    known: HashMap<ConnId, Known>,
    unseen: Option<Unseen>,
    ended: bool,
}

impl Recorder {
    /// Opens the recording, or goes on with one that exists, and starts the thread that writes.
    ///
    /// # Errors
    /// When the file cannot be made, is no recording, is of a newer version, or is being recorded to by another process.
    pub fn create(options: StoreOptions) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let (packets, notices) = (options.packets, options.notices.clone());
        let writer = Writer::create(options, Arc::clone(&queue))?;
        let path = writer.path();
        let first = path.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (tell, done) = sync_channel(1);
        let abandoned = Abandon(Arc::clone(&queue));
        let spawned = thread::Builder::new().name("store".into()).spawn(move || {
            let abandoned = abandoned;
            writer.run();
            drop(abandoned);
            tell.send(()).ok();
        });
        spawned.map_err(|error| StoreError::Io { path: first.clone(), doing: "start a thread for it", error })?;
        Ok(Self { queue, done, path, first, packets, notices, known: HashMap::new(), unseen: None, ended: false })
    }

    /// The file in which the recording began; with rotation there may be others after it.
    pub fn path(&self) -> &Path {
        &self.first
    }

    /// The connection as it is known now; shared with what was told of it before, while nothing else has become known.
    fn snapshot(&mut self, conn: &ConnectionRecord) -> Snapshot {
        let known = self.known.entry(conn.id);
        let known = known
            .and_modify(|known| {
                if !same(&known.record, conn) || known.record.closed != conn.closed {
                    known.record = Arc::new(conn.clone());
                }
            })
            .or_insert_with(|| Known { record: Arc::new(conn.clone()), has_exchanges: false });
        Snapshot { record: Arc::clone(&known.record), latest: conn.latest, exchanges: conn.exchanges }
    }

    /// Passes on what went by unseen, so that it stands in the recording at its place.
    fn tell_unseen(&mut self) {
        if let Some(unseen) = self.unseen.take() {
            self.queue.push(Put::Unseen(unseen));
        }
    }

    fn note_unseen(&mut self, at: Timestamp, connections: u64, bytes: u64) {
        let unseen = self.unseen.get_or_insert(Unseen { since: at, until: at, connections: 0, bytes: 0 });
        unseen.until = unseen.until.max(at);
        unseen.connections = unseen.connections.saturating_add(connections);
        unseen.bytes = unseen.bytes.saturating_add(bytes);
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.tell_unseen();
        self.queue.end();
        if self.done.recv_timeout(FAREWELL).is_err() {
            let path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
            let words = format!("{}: the disk does not answer; the end of the recording is not in it", path.display());
            self.notices.say(&words);
        }
    }
}

/// An open connection.
struct Known {
    /// As it was told last.
    record: Arc<ConnectionRecord>,
    has_exchanges: bool,
}

/// Lets go of whoever waits, also when the thread that writes panicked.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Consumer for Recorder {
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        match &event.kind {
            EventKind::Shed(connections) => self.note_unseen(event.at, *connections, 0),
            EventKind::Lost(_, bytes) => self.note_unseen(event.at, 0, *bytes),
            EventKind::Decided(_) | EventKind::ClientTls(_) => self.opened(conn),
            EventKind::Socket(..)
            | EventKind::Wire(..)
            | EventKind::WireLost(..)
            | EventKind::WireEnd(..)
            | EventKind::Secret(..)
                if self.packets =>
            {
                self.queue.push(Put::Packet(Box::new(event.clone())));
            }
            _ => {}
        }
    }

    fn opened(&mut self, conn: &ConnectionRecord) {
        let snapshot = self.snapshot(conn);
        self.queue.push(Put::Open(snapshot));
    }

    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        let snapshot = self.snapshot(conn);
        if let Some(known) = self.known.get_mut(&conn.id) {
            known.has_exchanges = true;
        }
        self.queue.push(Put::Exchange(snapshot, Arc::clone(exchange)));
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        match decoded {
            Decoded::Exchange(exchange) => self.exchange(conn, exchange),
            _ => {
                let snapshot = self.snapshot(conn);
                self.queue.push(Put::Decoded(snapshot, Box::new(decoded.clone())));
            }
        }
    }

    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        let snapshot = self.snapshot(conn);
        self.queue.push(Put::Finding(snapshot, Box::new(finding.clone())));
    }

    fn closed(&mut self, conn: &ConnectionRecord) {
        let snapshot = self.snapshot(conn);
        let is_flow = self.known.remove(&conn.id).is_none_or(|known| !known.has_exchanges);
        self.tell_unseen();
        self.queue.push(Put::Closed(snapshot, is_flow));
    }

    fn idle(&mut self) {
        self.tell_unseen();
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.finish();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}
