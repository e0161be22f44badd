//! `--as RUNTIME`. In: a word. Out: [`AsRuntime`].

use std::str::FromStr;

use sidelight_model::trust::Runtime;

/// Whose roots are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsRuntime {
    /// Of all that run in the image.
    Auto,
    /// Of one.
    One(Runtime),
}

impl FromStr for AsRuntime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            Ok(Self::Auto)
        } else {
            text.parse().map(Self::One).map_err(|error: String| error + ", auto")
        }
    }
}
