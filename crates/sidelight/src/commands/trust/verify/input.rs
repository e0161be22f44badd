//! The files of `trust verify`. In: paths. Out: certificates and revocation lists in DER, in the order of the files; what was odd, as notes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use sidelight_host::files::read_bounded;
use sidelight_model::trust::Pool;
use sidelight_wire::{pem, trust_store};

use crate::exit::Failure;

/// Bytes of a file that are read at the most.
const LARGEST: u64 = 64 << 20;

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST);
        return if fits { Ok(bytes) } else { Err(Failure::new("standard input is larger than 64 MiB")) };
    }
    read_bounded(path, LARGEST).map_err(|error| Failure::from(anyhow::anyhow!(error)))
}

/// The chain, leaf first. A block that holds no certificate is still judged: it may be the leaf.
pub(super) fn chain(path: &Path, notes: &mut Vec<String>) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = read(path)?;
    let (blocks, faults) = pem::read(&bytes);
    let found: Vec<_> = blocks.into_iter().filter(pem::Block::is_certificate).map(|block| block.data).collect();
    if found.is_empty() {
        return certificates(path, &bytes, notes);
    }
    notes.extend(faults.iter().map(|fault| format!("{}: {fault}", path.display())));
    Ok(found)
}

/// The roots of all files.
pub(super) fn roots(files: &[PathBuf], notes: &mut Vec<String>) -> Result<Vec<Vec<u8>>, Failure> {
    let mut found = Vec::new();
    for path in files {
        found.append(&mut certificates(path, &read(path)?, notes)?);
    }
    Ok(found)
}

/// The certificates of a trust store in whatever form.
fn certificates(path: &Path, bytes: &[u8], notes: &mut Vec<String>) -> Result<Vec<Vec<u8>>, Failure> {
    let mut pool = Pool::default();
    let store = trust_store::read_expected(bytes, &mut pool);
    let told = store.faults.iter().map(|fault| match fault.line {
        Some(line) => format!("{}:{line}: {}", path.display(), fault.what),
        None => format!("{}: {}", path.display(), fault.what),
    });
    let told: Vec<_> = told.collect();
    if store.entries.is_empty() {
        let why = told.first().cloned().unwrap_or_else(|| format!("{}: it holds no certificate", path.display()));
        return Err(Failure::new(why));
    }
    notes.extend(told);
    Ok(store.entries.iter().map(|entry| pool.get(entry.cert).der.clone()).collect())
}

/// The revocation lists of all files.
pub(super) fn revocation_lists(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut found = Vec::new();
    for path in files {
        let bytes = read(path)?;
        if bytes.first() == Some(&0x30) {
            found.push(bytes);
            continue;
        }
        let (blocks, _) = pem::read(&bytes);
        let before = found.len();
        found.extend(blocks.into_iter().filter(|block| block.label == "X509 CRL").map(|block| block.data));
        if found.len() == before {
            return Err(Failure::new(format_args!("{} holds no revocation list (PEM or DER)", path.display())));
        }
    }
    Ok(found)
}
