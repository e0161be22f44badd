//! What happens before a registry can answer: names, connections, proxies, TLS; at the registry, its token server and its storage.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use sidelight_testkit::process::free_port;
use sidelight_testkit::registry::{CONFIG, LAYER, digest, good, refusal, reply, serve};
use sidelight_testkit::talk::Service;
use sidelight_testkit::{Identity, Issuer, Leaf};

use super::program::{document, fault, sidelight};

/// Checks as podman would, trusting one root.
fn check(home: &Path, root: &Path, image: &str, environment: &[(&str, &str)]) -> sidelight_testkit::process::Finished {
    let (home_text, root) = (home.to_str().unwrap(), root.to_str().unwrap());
    let arguments =
        ["--json", "registry", "check", image, "--as", "podman", "--host-root", home_text, "--registry-roots", root];
    sidelight(home, &arguments, environment)
}

fn config(identity: &Identity) -> Option<Arc<rustls::ServerConfig>> {
    Some(identity.server_config(&["http/1.1"]))
}

#[test]
fn each_fault_of_a_certificate_is_named_as_podman_meets_it() {
    let home = tempfile::tempdir().unwrap();
    let (root, other) = (Issuer::root("Registry Root"), Issuer::root("Another Root"));
    let trusted = root.write_to(&home.path().join("root.pem"));
    let leaf = || Leaf::named(&["localhost"]);
    let table = [
        ("ok", root.issue(&leaf())),
        ("root_not_trusted", other.issue(&leaf())),
        ("cert_expired", root.issue(&leaf().expired())),
        ("cert_not_yet_valid", root.issue(&leaf().not_yet_valid())),
        ("hostname_mismatch", root.issue(&Leaf::named(&["other.test"]))),
        ("self_signed_leaf", leaf().self_signed()),
        ("leaf_not_for_server", root.issue(&leaf().for_clients())),
    ];
    for (cause, identity) in table {
        let service = serve(config(&identity), good);
        let image = format!("localhost:{}/team/app:1", service.address.port());
        let checked = check(home.path(), &trusted, &image, &[]);
        assert_eq!(fault(&checked, cause), None);
        if cause == "root_not_trusted" {
            let text = document(&checked).to_string();
            assert!(text.contains(&format!("certs.d/localhost:{}/ca.crt", service.address.port())), "{text}");
            assert!(text.contains("signed by unknown authority"), "what podman prints: {text}");
        }
    }
}

#[test]
fn each_way_in_which_no_tls_comes_about_is_named() {
    let home = tempfile::tempdir().unwrap();
    let trusted = Issuer::root("Registry Root").write_to(&home.path().join("root.pem"));
    let plain = serve(None, good);
    let ssh = Service::start(|mut line| line.say("SSH-2.0-Test\r\n"));
    let closed = Service::start(|mut line| {
        let _ = line.read(&mut [0; 4096]);
    });
    let at = |port: u16| format!("localhost:{port}/team/app:1");
    let table = [
        ("plain_http", at(plain.address.port())),
        ("not_tls", at(ssh.address.port())),
        ("connection_closed", at(closed.address.port())),
        ("connection_refused", at(free_port())),
        ("dns_failure", "nosuch.invalid/team/app:1".to_owned()),
    ];
    for (cause, image) in table {
        assert_eq!(fault(&check(home.path(), &trusted, &image, &[]), cause), None);
    }
}

#[test]
fn each_refusal_of_a_proxy_is_named() {
    let home = tempfile::tempdir().unwrap();
    let trusted = Issuer::root("Registry Root").write_to(&home.path().join("root.pem"));
    let proxy = |answer: &'static str| {
        Service::start(move |mut line| {
            line.hear_head();
            line.say(answer);
        })
    };
    let login = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let page = proxy("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>");
    let absent = format!("127.0.0.1:{}", free_port());
    for (cause, place) in
        [("proxy_auth_required", login.place()), ("proxy_denied", page.place()), ("proxy_unreachable", absent)]
    {
        let proxy = format!("http://{place}");
        let checked = check(home.path(), &trusted, "registry.invalid/team/app:1", &[("HTTPS_PROXY", &proxy)]);
        assert_eq!(fault(&checked, cause), None);
    }
}

#[test]
fn token_server_and_storage_are_judged_apart() {
    let home = tempfile::tempdir().unwrap();
    let (root, other) = (Issuer::root("Registry Root"), Issuer::root("Storage Root"));
    let trusted = root.write_to(&home.path().join("root.pem"));
    let leaf = || Leaf::named(&["localhost"]);
    let storage = serve(config(&other.issue(&leaf())), |asked| {
        reply(200, &[], if asked.path.ends_with(&digest(CONFIG)) { CONFIG } else { LAYER })
    });
    let port = storage.address.port();
    let redirecting = serve(config(&root.issue(&leaf())), move |asked| match asked.path.contains("/blobs/") {
        true => reply(307, &[("location", &format!("https://localhost:{port}{}", asked.path))], ""),
        false => good(asked),
    });
    let image = format!("localhost:{}/team/app:1", redirecting.address.port());
    let checked = check(home.path(), &trusted, &image, &[]);
    assert_eq!(fault(&checked, "root_not_trusted"), None);
    let bad = |document: &serde_json::Value| {
        let steps = document["ways"][0]["steps"].as_array().unwrap().clone();
        steps.into_iter().find(|step| step["result"] == "bad").unwrap()
    };
    let step = bad(&document(&checked));
    assert_eq!((&step["party"], &step["at"]), (&"storage".into(), &format!("localhost:{port}").into()), "{checked}");
    let nobody = free_port();
    let challenging = serve(config(&root.issue(&leaf())), move |_| {
        refusal(401, "UNAUTHORIZED", "no")
            .with("www-authenticate", &format!(r#"Bearer realm="https://localhost:{nobody}/token",service="s""#))
    });
    let image = format!("localhost:{}/team/app:1", challenging.address.port());
    let checked = check(home.path(), &trusted, &image, &[]);
    assert_eq!(fault(&checked, "connection_refused"), None);
    assert_eq!(bad(&document(&checked))["party"], "token server", "{checked}");
}
