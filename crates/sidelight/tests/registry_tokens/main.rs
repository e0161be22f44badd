//! Tokens against Debian's docker-registry (2.8): whatever it answers and logs, `token verify` said before; and tokens of `token serve`, with
//! skopeo. In: keys made by openssl, tokens made by `token mint`. Out: nothing, or the case in which they differ.

mod keys;
mod matrix;
mod serve;
mod shown;
mod story;

use std::path::Path;
use std::process::Command;

use sidelight_testkit::process::{Finished, run};

const ISSUER: &str = "auth.example";
const SERVICE: &str = "registry.example";

/// The program under test.
fn sidelight(arguments: &[&str]) -> Finished {
    run(Command::new(env!("CARGO_BIN_EXE_sidelight")).args(arguments).env("NO_COLOR", "1"))
}

/// What `token mint` prints for these options.
#[track_caller]
fn mint(key: &Path, options: &[&str]) -> String {
    let key = key.to_str().expect("a path of text");
    let base =
        ["registry", "token", "mint", "--key", key, "--issuer", ISSUER, "--service", SERVICE, "--subject", "kim"];
    sidelight(&[&base[..], options].concat()).success().text().trim().to_owned()
}

/// A request with a token: its status and its challenge.
fn ask(url: &str, token: &str) -> (u16, Option<String>) {
    let field = format!("Authorization: Bearer {token}");
    let answer = run(Command::new("curl").args(["-s", "-i", "--noproxy", "*", "-H", &field, url])).success().text();
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let challenge =
        answer.lines().find_map(|line| line.strip_prefix("Www-Authenticate: ")).map(|it| it.trim().to_owned());
    (status, challenge)
}
