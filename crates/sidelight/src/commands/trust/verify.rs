//! `sidelight trust verify`.

use crate::cli::{GlobalOptions, TrustVerify};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(_options: &TrustVerify, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
