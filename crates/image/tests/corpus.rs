//! Runs the fuzz target of this crate over the committed corpus, and over mutations of it. In: `fuzz/corpus`. Out: broken promises.

#[path = "../../../fuzz/src/corpus.rs"]
#[allow(unreachable_pub)]
mod corpus;
#[path = "../../../fuzz/src/images/mod.rs"]
#[allow(unreachable_pub)]
mod targets;

#[test]
fn image() {
    corpus::run_target("image", targets::ALL);
}

#[test]
fn every_target_is_tested_and_can_be_fuzzed() {
    corpus::check_targets(&["image"], targets::ALL);
}
