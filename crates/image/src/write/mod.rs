//! Write an image anew with one more layer. In: an image's documents and layers, an [`Edit`], the folders that are there. Out: an
//! OCI archive, an OCI layout, an archive for `docker load` and `podman load`, or blobs for whoever pushes them. Everything of the
//! old image but its configuration and manifest stays as it is, byte for byte.
//!
//! Spec: OCI image-spec 1.1 (layout, manifest, config, "Layer changesets"), Docker image manifest v2 schema 2, `docker save`.

mod archive;
mod documents;
mod layer;
mod layout;
mod root_tar;
mod staged;
mod tar_out;

pub use archive::{write_docker_archive, write_oci_archive};
pub use documents::{Base, BaseLayer, Style};
pub use layer::{Folder, Folders, check_paths, folders_above};
pub use layout::write_oci_layout;
pub use root_tar::write_root_tar;
pub use staged::{Layers, NewImage, StagedBlob, stage};

use std::io;
use std::path::{Path, PathBuf};

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "write".
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The old image cannot be read, or is not what it says.
    #[error("{0}")]
    Base(String),
    /// A change cannot be put into a layer.
    #[error("{path} cannot be put into a layer: {why}")]
    Change {
        /// The path.
        path: String,
        /// Why not.
        why: String,
    },
    /// What stands in the place of the output is something else.
    #[error("{} is there already and {why}", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
}

impl WriteError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// `sha256:…` of some bytes.
fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", sidelight_model::redact::sha256_hex(bytes))
}
