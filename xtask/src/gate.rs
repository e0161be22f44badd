//! `cargo xtask test`: everything that must hold before a change lands. In: a clean clone and a Debian machine. Out: exit status 0, or the first thing that fails.

use anyhow::{Result, bail};

use crate::workspace::{self, Workspace};
use crate::{arrows, dist, licences, setup, tidy};

/// Runs set-up, checks, tests and the static program's test, cheapest first.
///
/// # Errors
/// The first step that fails.
pub fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    workspace::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    checks(workspace)?;
    workspace::run(workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    // The tests use the program as it will be used; built first, so that its build is not taken for a slow test.
    workspace::run(workspace.cargo().args(["build", "--workspace", "--all-targets"]))?;
    workspace::run(workspace.cargo().args(["test", "--workspace", "--no-fail-fast"]))?;
    let program = dist::build(workspace)?;
    let mut of_the_program = workspace.cargo();
    of_the_program.env("SIDELIGHT_DIST", &program);
    workspace::run(of_the_program.args([
        "test",
        "--package",
        "sidelight",
        "--test",
        "empty_root",
        "--test",
        "tofu_containers",
        "--",
        "--include-ignored",
    ]))
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
