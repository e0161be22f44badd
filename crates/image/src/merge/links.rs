//! Symbolic links of the final state. In: links as layers bring them. Out: where a name leads inside the root.

use std::collections::BTreeMap;

use super::name::{Unusable, split};
use crate::limits::Limits;

/// As many links as Linux follows (path_resolution(7)).
const MAX_FOLLOWED: usize = 40;
/// What a link costs beside its two names.
const OVERHEAD: usize = 96;

/// A link and the layer that brought it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) target: Vec<u8>,
    pub(super) layer: Option<usize>,
}

/// All links, bounded.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: BTreeMap<Vec<u8>, Link>,
    held: usize,
    /// Links that were left out because too many are held.
    pub(super) dropped: u64,
    /// The folder that was resolved last, and to what: entries of one folder follow each other.
    last: Option<(Vec<u8>, Vec<u8>)>,
}

impl Links {
    pub(super) fn insert(&mut self, path: Vec<u8>, link: Link, limits: &Limits) {
        let cost = path.len() + link.target.len() + OVERHEAD;
        if self.held + cost > limits.links {
            self.dropped += 1;
            return;
        }
        self.held += cost;
        self.last = None;
        if let Some(old) = self.all.insert(path.clone(), link) {
            self.held -= path.len() + old.target.len() + OVERHEAD;
        }
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&Link> {
        self.all.get(path)
    }

    /// Removes what `layer_matters` says of the link itself.
    pub(super) fn remove(&mut self, path: &[u8], goes: impl Fn(&Link) -> bool) {
        if self.all.get(path).is_some_and(goes)
            && let Some(old) = self.all.remove(path)
        {
            self.forget(path, &old);
        }
    }

    /// Removes links below a folder; `prefix` ends with a slash.
    pub(super) fn remove_below(&mut self, prefix: &[u8], goes: impl Fn(&Link) -> bool) {
        let below = self.all.range(prefix.to_vec()..).take_while(|(path, _)| path.starts_with(prefix));
        let gone: Vec<Vec<u8>> = below.filter(|(_, link)| goes(link)).map(|(path, _)| path.clone()).collect();
        for path in gone {
            if let Some(old) = self.all.remove(&path) {
                self.forget(&path, &old);
            }
        }
    }

    /// Whether there is a link below a folder; `prefix` ends with a slash.
    pub(super) fn any_below(&self, prefix: &[u8]) -> bool {
        self.all.range(prefix.to_vec()..).next().is_some_and(|(path, _)| path.starts_with(prefix))
    }

    fn forget(&mut self, path: &[u8], old: &Link) {
        self.held = self.held.saturating_sub(path.len() + old.target.len() + OVERHEAD);
        self.last = None;
    }

    /// A clean name with the links in its folders followed, the last part as it is.
    pub(super) fn settle(&mut self, clean: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, Unusable> {
        let (folder, base) = split(&clean);
        if folder.is_empty() || self.all.is_empty() {
            return Ok(clean);
        }
        let known = self.last.as_ref().filter(|(from, _)| from == folder);
        let mut settled = match known {
            Some((_, to)) => to.clone(),
            None => self.resolve(folder, limits)?,
        };
        if known.is_none() {
            self.last = Some((folder.to_owned(), settled.clone()));
        }
        settled.push(b'/');
        settled.extend_from_slice(base);
        if settled.len() > limits.name { Err(Unusable::TooLong) } else { Ok(settled) }
    }

    /// Follows every link of a name inside the root.
    pub(super) fn resolve(&self, path: &[u8], limits: &Limits) -> Result<Vec<u8>, Unusable> {
        let parts = |text: &[u8]| {
            let parts = text.split(|byte| *byte == b'/').rev();
            parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let mut todo = parts(path);
        let mut done: Vec<u8> = Vec::with_capacity(path.len());
        let mut followed = 0;
        while let Some(part) = todo.pop() {
            match part.as_slice() {
                // Above the root is the root.
                b".." => {
                    done.truncate(split(&done).0.len());
                    continue;
                }
                _ => {
                    done.push(b'/');
                    done.extend_from_slice(&part);
                }
            }
            if done.len() > limits.name || todo.len() > 2 * limits.depth {
                return Err(Unusable::TooLong);
            }
            let Some(link) = self.all.get(&done) else { continue };
            followed += 1;
            if followed > MAX_FOLLOWED {
                return Err(Unusable::Circles);
            }
            let keep = if link.target.starts_with(b"/") { 0 } else { split(&done).0.len() };
            done.truncate(keep);
            todo.extend(parts(&link.target));
            // Here too: what goes up again and again never comes to a name.
            if todo.len() > 2 * limits.depth {
                return Err(Unusable::TooLong);
            }
        }
        Ok(done)
    }

    pub(super) fn into_all(self) -> BTreeMap<Vec<u8>, Link> {
        self.all
    }
}
