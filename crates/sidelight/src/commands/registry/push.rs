//! Pushing an image that was written anew. In: a [`NewImage`], a [`Session`] with the repository it goes to. Out: its name with its
//! digest. What the repository has is not sent, and what another repository of the registry has is taken from there.

use std::io::{self, Read};

use sidelight_engine::registry_client::BlobSource;
use sidelight_image::write::{NewImage, StagedBlob};

use super::Session;
use crate::exit::Failure;

/// What was done with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It was there.
    There,
    /// It was taken from another repository.
    Mounted,
    /// It was sent.
    Uploaded,
    /// It may not be pushed: it is fetched from its vendor.
    Foreign,
}

impl Session {
    /// Pushes the image under the tag of this session's reference. `from`: another repository of the same registry, where the old
    /// image's layers are. `tell` hears of each blob: digest, size, and what was done. Gives `HOST/NAME@sha256:…`.
    ///
    /// # Errors
    /// When the reference has a digest, a blob cannot be read, or the registry refuses.
    pub(crate) fn push(
        &self,
        image: &mut NewImage<'_>,
        from: Option<&str>,
        mut tell: impl FnMut(&str, u64, Sent),
    ) -> Result<String, Failure> {
        let Some(tag) = self.reference.tag.as_deref().filter(|_| self.reference.digest.is_none()) else {
            return Err(Failure::usage(format!("{}: what is pushed gets a tag, not a digest", self.reference))
                .hint(format!("write docker://{}:TAG", self.reference.name())));
        };
        for (index, (digest, size)) in image.blobs().into_iter().enumerate() {
            let sent = self.push_one(image, index, (&digest, size), from)?;
            tell(&digest, size, sent);
        }
        let (media_type, manifest) = image.manifest(image.style()).map_err(Failure::new)?;
        let digest = format!("sha256:{}", sidelight_model::redact::sha256_hex(&manifest));
        let named = self.wait(self.client.push_manifest(tag, &media_type, manifest.into()))?;
        match named.filter(|named| *named != digest) {
            None => Ok(format!("{}@{digest}", self.reference.name())),
            Some(named) => Err(Failure::new(format!(
                "{}: the registry took the manifest, but names it {named} instead of {digest}: it was changed on the way",
                self.reference
            ))),
        }
    }

    fn push_one(
        &self,
        image: &mut NewImage<'_>,
        index: usize,
        (digest, size): (&str, u64),
        from: Option<&str>,
    ) -> Result<Sent, Failure> {
        if !image.is_distributable(index) {
            return Ok(Sent::Foreign);
        }
        if self.wait(self.client.has_blob(digest))? {
            return Ok(Sent::There);
        }
        if let Some(from) = from.filter(|from| *from != self.client.repository())
            && self.wait(self.client.mount_blob(digest, from))?
        {
            return Ok(Sent::Mounted);
        }
        let blob = image.spooled(index).map_err(Failure::new)?;
        self.wait(self.client.push_blob(&Again { digest: digest.to_owned(), size, blob }))?;
        Ok(Sent::Uploaded)
    }
}

/// A blob that can be read again.
struct Again {
    digest: String,
    size: u64,
    blob: StagedBlob,
}

impl BlobSource for Again {
    fn digest(&self) -> &str {
        &self.digest
    }

    fn length(&self) -> u64 {
        self.size
    }

    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send>> {
        self.blob.open_from(from)?.ok_or_else(|| io::Error::other("it was not kept to be read again"))
    }
}
