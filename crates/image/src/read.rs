//! Some files of a source, whole. In: absolute names. Out: their bytes, links followed inside the root. For callers that know
//! what they want rather than watching what there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::collected::Kept;
use crate::error::Error;
use crate::opened::Opened;
use crate::watch::{Head, Watch};

/// As many links as Linux follows.
const MAX_FOLLOWED: usize = 40;

/// Keeps the files of certain names, whole.
struct Wanted {
    names: BTreeSet<String>,
    limit: u64,
}

impl Watch for Wanted {
    type Found = Vec<u8>;
    type Open = Vec<u8>;

    fn open(&mut self, head: &Head<'_>) -> Option<Vec<u8>> {
        (head.size <= self.limit && self.names.contains(head.path)).then(Vec::new)
    }

    fn feed(&mut self, open: &mut Vec<u8>, bytes: &[u8]) -> bool {
        open.extend_from_slice(bytes);
        open.len() as u64 <= self.limit
    }

    fn close(&mut self, open: Vec<u8>, whole: bool) -> Option<Vec<u8>> {
        whole.then_some(open)
    }
}

impl Opened {
    /// Files by the names under which they were asked for, each of at most `limit` bytes. What is not there, is larger, or is no
    /// regular file, is left out. Reads the source once, and once more when a name leads through links.
    ///
    /// # Errors
    /// As [`Opened::collect`].
    pub fn read_files(&mut self, names: &[&str], limit: u64) -> Result<BTreeMap<String, Kept<Vec<u8>>>, Error> {
        let mut watch = Wanted { names: names.iter().map(|name| (*name).to_owned()).collect(), limit };
        let mut collected = self.collect(&mut watch)?;
        let real: Vec<(&str, Option<String>)> =
            names.iter().map(|name| (*name, resolve(&collected.links, name))).collect();
        let more: BTreeSet<String> =
            real.iter().filter_map(|(_, real)| real.clone()).filter(|real| !watch.names.contains(real)).collect();
        if !more.is_empty() {
            watch.names.extend(more);
            collected = self.collect(&mut watch)?;
        }
        let found = real.into_iter().filter_map(|(name, real)| {
            let kept = collected.files.get(&real?)?;
            Some((name.to_owned(), kept.clone()))
        });
        Ok(found.collect())
    }
}

/// Where a name leads once every link in it is followed inside the root; `None`: in circles.
pub fn resolve(links: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let parts = |text: &str| text.split('/').rev().map(str::to_owned).collect::<Vec<_>>();
    let mut todo = parts(path);
    let mut done: Vec<String> = Vec::new();
    let mut followed = 0;
    while let Some(part) = todo.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(part),
        }
        let Some(target) = links.get(&format!("/{}", done.join("/"))) else { continue };
        followed += 1;
        if followed > MAX_FOLLOWED {
            return None;
        }
        if target.starts_with('/') {
            done.clear();
        } else {
            done.pop();
        }
        todo.extend(parts(target));
    }
    Some(format!("/{}", done.join("/")))
}
