//! `cargo xtask test`: everything that must hold before a change lands. In: a clean clone and a Debian machine. Out: exit status 0, or the first thing that fails.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::{self, Workspace};
use crate::{arrows, dist, licences, setup, tidy};

/// What makes of the program one with `tofu` alone.
const SLIM: [&str; 3] = ["--no-default-features", "--features", "tofu"];

/// Runs set-up, checks, tests, a little of the bench, and the static programs' tests, cheapest first.
///
/// # Errors
/// The first step that fails.
pub fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    workspace::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    checks(workspace)?;
    workspace::run(workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    let mut slim = workspace.cargo();
    slim.args(["clippy", "--package", "sidelight", "--bin", "sidelight"]).args(SLIM);
    workspace::run(slim.args(["--", "--deny", "warnings"]))?;
    // The tests use the program as it will be used; built first, so that its build is not taken for a slow test.
    workspace::run(workspace.cargo().args(["build", "--workspace", "--all-targets"]))?;
    workspace::run(workspace.cargo().args(["test", "--workspace", "--no-fail-fast"]))?;
    let mut bench = Command::new("python3");
    bench.arg(workspace.root().join("bench/bench.py")).arg("--smoke").arg("--sidelight");
    workspace::run(bench.arg(workspace.target().join("debug/sidelight")))?;
    let slim = dist::build_tofu(workspace)?;
    let program = dist::build(workspace)?;
    let mut tests = workspace.cargo();
    tests.env("SIDELIGHT_DIST", &program).env("SIDELIGHT_SLIM", &slim);
    // Of the workspace, though one package has them: its features alone would have everything below it compiled anew.
    tests.args(["test", "--workspace", "--test", "empty_root", "--test", "slim", "--test", "tofu_containers"]);
    workspace::run(tests.args(["--", "--include-ignored"]))
}

fn checks(workspace: &Workspace) -> Result<()> {
    let metadata = workspace.metadata()?;
    let mut complaints = arrows::check(&metadata)?;
    complaints.extend(tidy::check(workspace.root())?);
    complaints.extend(licences::check(workspace.root(), &metadata)?);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{} rule(s) broken:\n  {}", complaints.len(), complaints.join("\n  "))
}
