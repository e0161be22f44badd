//! The table against itself and against what people paste.

use std::collections::BTreeSet;

use super::*;
use crate::finding::Cause;

fn causes(text: &str) -> Vec<Cause> {
    explain(Table::builtin(), text).candidates.iter().map(|it| it.entry.cause).collect()
}

fn subject() -> Subject {
    Subject::new("registry.test/team/app:1".parse().unwrap(), Some("registry.test".to_owned()), Some(Client::Docker))
}

/// Which causes the table tells apart by no message of clients: they are only ever found among others.
const NEVER_FIRST: [Cause; 5] = [
    Cause::LargeClientHelloDropped,
    Cause::SniFiltered,
    Cause::RootsNotReread,
    Cause::ChallengeMissing,
    Cause::NotARegistry,
];

#[test]
fn the_table_can_be_read_and_every_entry_is_whole() {
    assert_eq!(table::problems(), Vec::<String>::new());
    let entries = Table::builtin().entries();
    assert!(entries.len() >= 60, "{}", entries.len());
    let codes: BTreeSet<Cause> = entries.iter().map(|entry| entry.cause).collect();
    assert_eq!(codes.len(), entries.len(), "a cause has two entries");
    for entry in entries {
        let code = entry.cause.code();
        assert!(!entry.patterns.is_empty() && !entry.fixes.is_empty(), "{code}: no pattern, or no fix");
        assert!(entry.means.len() > 20 && entry.seen.len() > 20, "{code}: says nothing");
        let proofs = entry.samples.len() + entry.among.len() + entry.prints.len();
        assert!(proofs > 0, "{code}: no message proves it");
        let firsts = entry.samples.len()
            + entry.prints.values().filter(|it| causes(&filled(it)).first() == Some(&entry.cause)).count();
        assert!(firsts > 0 || NEVER_FIRST.contains(&entry.cause), "{code}: first of no message");
        for text in entry.fixes.iter().flat_map(|(a, b)| [a, b]).chain([&entry.means, &entry.seen]) {
            let left = subject().command(text);
            assert!(
                !["{image}", "{host}", "{name}", "{client}"].iter().any(|key| left.contains(key)),
                "{code}: {left}"
            );
        }
    }
}

fn filled(template: &str) -> String {
    subject().command(template)
}

#[test]
fn every_sample_is_explained_by_its_entry() {
    let mut wrong = Vec::new();
    for entry in Table::builtin().entries() {
        for sample in &entry.samples {
            let found = causes(sample);
            if found.first() != Some(&entry.cause) {
                wrong.push(format!("{}: {found:?}: {sample}", entry.cause.code()));
            }
        }
        for sample in entry.among.iter().cloned().chain(entry.prints.values().map(|it| filled(it))) {
            let found = causes(&sample);
            if !found.contains(&entry.cause) {
                wrong.push(format!("{} (among): {found:?}: {sample}", entry.cause.code()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_clients_print_is_known_as_theirs() {
    for entry in Table::builtin().entries() {
        for (who, words) in &entry.prints {
            let found = explain(Table::builtin(), &filled(words)).subject.client;
            assert!(found.is_none_or(|client| client.name() == who), "{}: {found:?} is not {who}", entry.cause.code());
        }
    }
}

const DESCRIBE: &str = r#"Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  58s                default-scheduler  Successfully assigned default/web to node-1
  Normal   Pulling    15s (x3 over 57s)  kubelet            Pulling image "registry.corp:5443/team/web:2"
  Warning  Failed     15s (x3 over 57s)  kubelet            Failed to pull image "registry.corp:5443/team/web:2": rpc error: code = Unknown desc = failed to pull and unpack image "registry.corp:5443/team/web:2": failed to resolve reference "registry.corp:5443/team/web:2": failed to do request: Head "https://registry.corp:5443/v2/team/web/manifests/2": tls: failed to verify certificate: x509: certificate signed by unknown authority
  Warning  Failed     15s (x3 over 57s)  kubelet            Error: ErrImagePull
  Normal   BackOff    4s (x4 over 56s)   kubelet            Back-off pulling image "registry.corp:5443/team/web:2"
  Warning  Failed     4s (x4 over 56s)   kubelet            Error: ImagePullBackOff
"#;

#[test]
fn the_output_of_kubectl_describe_is_understood() {
    let found = explain(Table::builtin(), DESCRIBE);
    assert_eq!(found.candidates[0].entry.cause, Cause::RootNotTrusted);
    assert!(!found.candidates.iter().any(|it| it.entry.cause == Cause::ReasonElsewhere));
    assert_eq!(found.subject.image.unwrap().to_string(), "registry.corp:5443/team/web:2");
    assert_eq!(found.subject.host.unwrap(), "registry.corp:5443");
    assert_eq!(found.subject.client, Some(Client::Containerd));
}

#[test]
fn wrapping_colours_and_escapes_hide_nothing() {
    let plain =
        r#"Error response from daemon: Get "https://r.test/v2/": http: server gave HTTP response to HTTPS client"#;
    let json = format!(r#"{{"level":"error","msg":{:?}}}"#, format!("pull: {plain:?}"));
    let wrapped: String =
        plain.chars().collect::<Vec<_>>().chunks(20).map(|it| it.iter().collect::<String>() + "\n").collect();
    let coloured = plain.split(' ').map(|word| format!("\u{1b}[31m{word}\u{1b}[0m ")).collect::<String>();
    for text in [plain.to_owned(), json, wrapped, coloured, plain.to_uppercase()] {
        assert_eq!(causes(&text).first(), Some(&Cause::PlainHttp), "{text}");
    }
}

#[test]
fn where_it_failed_is_told_from_the_registry() {
    let of = |text: &str| explain(Table::builtin(), text).subject;
    let token = of(
        r#"failed to resolve reference "r.test/a:1": failed to authorize: failed to fetch anonymous token: Get "https://auth.test/token?scope=repository%3Aa%3Apull&service=r": x509: certificate signed by unknown authority"#,
    );
    assert_eq!(token.host.as_deref(), Some("auth.test"));
    assert!(token.failed_elsewhere());
    let same = of(r#"Error response from daemon: Get "https://r.test/v2/": EOF"#);
    assert!(!same.failed_elsewhere() && same.image.is_none());
    let name = of("dial tcp: lookup registry.corp on 10.96.0.10:53: no such host");
    assert_eq!(name.host.as_deref(), Some("registry.corp"));
}

#[test]
fn an_unknown_text_is_said_to_be_unknown_and_near_ones_are_named() {
    let found = explain(Table::builtin(), "the printer is on fire");
    assert!(found.candidates.is_empty() && found.nearest.is_empty());
    let found = explain(Table::builtin(), "certificate of unknown authority was signed yesterday (x509)");
    assert!(found.candidates.is_empty(), "{:?}", found.candidates);
    assert_eq!(found.nearest[0].entry.cause, Cause::RootNotTrusted);
}

proptest::proptest! {
    #[test]
    fn nothing_breaks_it(text in "\\PC{0,200}", noise in proptest::collection::vec(proptest::prelude::any::<char>(), 0..200)) {
        let noise: String = noise.into_iter().collect();
        explain(Table::builtin(), &text);
        explain(Table::builtin(), &format!("{noise}x509: {text}\\u12"));
    }
}
