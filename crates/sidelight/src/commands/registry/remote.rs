//! A registry as a source of an image. In: a [`Session`]. Out: the image room's [`Remote`], and the failure in words where the first
//! question already fails.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use sidelight_engine::registry_client::{Blob, Manifest};
use sidelight_image::Remote;
use tokio::runtime::Runtime;

use super::Session;
use crate::cli::RegistryOptions;
use crate::exit::Failure;
use crate::ui::Ui;

/// An image in a registry.
pub(crate) struct RemoteImage {
    session: Session,
    /// What the name leads to, asked for when it was opened: most that can go wrong goes wrong there.
    top: Manifest,
}

impl RemoteImage {
    /// Asks the registry for the image.
    ///
    /// # Errors
    /// When there is no such name, no way there, or no right to it; with what helps.
    pub(crate) fn open(name: &str, options: &RegistryOptions, ui: Ui) -> Result<Self, Failure> {
        let session = Session::new(name, options, None, ui)?;
        let top = session.wait(session.client.manifest(session.reference.asked()))?;
        Ok(Self { session, top })
    }

    /// What the image is asked for by: the tag, else the digest.
    pub(crate) fn asked(&self) -> &str {
        self.session.reference.asked()
    }

    /// The whole name with the digest that it has now: `HOST/NAME:TAG@sha256:…`.
    pub(crate) fn name(&self) -> String {
        let whole = self.session.reference.to_string();
        if self.session.reference.digest.is_some() { whole } else { format!("{whole}@{}", self.top.digest) }
    }
}

impl Remote for RemoteImage {
    fn manifest(&mut self, reference: &str) -> Result<(String, Vec<u8>), String> {
        let found = if reference == self.session.reference.asked() || reference == self.top.digest {
            self.top.clone()
        } else {
            self.session.wait(self.session.client.manifest(reference)).map_err(in_one_line)?
        };
        Ok((found.media_type, found.bytes.to_vec()))
    }

    fn blob(&mut self, digest: &str) -> Result<Box<dyn Read + Send>, String> {
        let blob = self.session.wait(self.session.client.blob(digest)).map_err(in_one_line)?;
        Ok(Box::new(Reader { runtime: self.session.runtime.clone(), blob, rest: Bytes::new() }))
    }
}

fn in_one_line(failure: Failure) -> String {
    match failure.hints.first() {
        Some(hint) => format!("{} ({hint})", failure.message),
        None => failure.message,
    }
}

/// A blob for those who read and wait.
struct Reader {
    runtime: Arc<Runtime>,
    blob: Blob,
    rest: Bytes,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            match self.runtime.block_on(self.blob.next()) {
                Ok(Some(piece)) => self.rest = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let count = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}
