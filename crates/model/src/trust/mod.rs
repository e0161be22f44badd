//! Trust in an image or on a host: which files hold roots, what each holds, which programs read them. In: facts that
//! `image` gathered and `wire` read. Out: values that are judged here (effective roots, audit, difference) and shown elsewhere.

pub mod audit;
pub mod catalog;
mod change;
mod command;
pub mod diff;
pub mod effective;
mod program;
pub mod query;
pub mod reference;
mod runtime;
mod store;
mod survey;

pub use change::{Change, ChangeKind, Edit};
pub use command::{add_command, quoted, quoted_file, remove_command};
pub use effective::{Comparison, Detected, Effective, Lost, Root, Situation, Source, SourceKind, SourceState};
pub use program::{Program, ProgramKind};
pub use runtime::Runtime;
pub use store::{Entry, Format, KeyFound, Loss, Reader, Reading, Store, StoreFault, TrustBits};
pub use survey::{CertId, Config, Content, File, Layer, Pool, Survey};
