//! Watchers of the tests. In: files. Out: their bytes, all of them.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use sidelight_image::{Collected, Error, Head, Kept, Opened, Options, Source, Watch, open};

/// Keeps every file whole.
#[derive(Debug, Default)]
pub(crate) struct All;

impl Watch for All {
    type Found = Vec<u8>;
    type Open = Vec<u8>;

    fn open(&mut self, _head: &Head<'_>) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn feed(&mut self, open: &mut Vec<u8>, bytes: &[u8]) -> bool {
        open.extend_from_slice(bytes);
        true
    }

    fn close(&mut self, open: Vec<u8>, whole: bool) -> Option<Vec<u8>> {
        assert!(whole, "everything was wanted");
        Some(open)
    }
}

/// Reads a source as a user names it.
pub(crate) fn read(source: &str, options: &Options) -> Result<Collected<Vec<u8>>, Error> {
    opened(source, options)?.collect(&mut All)
}

/// Opens a source as a user names it.
pub(crate) fn opened(source: &str, options: &Options) -> Result<Opened, Error> {
    open(&Source::from_str(source).expect("a source"), options)
}

/// A kept file in one line: path, layer, mode, owner, content.
fn line(kept: &Kept<Vec<u8>>) -> String {
    let layer = kept.layer.map(|layer| layer.to_string()).unwrap_or_default();
    let content = String::from_utf8_lossy(&kept.found);
    assert_eq!(kept.size, kept.found.len() as u64, "{}", kept.path);
    format!("{} @{layer} {:o} {}:{} = {}", kept.path, kept.mode, kept.uid, kept.gid, content.escape_debug())
}

/// The final state, line by line.
pub(crate) fn files(collected: &Collected<Vec<u8>>) -> Vec<String> {
    assert!(collected.files.iter().all(|(path, kept)| *path == kept.path));
    collected.files.values().map(line).collect()
}

/// What lies hidden, line by line.
pub(crate) fn hidden(collected: &Collected<Vec<u8>>) -> Vec<String> {
    collected.hidden.iter().map(line).collect()
}

/// Paths and contents alone, as a root without layers has them.
pub(crate) fn contents(collected: &Collected<Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    collected.files.iter().map(|(path, kept)| (path.clone(), kept.found.clone())).collect()
}
