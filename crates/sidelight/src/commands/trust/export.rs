//! `sidelight trust export`.

use crate::cli::{GlobalOptions, TrustExport};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(_options: &TrustExport, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
