//! A plan carried out. In: changes inside a root. Out: the changes, each in the journal first.

use super::TrustStoreError;
use crate::files::{FileError, Reach, within};
use crate::journal::Transaction;
use sidelight_model::trust::{Change, ChangeKind};
use std::path::{Path, PathBuf};

/// Roots of one hash; two are rare.
const SAME_HASH: usize = 100;

/// Makes the changes below `root`.
pub(super) fn apply<'c>(
    transaction: &mut Transaction<'_>,
    root: &Path,
    changes: impl Iterator<Item = &'c Change>,
) -> Result<(), TrustStoreError> {
    for change in changes {
        let path = within(root, &change.path);
        match &change.kind {
            ChangeKind::File { bytes } => transaction.write_as(&path, bytes, change.mode, (change.uid, change.gid))?,
            ChangeKind::Symlink { target } => transaction.link(&path, Path::new(target))?,
            ChangeKind::Dir => transaction.folder(&path, change.mode)?,
            ChangeKind::Remove => transaction.remove(&path)?,
        }
    }
    Ok(())
}

/// The first place among the changes that is on a file system that cannot be written, if any: said before anything is touched.
pub(super) fn read_only<'c>(root: &Path, changes: impl Iterator<Item = &'c Change>) -> Option<PathBuf> {
    changes.map(|change| within(root, &change.path)).find(|path| {
        let present =
            path.ancestors().find(|above| std::fs::symlink_metadata(above).is_ok_and(|meta| !meta.is_symlink()));
        let mount = present.and_then(|present| rustix::fs::statvfs(present).ok());
        mount.is_some_and(|mount| mount.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    })
}

/// Closes the gaps among the links of one hash, which taking one out may have left: OpenSSL would not find those behind a gap.
pub(super) fn close_gaps(reach: &Reach, folder: &Path, hash: &str) -> Result<(), FileError> {
    let mut next = 0;
    for number in 0..SAME_HASH {
        let link = folder.join(format!("{hash}.{number}"));
        if !reach.exists(&link) {
            continue;
        }
        if number != next {
            reach.rename(&link, &format!("{hash}.{next}"))?;
        }
        next += 1;
    }
    Ok(())
}
