//! Changes as a layer. In: [`Change`]s, the folders above them as they are in the image. Out: a compressed tar that is the same
//! whenever and wherever it is made. Spec: OCI image-spec "Layer changesets" (whiteouts), POSIX ustar with GNU's long names.
//!
//! Every folder above a change is listed with the mode and owner that it has: engines unpack a layer by itself, make folders that it
//! does not list as they like (dockerd with mode 0600 and owner root), and what is above hides what is below.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use sidelight_model::trust::{Change, ChangeKind};

use super::{WriteError, sha256};

/// What hides a file of lower layers (image-spec, "Whiteouts").
const WHITEOUT: &str = ".wh.";

/// A folder's mode and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// What a folder has that no image and no change says anything of.
const PLAIN: Folder = Folder { mode: 0o755, uid: 0, gid: 0 };

/// Folders by absolute path.
pub type Folders = BTreeMap<String, Folder>;

/// A layer that was made.
#[derive(Clone, Debug)]
pub(super) struct MadeLayer {
    /// The compressed tar.
    pub(super) blob: Vec<u8>,
    /// `sha256:…` of it.
    pub(super) digest: String,
    /// `sha256:…` of the tar.
    pub(super) diff_id: String,
}

/// The folders above the changes: what [`Folders`] should know.
pub fn folders_above(changes: &[Change]) -> BTreeSet<String> {
    changes.iter().flat_map(|change| above(&change.path).map(str::to_owned)).collect()
}

/// `/a/b/c` → `/a`, `/a/b`.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().skip(1).filter(|(_, letter)| *letter == '/').map(|(at, _)| &path[..at])
}

/// Whether every change can be put into a layer of an image with these symbolic links: a path whose folders are links would be
/// written beside what the link points to.
///
/// # Errors
/// With the first path that cannot.
pub fn check_paths(changes: &[Change], links: &BTreeMap<String, String>) -> Result<(), WriteError> {
    for change in changes {
        let wrong = |why: String| Err(WriteError::Change { path: change.path.clone(), why });
        let parts: Vec<&str> = change.path.split('/').collect();
        let sound =
            parts.len() > 1 && parts[0].is_empty() && parts[1..].iter().all(|part| !matches!(*part, "" | "." | ".."));
        if !sound || change.path.contains('\0') {
            return wrong("it is no absolute path without `.` and `..`".to_owned());
        }
        if let Some(part) = parts.iter().find(|part| part.starts_with(WHITEOUT)) {
            return wrong(format!("`{part}` means in a layer that something is removed"));
        }
        if let Some(link) = above(&change.path).find(|folder| links.contains_key(*folder)) {
            return wrong(format!("{link} is a link to {}", links[link]));
        }
    }
    Ok(())
}

/// Makes the layer. `time`: seconds since the epoch that its entries get.
pub(super) fn make(changes: &[Change], folders: &Folders, time: u64) -> io::Result<MadeLayer> {
    let mut entries: BTreeMap<&str, Entry<'_>> = BTreeMap::new();
    for change in changes {
        for folder in above(&change.path) {
            entries.entry(folder).or_insert_with(|| Entry::Folder(folders.get(folder).copied().unwrap_or(PLAIN)));
        }
    }
    for change in changes {
        let own = Folder { mode: change.mode & 0o7777, uid: change.uid, gid: change.gid };
        let entry = match &change.kind {
            ChangeKind::File { bytes } => Entry::File(own, bytes),
            ChangeKind::Symlink { target } => Entry::Link(own, target),
            ChangeKind::Dir => Entry::Folder(own),
            ChangeKind::Remove => Entry::Removed,
        };
        entries.insert(&change.path, entry);
    }
    let mut tar = tar::Builder::new(Vec::new());
    for (path, entry) in &entries {
        entry.append(&mut tar, path, time)?;
    }
    let tar = tar.into_inner()?;
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::new(6));
    gzip.write_all(&tar)?;
    let blob = gzip.finish()?;
    Ok(MadeLayer { digest: sha256(&blob), diff_id: sha256(&tar), blob })
}

enum Entry<'c> {
    Folder(Folder),
    File(Folder, &'c [u8]),
    Link(Folder, &'c str),
    Removed,
}

impl Entry<'_> {
    fn append(&self, tar: &mut tar::Builder<Vec<u8>>, path: &str, time: u64) -> io::Result<()> {
        let name = path.trim_start_matches('/');
        let mut header = tar::Header::new_gnu();
        header.set_mtime(time);
        header.set_size(0);
        let mut own = |folder: &Folder| {
            header.set_mode(folder.mode);
            header.set_uid(folder.uid.into());
            header.set_gid(folder.gid.into());
        };
        match self {
            Self::Folder(folder) => {
                own(folder);
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, format!("{name}/"), io::empty())
            }
            Self::File(folder, bytes) => {
                own(folder);
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, *bytes)
            }
            Self::Link(folder, target) => {
                own(&Folder { mode: 0o777, ..*folder });
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, name, target)
            }
            Self::Removed => {
                own(&Folder { mode: 0, uid: 0, gid: 0 });
                header.set_entry_type(tar::EntryType::Regular);
                let hidden = match name.rsplit_once('/') {
                    Some((folder, last)) => format!("{folder}/{WHITEOUT}{last}"),
                    None => format!("{WHITEOUT}{name}"),
                };
                tar.append_data(&mut header, hidden, io::empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn change(path: &str, kind: ChangeKind) -> Change {
        Change { path: path.to_owned(), kind, mode: 0o100_640, uid: 3, gid: 4 }
    }

    fn entries(layer: &MadeLayer) -> Vec<String> {
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&layer.blob[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(sha256(&tar), layer.diff_id);
        let mut archive = tar::Archive::new(&tar[..]);
        let shown = |entry: tar::Entry<'_, &[u8]>| {
            let header = entry.header();
            let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
            format!(
                "{}{link} {:o} {}:{} {}",
                entry.path().unwrap().display(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            )
        };
        archive.entries().unwrap().map(|entry| shown(entry.unwrap())).collect()
    }

    #[test]
    fn folders_keep_what_they_have_and_new_ones_get_what_is_said() {
        let long = format!("/opt/{}/x", "n".repeat(150));
        let changes = [
            change("/etc/ssl/certs/a.pem", ChangeKind::File { bytes: b"pem".to_vec() }),
            change("/etc/ssl/certs/b.0", ChangeKind::Symlink { target: "a.pem".to_owned() }),
            change("/etc/ssl/old.pem", ChangeKind::Remove),
            change("/gone", ChangeKind::Remove),
            change("/opt/new", ChangeKind::Dir),
            change(&long, ChangeKind::File { bytes: Vec::new() }),
        ];
        assert!(
            folders_above(&changes).into_iter().eq([
                "/etc",
                "/etc/ssl",
                "/etc/ssl/certs",
                "/opt",
                &long[..long.len() - 2]
            ]
            .map(str::to_owned))
        );
        let folders = Folders::from([
            ("/etc".to_owned(), Folder { mode: 0o755, uid: 0, gid: 0 }),
            ("/etc/ssl/certs".to_owned(), Folder { mode: 0o2775, uid: 7, gid: 8 }),
        ]);
        let layer = make(&changes, &folders, 1_600_000_000).unwrap();
        let n = "n".repeat(150);
        let expected = [
            "etc/ 755 0:0 1600000000".to_owned(),
            "etc/ssl/ 755 0:0 1600000000".to_owned(),
            "etc/ssl/certs/ 2775 7:8 1600000000".to_owned(),
            "etc/ssl/certs/a.pem 640 3:4 1600000000".to_owned(),
            "etc/ssl/certs/b.0 -> a.pem 777 3:4 1600000000".to_owned(),
            "etc/ssl/.wh.old.pem 0 0:0 1600000000".to_owned(),
            ".wh.gone 0 0:0 1600000000".to_owned(),
            "opt/ 755 0:0 1600000000".to_owned(),
            "opt/new/ 640 3:4 1600000000".to_owned(),
            format!("opt/{n}/ 755 0:0 1600000000"),
            format!("opt/{n}/x 640 3:4 1600000000"),
        ];
        let mut sorted = expected.to_vec();
        sorted.sort();
        let mut found = entries(&layer);
        found.sort();
        assert_eq!(found, sorted);
        assert_eq!(make(&changes, &folders, 1_600_000_000).unwrap().digest, layer.digest);
        let mut turned = changes.to_vec();
        turned.reverse();
        assert_eq!(make(&turned, &folders, 1_600_000_000).unwrap().digest, layer.digest);
    }

    #[test]
    fn of_two_changes_of_a_path_the_later_counts() {
        let changes = [change("/a", ChangeKind::Remove), change("/a", ChangeKind::Symlink { target: "b".to_owned() })];
        assert_eq!(entries(&make(&changes, &Folders::new(), 0).unwrap()), ["a -> b 777 3:4 0"]);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let links = BTreeMap::from([("/etc/ssl/certs".to_owned(), "/etc/pki".to_owned())]);
        let check =
            |path: &str| check_paths(&[change(path, ChangeKind::Remove)], &links).map_err(|error| error.to_string());
        assert!(check("/etc/ssl/certs").is_ok(), "the link itself may change");
        assert!(check("/etc/ssl/certs/a").unwrap_err().contains("/etc/ssl/certs is a link to /etc/pki"));
        for path in ["", "/", "a", "/a/../b", "/a//b", "/a/", "/a/./b", "/a\0b"] {
            assert!(check(path).unwrap_err().contains("no absolute path"), "{path}");
        }
        assert!(check("/a/.wh.b").unwrap_err().contains("removed"));
    }
}
