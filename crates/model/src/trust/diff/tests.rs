//! Pairs of surveys and what is told of them.

use super::*;
use crate::trust::audit::forge::{Draft, Image, NOW};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const OTHER: &str = "/usr/lib/python3/dist-packages/certifi/cacert.pem";

fn image(source: &str, path: &str, drafts: &[&Draft]) -> Image {
    let mut image = Image::new();
    image.survey.source = source.to_owned();
    image.pem(path, drafts);
    image
}

fn compare(before: &Image, after: &Image) -> Difference {
    let side = |image| Side { survey: image, readers: &[] };
    diff(side(&before.survey), side(&after.survey), None, NOW, 90)
}

fn names(certs: &[Arc<Certificate>]) -> Vec<&str> {
    certs.iter().map(|cert| cert.short_name()).collect()
}

#[test]
fn added_removed_and_changed() {
    let (kept, gone, new) = (Draft::root("Kept"), Draft::root("Gone"), Draft::root("New"));
    let old_key = Draft::root("Rekeyed");
    let new_key = Draft { key: Draft::root("other").key, ..old_key.clone() };
    let old = Draft::root("Renewed");
    let renewed = Draft { serial: 2, until: 30, ..old.clone() };
    let before = image("a", BUNDLE, &[&kept, &gone, &old_key, &old]);
    let after = image("b", BUNDLE, &[&kept, &new, &new_key, &renewed]);
    let found = compare(&before, &after);
    assert_eq!(names(&found.roots.added), ["New"]);
    assert_eq!(names(&found.roots.removed), ["Gone"]);
    let changed: Vec<_> = found.roots.changed.iter().map(|it| (it.after.short_name(), it.shares)).collect();
    assert_eq!(changed, [("Rekeyed", Shares::Name), ("Renewed", Shares::Key)]);
    assert_eq!((found.roots.before, found.roots.after), (4, 4));
    assert_eq!(names(&found.expiring), ["Renewed"]);
    assert!(!found.is_empty());
    assert_eq!(found.stores.len(), 1);
}

#[test]
fn a_source_is_the_same_as_itself() {
    let one = image("a", BUNDLE, &[&Draft::root("A"), &Draft::root("B")]);
    let found = compare(&one, &one);
    assert!(found.is_empty() && found.same_stores == 1, "{found:?}");
}

#[test]
fn the_same_roots_in_another_store_are_a_difference_by_store() {
    let root = Draft::root("A");
    let before = image("a", BUNDLE, &[&root]);
    let mut after = image("b", BUNDLE, &[&root]);
    after.pem(OTHER, &[&root]);
    let found = compare(&before, &after);
    assert!(found.roots.is_empty() && !found.is_empty());
    assert_eq!(
        (found.stores[0].path.as_str(), found.stores[0].in_before, found.stores[0].in_after),
        (OTHER, false, true)
    );
}

#[test]
fn every_store_is_compared_with_mozillas_list() {
    let (a, b) = (Draft::root("A"), Draft::root("B"));
    let mozilla = image(MOZILLA, "/mozilla", &[&a, &b]);
    let mut other = image("app", BUNDLE, &[&a]);
    other.pem(OTHER, &[&a, &b]);
    let found = compare(&other, &mozilla);
    assert!(found.roots.is_empty());
    assert_eq!((found.stores.len(), found.same_stores), (1, 1));
    assert_eq!((found.stores[0].path.as_str(), names(&found.stores[0].delta.added)), (BUNDLE, vec!["B"]));
}

#[test]
fn programs_are_paired_by_name_then_by_runtime() {
    let (a, b) = (Draft::root("A"), Draft::root("B"));
    let mut before = image("a", BUNDLE, &[&a]);
    let mut after = image("b", BUNDLE, &[&a, &b]);
    let reads = |name: &str, runtime, ids: &[CertId]| Reads {
        name: name.to_owned(),
        runtime,
        version: None,
        roots: ids.iter().map(|id| (*id, vec![BUNDLE.to_owned()])).collect(),
        files: Vec::new(),
    };
    let (old, new) = ([before.cert(&a)], [after.cert(&a), after.cert(&b)]);
    let was = [
        reads("Python 3.11", Runtime::Python, &old),
        reads("Go", Runtime::Go, &old),
        reads("curl", Runtime::Curl, &old),
    ];
    let is = [
        reads("Python 3.13", Runtime::Python, &new),
        reads("Go", Runtime::Go, &old),
        reads("Node 20", Runtime::Node, &new),
    ];
    let before = Side { survey: &before.survey, readers: &was };
    let after = Side { survey: &after.survey, readers: &is };
    let found = diff(before, after, None, NOW, 0);
    let told: Vec<_> =
        found.readers.iter().map(|it| (it.before.as_deref(), it.after.as_deref(), it.delta.added.len())).collect();
    assert_eq!(
        told,
        [
            (Some("curl"), None, 0),
            (Some("Go"), Some("Go"), 0),
            (None, Some("Node 20"), 0),
            (Some("Python 3.11"), Some("Python 3.13"), 1),
        ]
    );
    let python = diff(before, after, Some(Runtime::Python), NOW, 0);
    assert_eq!((names(&python.roots.added), python.readers.len(), python.stores.len()), (vec!["B"], 1, 0));
    assert!(diff(before, after, Some(Runtime::Go), NOW, 0).is_empty());
}
