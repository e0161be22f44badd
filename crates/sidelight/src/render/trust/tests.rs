//! How lists of trust look. In: a survey made by hand. Out: snapshots, and what must hold for hostile names.

use sidelight_model::time::Timestamp;
use sidelight_model::trust::catalog;
use sidelight_model::trust::query::Query;
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Config, Content, Entry, File, Format, KeyFound, Layer, Store, StoreFault, Survey};

use super::super::fixtures::{START, look};
use super::{find, list};

fn der(name: &str) -> Vec<u8> {
    let root = Reference::builtin().all().iter().find(|root| root.name == name && root.certificate.is_some()).unwrap();
    root.certificate.as_ref().unwrap().der.clone()
}

/// A file with a store of the roots of these names.
fn put(survey: &mut Survey, path: &str, format: Format, layer: usize, names: &[&str]) {
    let add = |name: &&str| Entry {
        cert: survey.pool.add(&der(name)).unwrap(),
        alias: None,
        label: None,
        line: Some(1),
        offset: None,
        bits: None,
        is_anchor: true,
    };
    let entries: Vec<Entry> = names.iter().map(add).collect();
    let (keys, faults, readings) = (Vec::new(), Vec::new(), Vec::new());
    let content = Content::Store(Store { format, entries, keys, faults, readings, locked: false });
    let path = path.to_owned();
    let file =
        File { path: path.clone(), layer: Some(layer), mode: 0o644, uid: 0, gid: 0, size: 1, sha256: None, content };
    survey.files.insert(path, file);
}

fn store<'s>(survey: &'s mut Survey, path: &str) -> &'s mut Store {
    match &mut survey.files.get_mut(path).unwrap().content {
        Content::Store(store) => store,
        other => panic!("{other:?}"),
    }
}

fn survey() -> Survey {
    let made = |line: &str| Layer { created_by: Some(line.to_owned()), ..Layer::default() };
    let mut survey = Survey {
        source: "app:1".to_owned(),
        layers: vec![
            made("/bin/sh -c #(nop) ADD file:1a2b in / "),
            made("RUN /bin/sh -c apt-get install -y ca-certificates # buildkit"),
        ],
        config: Config { platform: "linux/amd64".to_owned(), ..Config::default() },
        ..Survey::default()
    };
    put(
        &mut survey,
        "/etc/ssl/certs/ca-certificates.crt",
        Format::Pem,
        1,
        &["ISRG Root X1", "ISRG Root X2", "GTS Root R1"],
    );
    put(&mut survey, "/etc/ssl/certs/java/cacerts", Format::Jks, 1, &["ISRG Root X1", "GTS Root R1"]);
    put(&mut survey, "/srv/tls.key", Format::Pem, 0, &[]);
    let key = KeyFound { form: "PKCS#8".into(), encrypted: false, public_key: None, line: Some(1), alias: None };
    store(&mut survey, "/srv/tls.key").keys.push(key);
    let fault = StoreFault { what: "the block `CERTIFICATE` has no END line".into(), line: Some(7), offset: None };
    store(&mut survey, "/etc/ssl/certs/ca-certificates.crt").faults.push(fault);
    survey
}

fn listed(survey: &Survey, wide: bool) -> String {
    let shown = list::Shown { wide, now: START, reference: Reference::builtin() };
    list::render(&look(Some(120), 0), survey, shown)
}

#[test]
fn a_list() {
    insta::assert_snapshot!(listed(&survey(), false));
}

#[test]
fn an_image_without_any_store() {
    insta::assert_snapshot!(listed(&Survey { source: "scratch:1".into(), ..Survey::default() }, false));
}

#[test]
fn what_is_expired_is_marked() {
    let mut survey = survey();
    let shown = list::Shown {
        wide: false,
        now: Timestamp::parse("2099-01-01T00:00:00Z").unwrap(),
        reference: Reference::builtin(),
    };
    let text = list::render(&look(Some(120), 0), &survey, shown);
    assert_eq!(text.matches("  expired").count(), 3, "{text}");
    survey.files.clear();
}

#[test]
fn a_root_that_one_store_has_not() {
    let survey = survey();
    let query = Query::parse("ISRG Root X2");
    let answer = catalog::find(&survey, &query);
    assert!(answer.is_yes());
    insta::assert_snapshot!(find::render(&look(Some(120), 0), &survey, &answer, "ISRG Root X2"));
}

#[test]
fn a_root_that_is_nowhere() {
    let survey = survey();
    let answer = catalog::find(&survey, &Query::parse("TLS RSA Root CA 2022"));
    assert!(!answer.is_yes());
    insta::assert_snapshot!(find::render(&look(Some(120), 0), &survey, &answer, "TLS RSA Root CA 2022"));
}

#[test]
fn names_of_an_image_do_not_reach_the_terminal_as_they_are() {
    let mut survey = survey();
    survey.source = "a\x1b[2Jb".to_owned();
    survey.layers[1].created_by = Some("RUN \x1b]0;x\x07".to_owned());
    put(&mut survey, "/etc/\u{202e}x\n/cacerts", Format::Jks, 1, &["ISRG Root X1"]);
    let answer = catalog::find(&survey, &Query::parse("isrg"));
    let text = listed(&survey, true) + &find::render(&look(None, 0), &survey, &answer, "\x1b[1m");
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert!(text.contains("\\u{202e}x\\n"));
}
