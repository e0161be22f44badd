//! Ways to an endpoint, and what is told of it: proxies, STARTTLS, lists, files, the members of the JSON, images, namespaces.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sidelight_testkit::netns::Namespace;
use sidelight_testkit::process::{Finished, Running, run};

use crate::certificates::{Made, authority, client, leaf};
use crate::endpoints::{Shown, config, mutual, peek_hello, serve, speak, tls};
use crate::{diagnose, named};

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) root: Made,
    pub(crate) shown: Shown,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Made::itself(authority("Acme Root"));
        let intermediate = root.issue(authority("Acme Issuing CA"));
        let leaf = intermediate.issue(leaf());
        std::fs::write(folder.path().join("root.pem"), &root.pem).unwrap();
        let shown = Shown::new(&[&leaf.der, &intermediate.der], leaf.key());
        Self { folder, root, shown }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn roots(&self) -> Vec<String> {
        vec!["--roots".to_owned(), self.file("root.pem")]
    }

    fn ordinary(&self) -> SocketAddr {
        tls(config(&self.shown, None, &["h2", "http/1.1"]))
    }
}

pub(crate) fn with(options: Vec<String>, more: &[&str]) -> Vec<String> {
    options.into_iter().chain(more.iter().map(ToString::to_string)).collect()
}

/// Runs it without `--json`.
fn text(arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    sidelight_testkit::hosts::clean(&mut command);
    run(command.env("XDG_CONFIG_HOME", "/nonexistent").arg("diagnose").args(arguments))
}

/// A proxy that tunnels.
fn proxy() -> SocketAddr {
    serve(|mut tcp| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && tcp.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&head).into_owned();
        let Some(target) = line.split(' ').nth(1) else { return };
        let Ok(mut to) = TcpStream::connect(target) else { return };
        let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let (mut back_from, mut back_to) = (to.try_clone().unwrap(), tcp.try_clone().unwrap());
        let back = std::thread::spawn(move || {
            let _ = std::io::copy(&mut back_from, &mut back_to);
            let _ = back_to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut tcp, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
        let _ = back.join();
    })
}

#[test]
fn the_document_of_a_healthy_endpoint_has_every_member() {
    let site = Site::new();
    let (document, finished) = diagnose(&named(site.ordinary()), &site.roots());
    assert_eq!(finished.status.code(), Some(0), "{finished}");
    let chain = document["chain"].as_array().unwrap();
    assert_eq!(chain.len(), 2);
    for member in ["subject", "issuer", "not_before", "not_after", "sans", "key", "sha256", "pem"] {
        assert!(!chain[0][member].is_null(), "{member}");
    }
    assert_eq!(chain[0]["sans"][0], "DNS:localhost");
    assert_eq!(document["versions"], serde_json::json!(["TLS 1.3", "TLS 1.2"]));
    assert!(document["ciphers"].as_array().unwrap().len() >= 6);
    assert_eq!(document["alpn"], "h2");
    assert!(document["client_auth"].is_null());
    assert_eq!(document["path"]["root"], "CN=Acme Root");
    assert_eq!(document["roots"]["count"], 1);
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(0), "{document:#}");
}

#[test]
fn a_healthy_endpoint_is_told_in_its_first_line() {
    let site = Site::new();
    let told = text(&[&named(site.ordinary()), "--roots", &site.file("root.pem"), "--showcerts"]).success().text();
    assert!(told.starts_with("✓ localhost:"), "{told}");
    for part in ["Acme Root", "TLS 1.3", "X25519MLKEM768", "h2", "BEGIN CERTIFICATE"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
}

#[test]
fn a_tunnel_leads_to_the_service() {
    let site = Site::new();
    let options = with(site.roots(), &["--proxy", &format!("http://{}", proxy())]);
    let (document, finished) = diagnose(&named(site.ordinary()), &options);
    assert_eq!(document["cause"], "ok", "{finished}");
    assert!(document["proxy"].as_str().is_some());
}

#[test]
fn a_proxy_that_opens_tls_is_told_from_the_service() {
    let site = Site::new();
    let intruder = Made::itself(authority("Plain Name"));
    let forged = intruder.issue(leaf());
    let forger = tls(config(&Shown::new(&[&forged.der, &intruder.der], forged.key()), None, &[]));
    let proxy = serve(move |mut tcp| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && tcp.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let Ok(mut to) = TcpStream::connect(forger) else { return };
        let (mut from, mut back) = (to.try_clone().unwrap(), tcp.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut back));
        let _ = std::io::copy(&mut tcp, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let options = with(site.roots(), &["--proxy", &format!("http://{proxy}")]);
    let (document, finished) = diagnose(&named(site.ordinary()), &options);
    assert_eq!(document["cause"], "tls_intercepted", "{finished}");
    assert!(document["evidence"].to_string().contains("around the proxy"), "{finished}");
}

#[test]
fn starttls_leads_to_tls() {
    let site = Site::new();
    let settings = Arc::new(config(&site.shown, None, &[]));
    let smtp = serve(move |mut tcp| {
        let _ = tcp.write_all(b"220 mail.test ESMTP\r\n");
        for answer in ["250-mail.test\r\n250 STARTTLS\r\n", "220 go\r\n"] {
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\r\n") && tcp.read(&mut byte).unwrap_or(0) == 1 {
                line.push(byte[0]);
            }
            let _ = tcp.write_all(answer.as_bytes());
        }
        speak(&settings, tcp);
    });
    let (document, finished) = diagnose(&named(smtp), &with(site.roots(), &["--starttls", "smtp"]));
    assert_eq!(document["cause"], "ok", "{finished}");
    assert_eq!(document["starttls"], "smtp");
    let (document, finished) = diagnose(&named(smtp), &site.roots());
    assert_eq!(document["cause"], "starttls_needed", "{finished}");
    assert!(document["fix"].to_string().contains("--starttls smtp"), "{finished}");
}

#[test]
fn a_client_certificate_that_is_accepted_is_told() {
    let site = Site::new();
    let clients = Made::itself(authority("Clients"));
    let mine = clients.issue(client());
    std::fs::write(site.file("me.pem"), format!("{}{}", mine.pem, mine.key_pem())).unwrap();
    let address = tls(mutual(&site.shown, &clients.der));
    let (document, finished) = diagnose(&named(address), &with(site.roots(), &["--cert", &site.file("me.pem")]));
    assert_eq!(document["cause"], "ok", "{finished}");
    assert_eq!(document["client_auth"]["accepted_issuers"], serde_json::json!(["CN=Clients"]));
    assert_eq!(document["client_auth"]["presented"], true);
}

#[test]
fn the_chain_and_the_missing_root_are_written() {
    let site = Site::new();
    let other = Made::itself(authority("Other Root"));
    std::fs::write(site.file("other.pem"), &other.pem).unwrap();
    let intermediate = site.root.issue(authority("Second CA"));
    let leaf = intermediate.issue(leaf());
    // In the wrong order, and with the root.
    let shown = Shown::new(&[&leaf.der, &site.root.der, &intermediate.der], leaf.key());
    let address = tls(config(&shown, None, &[]));
    let chain = site.file("chain.pem");
    let options = ["--roots".to_owned(), site.file("other.pem"), "--save-chain".to_owned(), chain.clone()];
    let (document, finished) = diagnose(&named(address), &options);
    assert_eq!(document["cause"], "root_not_trusted", "{finished}");
    let written = std::fs::read_to_string(&chain).unwrap();
    assert_eq!(written.matches("BEGIN CERTIFICATE").count(), 2, "{written}");
    let root = std::fs::read_to_string(site.file("chain-root.pem")).unwrap();
    assert!(root.contains("Acme Root"), "{root}");
    let (document, finished) = diagnose(&named(address), &["--roots".to_owned(), site.file("chain-root.pem")]);
    assert_eq!(document["cause"], "ok", "{finished}");
    assert!(document["warnings"].to_string().contains("not sent in order"), "{finished}");
}

#[test]
fn a_list_is_diagnosed_line_by_line() {
    let site = Site::new();
    let (good, bad) = (named(site.ordinary()), named(serve(drop)));
    let list = site.file("list");
    std::fs::write(&list, format!("# services\n{good}\n\n{bad}  # broken\n")).unwrap();
    let arguments = ["--file", &list, "--roots", &site.file("root.pem"), "--timeout", "2s"];
    let told = text(&arguments);
    assert_eq!(told.status.code(), Some(1), "{told}");
    assert!(told.text().contains("1 of 2 work; 1 do not; 0 could not be asked"), "{told}");
    let json = text(&[&arguments[..], &["--json"]].concat());
    let lines: Vec<serde_json::Value> = json.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{json}");
    assert!(lines.iter().all(|line| line["type"] == "diagnosis"));
}

#[test]
fn what_cannot_be_asked_ends_with_its_own_status() {
    let unreadable = text(&["localhost:1", "--roots", "/nonexistent/roots.pem"]);
    assert_eq!(unreadable.status.code(), Some(3), "{unreadable}");
    assert!(unreadable.errors().contains("/nonexistent/roots.pem"));
    for wrong in [&["localhost:x"][..], &[], &["a.test", "--starttls", "gopher"], &["a.test", "--sni", "x", "--no-sni"]]
    {
        assert_eq!(text(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn nothing_from_a_peer_reaches_the_terminal_as_it_is() {
    let site = Site::new();
    let mut params = authority("Evil \u{1b}[31m\u{202e} Root");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "a\r\nb");
    let evil = Made::itself(params);
    let leaf = evil.issue(leaf());
    let address = tls(config(&Shown::new(&[&leaf.der, &evil.der], leaf.key()), None, &[]));
    let told = text(&[&named(address), "--roots", &site.file("root.pem"), "--color", "never"]).text();
    assert!(told.contains("Evil"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}') && !told.contains('\r'), "{told:?}");
}

#[test]
fn the_hello_of_the_usual_attempt_is_that_of_present_clients() {
    let site = Site::new();
    let (sender, seen) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let settings = Arc::new(config(&site.shown, None, &["h2"]));
    let address = serve(move |tcp| {
        if let Some((hello, _)) = peek_hello(&tcp) {
            let _ = sender.lock().unwrap().send(hello);
        }
        speak(&settings, tcp);
    });
    let _ = diagnose(&named(address), &site.roots());
    let first = seen.recv().unwrap();
    assert_eq!(first.sni.as_deref(), Some("localhost"));
    assert_eq!(first.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(first.key_shares.iter().any(|(group, _)| *group == 0x11ec), "{first:?}");
}

/// A root folder with a bundle of these certificates.
pub(crate) fn image(folder: &Path, bundle: &str) {
    let certs = folder.join("etc/ssl/certs");
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::write(certs.join("ca-certificates.crt"), bundle).unwrap();
}

#[test]
fn an_image_without_the_root_is_told_what_to_add() {
    let site = Site::new();
    let folder = site.folder.path().join("image");
    image(&folder, &Made::itself(authority("Other Root")).pem);
    let source = format!("rootfs:{}", folder.display());
    let address = site.ordinary();
    let options = ["--from".to_owned(), source.clone(), "--as".to_owned(), "go".to_owned()];
    let (document, finished) = diagnose(&named(address), &options);
    assert_eq!(document["cause"], "root_not_trusted", "{finished}");
    assert_eq!(document["roots"]["count"], 1, "{finished}");
    assert!(document["fix"].to_string().contains(&format!("--into {source}")), "{finished}");
    image(&folder, &site.root.pem);
    let (document, finished) = diagnose(&named(address), &options);
    assert_eq!(document["cause"], "ok", "{finished}");
}

/// A process in a network of its own is asked for there.
#[test]
fn a_process_is_diagnosed_in_its_own_network() {
    let site = Site::new();
    let namespace = Namespace::new();
    let listener = namespace.listen("127.0.0.1:4443");
    let settings = Arc::new(config(&site.shown, None, &[]));
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let settings = settings.clone();
            std::thread::spawn(move || speak(&settings, tcp));
        }
    });
    // A small root of its own: that of this machine would take long to look through.
    let root = site.folder.path().join("image");
    image(&root, &Made::itself(authority("Other Root")).pem);
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let mut sleep = namespace.command("chroot");
    sleep.arg(&root).args(["/bin/busybox", "sleep", "600"]);
    let mut process = Running::start(&mut sleep, &site.folder.path().join("log"));
    let running = format!("/proc/{}/root/bin/busybox", process.pid());
    process.until("in its root", || {
        Path::new(&running).exists() && !Path::new(&running.replace("bin/busybox", "etc/passwd")).exists()
    });
    let source = format!("pid:{}", process.pid());
    let options = ["--from", &source, "--as", "go", "--timeout", "3s"].map(str::to_owned);
    let (document, finished) = diagnose("localhost:4443", &options);
    assert_eq!(document["cause"], "root_not_trusted", "{finished}");
    assert!(document["chain"].as_array().is_some_and(|chain| chain.len() == 2), "{finished}");
}

/// The name that the certificate holds is proposed with the roots that were asked with, and the line works as it stands.
#[test]
fn the_fix_of_a_wrong_name_keeps_the_users_roots() {
    let site = Site::new();
    let at = tls(config(&site.shown, None, &[]));
    let elsewhere = ["--name".to_owned(), "elsewhere.test".to_owned()];
    let (told, _) = diagnose(&named(at), &[site.roots(), elsewhere.to_vec()].concat());
    assert_eq!(told["cause"], "hostname_mismatch", "{told}");
    let line = told["fix"][0]["how"].as_str().unwrap();
    assert_eq!(line, format!("sidelight diagnose {} --roots {}", named(at), site.file("root.pem")));
    let words: Vec<String> = line.split(' ').skip(3).map(str::to_owned).collect();
    let (told, done) = diagnose(&named(at), &words);
    assert_eq!((done.status.code(), told["cause"].as_str()), (Some(0), Some("ok")), "{told}");
}
