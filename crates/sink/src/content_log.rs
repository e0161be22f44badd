//! The content log, written live. In: messages. Out: records that delimit themselves.
