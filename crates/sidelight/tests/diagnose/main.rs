//! `sidelight diagnose` against local endpoints that are wrong in one way each. In: endpoints. Out: the cause that it names.

mod causes;
mod certificates;
mod endpoints;
mod revocation;
mod told;
mod watching;
mod ways;

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::{Finished, run};

/// Runs `sidelight diagnose --json` on `localhost` at the endpoint's port; gives its document and how it ended.
#[track_caller]
pub(crate) fn diagnose(target: &str, options: &[String]) -> (Value, Finished) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    sidelight_testkit::hosts::clean(&mut command);
    command.env_remove("SIDELIGHT_CONFIG").env("XDG_CONFIG_HOME", "/nonexistent");
    command.args(["diagnose", target, "--json"]).args(options);
    let finished = run(&mut command);
    let document = serde_json::from_slice(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{finished}"));
    (document, finished)
}

/// The endpoint by name.
pub(crate) fn named(address: SocketAddr) -> String {
    format!("localhost:{}", address.port())
}
