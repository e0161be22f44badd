//! Content logs of sslsplit. In: bytes. Out: records, by their length.
