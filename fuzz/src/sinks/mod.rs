//! What is fuzzed of `sidelight-sink`. In: bytes that a fuzzer, or the corpus, made. Out: nothing; a broken promise panics.

pub mod packets;
pub mod views;

/// A target: takes one input, and panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the folder with its corpus.
pub const ALL: &[(&str, Target)] = &[("import_pcap", packets::import_pcap), ("views", views::views)];
