//! The program asked about a registry. In: arguments. Out: what it printed, as values.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::{Finished, run};

/// The program with nothing of this machine's settings.
pub(crate) fn sidelight(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.args(arguments);
    run(clean(&mut command, home).envs(environment.iter().copied()))
}

/// Takes this machine's proxies and logins out of a command's environment.
pub(crate) fn clean<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    for name in
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    for name in
        ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    {
        command.env_remove(name);
    }
    command.env("HOME", home)
}

/// The JSON that a command printed.
#[track_caller]
pub(crate) fn document(finished: &Finished) -> Value {
    serde_json::from_slice(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished}"))
}

/// What is wrong with a check's answer, if anything.
pub(crate) fn fault(finished: &Finished, wanted: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(&finished.stdout).unwrap_or_default();
    let code = if wanted == "ok" { 0 } else { 1 };
    let full = |name: &str| document[name].as_array().is_some_and(|list| !list.is_empty());
    let sound = document["cause"] == wanted
        && finished.status.code() == Some(code)
        && document["pullable"] == (wanted == "ok")
        && full("evidence")
        && full("fix") == (wanted != "ok")
        && document["ways"].as_array().is_some_and(|ways| ways.iter().all(|way| way["steps"].is_array()));
    (!sound).then(|| format!("{wanted}: {} {finished}", document["cause"]))
}

/// The causes by which a text is explained, the likeliest first.
#[track_caller]
pub(crate) fn explained(home: &Path, text: &str) -> Vec<String> {
    let finished = sidelight(home, &["--json", "registry", "explain", text], &[]);
    let causes = document(&finished)["causes"].as_array().cloned().unwrap_or_default();
    causes.iter().filter_map(|cause| Some(cause["cause"].as_str()?.to_owned())).collect()
}
