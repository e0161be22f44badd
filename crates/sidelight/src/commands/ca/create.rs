//! `sidelight ca create`. In: lifetime, kind of key, names. Out: `ca.pem` and `ca.key` in the CA's folder.

use std::path::Path;

use anyhow::Context as _;
use sidelight_engine::ca::{Authority, CaOptions, KeyKind};
use sidelight_host::files::sync_directory;

use super::{certificate, folder, now, show};
use crate::cli::{CaCreate, CaKey};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(create: &CaCreate, json: bool, ui: Ui) -> Result<Exit, Failure> {
    let folder = folder(&create.folder)?;
    let options = CaOptions {
        life: create.ca_life.0,
        key: match create.ca_key {
            CaKey::Ecdsa => KeyKind::EcdsaP256,
            CaKey::Rsa2048 => KeyKind::Rsa2048,
            CaKey::Rsa4096 => KeyKind::Rsa4096,
        },
        permitted_names: create.ca_permit.clone(),
    };
    match certificate(&folder)? {
        Some(old) if !create.replace => {
            let until = old.certificate.not_after.date();
            let there = format!("there is a CA in {} already, valid until {until}", folder.display());
            return Err(Failure::new(there).exit(Exit::No).hint("--replace puts a new one in its place"));
        }
        Some(_) => replace(&folder, &options)?,
        None => drop(Authority::create(&folder, &options, now()).context("the CA cannot be made")?),
    }
    // What trusts the old one still is among the warnings.
    show::print_one(&folder, json, ui)
}

/// Makes the new CA beside the old one and puts it in its place, so that a failure leaves the old one.
fn replace(folder: &Path, options: &CaOptions) -> anyhow::Result<()> {
    let beside = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(folder)
        .with_context(|| format!("no folder can be made in {}", folder.display()))?;
    Authority::create(beside.path(), options, now()).context("the CA cannot be made")?;
    for file in ["ca.key", "ca.pem"] {
        let (from, to) = (beside.path().join(file), folder.join(file));
        std::fs::rename(&from, &to).with_context(|| format!("{} cannot be replaced", to.display()))?;
    }
    sync_directory(folder)?;
    Ok(())
}
