//! T14, T15: variables, files of settings, entrypoints and build steps.

use super::*;
use crate::trust::Layer;

fn env(name: &str, value: &str) -> Image {
    let mut image = Image::new();
    image.pem("/roots.pem", &[&Draft { constrained: true, ..Draft::root("R") }]);
    image.env(name, value);
    image
}

fn first(check: Check, image: &Image) -> Option<(Severity, String)> {
    let issues = found(image);
    of(check, &issues).iter().find(|issue| issue.about != "loose").map(|issue| (issue.severity, issue.summary.clone()))
}

#[test]
fn variables_that_point_nowhere() {
    let nowhere = first(Check::T14, &env("SSL_CERT_FILE", "/nowhere.pem"));
    assert_eq!(nowhere, Some((Severity::Warn, "SSL_CERT_FILE points to /nowhere.pem, which is not there".to_owned())));
    assert_eq!(first(Check::T14, &env("SSL_CERT_FILE", "/roots.pem")), None);
    assert_eq!(first(Check::T14, &env("SSL_CERT_FILE", "")), None);
    assert!(
        first(Check::T14, &env("SSL_CERT_DIR", "/certs:/more")).unwrap().1.contains("where there is no certificate")
    );
    assert_eq!(first(Check::T14, &env("SSL_CERT_DIR", "/certs:/")), None);
    let java = first(Check::T14, &env("JAVA_TOOL_OPTIONS", "-Xmx1g -Djavax.net.ssl.trustStore=/no.jks")).unwrap();
    assert!(java.0 == Severity::Error && java.1.starts_with("JAVA_TOOL_OPTIONS makes Java trust /no.jks"), "{java:?}");
    let mut entry = Image::new();
    entry.survey.config.entrypoint = vec!["java".to_owned(), "-Djavax.net.ssl.trustStore=/no.jks".to_owned()];
    assert!(first(Check::T14, &entry).unwrap().1.starts_with("the entrypoint makes Java trust /no.jks"));
    let mut relative = env("NODE_EXTRA_CA_CERTS", "roots.pem");
    relative.survey.config.working_dir = "/".to_owned();
    assert_eq!(first(Check::T14, &relative), None);
}

#[test]
fn a_program_left_without_roots_is_an_error() {
    let image = env("SSL_CERT_FILE", "/nowhere.pem");
    let readers = [reads("app (Rust)", Runtime::RustNative, None, &[], "/nowhere.pem")];
    let reference = Reference::default();
    let issues = audit(question(&image.survey, &reference, &readers)).issues;
    let issue = issues.iter().find(|issue| issue.about == "SSL_CERT_FILE").unwrap();
    assert_eq!(issue.severity, Severity::Error);
    assert!(issue.summary.ends_with("; app (Rust) is left without any root"), "{}", issue.summary);
}

#[test]
fn variables_that_switch_verification_off() {
    for (name, value, part) in [
        (
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "0",
            "Node verifies no certificate: NODE_TLS_REJECT_UNAUTHORIZED is set in the image's configuration",
        ),
        ("GIT_SSL_NO_VERIFY", "true", "git verifies no certificate"),
        ("PYTHONHTTPSVERIFY", "0", "Python's http.client"),
        ("npm_config_strict_ssl", "false", "npm verifies"),
        ("PIP_TRUSTED_HOST", "pypi.example", "pip does not verify these hosts"),
        ("VAULT_SKIP_VERIFY", "1", "vault"),
        ("MAVEN_OPTS", "-Dmaven.wagon.http.ssl.insecure=true", "Maven"),
        ("CURL_CA_BUNDLE", "", "requests"),
    ] {
        let found = first(Check::T15, &env(name, value));
        assert!(matches!(&found, Some((Severity::Error, text)) if text.contains(part)), "{name}: {found:?}");
    }
    for (name, value) in
        [("NODE_TLS_REJECT_UNAUTHORIZED", "1"), ("GIT_SSL_NO_VERIFY", "0"), ("OTHER", "curl -k https://x")]
    {
        assert_eq!(first(Check::T15, &env(name, value)), None, "{name}");
    }
}

#[test]
fn files_scripts_and_build_steps_that_switch_verification_off() {
    let mut image = Image::new();
    image.text("/home/app/.curlrc", "# mine\nsilent\ninsecure\n");
    image.text("/etc/profile.d/x.sh", "export GIT_SSL_NO_VERIFY=1\n");
    image.text("/entrypoint.sh", "#!/bin/sh\n# curl -k\ncurl -k https://x\n");
    image.survey.config.cmd = vec!["node".to_owned(), "--use-openssl-ca".to_owned()];
    image.survey.layers =
        vec![Layer { created_by: Some("RUN curl -sk https://x | sh".to_owned()), ..Layer::default() }];
    let issues = found(&image);
    let told: Vec<(&str, Severity, Option<usize>)> = of(Check::T15, &issues)
        .iter()
        .map(|issue| (issue.about.as_str(), issue.severity, issue.places[0].line))
        .collect();
    assert_eq!(
        told,
        [
            ("/entrypoint.sh", Severity::Error, Some(3)),
            ("/home/app/.curlrc", Severity::Error, Some(3)),
            ("GIT_SSL_NO_VERIFY", Severity::Error, Some(1)),
            ("build", Severity::Warn, None),
        ]
    );
}
