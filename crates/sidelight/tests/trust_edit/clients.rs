//! Real clients after an add. In: a copy of this machine's trust, changed by sidelight. Out: each client connects, where before none did.
//!
//! Each client runs in a mount namespace in which the copy lies over the machine's own trust.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sidelight_testkit::process::run;
use sidelight_testkit::{Issuer, Leaf, Origin, peers};

use crate::place::Place;

/// What of the machine is copied, and laid over it again.
const TRUST: [&str; 2] = ["etc/ssl", "usr/local/share/ca-certificates"];

/// Clients by name; `PORT` is the server's. Those that print a verdict say `1`.
const CLIENTS: &[(&str, &str)] = &[
    ("openssl", "openssl s_client -connect localhost:PORT -verify_return_error"),
    ("curl", "curl --silent --output /dev/null https://localhost:PORT/"),
    ("wget", "wget --quiet --output-document /dev/null --tries 1 https://localhost:PORT/"),
    ("GnuTLS", "gnutls-cli --port PORT localhost"),
    ("Python", "/usr/bin/python3 PEERS/trust.py PORT system="),
    ("Go", "GO PORT system="),
    ("Java", "/usr/bin/java PEERS/Trust.java PORT system="),
    (
        "Java, told",
        "/usr/bin/java -Djavax.net.ssl.trustStore=/etc/ssl/certs/java/cacerts PEERS/Trust.java PORT system=",
    ),
    ("Node", "/usr/bin/node PEERS/trust.mjs PORT default="),
];

fn connects(place: &Place, client: &str, port: u16, env: &[(String, String)]) -> bool {
    let scripts = peers::script("trust.py").parent().unwrap().display().to_string();
    let words = client.split(' ').map(|word| match word {
        "GO" => peers::go_client("trust.go").display().to_string(),
        word => word.replace("PORT", &port.to_string()).replace("PEERS", &scripts),
    });
    let mounts: String =
        TRUST.iter().map(|path| format!("mount --bind \"$0/{path}\" /{path} && ")).collect::<Vec<_>>().concat();
    let mut command = place.command("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-ec", &format!("{mounts}exec \"$@\"")]);
    command.arg(place.path("root")).args(words).envs(env.iter().cloned());
    let done = run(&mut command);
    assert!(![126, 127].contains(&done.status.code().unwrap_or(127)), "{done}");
    match done.text().trim() {
        "0" => false,
        "1" => true,
        _ => done.status.success(),
    }
}

#[test]
fn every_client_of_the_machine_connects_after_an_add() {
    let place = Place::new();
    let issuer = Issuer::root("Corp Root");
    issuer.write_to(&place.path("corp.pem"));
    let origin = Origin::https("127.0.0.1:0", &issuer.issue(&Leaf::named(&["localhost"])), &["http/1.1"]);
    let port = origin.address().port();
    for path in ["etc/ca-certificates.conf", "etc/os-release"] {
        place.write(&format!("root/{path}"), fs::read(Path::new("/").join(path)).unwrap());
    }
    for path in TRUST {
        fs::create_dir_all(place.path("root").join(path).parent().unwrap()).unwrap();
        let to = place.path("root").join(path);
        run(place.command("cp").arg("-a").arg(Path::new("/").join(path)).arg(to)).success();
    }
    // Node's own program is a hundred megabytes; that it is there is what counts.
    let node = place.write("root/usr/bin/node", "");
    fs::set_permissions(node, fs::Permissions::from_mode(0o755)).unwrap();

    for (name, client) in CLIENTS {
        assert!(!connects(&place, client, port, &[]), "{name} connects before the add");
    }
    let (status, told) = place.json("trust add corp.pem --into rootfs:root");
    assert_eq!(status, 0, "{told}");
    let variables: Vec<(String, String)> = told["certificates"][0]["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap().to_owned(), it["value"].as_str().unwrap().to_owned()))
        .collect();
    assert!(variables.iter().any(|(name, _)| name == "NODE_EXTRA_CA_CERTS"), "{told}");
    let missing: Vec<&str> = CLIENTS
        .iter()
        .filter(|(name, client)| !connects(&place, client, port, if *name == "Node" { &variables } else { &[] }))
        .map(|(name, _)| *name)
        .collect();
    assert!(missing.is_empty(), "these do not connect after the add: {missing:?}");
}
