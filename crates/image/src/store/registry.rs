//! A registry as a place of blobs. In: a [`Remote`]. Out: documents and layers, whose digests are checked as those of any other.

use super::{Blobs, check_digest};
use crate::error::Error;
use crate::limits::Limits;
use crate::remote::Remote;
use crate::stream::{Blob, Plain};

/// A registry.
pub(crate) struct Registry(pub(crate) Box<dyn Remote>);

impl Blobs for Registry {
    fn blob(&mut self, digest: &str) -> Result<Box<dyn Blob>, Error> {
        Ok(Box::new(Plain(self.0.blob(digest).map_err(Error::Remote)?)))
    }

    fn has(&mut self, _digest: &str) -> bool {
        true
    }

    fn manifest(&mut self, digest: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
        let (_, bytes) = self.0.manifest(digest).map_err(Error::Remote)?;
        if bytes.len() as u64 > limits.document {
            return Err(Error::limit(digest, format!("has {} bytes, and {} are read", bytes.len(), limits.document)));
        }
        check_digest(digest, &bytes, digest)?;
        Ok(bytes)
    }
}
