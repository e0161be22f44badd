//! Roots of what runs: processes, containers, this host. In: a number, an identifier. Out: the root as those within see it, with
//! the environment of the process in place of an image's configuration.

mod container;
mod host;
mod machine;
mod process;

pub(crate) use container::container;
pub use container::container_process;
pub(crate) use host::host;
pub(crate) use machine::Spared;
pub(crate) use process::process;
