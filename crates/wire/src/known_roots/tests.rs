//! Known-roots files: what is read is written, comments stay, and what is wrong is named.

use proptest::prelude::*;
use sidelight_model::tofu::Scope;

use super::*;

const KEY: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn read(text: &str) -> Document {
    Document::read(text.as_bytes()).unwrap()
}

#[test]
fn what_people_wrote_stays() {
    let text = format!(
        "# ours\n\ngenesis 2026-11-30T06:00:00Z by=\"Kim Doe\"\n# the scanner\nb.test:443 {KEY} next={OTHER} subject=\"CN=a \\\"b\\\"\" # why\nrevoked {OTHER}\n"
    );
    let mut document = read(&text);
    assert_eq!(document.write(), text);
    assert_eq!(document.known.genesis.as_ref().unwrap().by.as_deref(), Some("Kim Doe"));
    assert_eq!(document.known.records[0].subject.as_deref(), Some("CN=a \"b\""));
    let at = |text: &str| Endpoint { at: Some(text.into()), sni: None, via: None };
    for name in ["c.test:443", "a.test:443"] {
        document.put(Record::new(at(name), vec![KEY.parse().unwrap()]));
    }
    let lines: Vec<String> = document.write().lines().map(str::to_owned).collect();
    assert!(
        lines[4].starts_with("a.test") && lines[5].starts_with("b.test") && lines[6].starts_with("c.test"),
        "{lines:#?}"
    );
    assert_eq!(read(&document.write()), document);
    let mut again = document.known.records[1].clone();
    again.scope = Some(Scope::Any);
    document.put(again);
    assert!(document.write().contains("scope=any") && !document.write().contains("# why"));
    assert_eq!(document.forget(&at("a.test:443")), 1);
    assert_eq!(document.forget(&at("a.test:443")), 0);
    assert_eq!(read(&document.write()), document);
}

#[test]
fn a_new_file_has_its_head() {
    let mut document = Document::default();
    document.begin(Genesis { at: Timestamp::from_secs(0), by: None });
    assert_eq!(document.write(), format!("{HEAD}\ngenesis 1970-01-01T00:00:00Z\n"));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let long = "a".repeat(64);
    let cases = [
        ("a.test sha256//x", "line 1: `a.test` is no endpoint"),
        ("\n\na.test:443 sha256//x", "line 3: `sha256//x` is no pin"),
        ("a.test:443", "line 1: `a.test:443` has no key"),
        (&format!("a.test:443 {KEY} colour=red"), "line 1: `colour` is not known"),
        (&format!("a.test:443 {KEY} red"), "line 1: `red` means nothing"),
        (&format!("a.test:443 {KEY} until=soon"), "line 1: `until`: `soon` is no time"),
        (&format!("a.test:443 {KEY} subject=\"x"), "line 1: a quote is not closed"),
        (&format!("a.test:443 {KEY} ca={}", &long[1..]), "line 1: `ca="),
        ("genesis", "line 1: after `genesis` the time is missing"),
        ("genesis 2026-11-30\ngenesis 2026-11-30", "line 2: a second `genesis`"),
        ("revoked", "line 1: after `revoked` the key is missing"),
    ];
    for (text, wanted) in cases {
        let wrong = Document::read(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong.starts_with(wanted), "{text}: {wrong}");
    }
    assert_eq!(Document::read(b"#\n\xff").unwrap_err().line, 2);
}

proptest! {
    #[test]
    fn values_survive(subject in any::<String>(), by in "[ -~]{0,30}") {
        let mut record = Record::new(Endpoint::any(), vec![KEY.parse().unwrap()]);
        record.subject = Some(subject.clone());
        record.by = Some(by);
        let mut document = Document::default();
        document.put(record.clone());
        let again = Document::read(document.write().as_bytes()).unwrap();
        prop_assert_eq!(&again.known.records[0].by, &record.by);
        let clean: String = subject.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        prop_assert_eq!(again.known.records[0].subject.as_deref(), Some(clean.as_str()));
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Document::read(&bytes);
    }
}
