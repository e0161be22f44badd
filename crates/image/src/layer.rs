//! One layer that is a tar. In: its stream, the watcher. Out: entries merged into the state, kept files with what the watcher
//! made of them. Everything that the watcher does not want is passed over, and still hashed.

use crate::error::Error;
use crate::limits::Limits;
use crate::merge::{Merge, Meta, lexical};
use crate::stream::Stream;
use crate::tar::{Entry, Kind, Next, TarError, TarReader};
use crate::watch::{Head, Watch};

/// How a layer's entries are to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Its index; `None`: it is no layer but a whole root, in which whiteouts mean nothing.
    pub(crate) layer: Option<usize>,
    pub(crate) limits: Limits,
    /// Entries of all layers that may still come.
    pub(crate) entries: u64,
}

/// What reading a layer took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// The watcher has enough.
    pub(crate) enough: bool,
}

/// Uncompressed bytes after which it is told how far reading is.
const TELL_EVERY: u64 = 32 << 20;

/// Reads a layer to its end, or until the watcher has enough. `tell` is told now and then how many bytes were read.
pub(crate) fn read<W>(
    stream: Stream,
    merge: &mut Merge<W::Found>,
    watch: &mut W,
    terms: Terms,
    tell: &mut dyn FnMut(u64),
) -> Result<Taken, Error>
where
    W: Watch,
    W::Found: Clone,
{
    let what = stream.what().to_owned();
    let mut tar = TarReader::new(stream, terms.limits);
    merge.begin(terms.layer);
    let mut taken = Taken::default();
    let mut told = 0;
    let outcome = loop {
        let entry = match tar.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        taken.entries += 1;
        if taken.entries > terms.entries {
            break Err(TarError::Limit(format!("and those below it have more than {} entries", terms.limits.entries)));
        }
        if let Err(error) = take(&mut tar, &entry, merge, watch, terms) {
            break Err(error);
        }
        if entry.offset - told > TELL_EVERY {
            told = entry.offset;
            tell(told);
        }
        if watch.enough() {
            taken.enough = true;
            break Ok(());
        }
    };
    let stream = tar.into_input();
    match outcome {
        Ok(()) if taken.enough => taken.bytes = stream.count(),
        Ok(()) => taken.bytes = stream.finish()?,
        Err(TarError::Io(error)) => return Err(stream.explain(error)),
        // Damage may be that of a wrong blob: then that is what is told.
        Err(TarError::Damaged { at, why }) => {
            stream.finish()?;
            return Err(Error::damaged(what, TarError::Damaged { at, why }.to_string()));
        }
        Err(TarError::Limit(why)) => return Err(Error::limit(what, why)),
    }
    Ok(taken)
}

/// Takes one entry in.
fn take<W>(
    tar: &mut TarReader<Stream>,
    entry: &Entry,
    merge: &mut Merge<W::Found>,
    watch: &mut W,
    terms: Terms,
) -> Result<(), TarError>
where
    W: Watch,
    W::Found: Clone,
{
    if let Kind::Other(kind) = entry.kind {
        merge.notes.count(terms.layer, "entries of types that mean nothing in an image were left out", &[kind]);
        return Ok(());
    }
    let Some(path) = merge.place(&entry.name) else { return Ok(()) };
    if terms.layer.is_some() && entry.kind != Kind::Folder && merge.whiteout(&path) {
        return Ok(());
    }
    match entry.kind {
        Kind::Folder => {
            let meta = Meta { mode: entry.mode, uid: entry.uid, gid: entry.gid, size: 0 };
            watch.folder(&meta.head(&String::from_utf8_lossy(&path)));
            merge.folder(&path);
        }
        Kind::SymLink => merge.link(path, &entry.target),
        Kind::Special | Kind::Other(_) => merge.replace(&path),
        Kind::HardLink => match lexical(&entry.target, &terms.limits) {
            Ok(_) => {
                if let Some(target) = merge.place(&entry.target) {
                    merge.hard_link(path, &target);
                }
            }
            Err(_) => {
                merge.notes.count(
                    terms.layer,
                    "hard links whose targets lie out of the root were left out",
                    &entry.name,
                );
            }
        },
        Kind::File => return file(tar, entry, path, merge, watch),
    }
    Ok(())
}

/// Shows a regular file to the watcher.
fn file<W>(
    tar: &mut TarReader<Stream>,
    entry: &Entry,
    path: Vec<u8>,
    merge: &mut Merge<W::Found>,
    watch: &mut W,
) -> Result<(), TarError>
where
    W: Watch,
    W::Found: Clone,
{
    merge.replace(&path);
    let meta = Meta { mode: entry.mode, uid: entry.uid, gid: entry.gid, size: entry.size };
    let text = String::from_utf8_lossy(&path);
    let Some(mut open) = watch.open(&meta.head(&text)) else { return Ok(()) };
    let whole =
        if entry.map.is_some() { feed_with_holes(tar, entry, &mut open, watch)? } else { feed(tar, &mut open, watch)? };
    if let Some(found) = watch.close(open, whole) {
        drop(text);
        merge.keep(path, meta, found);
    }
    Ok(())
}

impl Meta {
    /// What a watcher is told of a file.
    pub(crate) fn head<'a>(&self, path: &'a str) -> Head<'a> {
        Head { path, size: self.size, mode: self.mode, uid: self.uid, gid: self.gid }
    }
}

/// Feeds all data of an entry, as long as they are wanted. Returns whether all were fed.
fn feed<W: Watch>(tar: &mut TarReader<Stream>, open: &mut W::Open, watch: &mut W) -> Result<bool, TarError> {
    loop {
        let piece = tar.data(u64::MAX)?;
        if piece.is_empty() {
            return Ok(true);
        }
        if !watch.feed(open, piece) {
            return Ok(tar.data(1)?.is_empty());
        }
    }
}

/// As [`feed`], with zeros where a file has holes.
fn feed_with_holes<W: Watch>(
    tar: &mut TarReader<Stream>,
    entry: &Entry,
    open: &mut W::Open,
    watch: &mut W,
) -> Result<bool, TarError> {
    const ZEROS: [u8; 16 << 10] = [0; 16 << 10];
    let Some(map) = &entry.map else { return Ok(true) };
    let mut holes = tar.limits().holes;
    let mut at = 0;
    loop {
        let step = match map.at(at, entry.size) {
            Next::End => return Ok(true),
            Next::Zeros(_) if holes == 0 => return Ok(false),
            Next::Zeros(count) => {
                let count = count.min(holes).min(ZEROS.len() as u64);
                holes -= count;
                &ZEROS[..count as usize]
            }
            Next::Data(count) => tar.data(count)?,
        };
        if step.is_empty() {
            return Ok(false);
        }
        at += step.len() as u64;
        if !watch.feed(open, step) {
            return Ok(at == entry.size);
        }
    }
}
