//! `sidelight trust remove`.

use crate::cli::{GlobalOptions, TrustRemove};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(_options: &TrustRemove, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
