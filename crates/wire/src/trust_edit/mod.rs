//! Making a root file system trust a certificate, or no longer: what would have to be written where. Pure planning, one planner for
//! folders, running containers and images.
//!
//! In: a [`Root`] that can be read, an [`Anchor`], a [`Request`]. Out: a [`Plan`]: changes of files with, for each store, who reads it and
//! what was done; what could not be done, and what would help. Nothing is written here.
//!
//! Rules: a bundle is changed at the end of its links and keeps its old bytes; where the distribution has a command of its own, the
//! result is what that command would have written from the same sources; no store is made worse.

mod add;
mod anchor;
mod bundle;
mod debian;
mod family;
mod hashed;
mod java;
mod names;
mod p11kit;
mod places;
mod remove;
mod root;
mod search;
mod settings;
mod stores;

use sidelight_model::time::Timestamp;
use sidelight_model::trust::Change;

pub use add::add;
pub use anchor::{Anchor, AnchorError};
pub use family::{Family, PROGRAM_FOLDERS};
pub use java::{JavaStore, STOREPASS};
pub use places::{BUNDLES, IN_JAVA_HOME, JAVA_STORES, is_carried, openssl_dir};
pub use remove::remove;
pub use root::{Found, Kind, MemoryRoot, Root, RootError, Sketch, follow, walk};
pub use search::matching;
pub use settings::Variable;
pub use stores::add_to_java;

/// Kinds of stores, as `--only` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreKind {
    /// The administrator's folder, from which the distribution's own command makes the others.
    Anchors,
    /// PEM bundles of the system, and those that variables name.
    Bundle,
    /// Folders searched by hash.
    Hashed,
    /// Java's stores.
    Java,
    /// Bundles that packages bring.
    Vendored,
    /// Databases of NSS.
    Nss,
    /// edk2's.
    Edk2,
    /// Variables of the environment.
    Env,
}

impl StoreKind {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Anchors, Self::Bundle, Self::Hashed, Self::Java, Self::Vendored, Self::Nss, Self::Edk2, Self::Env];

    /// Its word on the command line and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anchors => "anchors",
            Self::Bundle => "bundle",
            Self::Hashed => "hashed",
            Self::Java => "java",
            Self::Vendored => "vendored",
            Self::Nss => "nss",
            Self::Edk2 => "edk2",
            Self::Env => "env",
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The certificate.
    pub anchor: &'a Anchor,
    /// The date that Java stores note beside it.
    pub at: Timestamp,
    /// Variables in effect in the root: of the image's configuration or of the process.
    pub env: &'a [(String, String)],
    /// Passwords of Java stores that are tried, beside those that the root's own settings name.
    pub passwords: &'a [String],
    /// OPENSSLDIRs that are compiled into libraries of the root.
    pub openssl_dirs: &'a [String],
    /// The kinds that may be changed; `None`: all.
    pub only: Option<&'a [StoreKind]>,
    /// Whether only the system's stores are changed, not what packages and installations carry.
    pub system_only: bool,
}

impl Request<'_> {
    fn wants(&self, kind: StoreKind) -> bool {
        self.only.is_none_or(|only| only.contains(&kind))
    }
}

/// What becomes of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// The certificate is added to it.
    Added,
    /// It held it already.
    Already,
    /// It is made anew, with this certificate.
    Created,
    /// The certificate is taken out of it.
    Removed,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which kind.
    pub kind: StoreKind,
    /// Its path in the root, links followed.
    pub path: String,
    /// What becomes of it.
    pub did: Did,
    /// Who reads it, for people.
    pub serves: String,
    /// What is odd about it, one sentence each.
    pub notes: Vec<String>,
    /// What is written; where several stores share a path, the later holds both.
    pub changes: Vec<Change>,
}

/// A store that cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which kind.
    pub kind: StoreKind,
    /// Its path.
    pub path: String,
    /// Why not: one clause.
    pub why: String,
    /// What helps: a command or a change, if there is any.
    pub fix: Option<String>,
}

/// All that would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The family of the root, for people.
    pub family: Option<&'static str>,
    /// Stores, in the order in which they are changed.
    pub steps: Vec<Step>,
    /// Variables that would have to be set.
    pub variables: Vec<Variable>,
    /// Stores that stay as they are.
    pub left: Vec<Left>,
    /// What else is to be known, one sentence each.
    pub notes: Vec<String>,
}

impl Plan {
    /// Every change, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps.iter().flat_map(|step| &step.changes)
    }

    /// Whether nothing has to be written.
    pub fn is_done(&self) -> bool {
        self.changes().next().is_none() && self.variables.iter().all(|variable| variable.is_set)
    }

    /// The stores of one kind.
    pub fn of(&self, kind: StoreKind) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.kind == kind)
    }
}

#[cfg(test)]
mod tests;
