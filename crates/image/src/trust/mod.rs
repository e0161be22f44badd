//! What of an image bears on trust. In: a source that is read with [`TrustWatch`]. Out: a [`Survey`].

mod survey;
mod watch;

#[cfg(test)]
mod tests;

pub use survey::survey;
pub use watch::{TrustFound, TrustWatch};

#[allow(unused_imports)] // for the documentation
use sidelight_model::trust::Survey;
