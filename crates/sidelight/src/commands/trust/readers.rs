//! What the programs of an image read, as the audit and the comparison of sources take it. In: a survey. Out: [`Reads`].

use sidelight_model::time::Timestamp;
use sidelight_model::trust::Survey;
use sidelight_model::trust::audit::Reads;
use sidelight_model::trust::effective::{Effective, Situation, effective_auto};

/// What every program that is found in the image reads.
pub(super) fn readers(survey: &Survey, now: Timestamp) -> Vec<Reads> {
    let situation = Situation { now: Some(now), ..Situation::default() };
    effective_auto(survey, &situation).into_iter().map(reads).collect()
}

fn reads(one: Effective) -> Reads {
    Reads {
        files: one
            .sources
            .iter()
            .flat_map(|source| [Some(&source.path), source.leads_to.as_ref()])
            .flatten()
            .cloned()
            .collect(),
        name: one.label,
        runtime: one.runtime,
        version: one.version,
        roots: one.roots.into_iter().map(|root| (root.cert, root.files)).collect(),
    }
}
