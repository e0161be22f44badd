//! `sidelight trust`. In: arguments. Out: [`TrustCommand`].

mod add;
mod audit;
mod diff;
mod edit;
mod export;
mod find;
mod list;
mod remove;
mod runtime;
mod verify;

use clap::{Args, Subcommand};

pub(crate) use add::TrustAdd;
pub(crate) use audit::{AuditFormat, TrustAudit};
pub(crate) use diff::TrustDiff;
pub(crate) use edit::{EditKind, TrustEdit};
pub(crate) use export::TrustExport;
pub(crate) use find::TrustFind;
pub(crate) use list::TrustList;
pub(crate) use remove::TrustRemove;
pub(crate) use runtime::{AsRuntime, SetVariable};
pub(crate) use verify::TrustVerify;

/// Say which roots an image or host really trusts; find, audit, compare and add them
#[derive(Debug, Args)]
#[command(after_help = super::image::SOURCES)]
pub(crate) struct TrustCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: TrustVerb,
}

/// What to do with trust.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustVerb {
    List(TrustList),
    Find(TrustFind),
    Export(TrustExport),
    Audit(TrustAudit),
    Diff(TrustDiff),
    Add(TrustAdd),
    Remove(TrustRemove),
    Verify(TrustVerify),
}
