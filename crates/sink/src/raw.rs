//! Raw streams, written live. In: data. Out: one file a direction.
