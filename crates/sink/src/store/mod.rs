//! The flow store: one SQLite file a recording. In: what the bus tells. Out: the same, found again.
