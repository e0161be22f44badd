//! From what a user wrote to an image that can be read. In: the name of a source. Out: [`Opened`], or what was tried and what helps.

use sidelight_image::{Error, Opened, Options, Source};

use crate::cli::ImageOptions;
use crate::exit::Failure;
use crate::ui::Ui;

/// Opens a source.
///
/// # Errors
/// When it cannot be meant, found or read.
pub(crate) fn open(source: &str, options: &ImageOptions, _ui: Ui) -> Result<Opened, Failure> {
    let source: Source = source.parse().map_err(Failure::usage)?;
    let platform = options.platform.clone();
    let image = options.image_name.clone();
    sidelight_image::open(&source, &Options { platform, image, ..Options::default() }).map_err(failure)
}

/// Why it cannot be read, for people.
pub(crate) fn failure(error: Error) -> Failure {
    Failure::new(error)
}
