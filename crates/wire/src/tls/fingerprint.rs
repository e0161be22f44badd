//! JA3 and JA4 of a ClientHello. In: what it offers. Out: the fingerprints.
