//! Consumers that see only what a filter lets through. In: a filter, a consumer. Out: a consumer.
