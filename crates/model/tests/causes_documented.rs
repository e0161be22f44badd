//! Every cause has its section in docs/causes.md, and every section its cause. In: the page. Out: what is missing, by code.

use std::collections::BTreeMap;

use sidelight_model::finding::Cause;

const PAGE: &str = include_str!("../../../docs/causes.md");

/// The sections by their code.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let parts = PAGE.split("\n### `").skip(1);
    parts.map(|part| part.split_once('`').expect("a code ends with a backtick")).collect()
}

#[test]
fn every_cause_has_a_section_and_every_section_a_cause() {
    let documented: Vec<&str> = sections().into_keys().collect();
    let mut known: Vec<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    known.sort_unstable();
    assert_eq!(documented, known);
}

#[test]
fn every_section_names_the_fault_and_what_to_do() {
    let sections = sections();
    for cause in Cause::ALL {
        let text = sections[cause.code()];
        let code = cause.code();
        assert!(text.contains(&format!("*Fault: {}.*", cause.party().name())), "{code}: its fault is another");
        assert!(text.contains("**Shows as:**") && text.contains("**What to do:**"), "{code}: its section is not whole");
    }
}
