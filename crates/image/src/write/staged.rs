//! An image that is ready to be written. In: the old one, the edit. Out: [`NewImage`]: the new documents and layer, and for every old
//! layer its digest, size and a way to its bytes. Bytes are checked against their digest wherever they pass.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Edit;

use super::documents::{self, Base, Pointer, Style};
use super::layer::{self, Folders};
use super::{WriteError, sha256};

const BUFFER: usize = 256 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The layers of an old image.
pub trait Layers {
    /// A layer's bytes as they are stored, 0 being the lowest.
    ///
    /// # Errors
    /// One line for people: which layer, and why not.
    fn layer(&mut self, index: usize) -> Result<Box<dyn Read + Send>, String>;
}

/// A blob of the new image.
pub enum StagedBlob {
    /// These bytes: a document or the new layer.
    Bytes(Arc<Vec<u8>>),
    /// A file without a name that holds it.
    Spooled(Arc<File>),
    /// The old image's layer with this index.
    Old(usize),
}

/// One blob with what names it.
pub(super) struct Named {
    pub(super) pointer: Pointer,
    pub(super) blob: StagedBlob,
}

/// An image that is ready to be written.
pub struct NewImage<'l> {
    base: Base,
    layers: &'l mut dyn Layers,
    old: Vec<Named>,
    new: Named,
    config: Named,
}

/// Makes the new layer and configuration. Layers of which the digest is not known are read once for it, into unnamed files below the
/// system's temporary folder. `created` is the moment that layer, history and configuration say.
///
/// # Errors
/// When the old image cannot be read, or the edit cannot be put into it.
pub fn stage<'l>(
    base: Base,
    layers: &'l mut dyn Layers,
    edit: &Edit,
    folders: &Folders,
    created: Timestamp,
) -> Result<NewImage<'l>, WriteError> {
    let time = u64::try_from(created.as_secs()).unwrap_or(0);
    let made = layer::make(&edit.changes, folders, time)
        .map_err(|error| WriteError::Base(format!("the new layer cannot be made: {error}")))?;
    let config = documents::config(&base.config, edit, &made.diff_id, created)?;
    let old = base
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| match (&layer.digest, layer.size) {
            (Some(digest), Some(size)) => {
                let pointer = Pointer { media_type: layer.media_type.clone(), digest: digest.clone(), size };
                Ok(Named { pointer, blob: StagedBlob::Old(index) })
            }
            (digest, _) => spool(layers.layer(index).map_err(WriteError::Base)?, digest.as_deref(), false),
        })
        .collect::<Result<Vec<_>, WriteError>>()?;
    Ok(NewImage {
        layers,
        old,
        new: bytes("application/vnd.oci.image.layer.v1.tar+gzip", made.digest, made.blob),
        config: bytes("application/vnd.oci.image.config.v1+json", sha256(&config), config),
        base,
    })
}

fn bytes(media_type: &str, digest: String, bytes: Vec<u8>) -> Named {
    let pointer = Pointer { media_type: media_type.to_owned(), digest, size: bytes.len() as u64 };
    Named { pointer, blob: StagedBlob::Bytes(Arc::new(bytes)) }
}

impl NewImage<'_> {
    /// The language of the old manifest.
    pub fn style(&self) -> Style {
        self.base.style()
    }

    /// The manifest's media type and bytes.
    ///
    /// # Errors
    /// When the old manifest is no JSON.
    pub fn manifest(&self, style: Style) -> Result<(String, Vec<u8>), WriteError> {
        let old: Vec<Pointer> = self.old.iter().map(|named| named.pointer.clone()).collect();
        documents::manifest(&self.base.manifest, style, &self.config.pointer, &old, &self.new.pointer)
    }

    /// The configuration's digest: what engines call the image's ID.
    pub fn id(&self) -> &str {
        &self.config.pointer.digest
    }

    /// The configuration.
    pub fn config(&self) -> &[u8] {
        match &self.config.blob {
            StagedBlob::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// Every blob but the manifest, the lowest layer first, as digest and size. The last two are the new layer and the configuration.
    pub fn blobs(&self) -> Vec<(String, u64)> {
        self.all().map(|named| (named.pointer.digest.clone(), named.pointer.size)).collect()
    }

    /// Whether a blob of [`NewImage::blobs`] may be pushed: some vendors' layers are only to be fetched from where they say.
    pub fn is_distributable(&self, index: usize) -> bool {
        let media_type = self.all().nth(index).map_or("", |named| &named.pointer.media_type);
        !media_type.contains("nondistributable") && !media_type.contains("foreign")
    }

    fn all(&self) -> impl Iterator<Item = &Named> {
        self.old.iter().chain([&self.new, &self.config])
    }

    /// A blob of [`NewImage::blobs`], to be read; what it gives ends in an error where it is not what its digest says.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&mut self, index: usize) -> Result<Box<dyn Read + Send + '_>, WriteError> {
        let Some(named) = self.old.iter().chain([&self.new, &self.config]).nth(index) else {
            return Err(WriteError::Base(format!("there is no blob {index}")));
        };
        match &named.blob {
            StagedBlob::Bytes(bytes) => Ok(Box::new(io::Cursor::new(bytes.to_vec()))),
            StagedBlob::Spooled(file) => Ok(Box::new(again(file)?)),
            StagedBlob::Old(layer) => {
                let inner = self.layers.layer(*layer).map_err(WriteError::Base)?;
                Ok(Box::new(Checked::new(inner, named.pointer.clone())))
            }
        }
    }

    /// A blob of [`NewImage::blobs`] in an unnamed file, checked: for those who may have to read it again.
    ///
    /// # Errors
    /// When it cannot be read or is not what its digest says.
    pub fn spooled(&mut self, index: usize) -> Result<StagedBlob, WriteError> {
        let Some(named) = self.all().nth(index) else {
            return Err(WriteError::Base(format!("there is no blob {index}")));
        };
        match &named.blob {
            StagedBlob::Bytes(bytes) => Ok(StagedBlob::Bytes(bytes.clone())),
            StagedBlob::Spooled(file) => Ok(StagedBlob::Spooled(file.clone())),
            StagedBlob::Old(layer) => {
                let (layer, digest) = (*layer, named.pointer.digest.clone());
                Ok(spool(self.layers.layer(layer).map_err(WriteError::Base)?, Some(&digest), false)?.blob)
            }
        }
    }

    /// Turns layers in zstd, which older engines cannot load from an archive, into plain tars.
    pub(super) fn without_zstd(&mut self) -> Result<(), WriteError> {
        for index in 0..self.old.len() {
            if self.old[index].pointer.media_type.ends_with("zstd") {
                let reader = self.open(index)?;
                let plain = spool(reader, None, true)?;
                self.old[index] = plain;
            }
        }
        Ok(())
    }
}

/// A file that others may read at the same time, from its beginning.
fn again(file: &File) -> Result<impl Read + Send + use<>, WriteError> {
    let file = file.try_clone().map_err(|error| WriteError::Base(format!("a temporary file: {error}")))?;
    Ok(FromStart { file, at: 0 })
}

/// Reads by offset: clones of a file share their position.
struct FromStart {
    file: File,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(&self.file, into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl StagedBlob {
    /// Its bytes from one on, as often as wanted; `None` for a layer that was not spooled.
    ///
    /// # Errors
    /// When the file cannot be shared.
    pub fn open_from(&self, from: u64) -> io::Result<Option<Box<dyn Read + Send>>> {
        match self {
            Self::Bytes(bytes) => {
                let mut cursor = io::Cursor::new(bytes.to_vec());
                cursor.seek(SeekFrom::Start(from))?;
                Ok(Some(Box::new(cursor)))
            }
            Self::Spooled(file) => Ok(Some(Box::new(FromStart { file: file.try_clone()?, at: from }))),
            Self::Old(_) => Ok(None),
        }
    }
}

/// Reads a blob into an unnamed file, and finds out what it is.
fn spool(blob: impl Read, expected: Option<&str>, decompress_zstd: bool) -> Result<Named, WriteError> {
    let failed = |error: io::Error| WriteError::Base(format!("a layer of the image cannot be read: {error}"));
    let mut blob: Box<dyn Read + '_> = if decompress_zstd {
        Box::new(zstd::stream::read::Decoder::new(blob).map_err(failed)?)
    } else {
        Box::new(blob)
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let (mut hash, mut size, mut head) = (Sha256::new(), 0, Vec::new());
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match blob.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        head.extend(buffer[..count].iter().take(4_usize.saturating_sub(head.len())));
        hash.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(failed)?;
        size += count as u64;
    }
    let digest = name(&hash);
    if let Some(expected) = expected.filter(|expected| expected.starts_with("sha256:") && **expected != digest) {
        return Err(mismatch(expected, &digest));
    }
    let media_type = match head.as_slice() {
        head if head.starts_with(GZIP) => "application/vnd.oci.image.layer.v1.tar+gzip",
        ZSTD => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => "application/vnd.oci.image.layer.v1.tar",
    };
    let digest = expected.map_or(digest, str::to_owned);
    let pointer = Pointer { media_type: media_type.to_owned(), digest, size };
    Ok(Named { pointer, blob: StagedBlob::Spooled(Arc::new(file)) })
}

fn name(hash: &Sha256) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash.clone().finalize()))
}

fn mismatch(expected: &str, found: &str) -> WriteError {
    WriteError::Base(format!("a layer is not what the image says: it should have digest {expected} and has {found}"))
}

/// Compares size and digest at the end of a blob.
struct Checked<R> {
    inner: R,
    hash: Sha256,
    count: u64,
    pointer: Pointer,
}

impl<R> Checked<R> {
    fn new(inner: R, pointer: Pointer) -> Self {
        Self { inner, hash: Sha256::new(), count: 0, pointer }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hash.update(&into[..count]);
        self.count += count as u64;
        if self.count > self.pointer.size || (count == 0 && self.count < self.pointer.size && !into.is_empty()) {
            return Err(io::Error::other(format!(
                "layer {} has other than the {} bytes that the image says",
                self.pointer.digest, self.pointer.size
            )));
        }
        let whole = count == 0 && !into.is_empty() && self.pointer.digest.starts_with("sha256:");
        let found = whole.then(|| name(&self.hash)).filter(|found| *found != self.pointer.digest);
        match found {
            Some(found) => Err(io::Error::other(mismatch(&self.pointer.digest, &found).to_string())),
            None => Ok(count),
        }
    }
}
