//! Which roots a runtime really has in an image. In: a [`Survey`], a [`Runtime`], what the caller overrides. Out: [`Effective`]: where it
//! reads and why, the roots that it gets and from which files, and what it loses. Nothing is run: the rules are in docs/runtimes.md.

mod accept;
mod anchors;
mod compare;
mod curl;
mod detect;
mod gather;
mod go;
mod ground;
mod java;
mod node;
mod nss;
mod openssl;
mod python;
mod rust;
#[cfg(test)]
mod tests;

use super::{CertId, Runtime, Survey};
use crate::time::Timestamp;

pub use compare::{Comparison, compare};
pub use detect::{Detected, runtimes};

pub(super) use accept::refused_by_bits;
use ground::Ground;

/// What the caller knows better than the image's configuration.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// Variables that are set (or, without a value, unset) beyond the image's.
    pub env: Vec<(String, Option<String>)>,
    /// Entrypoint and command that replace the image's.
    pub command: Option<Vec<String>>,
    /// The time at which roots are to be valid; `None`: validity is not looked at.
    pub now: Option<Timestamp>,
}

/// Where a runtime reads roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as it is configured, or the program that the roots are compiled into.
    pub path: String,
    /// Where that path leads when links are followed, if elsewhere.
    pub leads_to: Option<String>,
    /// File, folder, program or database.
    pub kind: SourceKind,
    /// Why it is read there: the variable, the option, the default of which program.
    pub why: String,
    /// What came of it.
    pub state: SourceState,
}

/// Kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// One file.
    File,
    /// The files of a folder.
    Folder,
    /// Roots within a program.
    CompiledIn,
}

impl SourceKind {
    /// The word for it in text and `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::CompiledIn => "compiled-in",
        }
    }
}

/// What came of reading a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It gave so many certificates, those that other sources gave, too, included.
    Gives(usize),
    /// There is nothing at that path.
    Missing,
    /// The runtime refuses it, with this error.
    Refused(String),
}

/// A root that a runtime has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The certificate.
    pub cert: CertId,
    /// The files (or programs) that gave it.
    pub files: Vec<String>,
    /// Why the runtime will never accept a chain that ends in it, although it has it.
    pub refused: Option<String>,
}

/// Something that a runtime does not get although one might think so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The certificate; `None`: what is lost is none, or not known.
    pub cert: Option<CertId>,
    /// The file.
    pub file: String,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    /// Why: a clause for people.
    pub why: String,
    /// Whether the runtime says nothing about it.
    pub silent: bool,
    /// What to do about it.
    pub fix: Option<String>,
}

/// What one runtime trusts in one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Whose rules.
    pub runtime: Runtime,
    /// Which of several of its kind: `Go`, `Python 3.12: requests`.
    pub label: String,
    /// Its version, where known.
    pub version: Option<String>,
    /// The file that shows that it is in the image. `None`: it was not found, and its rules are applied nevertheless.
    pub program: Option<String>,
    /// Where it reads, in its order.
    pub sources: Vec<Source>,
    /// What it has, each certificate once.
    pub roots: Vec<Root>,
    /// What it loses.
    pub lost: Vec<Lost>,
    /// Why no connection at all can succeed.
    pub fails: Option<String>,
    /// What else there is to know, one sentence each.
    pub notes: Vec<String>,
}

impl Effective {
    /// The roots by which it accepts chains.
    pub fn accepted(&self) -> impl Iterator<Item = CertId> + '_ {
        self.roots.iter().filter(|root| root.refused.is_none()).map(|root| root.cert)
    }

    /// Whether it accepts chains that end in this certificate.
    pub fn accepts(&self, cert: CertId) -> bool {
        self.accepted().any(|known| known == cert)
    }

    /// Its entry of a certificate, accepted or not.
    pub fn root(&self, cert: CertId) -> Option<&Root> {
        self.roots.iter().find(|root| root.cert == cert)
    }

    /// What it lost of a certificate.
    pub fn loss(&self, cert: CertId) -> Option<&Lost> {
        self.lost.iter().find(|lost| lost.cert == Some(cert))
    }
}

/// What `runtime` trusts: one result for each variant in the image (two Pythons, requests beside `ssl`), the main one first.
/// Never empty: a runtime that is not in the image is judged by its defaults.
pub fn effective(survey: &Survey, runtime: Runtime, situation: &Situation) -> Vec<Effective> {
    let ground = Ground::new(survey, situation);
    match runtime {
        Runtime::OpenSsl => openssl::openssl(&ground),
        Runtime::DotNet => openssl::dotnet(&ground),
        Runtime::Curl => curl::curl(&ground),
        Runtime::GnuTls => curl::gnutls(&ground),
        Runtime::Git => curl::git(&ground),
        Runtime::Wget => curl::wget(&ground),
        Runtime::Go => go::go(&ground),
        Runtime::Java => java::java(&ground),
        Runtime::Node => node::node(&ground),
        Runtime::Python => python::python(&ground),
        Runtime::RustNative => rust::native(&ground),
        Runtime::RustWebpki => rust::webpki(&ground),
        Runtime::Nss => nss::nss(&ground),
    }
}

/// What every runtime that is found in the image trusts, the one that the image starts first.
pub fn effective_auto(survey: &Survey, situation: &Situation) -> Vec<Effective> {
    let mut seen = Vec::new();
    for detected in runtimes(survey, situation) {
        if !seen.contains(&detected.runtime) {
            seen.push(detected.runtime);
        }
    }
    seen.into_iter().flat_map(|runtime| effective(survey, runtime, situation)).collect()
}
