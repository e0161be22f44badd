//! What two sources trust differently. In: two surveys, what the programs of each read, the time. Out: [`Difference`]: by root, by
//! store and by program. Certificates are compared by their bytes; what shares a name or a key is told as changed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::audit::{Reads, Role, is_root, store_of};
use super::{CertId, File, Runtime, Survey};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// The source that stands for Mozilla's list.
pub const MOZILLA: &str = "mozilla";

/// One of the two sources.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What bears on trust in it.
    pub survey: &'a Survey,
    /// What its programs read; empty where that is not known.
    pub readers: &'a [Reads],
}

/// Roots by their lower-case hexadecimal SHA-256.
type Roots = BTreeMap<String, Arc<Certificate>>;

/// What differs between two sets of roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// How many roots the first set has.
    pub before: usize,
    /// How many roots the second set has.
    pub after: usize,
    /// Only in the second set, by name.
    pub added: Vec<Arc<Certificate>>,
    /// Only in the first set, by name.
    pub removed: Vec<Arc<Certificate>>,
    /// In both, but not the same certificate: before, after.
    pub changed: Vec<Changed>,
}

/// A root for which another stands in the other set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// In the first set.
    pub before: Arc<Certificate>,
    /// In the second set.
    pub after: Arc<Certificate>,
    /// What they share.
    pub shares: Shares,
}

/// What two certificates share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// The key: renewed, or signed by another.
    Key,
    /// The name alone: another key.
    Name,
}

impl Shares {
    /// The word for it in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Name => "name",
        }
    }
}

impl Delta {
    fn new(before: &Roots, after: &Roots) -> Self {
        let only = |these: &Roots, those: &Roots| -> Vec<Arc<Certificate>> {
            these.iter().filter(|(hash, _)| !those.contains_key(*hash)).map(|(_, cert)| Arc::clone(cert)).collect()
        };
        let mut delta = Self { before: before.len(), after: after.len(), ..Self::default() };
        let (mut removed, mut added) = (only(before, after), only(after, before));
        for shares in [Shares::Key, Shares::Name] {
            delta.pair(shares, &mut removed, &mut added);
        }
        let by_name = |cert: &Arc<Certificate>| (cert.short_name().to_lowercase(), cert.sha256());
        added.sort_by_cached_key(by_name);
        removed.sort_by_cached_key(by_name);
        delta.changed.sort_by_cached_key(|changed| by_name(&changed.after));
        Self { added, removed, ..delta }
    }

    /// Takes pairs out of what was removed and added.
    fn pair(&mut self, shares: Shares, removed: &mut Vec<Arc<Certificate>>, added: &mut Vec<Arc<Certificate>>) {
        let mark = |cert: &Arc<Certificate>| match shares {
            Shares::Key => cert.public_key.clone(),
            Shares::Name => cert.subject_der.clone(),
        };
        let mut by_mark: BTreeMap<Vec<u8>, Vec<Arc<Certificate>>> = BTreeMap::new();
        for cert in added.drain(..) {
            by_mark.entry(mark(&cert)).or_default().push(cert);
        }
        removed.retain(|before| {
            let Some(after) = by_mark.get_mut(&mark(before)).and_then(Vec::pop) else { return true };
            self.changed.push(Changed { before: Arc::clone(before), after, shares });
            false
        });
        added.extend(by_mark.into_values().flatten());
    }

    /// Whether both sets are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// A store as it is in both sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDelta {
    /// Its path; where a store is compared with Mozilla's list, that of the store.
    pub path: String,
    /// Whether the first source has it.
    pub in_before: bool,
    /// Whether the second source has it.
    pub in_after: bool,
    /// What differs.
    pub delta: Delta,
}

/// A program as it is in both sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderDelta {
    /// Whose rules it follows.
    pub runtime: Runtime,
    /// Its name in the first source; `None`: it is not there.
    pub before: Option<String>,
    /// Its name in the second source.
    pub after: Option<String>,
    /// What differs in what it has.
    pub delta: Delta,
}

/// What two sources trust differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Over all trust stores.
    pub roots: Delta,
    /// By store, where something differs.
    pub stores: Vec<StoreDelta>,
    /// How many stores are the same in both.
    pub same_stores: usize,
    /// By program, those that are the same included.
    pub readers: Vec<ReaderDelta>,
    /// Roots of the second source that expire soon or have expired, the next first.
    pub expiring: Vec<Arc<Certificate>>,
}

impl Difference {
    /// Whether nothing differs: by root, by store, and by program where both sources have it.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.stores.is_empty() && self.readers.iter().all(|reader| reader.delta.is_empty())
    }
}

/// Compares two sources. With `runtime`, only what its programs have counts.
pub fn diff(before: Side<'_>, after: Side<'_>, runtime: Option<Runtime>, now: Timestamp, days: u32) -> Difference {
    let readers = readers(before, after, runtime);
    let (old, new) = match runtime {
        Some(runtime) => (of_runtime(before, runtime), of_runtime(after, runtime)),
        None => (all(before.survey), all(after.survey)),
    };
    let (stores, same_stores) = if runtime.is_some() { (Vec::new(), 0) } else { stores(before.survey, after.survey) };
    let until = now.plus(Duration::from_secs(u64::from(days) * 86_400));
    let mut expiring: Vec<Arc<Certificate>> = new.values().filter(|cert| cert.not_after <= until).cloned().collect();
    expiring.sort_by_key(|cert| cert.not_after);
    Difference { roots: Delta::new(&old, &new), stores, same_stores, readers, expiring }
}

fn of_ids<'a>(survey: &Survey, ids: impl IntoIterator<Item = &'a CertId>) -> Roots {
    ids.into_iter().map(|id| survey.pool.get(*id)).map(|cert| (cert.sha256(), Arc::clone(cert))).collect()
}

fn of_file(survey: &Survey, file: &File) -> Roots {
    let entries = store_of(file).map(|store| store.entries.as_slice()).unwrap_or_default();
    of_ids(survey, entries.iter().filter(|entry| is_root(entry)).map(|entry| &entry.cert))
}

/// All that is trusted somewhere in a source.
fn all(survey: &Survey) -> Roots {
    let trusted = survey.files.values().filter(|file| is_mozilla(survey) || Role::of(file).is_trusted());
    trusted.flat_map(|file| of_file(survey, file)).collect()
}

/// What a runtime's programs have, all of them together. Mozilla's list is what it is for everyone.
fn of_runtime(side: Side<'_>, runtime: Runtime) -> Roots {
    if is_mozilla(side.survey) {
        return all(side.survey);
    }
    let readers = side.readers.iter().filter(|reader| reader.runtime == runtime);
    readers.flat_map(|reader| of_ids(side.survey, reader.roots.keys())).collect()
}

fn is_mozilla(survey: &Survey) -> bool {
    survey.source == MOZILLA
}

/// Stores that are whole sets of roots, by path.
fn sets(survey: &Survey) -> BTreeMap<&str, Roots> {
    let sets = survey.files.values().filter(|file| Role::of(file).is_set());
    sets.map(|file| (file.path.as_str(), of_file(survey, file))).collect()
}

fn stores(before: &Survey, after: &Survey) -> (Vec<StoreDelta>, usize) {
    let (old, new) = (sets(before), sets(after));
    let nothing = Roots::new();
    let (old_list, new_list) = (all(before), all(after));
    let paths: BTreeSet<&str> = match (is_mozilla(before), is_mozilla(after)) {
        (true, true) => BTreeSet::new(),
        (true, false) => new.keys().copied().collect(),
        (false, true) => old.keys().copied().collect(),
        (false, false) => old.keys().chain(new.keys()).copied().collect(),
    };
    let mut found = Vec::new();
    let mut same = 0;
    for path in paths {
        let was = if is_mozilla(before) { Some(&old_list) } else { old.get(path) };
        let is = if is_mozilla(after) { Some(&new_list) } else { new.get(path) };
        let delta = Delta::new(was.unwrap_or(&nothing), is.unwrap_or(&nothing));
        if delta.is_empty() && was.is_some() == is.is_some() {
            same += 1;
        } else {
            found.push(StoreDelta { path: path.to_owned(), in_before: was.is_some(), in_after: is.is_some(), delta });
        }
    }
    (found, same)
}

/// Programs of both sources: those of one name are the same, then those of one runtime in order.
fn readers(before: Side<'_>, after: Side<'_>, only: Option<Runtime>) -> Vec<ReaderDelta> {
    let wanted = |reader: &&Reads| only.is_none_or(|runtime| reader.runtime == runtime);
    let mut rest: Vec<&Reads> = after.readers.iter().filter(wanted).collect();
    let mut pairs: Vec<(Option<&Reads>, Option<&Reads>)> = Vec::new();
    let mut unpaired: Vec<&Reads> = Vec::new();
    for old in before.readers.iter().filter(wanted) {
        match rest.iter().position(|new| new.name == old.name && new.runtime == old.runtime) {
            Some(index) => pairs.push((Some(old), Some(rest.remove(index)))),
            None => unpaired.push(old),
        }
    }
    for old in unpaired {
        let index = rest.iter().position(|new| new.runtime == old.runtime);
        pairs.push((Some(old), index.map(|index| rest.remove(index))));
    }
    pairs.extend(rest.into_iter().map(|new| (None, Some(new))));
    let mut found: Vec<ReaderDelta> =
        pairs.into_iter().filter_map(|(old, new)| reader(before, after, old, new)).collect();
    found.sort_by(|a, b| (a.runtime, &a.after, &a.before).cmp(&(b.runtime, &b.after, &b.before)));
    found
}

/// A program that only one of the sources has is told without roots: that is no difference in trust. Beside Mozilla's list, it is
/// compared with that.
fn reader(before: Side<'_>, after: Side<'_>, old: Option<&Reads>, new: Option<&Reads>) -> Option<ReaderDelta> {
    let runtime = old.or(new)?.runtime;
    let has = |side: Side<'_>, reader: Option<&Reads>| match reader {
        Some(reader) => Some(of_ids(side.survey, reader.roots.keys())),
        None if is_mozilla(side.survey) => Some(all(side.survey)),
        None => None,
    };
    let delta = match (has(before, old), has(after, new)) {
        (Some(old), Some(new)) => Delta::new(&old, &new),
        (old, new) => Delta {
            before: old.map_or(0, |roots| roots.len()),
            after: new.map_or(0, |roots| roots.len()),
            ..Delta::default()
        },
    };
    let name = |reader: Option<&Reads>, side: Side<'_>| match reader {
        Some(reader) => Some(reader.name.clone()),
        None => is_mozilla(side.survey).then(|| "Mozilla's list".to_owned()),
    };
    Some(ReaderDelta { runtime, before: name(old, before), after: name(new, after), delta })
}
