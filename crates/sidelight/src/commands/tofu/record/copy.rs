//! The copy of a fleet's record on this machine. In: a path, the record's name. Out: the copy as it was read last; written whole.
//!
//! Its last line names the record that it is a copy of: another one's copy never serves.

use std::path::{Path, PathBuf};

use sidelight_host::files::{Meta, read_bounded, replace_file};
use sidelight_wire::known_roots::{Document, LARGEST};

/// Where it lies unless it is named.
pub(super) const USUAL: &str = "/var/lib/sidelight/known-roots.copy";

const OF: &str = "# a copy of ";

/// A copy.
pub(super) struct LocalCopy {
    pub(super) path: PathBuf,
    /// Whether the user named it: then it is said when it cannot be written.
    pub(super) is_named: bool,
    of: String,
}

impl LocalCopy {
    pub(super) fn new(path: &Path, is_named: bool, of: String) -> Self {
        Self { path: path.to_owned(), is_named, of }
    }

    /// Reads it; nothing when there is none of this record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(&self) -> Result<Option<Document>, String> {
        let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        let bytes = match read_bounded(&self.path, limit) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let document = Document::read(&bytes).map_err(|wrong| format!("{}: {wrong}", self.path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let of = text.lines().next_back().and_then(|line| line.strip_prefix(OF));
        Ok((of == Some(self.of.as_str())).then_some(document))
    }

    /// Writes it, unless it says the same already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, document: &Document) -> Result<(), String> {
        let text = format!("{}{OF}{}\n", document.write(), self.of);
        if std::fs::read(&self.path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        let written =
            Meta::of_or_new(&self.path, 0o644).and_then(|meta| replace_file(&self.path, text.as_bytes(), &meta));
        written.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_record_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let copy = LocalCopy::new(&path, true, "nats://a.test:4222/pins".to_owned());
        assert!(copy.read().unwrap().is_none());
        let document = Document::read(b"# sidelight known roots 1\ngenesis 2026-11-30T06:00:00Z\n").unwrap();
        copy.write(&document).unwrap();
        assert_eq!(copy.read().unwrap().unwrap().known, document.known);
        assert!(LocalCopy::new(&path, true, "nats://b.test:4222/pins".to_owned()).read().unwrap().is_none());
        std::fs::write(&path, "what is this\n").unwrap();
        assert!(copy.read().unwrap_err().contains("line 1"));
    }
}
