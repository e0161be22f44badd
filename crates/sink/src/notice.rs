//! Words from sinks to the person in front of the program. In: what a sink cannot do. Out: a call of whoever shows it.

use std::fmt;
use std::sync::Arc;

/// Takes one sentence at a time, from any thread, and returns at once.
#[derive(Clone)]
pub struct Notices(Arc<dyn Fn(&str) + Send + Sync>);

impl Notices {
    /// Hands every sentence to `show`.
    pub fn new(show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    /// Nobody listens.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// Says `words`: one sentence, with the file or option in it.
    pub fn say(&self, words: &str) {
        (self.0)(words);
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}
