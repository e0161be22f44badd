//! What an update command writes, without one. In: a root, its family, our certificate. Out: the certificate in the bundles, in the folders
//! by hash, and in the system's Java stores.
//!
//! The old bytes of a bundle stay as they are: only our block is added at the end. All paths are looked up inside the root.

use super::family::{Family, Hashed};
use super::{Anchor, JavaStore, Machine, Notes, TrustStoreError, find_host_bundles, places};
use crate::files::{read_bounded, resolve_in_root};
use crate::journal::Transaction;
use std::path::{Path, PathBuf};

/// The largest bundle.
pub(super) const LARGEST: u64 = 16 << 20;

/// Roots of one hash; two are rare.
const SAME_HASH: usize = 100;

/// Adds the certificate everywhere. `anchor_file` is where it was put for the family's own tool.
pub(super) fn rebuild(
    change: &mut Transaction<'_>,
    machine: &Machine<'_>,
    family: &Family,
    anchor: &Anchor,
    anchor_file: Option<&Path>,
) -> Result<Notes, TrustStoreError> {
    for bundle in find_host_bundles(machine.root) {
        let old = read_bounded(&bundle, LARGEST)?;
        if !anchor.is_in(&old) {
            change.write(&bundle, &anchor.appended_to(&old), 0o644)?;
        }
    }
    for hashed in family.hashed {
        if let Ok(folder) = resolve_in_root(machine.root, Path::new(hashed.folder))
            && folder.is_dir()
        {
            link_by_hash(change, machine.root, &folder, hashed, anchor, anchor_file)?;
        }
    }
    let mut notes = Notes::default();
    for path in places::system_java_stores(machine.root) {
        if let Err(error) = JavaStore::add_to_file(change, &path, anchor, machine.storepass) {
            notes.push(format!("the Java trust store was left as it is: {error}"));
        }
    }
    Ok(notes)
}

/// Puts `NAME.pem` and a link `HASH.N` to it into a folder that is searched by hash.
fn link_by_hash(
    change: &mut Transaction<'_>,
    root: &Path,
    folder: &Path,
    hashed: &Hashed,
    anchor: &Anchor,
    anchor_file: Option<&Path>,
) -> Result<(), TrustStoreError> {
    let name = format!("{}{}.pem", hashed.prefix, anchor.name);
    let path = folder.join(&name);
    match anchor_file.filter(|_| hashed.linked) {
        // As seen from inside: the root's own path does not belong into the link.
        Some(file) => change.link(&path, &Path::new("/").join(file.strip_prefix(root).unwrap_or(file)))?,
        None => change.write(&path, anchor.pem().as_bytes(), 0o644)?,
    }
    if let Some(link) = free_hash_name(folder, &anchor.subject_hash, &name) {
        change.link(&link, Path::new(&name))?;
    }
    Ok(())
}

/// `HASH.N` with the first N that is free: OpenSSL stops looking at the first that is missing. None when one leads to us already.
fn free_hash_name(folder: &Path, hash: &str, name: &str) -> Option<PathBuf> {
    for number in 0..SAME_HASH {
        let link = folder.join(format!("{hash}.{number}"));
        match std::fs::read_link(&link) {
            Ok(target) if target == Path::new(name) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(link),
            _ => {}
        }
    }
    None
}

/// Closes the gaps among the links of one hash, which taking one out may have left: OpenSSL would not find those behind a gap.
pub(super) fn close_gaps(folder: &Path, hash: &str) -> std::io::Result<()> {
    let mut next = 0;
    for number in 0..SAME_HASH {
        let link = folder.join(format!("{hash}.{number}"));
        if std::fs::symlink_metadata(&link).is_err() {
            continue;
        }
        if number != next {
            std::fs::rename(&link, folder.join(format!("{hash}.{next}")))?;
        }
        next += 1;
    }
    Ok(())
}
