//! Read files out of a container image, a root file system or a host without running or unpacking it.
//!
//! In: a [`Source`] and a [`Watch`]er. Out: [`Collected`]: what the watcher kept of the final state and of what lies below it.
//! Nothing is extracted; archives are streamed, names are resolved in memory, and every count, size and depth is limited.

mod collected;
mod remote;
mod source;
pub mod trust;
mod watch;
pub mod write;

pub use collected::{Collected, Kept};
pub use remote::Remote;
pub use source::{ParseSourceError, Source};
pub use watch::{Head, Watch};
