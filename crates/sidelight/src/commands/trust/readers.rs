//! What the programs of an image read, as the audit and the comparison of sources take it. In: a survey. Out: [`Reads`].

use sidelight_model::time::Timestamp;
use sidelight_model::trust::Survey;
use sidelight_model::trust::audit::{Reads, is_packed};
use sidelight_model::trust::effective::{Situation, effective_auto};

/// What every program that is found in the image reads, the one that the image starts first.
pub(super) fn readers(survey: &Survey, now: Timestamp) -> Vec<Reads> {
    let situation = Situation { now: Some(now), ..Situation::default() };
    let all = effective_auto(survey, &situation);
    // What lies in a package that is not installed is no program yet.
    let installed = all.iter().filter(|program| !program.program.as_deref().is_some_and(is_packed));
    installed.map(Reads::of).collect()
}
