//! Why an image cannot be read. In: what failed. Out: [`Error`], one line for people with the file, layer and byte in it.

use std::io;

/// An image that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {what}: {why}")]
    Io {
        /// The file, folder or layer.
        what: String,
        /// The system's answer.
        why: io::Error,
    },
    /// It is not what it is said to be, or damaged.
    #[error("{what} {why}")]
    Damaged {
        /// The file, layer or document.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Its bytes are not those that the image names.
    #[error("{what} is not what the image says: it should have {kind} {expected} and has {found}")]
    Mismatch {
        /// The layer or document.
        what: String,
        /// `digest` or `diff_id`.
        kind: &'static str,
        /// What the image says.
        expected: String,
        /// What the bytes give.
        found: String,
    },
    /// It is larger than what is read of an image.
    #[error("{what} {why}; sidelight stops there, because no honest image needs more")]
    Limit {
        /// The layer or document.
        what: String,
        /// Which measure it exceeds, with figures.
        why: String,
    },
    /// There are several images, or none of that name or platform.
    #[error("{what} {why}")]
    Choice {
        /// Where was looked.
        what: String,
        /// What was asked for, one clause.
        why: String,
        /// What there is.
        there: Vec<String>,
        /// Whether a platform is to be chosen rather than a name.
        is_platform: bool,
    },
    /// Nothing of that name was found.
    #[error("{what} was not found")]
    NotFound {
        /// The name as the user gave it.
        what: String,
        /// Where was looked and what came of it, one line each.
        tried: Vec<String>,
    },
    /// A container that exists and does not run.
    #[error("container {id} does not run")]
    NotRunning {
        /// Its identifier or name.
        id: String,
        /// Its image, where known.
        image: Option<String>,
    },
    /// The registry's side failed.
    #[error("{0}")]
    Remote(String),
    /// Standard input or another stream was already read.
    #[error("{0} can be read only once")]
    ReadOnce(String),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |why| Self::Io { what, why }
    }

    pub(crate) fn damaged(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), why: why.into() }
    }

    pub(crate) fn limit(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Limit { what: what.into(), why: why.into() }
    }
}
