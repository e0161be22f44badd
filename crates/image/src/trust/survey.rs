//! From what was kept of an image to what is judged. In: [`Collected`] and the watcher. Out: [`Survey`].

use sidelight_model::trust::{File, Survey};

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
        hidden: hidden.iter().flat_map(|kept| parts(&kept.path, kept)).collect(),
        links,
        pool: watch.pool,
        notes,
        ..Survey::default()
    };
    for (path, kept) in &files {
        survey.files.extend(parts(path, kept).into_iter().map(|file| (file.path.clone(), file)));
    }
    survey
}

/// The file itself, or what was found in its members: `/app.jar!/cacerts`.
fn parts(path: &str, kept: &Kept<TrustFound>) -> Vec<File> {
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
    kept.found.iter().map(part).collect()
}
