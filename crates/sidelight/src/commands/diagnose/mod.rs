//! `sidelight diagnose`.

use crate::cli::{DiagnoseCommand, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does what is asked.
pub(super) fn run(_options: &DiagnoseCommand, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
