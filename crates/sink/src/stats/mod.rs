//! What a recording says as a whole. In: a recording. Out: hosts, bytes, statuses, latencies, TLS, certificates, failures.
