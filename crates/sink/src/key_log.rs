//! Key logs, written live. In: events. Out: lines in the NSS format.
