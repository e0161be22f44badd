//! What a file, folder or stream is. In: its first bytes and names. Out: the image or root in it, opened.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::folder::Folder;
use crate::image::{of_docker_archive, of_document, of_index};
use crate::merge::lexical;
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::single;
use crate::spool::spool;
use crate::store::{Archive, BlobFolder, Slice, document, open_regular};
use crate::stream::{Blob, Expected, Plain, Stream};
use crate::tar::{Skip, TarReader};

/// What an archive is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whatever it is.
    Any,
    /// `docker save`.
    Docker,
    /// An OCI archive.
    Oci,
    /// A root file system.
    Root,
}

/// Bytes of a compressed or piped archive that are looked at to tell what it is.
const PEEK: usize = 64 << 10;

/// What stands first in the archive of a root, as `docker export` and tar write one; no archive of images has these names.
const OF_ROOTS: &[&str] = &[
    ".dockerenv",
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "media",
    "mnt",
    "nix",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
];

/// Opens a folder by what lies in it.
pub(crate) fn folder(path: &Path, options: &Options) -> Result<Opened, Error> {
    if path.join("oci-layout").is_file() || (path.join("index.json").is_file() && path.join("blobs").is_dir()) {
        return oci_layout(path, None, options);
    }
    if path.join("manifest.json").is_file() && path.join("version").is_file() {
        return skopeo_dir(path, options);
    }
    root_folder(path, options)
}

/// Opens an OCI layout.
pub(crate) fn oci_layout(path: &Path, name: Option<&str>, options: &Options) -> Result<Opened, Error> {
    let index_path = path.join("index.json");
    let what = path.display().to_string();
    let index = document(open_regular(&index_path)?, &index_path.display().to_string(), "", &options.limits)?;
    of_index(Box::new(BlobFolder::by_algorithm(path.join("blobs"))), &index, &what, name, options)
}

/// Opens a copy that skopeo made with `dir:`.
pub(crate) fn skopeo_dir(path: &Path, options: &Options) -> Result<Opened, Error> {
    let manifest_path = path.join("manifest.json");
    let bytes = document(open_regular(&manifest_path)?, &manifest_path.display().to_string(), "", &options.limits)?;
    of_document(Box::new(BlobFolder::flat(path.to_owned())), bytes, None, &path.display().to_string(), options)
}

/// Opens a folder that is a root.
pub(crate) fn root_folder(path: &Path, options: &Options) -> Result<Opened, Error> {
    let what = path.display().to_string();
    if !path.is_dir() {
        let why = io::Error::from(if path.exists() { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound });
        return Err(Error::io(what)(why));
    }
    let mut opened = Opened::new(what, options);
    let folder = Folder { path: path.to_owned(), only: None, spare: false, overlay: false, cross: false };
    opened.parts.push(Part::root(Place::Folder(folder)));
    Ok(opened)
}

/// Opens an archive in a file.
pub(crate) fn file(path: &Path, wanted: Wanted, name: Option<&str>, options: &Options) -> Result<Opened, Error> {
    let what = path.display().to_string();
    let file = open_regular(path)?;
    archive(Arc::new(file), &what, wanted, name, options)
}

/// Opens an archive that can be read at any offset; a compressed one is spooled unless it is a root.
fn archive(
    file: Arc<File>,
    what: &str,
    wanted: Wanted,
    name: Option<&str>,
    options: &Options,
) -> Result<Opened, Error> {
    let whole = || Slice::whole(Arc::clone(&file)).map_err(Error::io(what));
    // To tar, nothing at all is an archive without members; here it is what a failed `docker save > FILE` leaves.
    if file.metadata().is_ok_and(|about| about.is_file() && about.len() == 0) {
        return Err(Error::damaged(what, "is empty"));
    }
    let limits = options.limits;
    let probe = Stream::new(what.to_owned(), Box::new(whole()?), Expected::default(), false, limits.bytes, limits)?;
    if probe.is_compressed() {
        let peeked = Peeked::new(probe, what)?;
        if wanted == Wanted::Root || (wanted == Wanted::Any && !peeked.may_hold_images(options)) {
            let end = whole()?.end;
            return Ok(root_archive(what, Place::Slice { file, at: 0, end }, options));
        }
        let spooled = spool(peeked.rest(), what, &limits)?;
        return indexed(Arc::new(spooled), what, wanted, name, options);
    }
    indexed(file, what, wanted, name, options)
}

/// Opens an uncompressed archive by its members.
fn indexed(
    file: Arc<File>,
    what: &str,
    wanted: Wanted,
    name: Option<&str>,
    options: &Options,
) -> Result<Opened, Error> {
    let end = file.metadata().map_err(Error::io(what))?.len();
    let place = Place::Slice { file: Arc::clone(&file), at: 0, end };
    if wanted == Wanted::Root {
        return Ok(root_archive(what, place, options));
    }
    let Some(archive) = Archive::index(what, Arc::clone(&file), &options.limits)? else {
        if let Some(opened) = single::store(&file, what, wanted, options)? {
            return Ok(opened);
        }
        return Err(Error::damaged(what, "is no archive: it is neither tar, nor tar compressed with gzip or zstd"));
    };
    let has_index = archive.contains("index.json") && archive.contains("oci-layout");
    let has_manifest = archive.contains("manifest.json");
    match wanted {
        Wanted::Oci | Wanted::Any if has_index => oci_archive(archive, what, name, options),
        Wanted::Docker if has_index && has_manifest => oci_archive(archive, what, name, options),
        Wanted::Docker | Wanted::Any if has_manifest => of_docker_archive(archive, what, name, options),
        Wanted::Any => Ok(root_archive(what, place, options)),
        Wanted::Docker | Wanted::Oci => {
            let missing = if wanted == Wanted::Oci { "index.json" } else { "manifest.json" };
            Err(Error::damaged(what, format!("has no {missing}, so it is no such archive")))
        }
        Wanted::Root => Ok(root_archive(what, place, options)),
    }
}

fn oci_archive(archive: Archive, what: &str, name: Option<&str>, options: &Options) -> Result<Opened, Error> {
    let index = archive.document("index.json", &options.limits)?;
    of_index(Box::new(archive), &index, what, name, options)
}

pub(crate) fn root_archive(what: &str, place: Place, options: &Options) -> Opened {
    let mut opened = Opened::new(what.to_owned(), options);
    opened.parts.push(Part::root(place));
    opened
}

/// Opens an archive that comes as a stream. A root is read as it comes; an image is spooled, because its manifest comes last.
pub(crate) fn stream(input: Box<dyn Read + Send>, what: &str, options: &Options) -> Result<Opened, Error> {
    let limits = options.limits;
    let blob: Box<dyn Blob> = Box::new(Plain(input));
    let stream = Stream::new(what.to_owned(), blob, Expected::default(), false, limits.bytes, limits)?;
    let peeked = Peeked::new(stream, what)?;
    if peeked.may_hold_images(options) {
        let spooled = spool(peeked.rest(), what, &limits)?;
        return indexed(Arc::new(spooled), what, Wanted::Any, options.image.as_deref(), options);
    }
    let rest: Box<dyn Blob> = Box::new(Plain(peeked.rest()));
    Ok(root_archive(what, Place::Once(Some(rest)), options))
}

/// A stream of which the beginning was looked at.
struct Peeked {
    head: Vec<u8>,
    stream: Stream,
}

impl Peeked {
    fn new(mut stream: Stream, what: &str) -> Result<Self, Error> {
        let mut head = vec![0; PEEK];
        let mut have = 0;
        while have < PEEK {
            match stream.read(&mut head[have..]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(error) => return Err(stream.explain(error)),
            }
        }
        head.truncate(have);
        if head.is_empty() {
            return Err(Error::damaged(what, "is empty"));
        }
        Ok(Self { head, stream })
    }

    /// Whether it may be an archive that holds images: anything that does not begin as a root does, because only its last
    /// member tells.
    fn may_hold_images(&self, options: &Options) -> bool {
        let mut tar = TarReader::new(Head(io::Cursor::new(&self.head)), options.limits);
        while let Ok(Some(entry)) = tar.next() {
            // The root itself says nothing.
            let Ok(path) = lexical(&entry.name, &options.limits) else { continue };
            let first = path[1..].split(|byte| *byte == b'/').next().unwrap_or_default();
            return !OF_ROOTS.iter().any(|name| name.as_bytes() == first);
        }
        true
    }

    fn rest(self) -> io::Chain<io::Cursor<Vec<u8>>, Stream> {
        io::Cursor::new(self.head).chain(self.stream)
    }
}

/// The beginning of a stream, as an input of its own.
struct Head<'a>(io::Cursor<&'a Vec<u8>>);

impl Read for Head<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Skip for Head<'_> {
    fn skip(&mut self, _count: u64) -> io::Result<u64> {
        Ok(0)
    }
}
