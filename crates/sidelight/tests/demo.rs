//! The demonstration, which is a whole interception: every kind of conversation is seen, failures are explained, no secret is
//! shown. In: `sidelight demo`. Out: its streams.

use std::process::Command;

use serde_json::Value;

/// What the demo's clients and services say and what must never be shown.
const SECRETS: &[&str] =
    &["correct horse battery staple", "c2hvcC1hY2Nlc3M", "8e1f0c5d77", "eyJhbGciOiJub25lIn0.eyJhY2Nlc3MiOiJwdWxsIn0"];

/// Runs the demo with these arguments; gives its standard output and error.
fn demo(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidelight"))
        .arg("demo")
        .args(arguments)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    (out, err)
}

#[test]
fn json_tells_every_exchange_finding_and_fate() {
    let (out, err) = demo(&["--json", "-vv"]);
    for secret in SECRETS {
        assert!(!out.contains(secret) && !err.contains(secret), "{secret} is shown");
    }
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    assert!(lines.iter().all(|line| line["v"] == 1 && line["type"].is_string()));
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();

    let told: Vec<(String, String, i64)> = of("exchange")
        .iter()
        .map(|it| {
            let url = it["url"].as_str().expect("a URL").split('/').skip(3).collect::<Vec<_>>().join("/");
            let path = url.split(['?', ':']).next().unwrap_or_default().to_owned();
            (it["method"].as_str().expect("a method").to_owned(), path, it["status"].as_i64().expect("a status"))
        })
        .collect();
    for (method, path, status) in [
        ("POST", "login", 200),
        ("GET", "catalogue", 200),
        ("GET", "basket", 404),
        ("GET", "logo.png", 200),
        ("GET", "events", 200),
        ("POST", "shop.Stock/Watch", 200),
        ("GET", "chat", 101),
        ("GET", "v2/", 401),
        ("GET", "token", 200),
        ("GET", "v2/demo/hello/manifests/latest", 200),
        ("GET", "v2/demo/hello/blobs/sha256", 200),
    ] {
        assert!(told.contains(&(method.into(), path.into(), status)), "{method} {path} {status} is not in {told:?}");
    }
    let catalogue =
        of("exchange").into_iter().find(|it| it["url"].as_str().is_some_and(|url| url.ends_with("/catalogue")));
    let body = &catalogue.expect("the catalogue")["response"]["body"];
    assert_eq!(body["decoded_from"][0], "gzip");
    assert!(body["text"].as_str().is_some_and(|text| text.contains("teapot no. 40")), "{body}");
    let grpc = of("exchange").into_iter().find(|it| it["grpc"].is_object()).expect("a gRPC call");
    assert_eq!((&grpc["grpc"]["status"], &grpc["grpc"]["responses"]), (&Value::from(0), &Value::from(3)));
    assert_eq!(of("event").len(), 3);
    assert_eq!(of("websocket").len(), 6);

    let mut causes: Vec<&str> = of("finding").iter().map(|it| it["cause"].as_str().expect("a cause")).collect();
    // A client may refuse more than once before it is left alone.
    causes.dedup();
    assert_eq!(causes, ["cert_expired", "tls_intercepted"]);
    let ledger = of("ledger").pop().expect("a ledger");
    assert_eq!((&ledger["relayed"], &ledger["bytes_lost"]), (&1.into(), &0.into()), "{ledger}");
    assert!(ledger["failed"].as_u64() >= Some(2), "{ledger}");
    assert!(
        ledger["pinned"][0]["services"][0].as_str().is_some_and(|name| name.starts_with("pinned.test:")),
        "{ledger}"
    );
}

/// Adds the names of all members of `value`, at any depth.
fn members(value: &Value, names: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            names.insert(name.clone());
            members(value, names);
        }),
        Value::Array(items) => items.iter().for_each(|item| members(item, names)),
        _ => {}
    }
}

#[test]
fn every_member_is_documented() {
    const PAGE: &str = include_str!("../../../docs/json.md");
    let (out, _) = demo(&["--json", "-vv"]);
    let mut names = std::collections::BTreeSet::new();
    for line in out.lines() {
        members(&serde_json::from_str(line).expect("a JSON object a line"), &mut names);
    }
    let missing: Vec<&String> = names.iter().filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert!(names.len() > 50 && missing.is_empty(), "not in docs/json.md: {missing:?}");
}

#[test]
fn text_tells_the_same_without_secrets() {
    let (out, err) = demo(&["-vv"]);
    for secret in SECRETS {
        assert!(!out.contains(secret) && !err.contains(secret), "{secret} is shown");
    }
    assert!(out.contains("POST   200 https://shop.test:"), "{out}");
    assert!(out.contains("the certificate expired"), "{out}");
    assert!(out.contains("pins the certificate of pinned.test:"), "{out}");
    assert!(err.contains("# A container image is pulled"), "{err}");
    // With --show-secrets they are there: so they were hidden, not absent.
    let (out, _) = demo(&["-vv", "--show-secrets"]);
    for secret in SECRETS {
        assert!(out.contains(secret), "{secret} is not shown");
    }
}

#[test]
fn quiet_leaves_findings_alone() {
    let (out, err) = demo(&["--quiet"]);
    assert_eq!(err, "");
    assert!(out.starts_with("✗ old.test:"), "{out}");
    assert!(!out.contains("GET"), "{out}");
}

#[test]
fn it_is_kept_only_when_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("demo.sidelight");
    let (_, err) = demo(&["--quiet"]);
    assert!(!err.contains("recorded in"), "{err}");
    demo(&["--quiet", "--store", store.to_str().expect("UTF-8")]);
    let flows = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        let done =
            command.arg("flows").args(arguments).arg("--store").arg(&store).output().expect("the program starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("UTF-8")
    };
    let list = flows(&["list", "--json"]);
    let kinds = |kind: &str| list.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count();
    assert_eq!((kinds("exchange"), kinds("connection")), (12, 3), "{list}");
    assert_eq!(flows(&["list", "--filter", "~registry pull"]).lines().count(), 3);
    assert_eq!(flows(&["list", "--filter", "~cause cert_expired"]).lines().count(), 1);
    let chat = flows(&["show", "7"]);
    assert!(chat.contains("/chat") && chat.contains("101"), "{chat}");
    for secret in SECRETS {
        assert!(!flows(&["show", "1.."]).contains(secret), "{secret} is shown");
    }
}
