//! What each runtime trusts in images of many kinds, against what `trust::effective` foretells. In: the programs that
//! `cargo xtask setup` installs, run by chroot in root file systems made for the purpose; it needs root. Out: every cell foretold, or a list of those that are not.

mod root;
mod scenes;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use root::Root;
use scenes::{Roots, SCENES, Scene};
use sidelight_model::trust::effective::{Situation, effective};
use sidelight_model::trust::{Runtime, Survey};
use sidelight_testkit::process::run_within;
use sidelight_testkit::{Leaf, Origin, peers};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// A client: its name, the rules that foretell it, and its command. `PORT` stands for one server, `PORTS` for all.
struct Client {
    name: &'static str,
    runtime: Runtime,
    line: &'static str,
}

const CLIENTS: &[Client] = &[
    Client {
        name: "openssl",
        runtime: Runtime::OpenSsl,
        line: "openssl s_client -connect localhost:PORT -verify_return_error",
    },
    Client { name: "curl", runtime: Runtime::Curl, line: "curl --silent --output /dev/null https://localhost:PORT/" },
    Client {
        name: "wget",
        runtime: Runtime::Wget,
        line: "wget --quiet --output-document /dev/null --tries 1 https://localhost:PORT/",
    },
    Client { name: "git", runtime: Runtime::Git, line: "/usr/bin/git ls-remote https://localhost:PORT/" },
    Client { name: "gnutls-cli", runtime: Runtime::GnuTls, line: "gnutls-cli --port PORT localhost" },
    Client { name: "Python", runtime: Runtime::Python, line: "python3.11 /peers/trust.py PORTS system=" },
    Client { name: "Node", runtime: Runtime::Node, line: "node /peers/trust.mjs PORTS default=" },
    Client { name: "Java", runtime: Runtime::Java, line: "java /peers/Trust.java PORTS system=" },
    Client { name: "Go", runtime: Runtime::Go, line: "/app/trust PORTS system=" },
    Client { name: "Rust", runtime: Runtime::RustNative, line: "/app/trust_rustls PORTS" },
];

#[test]
fn every_runtime_is_foretold_in_every_image() {
    let folder = TempDir::new().expect("a temporary folder");
    let roots = Roots::new(folder.path());
    let leaf = Leaf::named(&["localhost", "127.0.0.1"]);
    let servers: Vec<Origin> =
        roots.issuers.iter().map(|root| Origin::https("127.0.0.1:0", &root.issue(&leaf), &["http/1.1"])).collect();
    let addresses: Vec<SocketAddr> = servers.iter().map(Origin::address).collect();
    let go = peers::go_client("trust.go");
    let mut wrong = Vec::new();
    for (index, scene) in SCENES.iter().enumerate() {
        let mut root = Root::new(folder.path().join(format!("scene-{index}")));
        root.app(&go, "trust");
        root.app(env!("CARGO_BIN_EXE_trust_rustls").as_ref(), "trust_rustls");
        (scene.lay_out)(&root, &roots);
        let survey = root.survey(&scene.config());
        for client in CLIENTS {
            let is = client.ask(&root, scene, &addresses);
            let foretold = foretold(&survey, client.runtime, &roots);
            println!("{}|{}|{is}|{foretold}", scene.name, client.name);
            if is != foretold {
                wrong.push(format!("{}, {}: foretold {foretold}, is {is}", scene.name, client.name));
            }
        }
    }
    let cells = SCENES.len() * CLIENTS.len();
    assert!(wrong.is_empty(), "{} of {cells} were foretold wrongly:\n{}", wrong.len(), wrong.join("\n"));
}

fn foretold(survey: &Survey, runtime: Runtime, roots: &Roots) -> String {
    let found = effective(survey, runtime, &Situation::default());
    let accepts = |der: &[u8]| {
        let cert = survey.pool.find(&sidelight_testkit::sha256(der));
        cert.is_some_and(|cert| found[0].accepts(cert))
    };
    roots.issuers.iter().map(|issuer| if accepts(issuer.der()) { '1' } else { '0' }).collect()
}

impl Client {
    fn ask(&self, root: &Root, scene: &Scene, servers: &[SocketAddr]) -> String {
        let ports: Vec<String> = servers.iter().map(|server| server.port().to_string()).collect();
        let run = |port: &str| {
            let words: Vec<String> = self
                .line
                .split(' ')
                .map(|word| if word == "PORTS" { ports.join(",") } else { word.replace("PORT", port) })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut command: Command = root.command(&words, &scene.config());
            run_within(&mut command, PATIENCE)
        };
        if self.line.contains("PORTS") {
            return run("").success().text().trim().to_owned();
        }
        let trusts = |port: &String| {
            let done = run(port);
            assert!(![126, 127].contains(&done.status.code().unwrap_or(127)), "{done}");
            if self.name == "git" {
                done.errors().contains("not found") && !done.errors().contains("certificate")
            } else {
                done.status.success()
            }
        };
        ports.iter().map(|port| if trusts(port) { '1' } else { '0' }).collect()
    }
}
