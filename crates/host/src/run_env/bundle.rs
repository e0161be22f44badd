//! Combined bundles: what a program trusts now, and our CA. In: the files and folders that are read now. Out: one PEM file each.
//!
//! Our CA comes first and the old bytes follow as they are. A fault in the old bundle (a broken block makes OpenSSL drop the rest of the
//! file) then costs the program what it cost it before, and no more; and no missing final newline can join two blocks.

use super::RunEnvError;
use crate::files::{FileError, read_bounded, regular_files, write_short_lived};
use std::path::{Path, PathBuf};

/// A bundle is some hundred kilobytes; one of 16 MiB is something else.
pub(super) const LARGEST: u64 = 16 << 20;

/// Entries of a folder of roots: a host's has about 300 files and links.
const ENTRIES: usize = 10_000;

/// Writes combined bundles into one folder, each source once.
pub(super) struct Bundles<'a> {
    folder: &'a Path,
    ca_pem: &'a str,
    made: Vec<(Option<PathBuf>, PathBuf)>,
}

impl<'a> Bundles<'a> {
    pub(super) fn new(folder: &'a Path, ca_pem: &'a str) -> Self {
        Self { folder, ca_pem, made: Vec::new() }
    }

    /// The bundle of `source` (a PEM file, or a folder of them) and our CA; without a source, our CA alone.
    ///
    /// # Errors
    /// When the source cannot be read or the bundle cannot be written.
    pub(super) fn combined(&mut self, source: Option<&Path>) -> Result<PathBuf, RunEnvError> {
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known.as_deref() == source) {
            return Ok(made.clone());
        }
        let old = source.map(roots_of).transpose().map_err(RunEnvError::Source)?.unwrap_or_default();
        let name =
            if self.made.is_empty() { "bundle.pem".to_owned() } else { format!("bundle-{}.pem", self.made.len()) };
        let path = self.folder.join(name);
        write_short_lived(&path, &combine(self.ca_pem, &old), 0o644).map_err(RunEnvError::Write)?;
        self.made.push((source.map(Path::to_owned), path.clone()));
        Ok(path)
    }
}

/// Our CA, a line end, and the old bytes.
pub(super) fn combine(ca_pem: &str, old: &[u8]) -> Vec<u8> {
    let mut whole = ca_pem.as_bytes().to_vec();
    if !whole.ends_with(b"\n") {
        whole.push(b'\n');
    }
    whole.extend_from_slice(old);
    whole
}

/// The bytes of a file of roots, or of all files in a folder of them (where hash links lead to a file that is also there, it is taken
/// once).
fn roots_of(source: &Path) -> Result<Vec<u8>, FileError> {
    if !source.is_dir() {
        return read_bounded(source, LARGEST);
    }
    let mut seen = Vec::new();
    let mut whole = Vec::new();
    for path in regular_files(source, ENTRIES)? {
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            continue;
        }
        let bytes = read_bounded(&path, LARGEST)?;
        if bytes.len() + whole.len() > usize::try_from(LARGEST).unwrap_or(usize::MAX) {
            return Err(FileError::TooLarge { path: source.to_owned(), limit: LARGEST });
        }
        seen.push(real);
        whole.extend_from_slice(&bytes);
        if !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_bytes_stay_and_blocks_do_not_join() {
        assert_eq!(combine("CA", b"old without end"), b"CA\nold without end");
        assert_eq!(combine("CA\n", b""), b"CA\n");
    }

    #[test]
    fn a_folder_is_read_once_per_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.pem"), "B").unwrap();
        std::fs::write(folder.path().join("a.pem"), "A\n").unwrap();
        std::os::unix::fs::symlink("b.pem", folder.path().join("01234567.0")).unwrap();
        std::fs::create_dir(folder.path().join("java")).unwrap();
        assert_eq!(roots_of(folder.path()).unwrap(), b"B\nA\n");
    }

    #[test]
    fn one_bundle_for_one_source() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("roots");
        std::fs::write(&source, "ROOTS\n").unwrap();
        let mut bundles = Bundles::new(folder.path(), "CA\n");
        let first = bundles.combined(Some(&source)).unwrap();
        assert_eq!(bundles.combined(Some(&source)).unwrap(), first);
        assert_ne!(bundles.combined(None).unwrap(), first);
        assert_eq!(std::fs::read(&first).unwrap(), b"CA\nROOTS\n");
        assert!(matches!(bundles.combined(Some(Path::new("/none"))), Err(RunEnvError::Source(_))));
    }
}
