//! What counts as an anchor, decided by the real clients: OpenSSL, curl, GnuTLS, Python to 3.12 and from 3.13, Node, Go, Java and rustls
//! shake hands with servers whose root has one defect each, and `trust verify` must have foretold every cell.

mod anchors;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anchors::clients::{self, Client};
use anchors::pki::{self, Case};
use anchors::server::Server;
use serde_json::Value;
use sidelight_model::flow::Host;
use sidelight_model::tofu::refusals;

/// What `trust verify` says of each client.
fn foretold(folder: &Path, case: &Case) -> BTreeMap<String, (bool, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.env_clear().env("HOME", folder).args(["trust", "verify", "--json", "--name", "localhost", "--roots"]);
    let output = command.arg(&case.roots).arg("--chain").arg(&case.chain).output().expect("sidelight starts");
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", case.name, String::from_utf8_lossy(&output.stderr)));
    let clients = document["clients"].as_array().expect("clients");
    let text = |client: &Value, member: &str| client[member].as_str().unwrap_or_default().to_owned();
    let told = |client: &Value| (text(client, "client"), (client["result"] == "accept", text(client, "reason")));
    clients.iter().map(told).collect()
}

#[test]
fn every_client_judges_every_anchor_as_foretold() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = pki::cases(folder.path());
    let servers: Vec<_> = cases.iter().map(|case| Server::start(&case.chain, &case.key)).collect();
    let told: Vec<_> = cases.iter().map(|case| foretold(folder.path(), case)).collect();
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for client in clients::all() {
        let answers = client.ask(folder.path(), &cases, &servers);
        assert_eq!(answers.len(), cases.len(), "{}: {answers:?}", client.name());
        for ((case, answer), told) in cases.iter().zip(&answers).zip(&told) {
            cells += 1;
            eprintln!("{} × {}: {answer}", case.name, client.name());
            let (expected, why) = &told[client.name()];
            if answer.as_str().starts_with("ok") != *expected {
                let verdict = if *expected { "accepts" } else { "refuses" };
                wrong.push(format!(
                    "{} × {}: foretold that it {verdict} ({why}), it says: {answer}",
                    case.name,
                    client.name()
                ));
            }
        }
    }
    assert_eq!(cells, cases.len() * Client::COUNT);
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The clients that first use says will refuse a case.
fn foreseen(case: &Case) -> Vec<&'static str> {
    let ders = |path: &Path| -> Vec<Vec<u8>> {
        let (blocks, _) = sidelight_wire::pem::read(&std::fs::read(path).expect("certificates"));
        blocks.into_iter().map(|block| block.data).collect()
    };
    let host = Host::parse("localhost").expect("a host");
    let found = refusals(&ders(&case.chain), &ders(&case.roots), &host, std::time::SystemTime::now().into());
    found.into_iter().map(|refusing| refusing.client.name()).collect()
}

#[test]
fn an_adopted_ca_speaks_for_its_scope_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cases, accepts): (Vec<Case>, Vec<_>) =
        anchors::wrapped::cases(folder.path()).into_iter().map(|it| (it.case, it.accepts)).unzip();
    let servers: Vec<_> = cases.iter().map(|case| Server::start(&case.chain, &case.key)).collect();
    // What a start of `tofu` warns of, before anything is installed.
    let refusing: Vec<_> = cases.iter().map(foreseen).collect();
    let mut wrong = Vec::new();
    for client in clients::all() {
        let answers = client.ask(folder.path(), &cases, &servers);
        assert_eq!(answers.len(), cases.len(), "{}: {answers:?}", client.name());
        for (((case, answer), accepts), refusing) in cases.iter().zip(&answers).zip(&accepts).zip(&refusing) {
            eprintln!("{} × {}: {answer}", case.name, client.name());
            if answer.as_str().starts_with("ok") != accepts(client) {
                wrong.push(format!("{} × {}: {answer}", case.name, client.name()));
            }
            if refusing.contains(&client.name()) == accepts(client) {
                wrong.push(format!("{} × {}: not foreseen ({refusing:?})", case.name, client.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
