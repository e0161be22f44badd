//! T11, T13, T14, T17: files, links, keys, folders.

use std::collections::BTreeSet;

use super::super::forge::rsa;
use super::*;
use crate::trust::{Content, Entry, Format, KeyFound, Loss, Reader, Reading, StoreFault};
use crate::x509::subject_hash;

fn summaries(check: Check, image: &Image) -> Vec<(Severity, String)> {
    let issues = found(image);
    of(check, &issues).iter().map(|issue| (issue.severity, issue.summary.clone())).collect()
}

#[test]
fn a_damaged_bundle_tells_who_loses_what() {
    let mut image = Image::new();
    let store = image.pem(BUNDLE, &[&Draft::root("A"), &Draft::root("B"), &Draft::root("C")]);
    let reading = |reader, lost: &[usize], fails: Option<&str>| Reading {
        reader,
        taken: (0..3).filter(|index| fails.is_none() && !lost.contains(index)).collect(),
        lost: lost
            .iter()
            .map(|index| Loss { entry: Some(*index), why: "bad base64 at line 25".to_owned(), silent: true })
            .collect(),
        fails: fails.map(str::to_owned),
    };
    store.readings = vec![
        reading(Reader::OpenSslFile, &[], Some("bad base64 decode")),
        reading(Reader::OpenSslDefault, &[0, 1, 2], None),
        reading(Reader::Go, &[1], None),
        reading(Reader::GnuTls, &[], None),
    ];
    store.faults.push(StoreFault { what: "bad base64".to_owned(), line: Some(25), offset: None });
    let issues = found(&image);
    let issue = only(Check::T11, &issues);
    assert_eq!(issue.severity, Severity::Error);
    assert!(issue.summary.starts_with("/etc/ssl/certs/ca-certificates.crt is damaged at line 25"), "{}", issue.summary);
    assert_eq!(issue.places[0].line, Some(25));
    let told: Vec<String> = issue.affected.iter().map(|it| format!("{}: {}", it.who, it.effect)).collect();
    assert_eq!(
        told,
        [
            "OpenSSL, curl and Python, given this file: refuses the file: bad base64 decode",
            "OpenSSL and Python by default: loses all of 3, without a word",
            "Go: loses 1 of 3, without a word",
        ]
    );
    // Where only GnuTLS runs, nothing is lost: a warning.
    let readers = [reads("wget", Runtime::Wget, None, &[], BUNDLE)];
    let reference = Reference::default();
    let issues = audit(question(&image.survey, &reference, &readers)).issues;
    assert_eq!(only(Check::T11, &issues).severity, Severity::Warn);
}

#[test]
fn a_sound_bundle_is_not_damaged() {
    let mut image = Image::new();
    let store = image.pem(BUNDLE, &[&Draft::root("A")]);
    store.readings = vec![Reading { reader: Reader::Go, taken: vec![0], lost: vec![], fails: None }];
    assert_eq!(summaries(Check::T11, &image), []);
}

/// A folder with a bundle, one certificate and its links.
fn hashed(link: Option<&str>) -> Image {
    let mut image = Image::new();
    let root = Draft::root("A");
    image.pem(BUNDLE, &[&root]);
    image.pem("/etc/ssl/certs/A.pem", &[&root]);
    if let Some(link) = link {
        image.link(&format!("/etc/ssl/certs/{link}"), "A.pem");
    }
    image
}

fn hash_of(draft: &Draft) -> String {
    subject_hash(&draft.subject).unwrap()
}

#[test]
fn hashed_folders() {
    let right = hash_of(&Draft::root("A"));
    assert_eq!(summaries(Check::T11, &hashed(Some(&format!("{right}.0")))), []);
    let wrong = summaries(Check::T11, &hashed(Some("00000000.0")));
    assert!(wrong[0].1.contains("by a hash that is not the certificate's"), "{wrong:?}");
    let gap = summaries(Check::T11, &hashed(Some(&format!("{right}.1"))));
    assert!(gap[0].1.contains(&format!("has no {right}.0")), "{gap:?}");
    let mut dangling = hashed(Some(&format!("{right}.0")));
    dangling.link("/etc/ssl/certs/0a0a0a0a.0", "gone.pem");
    let dangling = summaries(Check::T11, &dangling);
    assert!(dangling[0].1.contains("leads in /etc/ssl/certs to no certificate"), "{dangling:?}");
    // Links by the hash of OpenSSL before 1.0 are as they should be.
    let old = crate::x509::subject_hash_old(&Draft::root("A").subject);
    let mut both = hashed(Some(&format!("{right}.0")));
    both.link(&format!("/etc/ssl/certs/{old}.0"), "A.pem");
    assert_eq!(summaries(Check::T11, &both), []);
}

#[test]
fn a_root_in_the_folder_that_only_go_reads() {
    let mut image = Image::new();
    image.pem(BUNDLE, &[&Draft::root("A")]);
    image.pem("/etc/ssl/certs/corp.pem", &[&Draft::root("Corp")]);
    let found = summaries(Check::T11, &image);
    assert!(
        matches!(&found[..], [(Severity::Error, text)] if text.starts_with("/etc/ssl/certs/corp.pem (Corp) is read by Go alone")),
        "{found:?}"
    );
}

#[test]
fn bundle_and_folder_that_disagree() {
    let mut image = hashed(Some(&format!("{}.0", hash_of(&Draft::root("A")))));
    image.pem(BUNDLE, &[&Draft::root("A"), &Draft::root("B")]);
    let found = summaries(Check::T11, &image);
    assert!(
        matches!(&found[..], [(Severity::Error, text)] if text.contains("1 root only in the bundle (B)")),
        "{found:?}"
    );
}

#[test]
fn empty_and_writable_stores_and_links_that_climb_out() {
    let mut image = Image::new();
    image.file(BUNDLE, Content::Other).size = 0;
    assert!(summaries(Check::T11, &image)[0].1.contains("is empty (0 bytes)"));

    for (mode, uid, severity) in
        [(0o666, 0, Severity::Error), (0o664, 0, Severity::Warn), (0o644, 1000, Severity::Info)]
    {
        let mut image = Image::new();
        image.pem(BUNDLE, &[&Draft::root("A")]);
        let file = image.survey.files.get_mut(BUNDLE).unwrap();
        (file.mode, file.uid) = (mode, uid);
        let found = summaries(Check::T11, &image);
        assert!(
            matches!(&found[..], [(s, text)] if *s == severity && text.contains("may be changed")),
            "{mode:o}: {found:?}"
        );
    }

    let mut image = Image::new();
    image.pem(BUNDLE, &[&Draft::root("A")]);
    image.link("/etc/ssl/certs/x.pem", "../../../../etc/ssl/certs/ca-certificates.crt");
    assert!(summaries(Check::T11, &image)[0].1.contains("climb"));
}

#[test]
fn private_keys() {
    let root = Draft::root("Corp Root");
    let other = Draft::root("Other").key;
    let mut image = Image::new();
    image.pem(BUNDLE, &[&root]);
    image.key("/app/tls.key", Some(other.clone()));
    let found = summaries(Check::T13, &image);
    assert!(
        matches!(&found[..], [(Severity::Critical, text)] if text.starts_with("/app/tls.key holds a private key")),
        "{found:?}"
    );

    image.key("/app/tls.key", Some(root.key.clone()));
    let found = summaries(Check::T13, &image);
    assert!(found[0].1.contains("the private key of Corp Root, a root that the image trusts"), "{found:?}");

    // A layer above removed it: it is there all the same.
    let file = image.survey.files.remove("/app/tls.key").unwrap();
    image.survey.hidden.push(file);
    let issues = super::found(&image);
    let issue = only(Check::T13, &issues);
    assert!(issue.places[0].hidden && issue.severity == Severity::Critical);
    assert!(issue.summary.starts_with("An upper layer hides /app/tls.key"), "{}", issue.summary);

    // Test suites bring keys that are no secret; a host keeps its own.
    let mut image = Image::new();
    image.key("/usr/lib/python3.11/test/keycert.pem", Some(other.clone()));
    assert_eq!(summaries(Check::T13, &image)[0].0, Severity::Info);
    let mut host = Image::new();
    host.survey.source = "host".to_owned();
    host.key("/etc/ssl/private/host.key", Some(other));
    host.survey.files.get_mut("/etc/ssl/private/host.key").unwrap().mode = 0o600;
    let own = summaries(Check::T13, &host);
    assert!(
        matches!(&own[..], [(Severity::Info, text)] if text.ends_with("by the owner alone, as it should be")),
        "{own:?}"
    );
    host.survey.files.get_mut("/etc/ssl/private/host.key").unwrap().mode = 0o640;
    assert!(summaries(Check::T13, &host)[0].1.contains("can be read by a group"));
    host.survey.files.get_mut("/etc/ssl/private/host.key").unwrap().mode = 0o644;
    let open = summaries(Check::T13, &host);
    assert!(matches!(&open[..], [(Severity::Error, text)] if text.ends_with("every user can read it")), "{open:?}");
}

#[test]
fn private_keys_of_one_kind_are_one_issue() {
    let mut image = Image::new();
    for n in 0..9 {
        image.key(&format!("/app/{n}.key"), Some(rsa(256, &[1, 0, 1], n)));
    }
    // Several blocks in one file, and files that are no secret.
    let more = image.pem("/app/several.pem", &[]);
    let key = KeyFound { form: "PKCS#8".to_owned(), encrypted: false, public_key: None, line: Some(1), alias: None };
    more.keys = vec![key; 3];
    for path in ["/srv/src/a.rs", "/srv/src/b.cc", "/usr/share/doc/x/key.pem"] {
        image.key(path, None);
    }
    let issues = found(&image);
    let keys = of(Check::T13, &issues);
    assert_eq!(keys.len(), 2, "{keys:#?}");
    assert_eq!((keys[0].severity, keys[0].places.len(), keys[0].evidence.len()), (Severity::Critical, 10, 13));
    assert_eq!(keys[0].summary, "10 files with private keys: /app/0.key, /app/1.key, /app/2.key and 7 more");
    assert_eq!(
        keys[1].summary,
        "3 private keys in tests, source code and documentation, which are no secret: /srv/src (2) and /usr/share/doc (1)"
    );
    // What was dismissed does not come to cover another file.
    let before = keys[0].fingerprint();
    image.key("/app/new.key", None);
    assert_ne!(of(Check::T13, &found(&image))[0].fingerprint(), before);
    // A file that the user does not want to hear of is left out of words and facts alike.
    let ignore = ["T13:/app/several.pem".parse().unwrap()];
    let reference = Reference::default();
    let issues = audit(Question { ignore: &ignore, ..question(&image.survey, &reference, &[]) }).issues;
    assert!(!format!("{:?}", of(Check::T13, &issues)).contains("several.pem"));
}

#[test]
fn the_key_of_a_trusted_root_weighs_wherever_it_stands() {
    for (source, word) in [("app:1", "image"), ("host", "host"), ("rootfs:/srv/root", "folder")] {
        let mut image = Image::new();
        image.survey.source = source.to_owned();
        let root = Draft::root("Test Root");
        image.pem(BUNDLE, &[&root]);
        image.key("/srv/app/tests/ca.key", Some(root.key));
        image.survey.files.get_mut("/srv/app/tests/ca.key").unwrap().mode = 0o600;
        let found = summaries(Check::T13, &image);
        let end = format!("of Test Root, a root that the {word} trusts");
        assert!(matches!(&found[..], [(Severity::Critical, text)] if text.ends_with(&end)), "{found:?}");
    }
}

#[test]
fn what_no_program_reads_is_one_remark_and_no_other() {
    let mut image = Image::new();
    let (old, corp) = (Draft { until: -1, ..Draft::root("Old") }, Draft::root("Corp"));
    image.pem(BUNDLE, &[&corp]);
    image.store("/opt/app/cacerts", Format::Jks, &[&old]);
    image.pem("/srv/src/tests/old.pem", &[&old]);
    image.store("/srv/bin/program", Format::CompiledIn, &[&Draft { v1: true, ..Draft::root("Pinned") }]);
    let curl = [reads("curl", Runtime::Curl, None, &[CertId(0)], BUNDLE)];
    let reference = Reference::default();
    let issues = audit(question(&image.survey, &reference, &curl)).issues;
    assert_eq!((of(Check::T01, &issues).len(), of(Check::T05, &issues).len()), (0, 0), "{issues:#?}");
    let about: BTreeSet<&str> = of(Check::T14, &issues).iter().map(|issue| issue.about.as_str()).collect();
    assert_eq!(about, ["loose", "unread"].into());
    assert_eq!(of(Check::T09, &issues).len(), 1);
    // As soon as a program reads it, it counts.
    let java = [reads("Java 17", Runtime::Java, Some("17"), &[CertId(1)], "/opt/app/cacerts")];
    let issues = audit(question(&image.survey, &reference, &java)).issues;
    assert_eq!(only(Check::T01, &issues).severity, Severity::Error);
    assert!(only(Check::T01, &issues).places.iter().all(|place| place.path == "/opt/app/cacerts"));
}

#[test]
fn keys_are_never_shown_and_encrypted_ones_weigh_less() {
    let mut image = Image::new();
    let key = KeyFound {
        form: "PKCS#8".to_owned(),
        encrypted: true,
        public_key: None,
        line: Some(3),
        alias: Some("server".to_owned()),
    };
    image.store("/app/server.jks", Format::Jks, &[]).keys.push(key);
    let issues = found(&image);
    let issue = only(Check::T13, &issues);
    assert_eq!((issue.severity, issue.places[0].line), (Severity::Error, Some(3)));
    assert_eq!(issue.about, "/app/server.jks#server");
}

#[test]
fn anchors_that_did_not_get_into_the_bundle() {
    let mut image = Image::new();
    let (root, other) = (Draft::root("Corp"), Draft::root("Other"));
    image.text("/etc/os-release", "NAME=x\nID=debian\n");
    image.pem(BUNDLE, &[&other]);
    image.pem("/usr/local/share/ca-certificates/corp.crt", &[&root]);
    let found = summaries(Check::T14, &image);
    assert!(matches!(&found[..], [(Severity::Warn, text)] if text.contains("has not run since")), "{found:?}");
    let mut misnamed = Image::new();
    misnamed.pem(BUNDLE, &[&other]);
    misnamed.pem("/usr/local/share/ca-certificates/corp.pem", &[&root]);
    assert!(summaries(Check::T14, &misnamed)[0].1.contains("only names that end in .crt"));
    misnamed.text("/etc/os-release", "ID=alpine\n");
    assert!(summaries(Check::T14, &misnamed)[0].1.contains("has not run since"));
    image.pem(BUNDLE, &[&root, &other]);
    assert_eq!(summaries(Check::T14, &image), []);
}

#[test]
fn roots_that_nothing_reads() {
    let mut image = Image::new();
    image.pem("/app/corp.pem", &[&Draft::root("Corp")]);
    let found = summaries(Check::T14, &image);
    assert_eq!(
        found,
        [(
            Severity::Info,
            "1 private root is there, but no program is known to read it: Corp (/app/corp.pem)".to_owned()
        )]
    );
    // What a program reads is a store wherever it is.
    let readers = [reads("Node 20", Runtime::Node, None, &[CertId(0)], "/app/corp.pem")];
    let reference = Reference::default();
    let issues = audit(question(&image.survey, &reference, &readers)).issues;
    assert_eq!((of(Check::T14, &issues).len(), of(Check::T09, &issues).len()), (0, 1));
}

#[test]
fn distrusted_entries_are_no_roots() {
    let mut image = Image::new();
    let store = image.pem(BUNDLE, &[&Draft { until: -1, ..Draft::root("Old") }]);
    store.entries[0].bits = Some(crate::trust::TrustBits { distrusted: true, ..Default::default() });
    assert_eq!(summaries(Check::T01, &image), []);
    let entry = Entry { is_anchor: false, bits: None, ..image.survey.store(BUNDLE).unwrap().entries[0].clone() };
    image.pem(BUNDLE, &[]).entries.push(entry);
    assert_eq!(summaries(Check::T01, &image), []);
}

#[test]
fn set_uid_helpers() {
    let mut image = Image::new();
    image.program("/kamikaze", &[]).mode = 0o4755;
    image.program("/usr/bin/su", &[]).mode = 0o4755;
    image.program("/usr/bin/curl", &[]).mode = 0o755;
    let found = summaries(Check::T17, &image);
    assert!(matches!(&found[..], [(Severity::Warn, text)] if text.starts_with("/kamikaze")), "{found:?}");
}
