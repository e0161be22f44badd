//! TCP streams out of packets. In: segments in any order. Out: bytes in order, and what is missing. Spec: RFC 9293.
