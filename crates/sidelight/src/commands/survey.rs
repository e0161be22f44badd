//! What every command that asks about trust begins with. In: the name of a source. Out: a [`Survey`] of it.

use sidelight_image::Source;
use sidelight_image::trust::{self, TrustWatch};
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Entry, File, Format, Store, Survey};

use super::image_source;
use crate::cli::ImageOptions;
use crate::exit::Failure;
use crate::ui::Ui;

/// The path under which Mozilla's list stands in its own survey.
const MOZILLA: &str = "/mozilla";

/// Finds what bears on trust in `source`; `mozilla` is the list that is shipped inside.
///
/// # Errors
/// When the source cannot be meant, found or read; the failure says what was tried and what helps.
pub(crate) fn survey(source: &str, options: &ImageOptions, ui: Ui) -> Result<Survey, Failure> {
    survey_with(source, options, TrustWatch::new(), ui)
}

/// As [`survey`], with a watcher that may stop early.
///
/// # Errors
/// As [`survey`].
pub(crate) fn survey_with(
    source: &str,
    options: &ImageOptions,
    mut watch: TrustWatch,
    ui: Ui,
) -> Result<Survey, Failure> {
    if source.parse::<Source>().is_ok_and(|source| source == Source::Mozilla) {
        return Ok(mozilla(Reference::builtin()));
    }
    let mut opened = image_source::open(source, options, ui)?;
    let collected = opened.collect(&mut watch).map_err(image_source::failure)?;
    Ok(trust::survey(source, collected, watch))
}

/// A list of roots as if it were an image.
pub(crate) fn mozilla(reference: &Reference) -> Survey {
    let mut survey = Survey { source: "mozilla".to_owned(), ..Survey::default() };
    survey.image = Some(format!("Mozilla's list as of {}", reference.as_of));
    let mut entries = Vec::new();
    for root in reference.current() {
        let certificate = root.certificate.as_ref();
        // All certificates of the list were read before.
        let Some(cert) = certificate.and_then(|certificate| survey.pool.add(&certificate.der).ok()) else { continue };
        let alias = Some(root.name.clone());
        entries.push(Entry { cert, alias, label: None, line: None, offset: None, bits: None, is_anchor: true });
    }
    let (keys, faults, readings) = (Vec::new(), Vec::new(), Vec::new());
    let store = Store { format: Format::Pem, entries, keys, faults, readings, locked: false };
    let file = File {
        path: MOZILLA.to_owned(),
        layer: None,
        mode: 0o444,
        uid: 0,
        gid: 0,
        size: 0,
        sha256: None,
        content: Content::Store(store),
    };
    survey.files.insert(MOZILLA.to_owned(), file);
    survey
}
