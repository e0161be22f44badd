//! `--as RUNTIME`, and `--env NAME=VALUE` beside it. In: a word. Out: [`AsRuntime`], [`SetVariable`].

use std::fmt;
use std::str::FromStr;

use sidelight_model::time::Timestamp;
use sidelight_model::trust::{Runtime, Situation};

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

/// A variable that is set beyond the image's, or unset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetVariable {
    name: String,
    value: Option<String>,
}

impl SetVariable {
    /// The situation in which these are set. With `now`, roots are to be valid then.
    pub(crate) fn situation(set: &[Self], now: Option<Timestamp>) -> Situation {
        let env = set.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        Situation { env, now, ..Situation::default() }
    }
}

impl FromStr for SetVariable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        if name.is_empty() {
            return Err("a variable needs a name: NAME=VALUE".to_owned());
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

impl fmt::Display for SetVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
