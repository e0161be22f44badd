//! The state of the root while layers are read. In: entries. Out: kept files, hidden ones, links, notes.

use std::collections::{BTreeMap, HashSet};

use super::links::{Link, Links};
use super::name::{Unusable, lexical, split};
use crate::collected::{Collected, Kept};
use crate::limits::Limits;
use crate::notes::Notes;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names that AUFS kept for itself.
const AUFS: &[u8] = b".wh..wh.";

/// What an entry says of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
}

/// Layers merged so far.
pub(crate) struct Merge<F> {
    files: BTreeMap<Vec<u8>, Kept<F>>,
    links: Links,
    hidden: Vec<Kept<F>>,
    pub(crate) notes: Notes,
    /// The layer that is being read.
    layer: Option<usize>,
    limits: Limits,
    /// Kept files that were left out because too many are held.
    dropped: u64,
    /// Bytes of the names of kept files.
    names: usize,
    /// The folder that was last seen to be one.
    way: Vec<u8>,
    /// Folders from which this layer took already what lower ones had, and in which it has something itself: to say so again means nothing,
    /// and must cost nothing.
    cleared: HashSet<Vec<u8>>,
}

impl<F: Clone> Merge<F> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            files: BTreeMap::new(),
            links: Links::default(),
            hidden: Vec::new(),
            notes: Notes::default(),
            layer: None,
            limits,
            dropped: 0,
            names: 0,
            way: Vec::new(),
            cleared: HashSet::new(),
        }
    }

    /// From now on entries are those of this layer.
    pub(crate) fn begin(&mut self, layer: Option<usize>) {
        self.layer = layer;
        self.cleared.clear();
    }

    /// Where an entry stands; `None` (with a note) when it stands nowhere.
    pub(crate) fn place(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        let settled = lexical(raw, &self.limits).and_then(|clean| self.links.settle(clean, &self.limits));
        match settled {
            Ok(path) => Some(path),
            Err(Unusable::Root) => None,
            Err(why) => {
                let kind = match why {
                    Unusable::Leaves => "entries whose names lead out of the root were left out",
                    Unusable::Circles => "entries whose names lead through links in circles were left out",
                    _ => "entries with names that are too long were left out",
                };
                self.notes.count(self.layer, kind, raw);
                None
            }
        }
    }

    /// Treats a whiteout; false: it is none.
    pub(crate) fn whiteout(&mut self, path: &[u8]) -> bool {
        let (folder, base) = split(path);
        let Some(name) = base.strip_prefix(WHITEOUT) else { return false };
        if base == OPAQUE {
            self.clear_folder(folder);
        } else if base.starts_with(AUFS) || matches!(name, b"" | b"." | b"..") {
            // AUFS's own, or a name that no file has.
        } else {
            let gone = [folder, b"/", name].concat();
            self.delete(&gone);
        }
        true
    }

    /// A whiteout: lower layers' entry of this name and all below it go.
    pub(crate) fn delete(&mut self, path: &[u8]) {
        self.remove(path, true);
        self.remove_below(path, true);
    }

    /// An opaque folder: what lower layers have in it goes.
    pub(crate) fn clear_folder(&mut self, path: &[u8]) {
        self.remove_below(path, true);
    }

    /// A folder stands here: what was no folder goes.
    pub(crate) fn folder(&mut self, path: &[u8]) {
        self.clear_way(path);
        self.remove(path, false);
    }

    /// Anything but a folder stands here now: what was here and below goes.
    pub(crate) fn replace(&mut self, path: &[u8]) {
        self.clear_way(path);
        self.remove(path, false);
        self.remove_below(path, false);
    }

    /// A symbolic link stands here.
    pub(crate) fn link(&mut self, path: Vec<u8>, target: &[u8]) {
        self.replace(&path);
        self.links.insert(path, Link { target: target.to_owned(), layer: self.layer }, &self.limits);
    }

    /// A hard link stands here: it is what its target is. False: nothing of the target was kept.
    pub(crate) fn hard_link(&mut self, path: Vec<u8>, target: &[u8]) -> bool {
        if path == target {
            return true;
        }
        let file = self.files.get(target).cloned();
        let link = self.links.get(target).cloned();
        self.replace(&path);
        if let Some(file) = file {
            let meta = Meta { mode: file.mode, uid: file.uid, gid: file.gid, size: file.size };
            self.keep(path, meta, file.found);
            return true;
        }
        let Some(link) = link else { return false };
        self.links.insert(path, Link { layer: self.layer, ..link }, &self.limits);
        true
    }

    /// Keeps a file; [`Merge::replace`] was called before its bytes were read.
    pub(crate) fn keep(&mut self, path: Vec<u8>, meta: Meta, found: F) {
        self.names += 2 * path.len();
        if self.files.len() + self.hidden.len() >= self.limits.kept || self.names > self.limits.links {
            self.dropped += 1;
            return;
        }
        self.way.clear();
        let Meta { mode, uid, gid, size } = meta;
        let text = String::from_utf8_lossy(&path).into_owned();
        self.files.insert(path, Kept { path: text, layer: self.layer, mode, uid, gid, size, found });
    }

    /// What something stands in is a folder, even when no entry says so: files on the way to it go.
    fn clear_way(&mut self, path: &[u8]) {
        let (folder, _) = split(path);
        if self.way == folder {
            return;
        }
        self.way = folder.to_owned();
        let slashes = path.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/').map(|(at, _)| at);
        for slash in slashes {
            self.remove(&path[..slash], false);
        }
    }

    fn remove(&mut self, path: &[u8], lower_only: bool) {
        let layer = self.layer;
        if self.files.get(path).is_some_and(|kept| !lower_only || kept.layer != layer)
            && let Some(kept) = self.files.remove(path)
        {
            self.hidden.push(kept);
        }
        self.links.remove(path, |link| !lower_only || link.layer != layer);
    }

    fn remove_below(&mut self, folder: &[u8], lower_only: bool) {
        let prefix = [folder, b"/"].concat();
        let layer = self.layer;
        if lower_only && self.cleared.contains(&prefix) {
            return;
        }
        self.links.remove_below(&prefix, |link| !lower_only || link.layer != layer);
        let below = self.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let gone: Vec<Vec<u8>> =
            below.filter(|(_, kept)| !lower_only || kept.layer != layer).map(|(path, _)| path.clone()).collect();
        let gone = gone.iter().filter_map(|path| self.files.remove(path));
        self.hidden.extend(gone);
        let stays = |first: Option<&Vec<u8>>| first.is_some_and(|path| path.starts_with(&prefix));
        if lower_only
            && (stays(self.files.range(prefix.clone()..).next().map(|(path, _)| path)) || self.links.any_below(&prefix))
        {
            self.cleared.insert(prefix);
        }
    }

    /// What was kept, as text.
    pub(crate) fn into_collected(self, wants_link: impl Fn(&str, &str) -> bool) -> Collected<F> {
        let Self { files, links, mut hidden, mut notes, dropped, limits, .. } = self;
        if links.dropped > 0 {
            notes.say(format!(
                "{} symbolic links were left out, because they take more than {} bytes together",
                links.dropped, limits.links
            ));
        }
        if dropped > 0 {
            notes.say(format!("{dropped} files were left out, because more than {} are of interest", limits.kept));
        }
        let mut named = BTreeMap::new();
        for (path, mut kept) in files {
            let text = unique(&named, &path);
            kept.path.clone_from(&text);
            named.insert(text, kept);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let links = links.into_all().into_iter().map(|(path, link)| (text(&path), text(&link.target)));
        let links = links.filter(|(path, target)| wants_link(path, target)).collect();
        hidden.sort_by(|a, b| (a.layer, &a.path).cmp(&(b.layer, &b.path)));
        Collected {
            image: None,
            layers: Vec::new(),
            config: sidelight_model::trust::Config::default(),
            files: named,
            hidden,
            links,
            notes: notes.into_all(),
        }
    }
}

/// A name as text; names that are the same but for bytes that are no UTF-8 stay apart: all but the first have them as `\xff`.
fn unique<F>(taken: &BTreeMap<String, Kept<F>>, path: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(path).into_owned();
    if taken.contains_key(&text) {
        text = path.escape_ascii().to_string();
    }
    // No two paths are written so, but another's own name may look like it.
    while taken.contains_key(&text) {
        text.push('\u{fffd}');
    }
    text
}
