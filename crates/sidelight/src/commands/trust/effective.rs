//! What runtimes have, for the commands that ask with `--as`. In: a survey, a runtime. Out: roots, text, JSON.

use sidelight_model::trust::{CertId, Runtime, Survey};

use crate::cli::{AsRuntime, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::Look;
use crate::ui::Ui;

/// The answers of runtimes to one question.
#[derive(Debug, Default)]
pub(super) struct WhoHas;

impl WhoHas {
    /// For people.
    pub(super) fn text(&self, _look: &Look) -> String {
        String::new()
    }

    /// For programs.
    pub(super) fn json(&self) -> Vec<serde_json::Value> {
        Vec::new()
    }

    /// The answer when one runtime was asked.
    pub(super) fn verdict(&self) -> Option<bool> {
        None
    }
}

/// Which runtimes have one of the certificates.
pub(super) fn who_has(_survey: &Survey, _certs: &[CertId], _asked: Option<AsRuntime>, _first: bool) -> WhoHas {
    WhoHas
}

/// `trust list --as`.
pub(super) fn list(_: &Survey, _: AsRuntime, _: bool, _: &GlobalOptions, _: Ui) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}

/// The roots of one runtime.
pub(super) fn roots(_: &Survey, _: Runtime) -> Result<Vec<CertId>, Failure> {
    Err(Failure::new("not built yet"))
}
