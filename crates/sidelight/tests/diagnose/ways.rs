//! Ways to an endpoint.
