//! A source as the old image. In: [`Opened`]. Out: its [`Base`], and its layers one by one.

use std::io::Read;

use super::documents::{Base, BaseLayer};
use super::staged::Layers;
use crate::opened::Opened;

impl Base {
    /// The image that was opened; `None`: it is a folder or a host, which has no layers.
    pub fn of(opened: &Opened) -> Option<Self> {
        let documents = opened.documents()?;
        let from_manifest = |(media_type, digest, size): &(String, String, Option<u64>)| BaseLayer {
            media_type: media_type.clone(),
            digest: Some(digest.clone()),
            size: *size,
        };
        let unknown = || BaseLayer { media_type: String::new(), digest: None, size: None };
        let layers = if documents.layers.is_empty() {
            opened.layers().iter().map(|_| unknown()).collect()
        } else {
            documents.layers.iter().map(from_manifest).collect()
        };
        Some(Self { manifest: documents.manifest.clone(), config: documents.config.clone(), layers })
    }
}

impl Layers for Opened {
    fn layer(&mut self, index: usize) -> Result<Box<dyn Read + Send>, String> {
        let blob = self.layer_blob(index).map_err(|error| error.to_string())?;
        blob.ok_or_else(|| {
            format!(
                "layer {} of {} is not there as a tar: its engine keeps it as a folder, or it is to be fetched from its vendor; \
                 write the image to an archive first (docker save, podman save), and name that",
                index + 1,
                self.what
            )
        })
    }
}
