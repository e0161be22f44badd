//! Read files out of a container image, a root file system or a host without running or unpacking it.
//!
//! In: a [`Source`] and a [`Watch`]er. Out: [`Collected`]: what the watcher kept of the final state and of what lies below it.
//! Nothing is extracted; archives are streamed, names are resolved in memory, and every count, size and depth is limited.

mod collected;
mod document;
mod edit;
mod engines;
mod error;
mod folder;
mod image;
mod layer;
mod limits;
mod merge;
mod mounts;
mod notes;
mod open;
mod opened;
mod options;
mod platform;
mod read;
mod recognise;
mod remote;
mod roots;
mod select;
mod single;
mod source;
mod spool;
mod store;
mod stream;
mod tar;
pub mod trust;
mod watch;
pub mod write;

pub use collected::{Collected, Kept};
pub use edit::{EditFound, EditRoot, EditWatch};
pub use error::Error;
pub use limits::Limits;
pub use open::{open, open_stream};
pub use opened::{Documents, Opened, Progress};
pub use options::{Engines, Options};
pub use platform::Platform;
pub use read::resolve;
pub use remote::Remote;
pub use roots::container_process;
pub use source::{ParseSourceError, Source};
pub use watch::{Head, Watch};
