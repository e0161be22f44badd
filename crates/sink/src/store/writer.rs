//! The thread that writes. In: values from the queue. Out: transactions of half a second. It survives what disks do: what cannot
//! be written is dropped and counted, it tries again, and when that works the loss is written down.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::ErrorCode;
use sidelight_model::time::Timestamp;

use super::queue::{Put, Queue, Taken, Weighed};
use super::recording::Loss;
use super::segment::{Course, Segment};
use super::{StoreError, StoreOptions, error};
use crate::capture::Names;

/// How long a transaction takes at the most: so much is lost by a kill -9.
const PACE: Duration = Duration::from_millis(500);
/// Bytes of a transaction, about.
const MOST: usize = 8 << 20;
/// When a disk that failed is tried again; the pause doubles up to the second while it goes on failing.
const PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(48);
/// A lock of another program is spoken of after so long.
const LOCK_IS_LONG: Duration = Duration::from_secs(5);

/// Writes a recording, in one file or several.
pub(super) struct Writer {
    options: StoreOptions,
    queue: Arc<Queue>,
    names: Names,
    path: Arc<Mutex<PathBuf>>,
    /// Files of this run before the one being written.
    former: VecDeque<PathBuf>,
    segment: Option<Segment>,
    course: Course,
    batch: Option<Batch>,
    trouble: Option<Trouble>,
    pause: Duration,
    rotate_after: Option<Instant>,
    /// Flows that this run wrote into the file.
    written: u64,
}

/// The transaction under way.
struct Batch {
    since: Instant,
    bytes: usize,
    count: Count,
}

/// What stands in a transaction, or was lost.
#[derive(Clone, Copy, Default)]
struct Count {
    connections: u64,
    flows: u64,
    messages: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, put: &Put, weight: usize) {
        match put {
            Put::Exchange(..) => self.flows += 1,
            Put::Closed(_, is_flow) => {
                self.connections += 1;
                self.flows += u64::from(*is_flow);
            }
            Put::Decoded(..) | Put::Finding(..) => self.messages += 1,
            Put::Open(_) | Put::Packet(_) | Put::Unseen(_) => {}
        }
        self.bytes += weight as u64;
    }
}

/// The file cannot be written for now.
struct Trouble {
    since: Timestamp,
    next_try: Instant,
    reason: String,
    lost: Count,
    /// Flows in a file that is gone; should it come back, they are not lost.
    gone: u64,
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

impl Writer {
    /// Opens the first file.
    pub(super) fn create(options: StoreOptions, queue: Arc<Queue>) -> Result<Self, StoreError> {
        let rotates = options.rotation.size.is_some() || options.rotation.time.is_some();
        let mut names = Names::new("--store", options.path.clone(), rotates)?;
        let started = now();
        let path = names.next(started, &VecDeque::new())?;
        let course = Course { conn_base: None, next_flow: 1, started };
        let segment = Segment::open(&path, course, names.makes_folders())?;
        Ok(Self {
            course: segment.course,
            options,
            queue,
            names,
            path: Arc::new(Mutex::new(path)),
            former: VecDeque::new(),
            segment: Some(segment),
            batch: None,
            trouble: None,
            pause: PAUSE,
            rotate_after: None,
            written: 0,
        })
    }

    /// The file that is being written, which others may ask for.
    pub(super) fn path(&self) -> Arc<Mutex<PathBuf>> {
        Arc::clone(&self.path)
    }

    fn current(&self) -> PathBuf {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, words: &str) {
        self.options.notices.say(&format!("{}: {words}", self.current().display()));
    }

    /// Writes until nothing more comes.
    pub(super) fn run(mut self) {
        let mut puts = VecDeque::new();
        loop {
            match self.queue.take(self.wait(), &mut puts) {
                Taken::Puts => puts.drain(..).for_each(|put| self.take(put)),
                Taken::Nothing => {}
                Taken::End => break,
            }
            self.turn();
        }
        self.finish();
    }

    /// How long nothing has to be done.
    fn wait(&self) -> Duration {
        match (&self.batch, &self.trouble) {
            (Some(batch), _) => PACE.saturating_sub(batch.since.elapsed()),
            (None, Some(trouble)) => trouble.next_try.saturating_duration_since(Instant::now()),
            (None, None) => PACE,
        }
    }

    fn take(&mut self, Weighed(put, weight): Weighed) {
        if self.trouble.as_ref().is_some_and(|it| it.next_try <= Instant::now()) {
            self.try_again();
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.lost.add(&put, weight);
            return;
        }
        if self.batch.is_none() && !self.begin() {
            // The trouble has just begun, and counts this one as well.
            if let Some(trouble) = &mut self.trouble {
                trouble.lost.add(&put, weight);
            }
            return;
        }
        let (Some(segment), Some(batch)) = (&mut self.segment, &mut self.batch) else { return };
        batch.count.add(&put, weight);
        batch.bytes += weight;
        if let Err(error) = segment.write(put) {
            return self.fail(&error);
        }
        let most = self.options.ring.map_or(MOST, |ring| MOST.min(usize::try_from(ring / 16).unwrap_or(MOST)));
        if batch.bytes >= most || batch.since.elapsed() >= PACE {
            self.commit();
        }
    }

    /// Does what time asks for.
    fn turn(&mut self) {
        if self.batch.as_ref().is_some_and(|batch| batch.since.elapsed() >= PACE) {
            self.commit();
        }
        if self.trouble.as_ref().is_some_and(|it| it.next_try <= Instant::now()) {
            self.try_again();
        }
        if self.batch.is_none() && self.trouble.is_none() {
            self.rotate_when_due();
        }
    }

    /// Begins a transaction; waits for as long as another program holds a lock, for that is no fault of the disk.
    fn begin(&mut self) -> bool {
        if self.segment.as_ref().is_some_and(|segment| !segment.is_in_place()) {
            self.begin_anew();
        }
        let (since, mut is_said) = (Instant::now(), false);
        while let Some(segment) = &mut self.segment {
            match segment.begin_transaction() {
                Ok(()) => {
                    self.batch = Some(Batch { since: Instant::now(), bytes: 0, count: Count::default() });
                    return true;
                }
                Err(error) if is_busy(&error) && !(self.queue.is_ending() && since.elapsed() >= LOCK_IS_LONG) => {
                    if since.elapsed() >= LOCK_IS_LONG && !is_said {
                        is_said = true;
                        self.say("another program holds a lock on it; recording waits for that program");
                    }
                }
                Err(error) => {
                    self.fail(&error);
                    return false;
                }
            }
        }
        false
    }

    /// The name leads elsewhere: the file was removed or replaced, or something was mounted over it. Nobody would read what goes
    /// into the old one.
    fn begin_anew(&mut self) {
        let gone = std::mem::take(&mut self.written);
        self.say(&format!(
            "the file is gone, with {gone} flows of this run; recording looks for it, or begins a new one"
        ));
        self.segment = None;
        self.trouble = Some(Trouble {
            since: self.course.started,
            next_try: Instant::now(),
            reason: "the file was removed while it was recorded to".to_owned(),
            lost: Count::default(),
            gone,
        });
        self.try_again();
    }

    fn commit(&mut self) {
        let (Some(segment), Some(batch)) = (&mut self.segment, &self.batch) else { return };
        match segment.commit(self.options.ring) {
            Ok(()) => {
                self.written += batch.count.flows;
                self.course = segment.course;
                self.batch = None;
                self.pause = PAUSE;
                self.rotate_when_due();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Gives the transaction up, and counts what was in it.
    fn fail(&mut self, error: &rusqlite::Error) {
        let reason = error::words(error);
        let lost = self.batch.take().map_or_else(Count::default, |batch| batch.count);
        if let Some(segment) = &mut self.segment {
            segment.roll_back();
        }
        // A connection to the database may remember the error; the next attempt makes a new one.
        self.segment = None;
        self.say(&format!("cannot record: {reason}; traffic goes on, and recording as soon as that is mended"));
        let next_try = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.trouble = Some(Trouble { since: now(), next_try, reason, lost, gone: 0 });
    }

    /// Opens the file again, and writes down what is missing in it.
    fn try_again(&mut self) {
        let Some(mut trouble) = self.trouble.take() else { return };
        match self.reopen(&mut trouble) {
            Ok(segment) => {
                self.written += if segment.is_known { trouble.gone } else { 0 };
                self.course = segment.course;
                self.segment = Some(segment);
                let Count { flows, bytes, .. } = trouble.lost;
                self.say(&format!("recording again; {flows} flows ({bytes} bytes) are not in it"));
            }
            Err(_) => {
                trouble.next_try = Instant::now() + self.pause;
                self.trouble = Some(trouble);
            }
        }
    }

    fn reopen(&self, trouble: &mut Trouble) -> Result<Segment, StoreError> {
        let path = self.current();
        let mut segment = Segment::open(&path, self.course, self.names.makes_folders())?;
        let mut lost = trouble.lost;
        if !segment.is_known {
            lost.flows += trouble.gone;
        }
        let loss = Loss {
            what: "store".to_owned(),
            since: trouble.since,
            until: now(),
            connections: lost.connections,
            flows: lost.flows,
            messages: lost.messages,
            bytes: lost.bytes,
            reason: trouble.reason.clone(),
        };
        segment.write_loss(&loss).map_err(|error| StoreError::sqlite(&path, "write to it", &error))?;
        trouble.lost = lost;
        Ok(segment)
    }

    fn rotate_when_due(&mut self) {
        let rotation = self.options.rotation;
        let Some(segment) = &self.segment else { return };
        let is_large = rotation.size.is_some_and(|most| segment.size().is_ok_and(|size| size >= most));
        let is_old = rotation.time.is_some_and(|most| segment.since.elapsed() >= most);
        let may = self.written > 0 && self.rotate_after.is_none_or(|after| after <= Instant::now());
        if (is_large || is_old) && may {
            self.rotate();
        }
    }

    /// Ends this file and begins the next. When that cannot be made, this one goes on.
    fn rotate(&mut self) {
        let mut taken = self.former.clone();
        taken.push_back(self.current());
        let (path, next) = match self.next_file(&taken) {
            Ok(next) => next,
            Err(error) => {
                self.say(&format!("the next file cannot be begun, this one goes on: {error}"));
                self.rotate_after = Some(Instant::now() + LONGEST_PAUSE);
                return;
            }
        };
        if let Some(old) = self.segment.replace(next)
            && let Err(error) = old.end(Some(&path))
        {
            self.say(&format!("was not ended in order: {}", error::words(&error)));
        }
        self.former = taken;
        self.written = 0;
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        self.remove_oldest();
    }

    /// Makes the next file; one that is there is of an earlier run, and stays as it is.
    fn next_file(&mut self, taken: &VecDeque<PathBuf>) -> Result<(PathBuf, Segment), StoreError> {
        let mut taken = taken.clone();
        loop {
            let path = self.names.next(now(), &taken)?;
            if path.symlink_metadata().is_err() {
                let segment = Segment::open(&path, self.course, self.names.makes_folders())?;
                return Ok((path, segment));
            }
            taken.push_back(path);
        }
    }

    fn remove_oldest(&mut self) {
        let Some(keep) = self.options.rotation.keep else { return };
        while self.former.len() + 1 > keep.max(1) {
            if let Some(oldest) = self.former.pop_front() {
                remove(&oldest);
            }
        }
    }

    /// Writes what is left, and says what could not be written.
    fn finish(&mut self) {
        self.commit();
        if self.trouble.is_some() {
            self.try_again();
        }
        if let Some(trouble) = &self.trouble {
            let Count { flows, bytes, .. } = trouble.lost;
            let flows = flows + trouble.gone;
            self.say(&format!("{flows} flows ({bytes} bytes) could not be recorded: {}", trouble.reason));
        }
        if let Some(segment) = self.segment.take()
            && let Err(error) = segment.end(None)
        {
            self.say(&format!("was not ended in order: {}", error::words(&error)));
        }
    }
}

/// Removes a recording with its companions.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::remove_file(PathBuf::from(name)).ok();
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
