//! The files of raw streams: few are open at a time. In: bytes of connections. Out: files of mode 0600 in a folder of mode 0700.

use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sidelight_model::flow::{ConnId, Direction};

use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// Files that are open at a time.
const MOST_OPEN: usize = 128;
/// Names that are tried for a file that exists already.
const MOST_NAMES: u32 = 10_000;
/// Bytes of a service's name in the name of a file.
const LONGEST_NAME: usize = 120;

/// Why raw streams cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The folder cannot be made or used.
    #[error("{}: cannot use this folder for raw streams: {source}; name one that you may write to", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One direction of one connection.
#[derive(Debug)]
struct Stream {
    path: PathBuf,
    /// `None` when others needed the room, or when it could not be written.
    file: Option<File>,
    /// Bytes that the stream had so far.
    length: u64,
    /// The file could not be made.
    broken: bool,
}

/// All files.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    notices: Notices,
    streams: HashMap<(ConnId, usize), Stream>,
    /// Streams with an open file; those that were written to last stand last.
    open: VecDeque<(ConnId, usize)>,
    complained: bool,
    lost: u64,
    missing: u64,
}

impl Files {
    pub(super) fn new(folder: PathBuf, notices: Notices) -> Result<Self, RawError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let checked = made.and_then(|()| {
            let is_folder = std::fs::metadata(&folder)?.is_dir();
            if is_folder { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
        });
        checked.map_err(|source| RawError::Folder { folder: folder.clone(), source })?;
        let (streams, open) = (HashMap::new(), VecDeque::new());
        Ok(Self { folder, notices, streams, open, complained: false, lost: 0, missing: 0 })
    }

    /// Appends bytes to a stream.
    pub(super) fn write(&mut self, conn: &ConnectionRecord, direction: Direction, bytes: &[u8]) {
        let key = (conn.id, direction.index());
        self.make_sure(conn, key, direction);
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let at = stream.length;
        stream.length += bytes.len() as u64;
        let Some(file) = &mut stream.file else {
            self.lost += bytes.len() as u64;
            return;
        };
        // A place, not an append: what could not be written before stays a hole.
        if let Err(error) = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)) {
            self.lost += bytes.len() as u64;
            let path = stream.path.clone();
            self.complain(&path, &error);
        }
    }

    /// Leaves room for bytes that nobody saw.
    pub(super) fn skip(&mut self, conn: &ConnectionRecord, direction: Direction, bytes: u64) {
        let key = (conn.id, direction.index());
        self.make_sure(conn, key, direction);
        self.missing = self.missing.saturating_add(bytes);
        let Some(stream) = self.streams.get_mut(&key) else { return };
        stream.length = stream.length.saturating_add(bytes);
        let length = stream.length;
        if let Some(file) = &stream.file
            && let Err(error) = file.set_len(length)
        {
            let path = stream.path.clone();
            self.complain(&path, &error);
        }
    }

    /// Sees to it that the file of a stream is open, if it can be.
    fn make_sure(&mut self, conn: &ConnectionRecord, key: (ConnId, usize), direction: Direction) {
        let known = self.streams.get(&key).map(|stream| (stream.broken, stream.file.is_some()));
        match known {
            Some((true, _)) => return,
            Some((false, true)) => {
                if self.open.back() != Some(&key) {
                    self.open.retain(|open| *open != key);
                    self.open.push_back(key);
                }
                return;
            }
            Some((false, false)) | None => self.make_room(),
        }
        let opened = match self.streams.get(&key) {
            Some(stream) => reopen(&stream.path).map(|file| (stream.path.clone(), file)),
            None => self.create(conn, direction),
        };
        let length = self.streams.get(&key).map_or(0, |stream| stream.length);
        let stream = match opened {
            Ok((path, file)) => {
                self.open.push_back(key);
                Stream { path, file: Some(file), length, broken: false }
            }
            Err((path, error)) => {
                self.complain(&path, &error);
                Stream { path, file: None, length, broken: true }
            }
        };
        self.streams.insert(key, stream);
    }

    /// Closes the file that was not written to for the longest time, when there are too many.
    fn make_room(&mut self) {
        while self.open.len() >= MOST_OPEN {
            let Some(oldest) = self.open.pop_front() else { return };
            if let Some(stream) = self.streams.get_mut(&oldest) {
                stream.file = None;
            }
        }
    }

    /// Makes the file of a stream; one of an earlier run is left as it is.
    fn create(&self, conn: &ConnectionRecord, direction: Direction) -> Result<(PathBuf, File), (PathBuf, io::Error)> {
        let way = match direction {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        };
        let stem = format!("{:06}-{}", conn.id.0, safe(&conn.service()));
        let mut path = self.folder.join(format!("{stem}.{way}"));
        for number in 2..MOST_NAMES {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            match options.open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    path = self.folder.join(format!("{stem}-{number}.{way}"));
                }
                Err(error) => return Err((path, error)),
            }
        }
        Err((path, ErrorKind::AlreadyExists.into()))
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            let path = path.display();
            self.notices.say(&format!("{path}: cannot write this raw stream: {error}; what is lost is counted"));
        }
    }

    /// A connection is over.
    pub(super) fn close(&mut self, conn: ConnId) {
        for way in [0, 1] {
            if self.streams.remove(&(conn, way)).is_some_and(|stream| stream.file.is_some()) {
                self.open.retain(|open| *open != (conn, way));
            }
        }
    }

    /// The run is over.
    pub(super) fn end(&mut self) {
        self.streams.clear();
        self.open.clear();
        let folder = self.folder.display();
        if self.lost > 0 {
            self.notices.say(&format!("{folder}: {} bytes of raw streams could not be written", self.lost));
        }
        if self.missing > 0 {
            let words = "bytes of raw streams were not kept; zeros stand in their place";
            self.notices.say(&format!("{folder}: {} {words}", self.missing));
        }
    }
}

fn reopen(path: &Path) -> Result<File, (PathBuf, io::Error)> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let opened = OpenOptions::new().write(true).custom_flags(nofollow).open(path);
    opened.map_err(|error| (path.to_owned(), error))
}

/// The name of a service as a part of a file's name: nothing of it can leave the folder.
fn safe(service: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = service.chars().take(LONGEST_NAME).map(|c| if fits(c) { c } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}
