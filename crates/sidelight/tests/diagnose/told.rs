//! What people and programs are told. In: endpoints. Out: snapshots of text and JSON with what differs from run to run taken out,
//! and fixes that are run as they are printed.

use std::path::Path;
use std::process::Command;

use sidelight_testkit::process::run;

use crate::certificates::{Made, authority, leaf, valid};
use crate::diagnose;
use crate::endpoints::{Shown, config, mutual, says, tls};

/// Takes out what differs from run to run: ports, folders, times, fingerprints, counts of days.
fn stable(text: &str, target: &str, folder: &Path) -> String {
    let text = text.replace(target, "HOST:PORT").replace(folder.to_str().unwrap(), "FOLDER");
    let port = target.rsplit(':').next().unwrap();
    let text = if port == "443" { text } else { text.replace(&format!(":{port}"), ":PORT") };
    let mut out = String::new();
    for line in text.lines() {
        // How wide columns are depends on the names of folders.
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        let rest: Vec<&str> = rest.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect();
        let line = format!("{indent}{}", rest.join("  "));
        let words: Vec<String> = line.split_inclusive([' ', '"', ',', '(', ')', '`']).map(word).collect();
        out.push_str(&words.concat());
        out.push('\n');
    }
    out
}

fn word(piece: &str) -> String {
    let end = piece.trim_end_matches([' ', '"', ',', '(', ')', '`']);
    let tail = &piece[end.len()..];
    let all = |test: fn(&u8) -> bool| !end.is_empty() && end.as_bytes().iter().all(test);
    let is_date = end.len() >= 10 && end.as_bytes()[4] == b'-' && end.as_bytes()[7] == b'-' && end.starts_with("20");
    let shown = match end {
        _ if end.len() == 64 && all(u8::is_ascii_hexdigit) => "SHA256",
        _ if is_date => "TIME",
        _ if all(u8::is_ascii_digit) => "N",
        // What is past is rounded down, so that a second that ticks over makes it another day.
        _ if end.strip_prefix('-').is_some_and(|rest| rest.parse::<u32>().is_ok()) => "-N",
        _ if end.starts_with("127.0.0.1:") => "127.0.0.1:PORT",
        _ if end.contains("BEGIN CERTIFICATE") => "PEM",
        _ => end,
    };
    format!("{shown}{tail}")
}

/// Snapshots of both; evidence of the libraries' own words is left out, they change with the libraries.
fn told(name: &str, target: &str, options: &[String], folder: &Path) {
    let (mut document, finished) = diagnose(target, options);
    for member in ["attempts", "ciphers", "ciphers_by_version"] {
        document[member] = serde_json::Value::Null;
    }
    for list in ["chain", "missing"] {
        document[list].as_array_mut().into_iter().flatten().for_each(|link| link["pem"] = "PEM".into());
    }
    if document["wanted_root"].is_object() {
        document["wanted_root"]["pem"] = "PEM".into();
    }
    let evidence = document["evidence"].as_array_mut().unwrap();
    evidence.retain(|it| it["what"] != "resolver's words" && it["what"] != "verifier");
    // Which name servers this machine has is its own affair.
    let asked = evidence.iter().find(|it| it["what"] == "asked").and_then(|it| it["where"].as_str()).map(str::to_owned);
    let hide = |text: &str| asked.as_ref().map_or(text.to_owned(), |asked| text.replace(asked.as_str(), "RESOLVER"));
    insta::assert_snapshot!(format!("{name}_text"), stable(&hide(&finished.errors()), target, folder));
    insta::assert_snapshot!(format!("{name}_json"), stable(&hide(&format!("{document:#}")), target, folder));
}

#[test]
fn what_is_told_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let root = Made::itself(authority("Acme Root"));
    std::fs::write(path.join("root.pem"), &root.pem).unwrap();
    let roots = ["--roots".to_owned(), path.join("root.pem").to_str().unwrap().to_owned()];
    let at = |address: std::net::SocketAddr| address.to_string();
    let good = root.issue(leaf());
    let shown = Shown::new(&[&good.der], good.key());
    told("healthy", &at(tls(config(&shown, None, &["h2"]))), &roots, path);
    told("client_certificate", &at(tls(mutual(&shown, &Made::itself(authority("Clients")).der))), &roots, path);
    let mut params = leaf();
    valid(&mut params, -60, -2);
    let old = root.issue(params);
    told("expired", &at(tls(config(&Shown::new(&[&old.der], old.key()), None, &[]))), &roots, path);
    told("not_tls", &at(says(true, "SSH-2.0-OpenSSH_9.2p1\r\n")), &roots, path);
    told("no_such_name", "nowhere.invalid:443", &roots, path);
    let image = path.join("image");
    crate::ways::image(&image, &Made::itself(authority("Other Root")).pem);
    let from = ["--from".to_owned(), format!("rootfs:{}", image.display()), "--as".to_owned(), "go".to_owned()];
    told("missing_root", &at(tls(config(&Shown::new(&[&good.der, &root.der], good.key()), None, &[]))), &from, path);
    told("missing_root_not_seen", &at(tls(config(&shown, None, &[]))), &from, path);
}

/// The commands of a fix work as they are printed.
#[test]
fn the_commands_of_a_fix_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let root = Made::itself(authority("Acme Root"));
    let good = root.issue(leaf());
    let address = tls(config(&Shown::new(&[&good.der, &root.der], good.key()), None, &[])).to_string();
    let image = path.join("image");
    crate::ways::image(&image, &Made::itself(authority("Other Root")).pem);
    let from = ["--from".to_owned(), format!("rootfs:{}", image.display()), "--as".to_owned(), "go".to_owned()];
    let (document, finished) = diagnose(&address, &from);
    let how = document["fix"][0]["how"].as_str().unwrap_or_else(|| panic!("{finished}")).to_owned();
    let program = Path::new(env!("CARGO_BIN_EXE_sidelight")).parent().unwrap();
    let search = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    sidelight_testkit::hosts::clean(&mut shell);
    shell.args(["-c", &how]).current_dir(path).env("PATH", search);
    shell.env("HOME", path).env("XDG_STATE_HOME", path.join("state")).env("XDG_CONFIG_HOME", path);
    run(&mut shell).success();
    let (document, finished) = diagnose(&address, &from);
    assert_eq!(document["cause"], "ok", "after {how}:\n{finished}");
}

/// A source may be given where a file of roots is meant, and the variables of a container count.
#[test]
fn a_source_gives_the_roots_of_its_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let root = Made::itself(authority("Acme Root"));
    let good = root.issue(leaf());
    let address = tls(config(&Shown::new(&[&good.der], good.key()), None, &[])).to_string();
    let image = path.join("image");
    let other = Made::itself(authority("Other Root"));
    crate::ways::image(&image, &root.pem);
    std::fs::write(image.join("other.pem"), &other.pem).unwrap();
    let source = format!("rootfs:{}", image.display());
    let (document, finished) = diagnose(&address, &["--roots".to_owned(), source.clone()]);
    assert_eq!(document["cause"], "ok", "{finished}");
    let from = ["--from", &source, "--as", "go", "--env", "SSL_CERT_FILE=/other.pem"].map(str::to_owned);
    std::fs::remove_file(image.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let (document, finished) = diagnose(&address, &from);
    assert_eq!(document["cause"], "root_not_trusted", "{finished}");
    assert_eq!(document["roots"]["count"], 1, "{finished}");
    let finished = without_file(&address);
    assert_eq!(finished.status.code(), Some(3), "{finished}");
}

/// A file that is not there is a file, not an image.
fn without_file(address: &str) -> sidelight_testkit::process::Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    sidelight_testkit::hosts::clean(&mut command);
    run(command.args(["diagnose", address, "--roots", "gone.pem"]))
}
