//! Taking the certificates of a deed out of what others have changed since. In: what stood there before, what stands there now. Out: what to do.

use super::{Anchor, JavaStore};
use crate::files::Snapshot;
use crate::journal::{Outcome, Reconcile};
use sidelight_wire::pem;
use std::path::{Path, PathBuf};

/// Takes `anchors` out.
pub(super) struct WithoutAnchor<'a> {
    pub anchors: &'a [Anchor],
    pub storepass: &'a str,
    /// Folders of databases from which it was deleted already.
    pub deleted: &'a [PathBuf],
}

impl Reconcile for WithoutAnchor<'_> {
    fn reconcile(&self, path: &Path, before: &Snapshot, after: Option<&str>, now: &Snapshot) -> Outcome {
        if path.parent().is_some_and(|parent| self.deleted.iter().any(|folder| folder == parent)) {
            return Outcome::Leave;
        }
        // Of a deed that was cut short it is not known what it left; what looks half-done is its work.
        let cut_short = after.is_none();
        match now {
            Snapshot::Absent if cut_short => Outcome::Restore,
            Snapshot::Absent | Snapshot::Directory { .. } => Outcome::Leave,
            Snapshot::Symlink { target, .. } => {
                // A link is ours when it leads to a file of our name. Another is somebody's new one, or what the update command put in
                // the place of what stood there.
                let ours = self.names_one(target.as_os_str().as_encoded_bytes());
                let new = cut_short && *before == Snapshot::Absent && self.is_hash_of_ours(path);
                if ours || new || (cut_short && *before != Snapshot::Absent) {
                    Outcome::Restore
                } else {
                    Outcome::Leave
                }
            }
            Snapshot::File { bytes, .. } => {
                let temporary = path.to_string_lossy().ends_with("new");
                if cut_short && temporary && *before == Snapshot::Absent {
                    return Outcome::Remove;
                }
                self.file(bytes, before, cut_short)
            }
        }
    }
}

/// Knows no format: what somebody changed since must be looked at.
pub(super) struct Untouched;

impl Reconcile for Untouched {
    fn reconcile(&self, _path: &Path, before: &Snapshot, after: Option<&str>, now: &Snapshot) -> Outcome {
        match (after, now) {
            // Cut short, or gone: what was there comes back.
            (None, _) | (_, Snapshot::Absent) => Outcome::Restore,
            _ if *before == Snapshot::Absent => Outcome::Leave,
            _ => Outcome::Unclear("was changed by others since".to_owned()),
        }
    }
}

impl WithoutAnchor<'_> {
    /// Whether the name of one of ours is in it.
    fn names_one(&self, bytes: &[u8]) -> bool {
        self.anchors.iter().any(|anchor| contains(bytes, anchor.name.as_bytes()))
    }

    /// Whether the DER of one of ours is in it.
    fn holds_one(&self, bytes: &[u8]) -> bool {
        self.anchors.iter().any(|anchor| contains(bytes, anchor.der()))
    }

    /// Whether a link has the name by which OpenSSL finds one of ours.
    fn is_hash_of_ours(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_its = |anchor: &Anchor, hash: &str| anchor.hashes().iter().any(|ours| ours == hash);
        name.split_once('.').is_some_and(|(hash, _)| self.anchors.iter().any(|anchor| is_its(anchor, hash)))
    }

    fn file(&self, now: &[u8], before: &Snapshot, cut_short: bool) -> Outcome {
        let old = if let Snapshot::File { bytes, .. } = before { bytes.as_slice() } else { b"" };
        if matches!(now, [0xfe, 0xed, 0xfe, 0xed, ..] | [0x30, ..]) {
            return self.java(now, old, before, cut_short);
        }
        let (blocks, _) = pem::read(now);
        if !blocks.is_empty() {
            let ours = |block: &&pem::Block| {
                block.is_certificate() && self.anchors.iter().any(|anchor| block.data.starts_with(anchor.der()))
            };
            let ranges: Vec<(usize, usize)> = blocks.iter().filter(ours).map(|block| block.bytes).collect();
            return self.without(now, &ranges, old, before);
        }
        if self.names_one(now) && std::str::from_utf8(now).is_ok() {
            return self.without(now, &self.lines(now), old, before);
        }
        if now.is_empty() && cut_short {
            return Outcome::Restore;
        }
        if !self.holds_one(now) {
            return Outcome::Leave;
        }
        if cut_short {
            return Outcome::Restore;
        }
        Outcome::Unclear("it was changed since, and holds the CA in a format that sidelight does not write".to_owned())
    }

    /// The bytes outside of the ranges; if they are the old ones, those come back with all their attributes.
    fn without(&self, now: &[u8], ranges: &[(usize, usize)], old: &[u8], before: &Snapshot) -> Outcome {
        let mut rest = Vec::new();
        let mut from = 0;
        for (start, end) in ranges {
            let start = start - self.comment_before(&now[from..*start]);
            rest.extend_from_slice(&now[from..start]);
            from = *end;
        }
        rest.extend_from_slice(&now[from..]);
        if rest == old {
            Outcome::Restore
        } else if ranges.is_empty() {
            Outcome::Leave
        } else if rest.trim_ascii().is_empty() && *before == Snapshot::Absent {
            Outcome::Remove
        } else {
            Outcome::Write(rest)
        }
    }

    /// The length of a comment line with our name that stands right before our block, as p11-kit writes it.
    fn comment_before(&self, text: &[u8]) -> usize {
        let Some(rest) = text.strip_suffix(b"\n") else { return 0 };
        let line = rest.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_name = |anchor: &Anchor| line[2..].trim_ascii() == anchor.certificate.short_name().as_bytes();
        if line.starts_with(b"# ") && self.anchors.iter().any(is_name) { line.len() + 1 } else { 0 }
    }

    /// Where the lines that name us are.
    fn lines(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut from = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.names_one(line) {
                found.push((from, from + line.len()));
            }
            from += line.len();
        }
        found
    }

    fn java(&self, now: &[u8], old: &[u8], before: &Snapshot, cut_short: bool) -> Outcome {
        let mut store = match JavaStore::read(now, self.storepass) {
            Ok(store) => store,
            // Written halfway when the program was ended.
            Err(_) if cut_short => return Outcome::Restore,
            Err(_) if !self.holds_one(now) => return Outcome::Leave,
            Err(why) => return Outcome::Unclear(format!("it was changed since, and cannot be read: {why}")),
        };
        let held = self.anchors.iter().any(|anchor| store.certificates().contains(&anchor.der()));
        self.anchors.iter().for_each(|anchor| store.remove(anchor.der()));
        if JavaStore::read(old, self.storepass).is_ok_and(|old| old.same_content(&store)) {
            return Outcome::Restore;
        }
        if !held {
            return Outcome::Leave;
        }
        if *before == Snapshot::Absent && store.certificates().is_empty() {
            return Outcome::Remove;
        }
        match store.write(self.storepass) {
            Ok(bytes) => Outcome::Write(bytes),
            Err(why) => Outcome::Unclear(format!("it was changed since, and cannot be written: {why}")),
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}
