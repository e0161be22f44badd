//! From what was kept of an image to what is judged. In: [`Collected`] and the watcher. Out: [`Survey`].

use sidelight_model::trust::{File, Survey};

use super::watch::Weight;
use super::{TrustFound, TrustWatch};
use crate::collected::{Collected, Kept};

/// Puts together the survey of `source` (as the user named it).
pub fn survey(source: &str, collected: Collected<TrustFound>, watch: TrustWatch) -> Survey {
    let Collected { image, layers, config, files, hidden, links, mut notes } = collected;
    notes.extend(watch.notes);
    let mut survey = Survey {
        source: source.to_owned(),
        image,
        layers,
        config,
        links,
        pool: watch.pool,
        notes,
        ..Survey::default()
    };
    let (mut weight, mut left_out) = (Weight::default(), 0_usize);
    for (path, kept) in &files {
        let parts = parts(path, kept, &mut weight, &mut left_out);
        survey.files.extend(parts.into_iter().map(|file| (file.path.clone(), file)));
    }
    for kept in &hidden {
        survey.hidden.extend(parts(&kept.path, kept, &mut weight, &mut left_out));
    }
    if left_out > 0 {
        survey
            .notes
            .push(format!("{left_out} hard links were left out: under all names together, files hold too much"));
    }
    survey
}

/// The file itself, or what was found in its members: `/app.jar!/cacerts`.
fn parts(path: &str, kept: &Kept<TrustFound>, weight: &mut Weight, left_out: &mut usize) -> Vec<File> {
    let part = |found: &sidelight_wire::scan::Found| File {
        path: found.member.as_ref().map_or_else(|| path.to_owned(), |member| format!("{path}!/{member}")),
        layer: kept.layer,
        mode: kept.mode,
        uid: kept.uid,
        gid: kept.gid,
        size: kept.size,
        sha256: found.sha256.clone(),
        content: found.content.clone(),
    };
    let (fitting, other): (Vec<_>, Vec<_>) = kept.found.iter().partition(|found| weight.takes(&found.content));
    *left_out += other.len();
    fitting.into_iter().map(part).collect()
}
