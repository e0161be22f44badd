//! A file system's root as planners of trust see it. In: paths. Out: what stands there, without touching anything.
//!
//! Whoever has files implements [`Root`]: a folder, a process's root, what was kept of an image. Links are followed here, inside the
//! root, as the programs that run in it would follow them.

use std::collections::{BTreeMap, BTreeSet};

use sidelight_model::trust::{Change, ChangeKind};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// Entries that a walk looks at; a large root file system has a few hundred thousand.
const WALKED: usize = 2_000_000;

/// Folders within folders that a walk enters.
const DEPTH: usize = 40;

/// Folders that belong to the machine rather than to its file system, or hold other file systems whole.
const NOT_WALKED: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/tmp",
    "/var/cache",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/mnt",
    "/media",
];

/// Why something could not be looked at; one clause for people, with the path in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RootError(pub String);

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which kind.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Kinds of what stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link and its target as written.
    Link(String),
    /// A folder.
    Folder,
    /// A device, socket or pipe.
    Other,
}

/// A root file system that can be read.
///
/// Paths are absolute, and the folders in them are no links: [`follow`] makes such paths.
pub trait Root {
    /// What stands at a path, without following a link there; `None`: nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn look(&self, path: &str) -> Result<Option<Found>, RootError>;

    /// The bytes of a regular file.
    ///
    /// # Errors
    /// When it cannot be read or is larger than any trust store.
    fn read(&self, path: &str) -> Result<Vec<u8>, RootError>;

    /// The entries of a folder with their kinds, sorted by name; empty where there is none.
    ///
    /// # Errors
    /// When it cannot be listed.
    fn list(&self, path: &str) -> Result<Vec<(String, Kind)>, RootError>;
}

/// The path at which `path` really stands, every link followed inside the root. What does not exist stays as written.
///
/// # Errors
/// When links go in circles, or something cannot be looked at.
pub fn follow(root: &dyn Root, path: &str) -> Result<String, RootError> {
    let mut to_go: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = to_go.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                at.pop();
                continue;
            }
            _ => at.push(part),
        }
        let Some(Found { kind: Kind::Link(target), .. }) = root.look(&joined(&at))? else { continue };
        links += 1;
        if links > LINKS {
            return Err(RootError(format!("{path}: its links go in circles")));
        }
        if target.starts_with('/') {
            at.clear();
        } else {
            at.pop();
        }
        to_go.extend(target.split('/').rev().map(str::to_owned));
    }
    Ok(joined(&at))
}

fn joined(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
}

/// The folder above a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(above, _)| if above.is_empty() { "/" } else { above })
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A name in a folder.
pub(super) fn within(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// The regular file that a path leads to; `None` when there is none.
pub(super) fn file_at(root: &dyn Root, path: &str) -> Option<String> {
    let real = follow(root, path).ok()?;
    matches!(root.look(&real), Ok(Some(Found { kind: Kind::File, .. }))).then_some(real)
}

/// Where a new file of this path would stand; none where something stands there that is no file, as the folder that a link leads to.
pub(super) fn place_for(root: &dyn Root, path: &str) -> Option<String> {
    let real = follow(root, path).ok()?;
    matches!(root.look(&real), Ok(None | Some(Found { kind: Kind::File, .. }))).then_some(real)
}

/// The folder that a path leads to; `None` when there is none.
pub(super) fn folder_at(root: &dyn Root, path: &str) -> Option<String> {
    let real = follow(root, path).ok()?;
    matches!(root.look(&real), Ok(Some(Found { kind: Kind::Folder, .. }))).then_some(real)
}

/// All regular files whose path `wanted` says yes to, sorted; links are not followed, and folders of the running machine are left out.
/// The second value is whether the walk stopped early, because there is more than any root has.
pub fn walk(root: &dyn Root, wanted: &dyn Fn(&str) -> bool) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    let mut to_list = vec![(String::from("/"), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = to_list.pop() {
        // A folder that cannot be listed holds nothing that could be changed.
        for (name, kind) in root.list(&folder).unwrap_or_default() {
            seen += 1;
            let path = within(&folder, &name);
            match kind {
                Kind::File if wanted(&path) => found.push(path),
                Kind::Folder if depth < DEPTH && !NOT_WALKED.contains(&path.as_str()) => {
                    to_list.push((path, depth + 1));
                }
                _ => {}
            }
        }
        if seen > WALKED {
            found.sort();
            return (found, true);
        }
    }
    found.sort();
    (found, false)
}

/// A root with changes made in mind.
pub struct Sketch<'r> {
    under: &'r dyn Root,
    changes: BTreeMap<String, Change>,
}

impl<'r> Sketch<'r> {
    /// Nothing is changed yet.
    pub fn new(under: &'r dyn Root) -> Self {
        Self { under, changes: BTreeMap::new() }
    }

    /// Makes a change in mind.
    pub fn make(&mut self, change: Change) {
        self.changes.insert(change.path.clone(), change);
    }

    /// Whether a folder above was removed as a whole.
    fn is_below_removed(&self, path: &str) -> bool {
        let mut above = parent(path);
        while above != "/" {
            if let Some(change) = self.changes.get(above) {
                return change.kind == ChangeKind::Remove;
            }
            above = parent(above);
        }
        false
    }
}

impl Root for Sketch<'_> {
    fn look(&self, path: &str) -> Result<Option<Found>, RootError> {
        if let Some(change) = self.changes.get(path) {
            let kind = match &change.kind {
                ChangeKind::File { .. } => Kind::File,
                ChangeKind::Symlink { target } => Kind::Link(target.clone()),
                ChangeKind::Dir => Kind::Folder,
                ChangeKind::Remove => return Ok(None),
            };
            return Ok(Some(Found { kind, mode: change.mode, uid: change.uid, gid: change.gid }));
        }
        if self.is_below_removed(path) { Ok(None) } else { self.under.look(path) }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, RootError> {
        match self.changes.get(path).map(|change| &change.kind) {
            Some(ChangeKind::File { bytes }) => Ok(bytes.clone()),
            Some(_) => Err(RootError(format!("{path} is no file"))),
            None => self.under.read(path),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Kind)>, RootError> {
        let mut entries: BTreeMap<String, Kind> = self.under.list(path)?.into_iter().collect();
        for change in self.changes.values().filter(|change| parent(&change.path) == path) {
            match self.look(&change.path)? {
                Some(found) => entries.insert(name(&change.path).to_owned(), found.kind),
                None => entries.remove(name(&change.path)),
            };
        }
        Ok(entries.into_iter().collect())
    }
}

/// A root held in memory: of an image's kept files, or made up.
#[derive(Clone, Debug, Default)]
pub struct MemoryRoot {
    nodes: BTreeMap<String, (Found, Option<Vec<u8>>)>,
    folders: BTreeSet<String>,
}

impl MemoryRoot {
    /// Puts a regular file there. Without bytes it can be seen but not read.
    pub fn file(&mut self, path: &str, bytes: Option<Vec<u8>>, mode: u32, uid: u32, gid: u32) {
        self.put(path, Found { kind: Kind::File, mode, uid, gid }, bytes);
    }

    /// Puts a symbolic link there.
    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, Found { kind: Kind::Link(target.to_owned()), mode: 0o777, uid: 0, gid: 0 }, None);
    }

    /// Puts a folder there.
    pub fn folder(&mut self, path: &str, mode: u32, uid: u32, gid: u32) {
        self.put(path, Found { kind: Kind::Folder, mode, uid, gid }, None);
    }

    fn put(&mut self, path: &str, found: Found, bytes: Option<Vec<u8>>) {
        let mut above = parent(path);
        while above != "/" && self.folders.insert(above.to_owned()) {
            above = parent(above);
        }
        self.nodes.insert(path.to_owned(), (found, bytes));
    }
}

impl Root for MemoryRoot {
    fn look(&self, path: &str) -> Result<Option<Found>, RootError> {
        let implied = Found { kind: Kind::Folder, mode: 0o755, uid: 0, gid: 0 };
        let known = self.nodes.get(path).map(|(found, _)| found.clone());
        Ok(known.or_else(|| (path == "/" || self.folders.contains(path)).then_some(implied)))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let bytes = self.nodes.get(path).and_then(|(_, bytes)| bytes.clone());
        bytes.ok_or_else(|| RootError(format!("{path} was not kept: it is no file, or larger than any trust store")))
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Kind)>, RootError> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let mut entries: BTreeMap<String, Kind> = BTreeMap::new();
        for (path, (found, _)) in below {
            let rest = &path[prefix.len()..];
            match rest.split_once('/') {
                None => entries.insert(rest.to_owned(), found.kind.clone()),
                Some((folder, _)) => entries.insert(folder.to_owned(), Kind::Folder),
            };
        }
        Ok(entries.into_iter().collect())
    }
}
