//! Looking at every address of a name, and again and again. In: services that differ or change. Out: what is told of it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::certificates::leaf;
use crate::diagnose;
use crate::endpoints::{Shown, config, serve, serve_on, speak};
use crate::ways::{Site, with};

/// Two addresses of one name that differ are told apart, and each is tried.
#[test]
fn every_address_is_tried() {
    let site = Site::new();
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("::1", port)).unwrap();
    let other = site.root.issue(leaf());
    let settings = [&site.shown, &Shown::new(&[&other.der], other.key())].map(|it| Arc::new(config(it, None, &[])));
    for (listener, settings) in [first, second].into_iter().zip(settings) {
        serve_on(listener, move |tcp| speak(&settings, tcp));
    }
    let target = format!("localhost:{port}");
    let (document, finished) = diagnose(&target, &with(site.roots(), &["--all-addresses"]));
    assert_eq!(document["cause"], "ok", "{finished}");
    assert!(document["warnings"].to_string().contains("shows another certificate"), "{finished}");
    let (document, finished) = diagnose(&target, &site.roots());
    assert!(!document["warnings"].to_string().contains("shows another certificate"), "{finished}");
}

/// A service that breaks and heals while it is watched: each change is a document, and the last look decides.
#[test]
fn changes_are_told_while_watching() {
    let site = Site::new();
    let broken = Arc::new(AtomicBool::new(false));
    let (settings, now) = (Arc::new(config(&site.shown, None, &[])), broken.clone());
    let address = serve(move |tcp| {
        if !now.load(Ordering::SeqCst) {
            speak(&settings, tcp);
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    sidelight_testkit::hosts::clean(&mut command);
    command.args(["diagnose", &address.to_string(), "--roots", &site.file("root.pem"), "--for", "120s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut cause = || {
        let line = lines.next().expect("it ended early").unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!(cause(), "ok");
    broken.store(true, Ordering::SeqCst);
    // Closed with the hello unread: the client sees an end or a reset, as the kernel has it.
    let now = cause();
    assert!(["connection_closed", "connection_reset"].contains(&now.as_str()), "{now}");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(cause(), "ok");
    // Ctrl-C ends it with what the last look saw.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
