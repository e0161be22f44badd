//! Filters as SQL, as far as that goes. In: a filter. Out: a condition on rows of `flow`, and whether it says all.

use rusqlite::Connection;
use sidelight_model::filter::Filter;

/// A condition, and what is needed to evaluate it.
pub(super) struct Selection {
    /// An SQL expression over `flow`; every flow that the filter means fulfils it.
    pub(super) condition: String,
    /// No other flow fulfils it.
    pub(super) is_exact: bool,
}

impl Selection {
    pub(super) fn of(_db: &Connection, filter: Option<&Filter>) -> rusqlite::Result<Self> {
        Ok(Self { condition: "1".to_owned(), is_exact: filter.is_none() })
    }
}
