//! The journal's lines. In: snapshots of paths. Out: JSON, one object a line, and back. This is a format on the disk: version 1.

use crate::files::{Meta, Snapshot, digest};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The version of the format that is written.
pub(super) const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Line {
    /// A deed begins.
    Begin {
        v: u32,
        id: u64,
        /// RFC 3339.
        at: String,
        #[serde(flatten)]
        deed: Deed,
    },
    /// This is what stands at a path that is about to be changed.
    Before { id: u64, path: PathBuf, state: State },
    /// This is all that stands in a folder, at any depth, that is about to be changed by another program.
    Tree { id: u64, path: PathBuf, entries: Vec<(PathBuf, State)> },
    /// A program of the deed has ended, well or not; this is what stands at its paths now.
    After { id: u64, after: Vec<(PathBuf, String)> },
    /// The deed is done; this is what stands at its paths now.
    Done { id: u64, after: Vec<(PathBuf, String)> },
    /// The deed was taken back.
    Undone { id: u64, at: String },
}

/// What was done, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The trust store, as on the command line: `host`, `nss`, `java`, `docker:HOST`, `rootfs:DIR`.
    pub place: String,
    /// The certificate that was put there, DER in base64.
    pub certificate: String,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// The root that all its paths are below, where it is not this machine's own: they are looked up so that nothing leads out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// What else is to be known of an edit of any root (`trust add`, `trust remove`); none of an installation of sidelight's own CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
}

/// An edit of a root's trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Whether the certificate was taken out rather than added.
    pub removed: bool,
    /// The certificate's name in stores.
    pub name: String,
    /// What tells the root from another that has the same name later, as a process of the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// Further certificates of the same edit, which stand or fall with the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Also>,
}

/// A further certificate of an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Also {
    /// DER in base64.
    pub certificate: String,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Its name in stores.
    pub name: String,
}

impl Deed {
    /// Whether it is about the certificate with this SHA-256.
    pub fn is_about(&self, sha256: &str) -> bool {
        let also = self.edit.iter().flat_map(|edit| &edit.also);
        self.sha256 == sha256 || also.into_iter().any(|also| also.sha256 == sha256)
    }
}

/// What stood at a path. The bytes of files are kept beside the journal, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum State {
    Absent,
    File { sha256: String, meta: Attributes },
    Link { target: PathBuf, meta: Attributes },
    Folder { meta: Attributes },
}

/// [`Meta`] as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: (i64, i64),
    /// Extended attributes; values in base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    xattr: Vec<(String, String)>,
}

impl From<&Meta> for Attributes {
    fn from(meta: &Meta) -> Self {
        let encode = |(name, value): &(String, Vec<u8>)| (name.clone(), data_encoding::BASE64.encode(value));
        let xattr = meta.attributes.iter().map(encode).collect();
        Self { mode: meta.mode, uid: meta.uid, gid: meta.gid, modified: meta.modified, xattr }
    }
}

impl Attributes {
    fn meta(&self) -> Meta {
        // What this program wrote always decodes; a hand that edited it loses that attribute only.
        let decode = |(name, value): &(String, String)| {
            Some((name.clone(), data_encoding::BASE64.decode(value.as_bytes()).ok()?))
        };
        let attributes = self.xattr.iter().filter_map(decode).collect();
        Meta { mode: self.mode, uid: self.uid, gid: self.gid, modified: self.modified, attributes }
    }
}

impl State {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        match snapshot {
            Snapshot::Absent => Self::Absent,
            Snapshot::File { bytes, meta } => Self::File { sha256: digest(bytes), meta: meta.into() },
            Snapshot::Symlink { target, meta } => Self::Link { target: target.clone(), meta: meta.into() },
            Snapshot::Directory { meta } => Self::Folder { meta: meta.into() },
        }
    }

    /// Back to a snapshot, with the bytes that `bytes_of` finds for a digest.
    pub(super) fn snapshot<E>(&self, bytes_of: impl Fn(&str) -> Result<Vec<u8>, E>) -> Result<Snapshot, E> {
        Ok(match self {
            Self::Absent => Snapshot::Absent,
            Self::File { sha256, meta } => Snapshot::File { bytes: bytes_of(sha256)?, meta: meta.meta() },
            Self::Link { target, meta } => Snapshot::Symlink { target: target.clone(), meta: meta.meta() },
            Self::Folder { meta } => Snapshot::Directory { meta: meta.meta() },
        })
    }
}
