//! Runs the fuzz targets of this crate over the committed corpus, and over mutations of it. In: `fuzz/corpus`. Out: broken promises.

#[path = "../../../fuzz/src/corpus.rs"]
#[allow(unreachable_pub)]
mod corpus;
#[path = "../../../fuzz/src/sinks/mod.rs"]
#[allow(unreachable_pub)]
mod targets;

/// One test for each target, so that they run beside each other and fail apart.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            corpus::run_target(stringify!($name), targets::ALL);
        })*

        #[test]
        fn every_target_is_tested_and_can_be_fuzzed() {
            corpus::check_targets(&[$(stringify!($name)),*], targets::ALL);
        }
    };
}

targets! { import_pcap views }
