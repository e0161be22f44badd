//! What runtimes trust, as text: the answer first, then what is lost, then where it is read.

use sidelight_model::trust::Survey;
use sidelight_model::trust::effective::{Effective, Lost, Root, Source, SourceKind, SourceState};
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{CertId, Runtime};

use super::effective::{render, who_has};
use crate::render::fixtures::look;

fn survey() -> Survey {
    let mut survey = Survey { source: "app.tar".into(), ..Survey::default() };
    let roots = Reference::builtin().all().iter().filter_map(|root| root.certificate.as_ref());
    for certificate in roots.take(2) {
        survey.pool.add(&certificate.der).unwrap();
    }
    survey
}

fn go() -> Effective {
    let bundle = "/etc/ssl/certs/ca-certificates.crt".to_owned();
    let source = Source {
        path: bundle.clone(),
        leads_to: None,
        kind: SourceKind::File,
        why: "the first of Go's files that is there (place 1 of 6)".into(),
        state: SourceState::Gives(1),
    };
    Effective {
        runtime: Runtime::Go,
        label: "Go".into(),
        version: Some("go1.27.3".into()),
        program: Some("/app/ser\u{1b}[31mver".into()),
        sources: vec![source],
        roots: vec![Root { cert: CertId(0), files: vec![bundle.clone()], refused: None }],
        lost: vec![Lost {
            cert: Some(CertId(1)),
            file: bundle,
            line: Some(9),
            why: "line 9: BEGIN does not stand at the start of its line".into(),
            silent: true,
            fix: Some("remove the byte order mark".into()),
        }],
        fails: None,
        notes: vec!["SSL_CERT_FILE is set".into()],
    }
}

#[test]
fn the_answer_comes_first_and_losses_before_sources() {
    let (survey, look) = (survey(), look(None, 0));
    let text = render(&look, &survey, &[go()], false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Go 1.27.3 (/app/ser\\x1b[31mver) has 1 root");
    let lost = survey.pool.get(CertId(1)).short_name().to_owned();
    assert_eq!(lines[1], format!("    ! silently loses {lost}"));
    assert!(lines[2].trim_start().starts_with("/etc/ssl/certs/ca-certificates.crt: line 9: BEGIN"), "{text}");
    assert_eq!(lines[3].trim(), "fix: remove the byte order mark");
    assert!(lines[4].contains("reads /etc/ssl/certs/ca-certificates.crt  1  (the first of Go's files"), "{text}");
    assert_eq!(lines[5].trim(), "note: SSL_CERT_FILE is set");
}

#[test]
fn a_runtime_that_can_verify_nobody_says_why() {
    let (survey, look) = (survey(), look(None, 0));
    let mut curl = go();
    curl.fails = Some("/x is not there: every connection ends with curl's error 77".into());
    let text = render(&look, &survey, &[curl], false);
    assert!(text.lines().next().is_some_and(|line| line.contains("✗ can verify nobody: /x is not there")), "{text}");
    assert!(render(&look, &survey, &[], false).starts_with("no program that uses TLS was found in app.tar"));
}

#[test]
fn each_runtime_answers_for_one_root() {
    let look = look(None, 0);
    let yes = who_has(&look, &[go()], &[CertId(0)]);
    assert_eq!(yes, "    ✓ Go: yes, from /etc/ssl/certs/ca-certificates.crt\n");
    let no = who_has(&look, &[go()], &[CertId(1)]);
    assert!(no.starts_with("    ✗ Go: no; /etc/ssl/certs/ca-certificates.crt: line 9"), "{no}");
}
