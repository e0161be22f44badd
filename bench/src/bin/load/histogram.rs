//! Times of many requests. In: durations. Out: percentiles in microseconds.

use std::time::Duration;

use serde_json::{Value, json};

/// Every time that was seen, for at most a few hundred thousand of them.
#[derive(Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    /// Keeps one.
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes those of another in.
    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `p50_us`, `p99_us`, `max_us`.
    pub(crate) fn told(mut self) -> Value {
        self.0.sort_unstable();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let index = (last as f64 * share).round() as usize;
            #[expect(clippy::cast_precision_loss)]
            self.0.get(index).map_or(0.0, |nanos| *nanos as f64 / 1000.0)
        };
        json!({"p50_us": at(0.5), "p99_us": at(0.99), "max_us": at(1.0)})
    }
}
