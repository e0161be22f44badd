//! Connections that do not work, and what is said about them.

use sidelight_model::finding::Cause;
use sidelight_testkit::pki::client_config;
use sidelight_testkit::process::run;
use sidelight_testkit::talk::Line;
use sidelight_testkit::{Issuer, Leaf, Origin, netns};

use crate::stage::{self, Stage};

#[test]
fn a_client_that_does_not_trust() {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("127.0.0.1:0", &["http/1.1"]);
    let url = format!("https://origin.test:{}/", origin.address().port());
    for version in ["1.2", "1.3"] {
        let mut curl = stage.command("curl");
        curl.args(["--silent", "--tls-max", version, "--tlsv1.2", &url]);
        assert!(!run(&mut curl).status.success());
    }
    let imported = stage.import();
    let causes: Vec<_> = imported.heard.findings.iter().map(|it| it.cause).collect();
    assert_eq!(causes, [Cause::RootNotTrusted; 2], "{:#?}", imported.summary());
    assert!(imported.heard.findings.iter().all(|it| it.evidence()[0].value == "unknown_ca (48)"));
    assert_eq!(imported.report.ledger.failed, 2);
}

#[test]
fn an_alert_that_cannot_be_opened_is_known_by_its_length() {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("127.0.0.1:0", &["http/1.1"]);
    let address = origin.address();
    let stranger = Issuer::root("Another Root").pem().to_owned();
    let refused = netns::within(stage.namespace.name(), move || {
        Line::to(address).try_tls("origin.test", &client_config(&stranger, &["http/1.1"])).is_err()
    });
    assert!(refused);
    stage.stop();
    let imported = stage::import(&stage.path("capture"), &[]);
    let texts: Vec<_> = imported.heard.findings.iter().map(|it| (it.cause, it.evidence()[0].value.clone())).collect();
    assert_eq!(texts, [(Cause::RootNotTrusted, "19 sealed bytes".to_owned())], "{:#?}", imported.summary());
}

#[test]
fn certificates_that_are_wrong() {
    for (leaf, cause) in [
        (Leaf::named(&["other.test"]), Cause::HostnameMismatch),
        (Leaf::named(&["origin.test"]).expired(), Cause::CertExpired),
        (Leaf::named(&["origin.test"]).not_yet_valid(), Cause::CertNotYetValid),
    ] {
        let mut stage = Stage::new(&[]);
        let identity = stage.root.issue(&leaf);
        let origin = Origin::on(stage.namespace.listen("127.0.0.1:0"), &identity, &["http/1.1"]);
        let url = format!("https://origin.test:{}/", origin.address().port());
        // In TLS 1.2 the certificates stand in the clear.
        assert!(!run(&mut stage.curl(&["--tls-max", "1.2", &url])).status.success());
        let imported = stage.import();
        let causes: Vec<_> = imported.heard.findings.iter().map(|it| it.cause).collect();
        assert_eq!(causes, [cause], "{:#?}", imported.summary());
    }
}

#[test]
fn nobody_there_or_no_tls_there() {
    let mut stage = Stage::new(&[]);
    assert!(!run(&mut stage.curl(&["http://127.0.0.1:9/"])).status.success());
    let listener = stage.namespace.listen("127.0.0.1:0");
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut python = stage.command("python3");
    python.args(["-m", "http.server", "--bind", "127.0.0.1", &address.port().to_string()]);
    let _server = stage.server(&mut python, address);
    assert!(!run(&mut stage.curl(&[&format!("https://{address}/")])).status.success());
    let imported = stage.import();
    let causes: Vec<_> = imported.heard.findings.iter().map(|it| it.cause).collect();
    // Whether the test's server is ready is found out by connecting, which leaves refused connections of its own.
    assert!(causes.contains(&Cause::ConnectionRefused), "{:#?}", imported.summary());
    assert_eq!(causes.last(), Some(&Cause::PlainHttp), "{:#?}", imported.summary());
}
