//! `sidelight trust audit`.

use crate::cli::{GlobalOptions, TrustAudit};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(_options: &TrustAudit, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
