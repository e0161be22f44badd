//! A recording, opened to be read, finished or growing. In: a path. Out: [`Recording`], and what there is to say about the file.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use sidelight_model::time::Timestamp;

use super::{StoreError, schema};

/// A recording to read from. It never changes the file.
#[derive(Debug)]
pub struct Recording {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    /// What cannot be seen of it, and why.
    caveat: Option<String>,
    version: Cell<i64>,
}

/// What there is to say about a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingInfo {
    /// The runs that wrote into it, in order.
    pub sessions: Vec<Session>,
    /// Flows in it.
    pub flows: u64,
    /// HTTP exchanges among them.
    pub exchanges: u64,
    /// The first flow's number, and the last one's.
    pub ids: Option<(u64, u64)>,
    /// When the first flow began, and when the last one did.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Connections of which something is in it.
    pub connections: u64,
    /// What is not in it.
    pub losses: Vec<Loss>,
    /// Whether it holds the bytes of sockets.
    pub packets: bool,
    /// Bytes of the file.
    pub size: u64,
    /// The file in which it goes on.
    pub continued_in: Option<PathBuf>,
}

/// A run of the program that wrote into a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// When it began.
    pub started: Timestamp,
    /// When it ended in order; `None`: it goes on, or was killed.
    pub ended: Option<Timestamp>,
    /// Program and version.
    pub program: String,
    /// Name of the machine.
    pub host: String,
    /// Its command line, secrets and all.
    pub command: Vec<String>,
}

/// What is not in a recording, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// `sinks`: they were too slow for the traffic. `store`: the disk did not take it.
    pub what: String,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Connections of which nothing, or not the end, is there.
    pub connections: u64,
    /// Flows.
    pub flows: u64,
    /// Messages and findings.
    pub messages: u64,
    /// Bytes; of `sinks` those that passed, of `store` about those that were to be written.
    pub bytes: u64,
    /// Why, in words.
    pub reason: String,
}

impl Recording {
    /// Opens a recording. It may be growing; what is written later is seen later. Where the folder is read-only, the file is
    /// read as it is, and [`Recording::caveat`] says what that leaves out.
    ///
    /// # Errors
    /// When there is no such file, it is something else, damaged, of a newer version, or locked.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::Missing(path.to_owned()),
            _ => StoreError::Io { path: path.to_owned(), doing: "open it", error },
        })?;
        if !meta.is_file() {
            let is = if meta.is_dir() { "a folder" } else { "a pipe, socket or device" };
            return Err(StoreError::Foreign { path: path.to_owned(), is: is.to_owned() });
        }
        let read = |db: &Connection| -> Result<(), StoreError> {
            let failed = |error: rusqlite::Error| StoreError::sqlite(path, "read it", &error);
            db.busy_timeout(schema::PATIENCE).map_err(failed)?;
            db.set_prepared_statement_cache_capacity(64);
            recognise(db, path, || head(path))?;
            db.pragma_update(None, "query_only", true).map_err(failed)?;
            // What a file of others brings along (views, triggers) is not to do anything of its own.
            db.pragma_update(None, "trusted_schema", false).map_err(failed)?;
            db.pragma_update(None, "temp_store", "FILE").map_err(failed)?;
            db.pragma_update(None, "cache_size", -32_000).map_err(failed)?;
            Ok(())
        };
        let opened = |db, caveat| Self { db, path: path.to_owned(), caveat, version: Cell::new(-1) };
        let problem = match open_with(path, "") {
            Ok(db) => match read(&db) {
                Ok(()) => return Ok(opened(db, None).noting_version()),
                Err(error) => error,
            },
            Err(error) => StoreError::sqlite(path, "open it", &error),
        };
        // A read-only folder has no room for what several readers and a writer share. Then nobody can write either, and the
        // file can be read with its log, without locks.
        if is_writable_place(path) || !matches!(problem, StoreError::Database { .. } | StoreError::Foreign { .. }) {
            return Err(problem);
        }
        if let Ok(db) = open_with(path, "vfs=unix-none")
            && db.pragma_update(None, "locking_mode", "EXCLUSIVE").is_ok()
            && read(&db).is_ok()
        {
            return Ok(opened(
                db,
                Some("its folder is read-only: what others write to it meanwhile is not seen".into()),
            ));
        }
        let db = open_with(path, "immutable=1").map_err(|error| StoreError::sqlite(path, "open it", &error))?;
        read(&db)?;
        let caveat =
            "its folder is read-only: what stands only in its -wal file is not seen; copy both to another folder";
        Ok(opened(db, Some(caveat.into())))
    }

    /// What cannot be seen of the recording, and why: a sentence for people.
    pub fn caveat(&self) -> Option<&str> {
        self.caveat.as_deref()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database, for statistics. The schema is in docs/store.md.
    #[allow(dead_code)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }

    /// The error of this recording for what SQLite said.
    pub(crate) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, "read it", error)
    }

    fn noting_version(self) -> Self {
        self.changed();
        self
    }

    /// Whether something was written since this was asked before, or since it was opened.
    pub fn changed(&self) -> bool {
        let version = self.db.pragma_query_value(None, "data_version", |row| row.get(0)).unwrap_or(-1);
        self.version.replace(version) != version
    }

    /// What there is to say about the recording.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn info(&self) -> Result<RecordingInfo, StoreError> {
        self.read_info().map_err(|error| self.failed(&error))
    }

    /// What is not in it. Cheaper than [`Recording::info`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn lost(&self) -> Result<Vec<Loss>, StoreError> {
        self.losses().map_err(|error| self.failed(&error))
    }

    /// The file in which it goes on, once there is one. Cheaper than [`Recording::info`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn continued_in(&self) -> Result<Option<PathBuf>, StoreError> {
        self.read_continued_in().map_err(|error| self.failed(&error))
    }

    fn read_continued_in(&self) -> rusqlite::Result<Option<PathBuf>> {
        let sql = "SELECT value FROM meta WHERE key = 'continued_in'";
        let found: Option<String> = self.db.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(found.map(PathBuf::from))
    }

    fn read_info(&self) -> rusqlite::Result<RecordingInfo> {
        let count = |sql: &str| self.db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
        let ends = "SELECT (SELECT min(id) FROM flow), (SELECT max(id) FROM flow), (SELECT min(started) FROM flow),
                           (SELECT max(started) FROM flow)";
        let (ids, times) = self.db.query_row(ends, [], |row| {
            let pair = |a: Option<i64>, b: Option<i64>| a.zip(b);
            Ok((pair(row.get(0)?, row.get(1)?), pair(row.get(2)?, row.get(3)?)))
        })?;
        Ok(RecordingInfo {
            sessions: self.sessions()?,
            flows: count("SELECT count(*) FROM flow")?,
            exchanges: count("SELECT count(*) FROM exchange")?,
            ids: ids.map(|(a, b)| (a.cast_unsigned(), b.cast_unsigned())),
            times: times.map(|(a, b)| (Timestamp(a), Timestamp(b))),
            connections: count("SELECT count(DISTINCT conn) FROM connection")?,
            losses: self.losses()?,
            packets: count("SELECT EXISTS (SELECT 1 FROM packets)")? > 0,
            size: count("PRAGMA page_count")?.saturating_mul(count("PRAGMA page_size")?),
            continued_in: self.read_continued_in()?,
        })
    }

    fn sessions(&self) -> rusqlite::Result<Vec<Session>> {
        let sql = "SELECT started, ended, program, host, command FROM session ORDER BY id";
        let mut find = self.db.prepare(sql)?;
        let rows = find.query_map([], |row| {
            Ok(Session {
                started: Timestamp(row.get(0)?),
                ended: row.get::<_, Option<i64>>(1)?.map(Timestamp),
                program: row.get(2)?,
                host: row.get(3)?,
                command: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
            })
        })?;
        rows.collect()
    }

    /// What is not in the recording, in order.
    pub(super) fn losses(&self) -> rusqlite::Result<Vec<Loss>> {
        let sql = "SELECT what, since, until, connections, flows, messages, bytes, reason FROM loss ORDER BY seq";
        let mut find = self.db.prepare(sql)?;
        let rows = find.query_map([], |row| {
            let count = |n: usize| row.get::<_, i64>(n).map(i64::cast_unsigned);
            Ok(Loss {
                what: row.get(0)?,
                since: Timestamp(row.get(1)?),
                until: Timestamp(row.get(2)?),
                connections: count(3)?,
                flows: count(4)?,
                messages: count(5)?,
                bytes: count(6)?,
                reason: row.get(7)?,
            })
        })?;
        rows.collect()
    }
}

/// Opens the database to read from it, with these parameters of SQLite's file URIs.
fn open_with(path: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut uri = String::from("file:");
    // A relative path that begins with `//` would be an authority; an absolute one is told from it by an empty authority.
    if path.is_absolute() {
        uri.push_str("//");
    }
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    if !parameters.is_empty() {
        uri.push('?');
        uri.push_str(parameters);
    }
    Connection::open_with_flags(uri, flags)
}

/// Whether files can be made beside `path`.
fn is_writable_place(path: &Path) -> bool {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Sees to it that a database is a recording that this program can read, or empty. `head`: its first bytes.
pub(super) fn recognise(db: &Connection, path: &Path, head: impl FnOnce() -> Vec<u8>) -> Result<(), StoreError> {
    let foreign = |is: String| StoreError::Foreign { path: path.to_owned(), is };
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => foreign(what_it_is(&head())),
        _ => StoreError::sqlite(path, "read it", &error),
    };
    let tell = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((schema::application_id(db)?, schema::user_version(db)?, tables))
    };
    match tell().map_err(failed)? {
        (schema::APPLICATION_ID, found, _) if found > schema::VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION })
        }
        (schema::APPLICATION_ID, ..) => Ok(()),
        (0, 0, 0) if !db.is_readonly("main").unwrap_or(true) => Ok(()),
        (0, 0, 0) => Err(foreign("an empty file".to_owned())),
        _ => Err(foreign("an SQLite database of another program".to_owned())),
    }
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(path) {
        file.take(512).read_to_end(&mut head).ok();
    }
    head
}

/// What a file looks like, by its first bytes.
fn what_it_is(head: &[u8]) -> String {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"SQLite format 3\0", "a damaged SQLite database"),
        (b"\x0a\x0d\x0d\x0a", "a pcapng capture"),
        (b"\xd4\xc3\xb2\xa1", "a pcap capture"),
        (b"\xa1\xb2\xc3\xd4", "a pcap capture"),
        (b"\x4d\x3c\xb2\xa1", "a pcap capture"),
        (b"\xa1\xb2\x3c\x4d", "a pcap capture"),
        (b"\x1f\x8b", "a file compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "a file compressed with zstd"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x7fELF", "a program"),
        (b"-----BEGIN ", "a PEM file"),
    ];
    if head.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some((_, is)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return (*is).to_owned();
    }
    let text = head.trim_ascii_start();
    let is_text = head.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'));
    match text.first() {
        Some(b'{' | b'[') if text.windows(5).any(|it| it == b"\"log\"") => "a HAR file".to_owned(),
        Some(b'{' | b'[') if is_text => "a JSON file".to_owned(),
        Some(b'0'..=b'9') if text.iter().take(12).any(|byte| *byte == b':') => {
            "perhaps a mitmproxy flow file".to_owned()
        }
        _ if is_text => "a text file".to_owned(),
        _ => "a file of another kind".to_owned(),
    }
}
