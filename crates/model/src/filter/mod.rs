//! The filter language: which flows are meant. In: an expression, and what is known of a flow. Out: whether it matches.
