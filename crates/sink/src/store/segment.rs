//! A file that is recorded to. In: a path. Out: the database in it, ready to take rows; and the rows.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};
use sidelight_model::time::Timestamp;

use super::StoreError;
use super::body::Bodies;
use super::connection::Connections;
use super::entry::Desk;
use super::intern::Interner;
use super::packets::Packer;
use super::place::Places;
use super::queue::{Put, Unseen};
use super::{recording, ring, schema};
use crate::capture::CaptureError;

/// How long one attempt to lock the database lasts.
pub(super) const ATTEMPT: Duration = Duration::from_millis(250);

/// What goes on from file to file of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// Added to the numbers of connections; `None` until the first file told.
    pub(super) conn_base: Option<i64>,
    /// Number of the next flow at the least.
    pub(super) next_flow: i64,
    /// When the run began.
    pub(super) started: Timestamp,
}

/// The database of a recording, and what its rows are made with. The database is closed before the lock is let go.
pub(super) struct Segment {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) since: Instant,
    pub(super) course: Course,
    /// This run has written into the file before.
    pub(super) is_known: bool,
    next_seq: i64,
    /// Numbers of the next flow and entry as they were when the transaction began.
    mark: (i64, i64),
    session: i64,
    interner: Interner,
    bodies: Bodies,
    places: Places,
    pub(super) connections: Connections,
    packer: Packer,
    identity: (u64, u64),
    /// Holds off others that would record to the same file. Closing any handle of a file ends SQLite's locks on it, so it
    /// must stay open for as long as the database.
    _lock: File,
}

impl Segment {
    /// Opens a recording to write to it, or makes one.
    pub(super) fn open(path: &Path, course: Course, makes_folders: bool) -> Result<Self, StoreError> {
        let lock = open_file(path, makes_folders)?;
        // Some file systems have no such locks; then the database's own must do.
        if let Err(rustix::io::Errno::WOULDBLOCK) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            return Err(StoreError::Busy(path.to_owned()));
        }
        let failed = |error: rusqlite::Error| StoreError::sqlite(path, "open it for recording", &error);
        let mut db =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(failed)?;
        db.busy_timeout(schema::PATIENCE).map_err(failed)?;
        recording::recognise(&db, path, || read_head(&lock))?;
        configure(&mut db).map_err(failed)?;
        let meta = lock.metadata().map_err(|error| io_error(path, "look at it", error))?;
        Self::begin(db, path, course, lock, (meta.dev(), meta.ino())).map_err(failed)
    }

    fn begin(
        db: Connection,
        path: &Path,
        mut course: Course,
        lock: File,
        identity: (u64, u64),
    ) -> rusqlite::Result<Self> {
        let last_flow: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM flow", [], |row| row.get(0))?;
        course.next_flow = course.next_flow.max(last_flow.saturating_add(1));
        let last_seq: i64 = db.query_row(
            "SELECT max(coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT max(seq) FROM finding), 0),
                        coalesce((SELECT max(seq) FROM closing), 0), coalesce((SELECT max(seq) FROM loss), 0),
                        coalesce((SELECT max(seq) FROM packets), 0),
                        coalesce((SELECT seq FROM flow ORDER BY id DESC LIMIT 1), 0))",
            [],
            |row| row.get(0),
        )?;
        let last_conn = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let base = match course.conn_base {
            Some(base) => base,
            None => db.query_row("SELECT coalesce(max(conn), 0) FROM connection", [], last_conn)?,
        };
        course.conn_base = Some(base);
        let (session, is_known) = session(&db, course.started, base)?;
        Ok(Self {
            db,
            path: path.to_owned(),
            since: Instant::now(),
            course,
            is_known,
            next_seq: last_seq.saturating_add(1),
            mark: (course.next_flow, last_seq.saturating_add(1)),
            session,
            interner: Interner::default(),
            bodies: Bodies::default(),
            places: Places::default(),
            connections: Connections::new(session, base),
            packer: Packer::new(base),
            identity,
            _lock: lock,
        })
    }

    /// Whether the name still leads to this file.
    pub(super) fn is_in_place(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity)
    }

    fn seq(&mut self) -> i64 {
        let seq = self.next_seq;
        self.next_seq = self.next_seq.saturating_add(1);
        seq
    }

    fn flow(&mut self) -> i64 {
        let flow = self.course.next_flow;
        self.course.next_flow = flow.saturating_add(1);
        flow
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk { db: &self.db, interner: &mut self.interner, bodies: &mut self.bodies, places: &mut self.places }
    }

    /// Begins a transaction.
    pub(super) fn begin_transaction(&mut self) -> rusqlite::Result<()> {
        self.mark = (self.course.next_flow, self.next_seq);
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
    }

    /// Undoes the transaction; what was remembered of it is forgotten.
    pub(super) fn roll_back(&mut self) {
        // It fails when SQLite has done so itself.
        self.db.execute_batch("ROLLBACK").ok();
        (self.course.next_flow, self.next_seq) = self.mark;
        self.interner.forget();
        self.places.forget();
        self.bodies.forget();
        self.connections.forget();
        self.packer.clear();
    }

    /// Writes one thing, in the transaction.
    pub(super) fn write(&mut self, put: Put) -> rusqlite::Result<()> {
        match put {
            Put::Open(snapshot) => self.connections.note(snapshot),
            Put::Exchange(snapshot, exchange) => {
                let moment = self.connections.put(&self.db, &mut self.interner, &snapshot)?;
                let ids = (self.flow(), self.seq());
                self.desk().exchange(ids, moment, &snapshot.record, &exchange)?;
            }
            Put::Decoded(snapshot, decoded) => {
                let moment = self.connections.put(&self.db, &mut self.interner, &snapshot)?;
                let seq = self.seq();
                self.desk().message(seq, moment, &decoded)?;
            }
            Put::Finding(snapshot, finding) => {
                let moment = self.connections.put(&self.db, &mut self.interner, &snapshot)?;
                let seq = self.seq();
                self.desk().finding(seq, moment, &finding)?;
            }
            Put::Closed(snapshot, is_flow) => {
                let moment = self.connections.put(&self.db, &mut self.interner, &snapshot)?;
                if is_flow {
                    let ids = (self.flow(), self.seq());
                    self.desk().connection(ids, moment, &snapshot.record)?;
                }
                let seq = self.seq();
                self.desk().closing(seq, moment)?;
                self.places.end(&snapshot.record);
                self.connections.end(&self.db, &snapshot.record)?;
            }
            Put::Packet(event) => {
                if self.packer.push(&event) {
                    self.write_packets()?;
                }
            }
            Put::Unseen(unseen) => self.write_unseen(unseen)?,
        }
        Ok(())
    }

    fn write_packets(&mut self) -> rusqlite::Result<()> {
        if self.packer.is_empty() {
            return Ok(());
        }
        let seq = self.seq();
        self.packer.write(&self.db, seq)
    }

    fn write_unseen(&mut self, unseen: Unseen) -> rusqlite::Result<()> {
        let loss = recording::Loss {
            what: "sinks".to_owned(),
            since: unseen.since,
            until: unseen.until,
            connections: unseen.connections,
            flows: 0,
            messages: 0,
            bytes: unseen.bytes,
            reason: "traffic was faster than what shows and keeps it".to_owned(),
        };
        self.write_loss(&loss)
    }

    /// Writes what is not in the file.
    pub(super) fn write_loss(&mut self, loss: &recording::Loss) -> rusqlite::Result<()> {
        let seq = self.seq();
        let sql = "INSERT INTO loss (seq, what, since, until, connections, flows, messages, bytes, reason)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.db.prepare_cached(sql)?.execute(params![
            seq,
            loss.what,
            loss.since.0,
            loss.until.0,
            loss.connections.cast_signed(),
            loss.flows.cast_signed(),
            loss.messages.cast_signed(),
            loss.bytes.cast_signed(),
            loss.reason,
        ])?;
        Ok(())
    }

    /// Ends the transaction. `ring`: bytes that the file is kept at.
    pub(super) fn commit(&mut self, ring: Option<u64>) -> rusqlite::Result<()> {
        self.connections.catch_up(&self.db, &mut self.interner)?;
        self.write_packets()?;
        if let Some(most) = ring {
            let taken = ring::shrink(&self.db, most, &self.connections)?;
            if taken.pieces {
                self.bodies.forget();
            }
            if taken.shared {
                self.interner.forget();
                self.places.forget();
            }
        }
        self.db.prepare_cached("COMMIT")?.execute([]).map(drop)
    }

    /// Bytes of the database.
    pub(super) fn size(&self) -> rusqlite::Result<u64> {
        let (pages, size) = (pragma(&self.db, "page_count")?, pragma(&self.db, "page_size")?);
        Ok(pages.saturating_mul(size))
    }

    /// Ends the recording in this file: says so in it, and leaves one plain file that opens anywhere.
    pub(super) fn end(self, continued_in: Option<&Path>) -> rusqlite::Result<()> {
        let now = Timestamp::from(SystemTime::now()).0;
        self.db.execute("UPDATE session SET ended = ?2 WHERE id = ?1", params![self.session, now])?;
        if let Some(next) = continued_in {
            let name = next.to_string_lossy();
            self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('continued_in', ?1)", [name])?;
        }
        self.db.busy_timeout(ATTEMPT)?;
        // With readers on it, the file stays as it is, and whoever opens it last tidies up.
        self.db.pragma_update(None, "journal_mode", "DELETE").ok();
        Ok(())
    }
}

/// A number that SQLite tells.
pub(super) fn pragma(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

fn io_error(path: &Path, doing: &'static str, error: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), doing, error }
}

/// Opens the file, or makes it for our eyes only. SQLite gives its companions the same rights.
fn open_file(path: &Path, makes_folders: bool) -> Result<File, StoreError> {
    let kind = std::fs::symlink_metadata(path).map(|meta| meta.file_type());
    let option = "--store";
    match kind {
        Ok(kind) if kind.is_symlink() => {
            let to = std::fs::read_link(path).unwrap_or_default();
            return Err(CaptureError::SymbolicLink { option, path: path.to_owned(), to }.into());
        }
        Ok(kind) if !kind.is_file() => {
            let what = if kind.is_dir() { "a folder" } else { "a pipe, socket or device" };
            return Err(CaptureError::NoFile { option, path: path.to_owned(), what }.into());
        }
        Ok(_) => {
            let open = OpenOptions::new().read(true).write(true).open(path);
            return open.map_err(|error| io_error(path, "open it for recording", error));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(path, "look at it", error)),
    }
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
        if !makes_folders {
            return Err(CaptureError::NoFolder { option, path: path.to_owned(), folder: folder.to_owned() }.into());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| io_error(path, "make its folder", error))?;
    }
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let made = made.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)).map(|()| file));
    made.map_err(|error| io_error(path, "make it", error))
}

/// The first bytes, to tell what a foreign file is.
fn read_head(file: &File) -> Vec<u8> {
    let mut head = vec![0; 512];
    let length = file.read_at(&mut head, 0).unwrap_or(0);
    head.truncate(length);
    head
}

fn configure(db: &mut Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "page_size", 8192)?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -8_000)?;
    db.set_prepared_statement_cache_capacity(64);
    // The tables are made before the log is switched on, so that the file itself tells what it is.
    if schema::user_version(db)? < schema::VERSION {
        schema::migrate(db)?;
    }
    // Where there is no shared memory, such as on some network file systems, the mode stays as it was; that works, too.
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", 2000, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", 32 << 20, |_| Ok(()))?;
    db.busy_timeout(ATTEMPT)
}

/// The row of this run, made when the file has none; and whether it had.
fn session(db: &Connection, started: Timestamp, base: i64) -> rusqlite::Result<(i64, bool)> {
    let find = "SELECT id FROM session WHERE started = ?1 AND ended IS NULL AND conn_base = ?2";
    let found = db.query_row(find, params![started.0, base], |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok((id, true));
    }
    let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let program = concat!("sidelight ", env!("CARGO_PKG_VERSION"));
    let sql = "INSERT INTO session (started, program, host, command, conn_base) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.execute(sql, params![started.0, program, host, super::document::json(&command), base])?;
    let id = db.last_insert_rowid();
    let sql = "INSERT OR IGNORE INTO meta (key, value) VALUES ('created', ?1), ('program', ?2)";
    db.execute(sql, params![started.0, program])?;
    Ok((id, false))
}
