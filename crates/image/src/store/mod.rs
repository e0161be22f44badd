//! Places where blobs are found by digest. In: a digest. Out: its bytes. An OCI layout in a folder or an archive, containerd's
//! content store, and a registry are all such places.

mod archive;
mod folder;
mod registry;
mod slice;

use std::io::Read as _;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::limits::Limits;
use crate::stream::Blob;

pub(crate) use archive::Archive;
pub(crate) use folder::{BlobFolder, open_regular};
pub(crate) use registry::Registry;
pub(crate) use slice::Slice;

/// A place where blobs are found by digest.
pub(crate) trait Blobs: Send {
    /// The blob's bytes from the beginning, and its size where that is known.
    fn blob(&mut self, digest: &str) -> Result<Box<dyn Blob>, Error>;

    /// Whether it is there; where that costs a request, it is taken to be.
    fn has(&mut self, digest: &str) -> bool;

    /// A manifest or index; the same as a blob but in registries.
    fn manifest(&mut self, digest: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
        document(self.blob(digest)?, digest, digest, limits)
    }
}

/// Reads a document whole and compares its digest.
pub(crate) fn document(blob: impl std::io::Read, what: &str, digest: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    blob.take(limits.document + 1).read_to_end(&mut bytes).map_err(Error::io(what))?;
    if bytes.len() as u64 > limits.document {
        return Err(Error::limit(what, format!("has more than {} bytes", limits.document)));
    }
    check_digest(what, &bytes, digest)?;
    Ok(bytes)
}

/// Compares bytes with the digest that names them; other algorithms than SHA-256 are taken at their word.
pub(crate) fn check_digest(what: &str, bytes: &[u8], digest: &str) -> Result<(), Error> {
    let found = sha256(bytes);
    if digest.starts_with("sha256:") && digest != found {
        let (what, expected) = (what.to_owned(), digest.to_owned());
        return Err(Error::Mismatch { what, kind: "digest", expected, found });
    }
    Ok(())
}

/// `sha256:…` of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// The algorithm and the digits of a digest that can be a file's name: nothing in it leads elsewhere.
pub(crate) fn digest_parts(digest: &str) -> Result<(&str, &str), Error> {
    let wrong = || Error::damaged(format!("`{digest}`"), "is named as a digest and is none");
    let (algorithm, digits) = digest.split_once(':').ok_or_else(wrong)?;
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+_-=".contains(&b));
    if plain(algorithm) && plain(digits) && digest.len() < 256 { Ok((algorithm, digits)) } else { Err(wrong()) }
}
