//! The static programs. In: the workspace. Out: `target/dist/sidelight`, and `target/dist/sidelight-tofu` with `tofu` alone, which run in an empty root:
//! no loader, no shared library, no NSS.
//! `--target` is given although it is this machine's own: without it the flags would also reach proc-macros, which cannot be static.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run};

/// getrandom must make the system call: in a static program it cannot look up libc's function, and a root without /dev has no other source.
const FLAGS: &str = "-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\"";

/// Builds the whole program and checks that it needs nothing of the machine but the kernel.
///
/// # Errors
/// A build that fails, or a program that still asks for a loader or a library.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    build_with(workspace, &[], "sidelight")
}

/// Builds the program with `tofu` alone and checks it in the same way.
///
/// # Errors
/// As [`build`].
pub fn build_tofu(workspace: &Workspace) -> Result<PathBuf> {
    build_with(workspace, &["--no-default-features", "--features", "tofu"], "sidelight-tofu")
}

/// Builds the program with `features` of cargo's and puts it into `target/dist` by this name.
fn build_with(workspace: &Workspace, features: &[&str], name: &str) -> Result<PathBuf> {
    let target = host()?;
    let mut cargo = workspace.cargo();
    cargo.env("RUSTFLAGS", FLAGS);
    cargo.args(["build", "--profile", "dist", "--package", "sidelight", "--bin", "sidelight", "--target", &target]);
    run(cargo.args(features))?;
    let built = workspace.target().join(&target).join("dist/sidelight");
    let folder = workspace.target().join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let program = folder.join(name);
    // Copied aside and renamed, so that a copy that is running is not overwritten in place.
    let fresh = folder.join(format!("{name}.new"));
    fs::copy(&built, &fresh).with_context(|| format!("cannot copy {} to {}", built.display(), fresh.display()))?;
    fs::rename(&fresh, &program).with_context(|| format!("cannot rename {}", fresh.display()))?;
    needs_nothing(&program)?;
    Ok(program)
}

/// The target triple of this machine's compiler.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("`rustc -vV` names no host")
}

/// No program interpreter and no needed library, as readelf tells it.
fn needs_nothing(program: &PathBuf) -> Result<()> {
    let output = Command::new("readelf").args(["--wide", "--program-headers", "--dynamic"]).arg(program).output();
    let output = output.context("cannot run readelf (binutils)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.contains("LOAD") {
        bail!("readelf cannot read {}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    for (sign, what) in [("INTERP", "a loader"), ("(NEEDED)", "a shared library")] {
        if let Some(line) = text.lines().find(|line| line.contains(sign)) {
            bail!("{} is not static, it asks for {what}: {}", program.display(), line.trim());
        }
    }
    Ok(())
}
