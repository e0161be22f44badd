//! Drain the events of an interception, decode them once, hand them to whoever shows or keeps them.
