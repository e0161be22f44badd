//! The chain in files. In: a diagnosis. Out: the chain that the server should send, and beside it the root that is missing.

use std::path::{Path, PathBuf};

use sidelight_host::files::{Meta, replace_file};
use sidelight_model::diagnose::Diagnosis;
use sidelight_model::x509::Certificate;
use sidelight_wire::pem;

use crate::exit::Failure;
use crate::ui::Ui;

/// Writes `file`, and the root into a file beside it.
pub(super) fn write(file: &Path, diagnosis: &Diagnosis, ui: Ui) -> Result<(), Failure> {
    let chain = ordered(diagnosis);
    if chain.is_empty() {
        return Err(Failure::new(format!("--save-chain {}: the server showed no certificate", file.display())));
    }
    put(file, &chain)?;
    ui.note(&format!(
        "{}: {}, as the server should send them",
        file.display(),
        crate::render::count(chain.len() as u64, "certificate")
    ));
    if let Some(root) = &diagnosis.wanted_root {
        let beside = beside(file);
        put(&beside, &[root])?;
        ui.note(&format!("{}: the root `{}`, sha256 {}", beside.display(), root.subject, root.sha256()));
    }
    Ok(())
}

/// Leaf, then each issuer, without a root that is its own issuer; what is not on the way up is left out.
fn ordered(diagnosis: &Diagnosis) -> Vec<&Certificate> {
    let Some(leaf) = diagnosis.chain.first() else { return Vec::new() };
    let mut chain = vec![leaf];
    loop {
        let last = chain[chain.len() - 1];
        let all = diagnosis.path.iter().flatten().chain(&diagnosis.chain).chain(&diagnosis.missing);
        let next = all.into_iter().find(|cert| {
            cert.subject_der == last.issuer_der
                && !cert.is_self_issued()
                && !chain.iter().any(|known| known.der == cert.der)
                && last.is_signed_by(&cert.public_key)
        });
        match next {
            Some(cert) => chain.push(cert),
            None => return chain,
        }
    }
}

/// `chain.pem` has `chain-root.pem` beside it.
fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-root.pem"))
}

fn put(file: &Path, chain: &[&Certificate]) -> Result<(), Failure> {
    let mut text = String::new();
    for cert in chain {
        text.push_str(&format!("# {}\n", cert.subject.replace(['\r', '\n'], " ")));
        text.push_str(&pem::write("CERTIFICATE", &cert.der));
    }
    let failed = |error| Failure::new(format!("--save-chain: {error}"));
    let meta = Meta::of_or_new(file, 0o644).map_err(failed)?;
    replace_file(file, text.as_bytes(), &meta).map_err(failed)
}
