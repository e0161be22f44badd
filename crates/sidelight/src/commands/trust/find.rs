//! `sidelight trust find`.

use crate::cli::{GlobalOptions, TrustFind};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(_options: &TrustFind, _global: &GlobalOptions, _ui: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
