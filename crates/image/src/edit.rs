//! What a plan of trust has to see of an image. In: the files of an image as they stream past. Out: a root in memory that holds every
//! file that may have to be changed, and the folders above them.

use std::collections::BTreeMap;

use sidelight_wire::trust_edit::{
    BUNDLES, IN_JAVA_HOME, JAVA_STORES, MemoryRoot, PROGRAM_FOLDERS, is_carried, openssl_dir,
};

use crate::collected::Collected;
use crate::watch::{Head, Watch};
use crate::write::{Folder, Folders};

/// The largest store; usual ones have 300 KiB.
const LARGEST: u64 = 16 << 20;

/// All that is held.
const TOTAL: u64 = 256 << 20;

/// Folders that are noted; an image has some ten thousand, of which few are not root's with mode 0755.
const FOLDERS: usize = 200_000;

/// Bytes around the end of a piece in which a mark may be cut in two.
const OVERLAP: usize = 1_100;

/// Folders of which every file is held.
const WHOLE: &[&str] = &[
    "/etc/ssl/",
    "/etc/ssl1.1/",
    "/etc/pki/",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates/",
    "/usr/local/share/ca-certificates/",
    "/usr/share/pki/",
    "/var/lib/ca-certificates/",
    "/usr/lib/ssl/",
    "/usr/local/ssl/",
    "/var/lib/ecs/deps/execute-command/certs/",
    "/kaniko/ssl/",
    "/etc/default/cacerts",
    "/etc/alpine-release",
    "/etc/apk/",
    "/lib/apk/",
];

/// What is kept of a file.
#[derive(Clone, Debug)]
pub enum EditFound {
    /// All of its bytes.
    Bytes(Vec<u8>),
    /// That it is there.
    Present,
    /// The folder that an OpenSSL library was built with.
    OpensslDir(String),
}

/// A file that streams past.
#[derive(Debug)]
pub enum EditOpen {
    /// It is held.
    Bytes(Vec<u8>),
    /// Only that it is there matters.
    Present,
    /// It is searched: what is left of the last piece, and what was found.
    Search(Vec<u8>, Option<String>),
}

/// Keeps what a plan needs.
#[derive(Debug, Default)]
pub struct EditWatch {
    /// Files that variables of the image name.
    named: Vec<String>,
    folders: BTreeMap<String, Folder>,
    held: u64,
}

/// An image for planning.
#[derive(Debug)]
pub struct EditRoot {
    /// Its files and folders.
    pub root: MemoryRoot,
    /// The folders that OpenSSL libraries in it were built with.
    pub openssl_dirs: Vec<String>,
    /// Folders that are not root's with mode 0755.
    pub folders: Folders,
}

impl EditWatch {
    /// `env`: the variables of the image.
    pub fn new(env: &[(String, String)]) -> Self {
        // Values may name files by themselves or within options (-Djavax.net.ssl.trustStore=…).
        let words = env.iter().flat_map(|(_, value)| value.split([' ', '=', ':']));
        let named = words.filter(|word| word.starts_with('/') && word.len() > 1).map(str::to_owned).collect();
        Self { named, ..Self::default() }
    }

    fn is_whole(&self, path: &str) -> bool {
        WHOLE.iter().any(|start| path.starts_with(start))
            || BUNDLES.contains(&path)
            || JAVA_STORES.contains(&path)
            || IN_JAVA_HOME.iter().any(|end| path.ends_with(end))
            || self.named.iter().any(|named| {
                path == named || path.strip_prefix(named.as_str()).is_some_and(|rest| rest.starts_with('/'))
            })
    }

    /// The root that was seen.
    pub fn root(self, collected: &Collected<EditFound>) -> EditRoot {
        let mut root = MemoryRoot::default();
        let mut openssl_dirs = Vec::new();
        for (path, folder) in &self.folders {
            root.folder(path, folder.mode, folder.uid, folder.gid);
        }
        for (path, target) in &collected.links {
            root.link(path, target);
        }
        for (path, kept) in &collected.files {
            let bytes = match &kept.found {
                EditFound::Bytes(bytes) => Some(bytes.clone()),
                EditFound::OpensslDir(folder) => {
                    openssl_dirs.push(folder.clone());
                    None
                }
                EditFound::Present => None,
            };
            root.file(path, bytes, kept.mode, kept.uid, kept.gid);
        }
        openssl_dirs.sort();
        openssl_dirs.dedup();
        EditRoot { root, openssl_dirs, folders: self.folders }
    }
}

impl Watch for EditWatch {
    type Found = EditFound;
    type Open = EditOpen;

    fn open(&mut self, head: &Head<'_>) -> Option<EditOpen> {
        let name = head.path.rsplit('/').next().unwrap_or_default();
        if name.starts_with("libcrypto.so") {
            return Some(EditOpen::Search(Vec::new(), None));
        }
        let program = matches!(name, "node" | "nodejs" | "deno" | "bun" | "update-ca-certificates" | "update-ca-trust");
        if program && (is_carried(head.path) || PROGRAM_FOLDERS.iter().any(|folder| head.path.starts_with(folder))) {
            return Some(EditOpen::Present);
        }
        if !self.is_whole(head.path) && !is_carried(head.path) {
            return None;
        }
        if head.size > LARGEST || self.held + head.size > TOTAL {
            return Some(EditOpen::Present);
        }
        self.held += head.size;
        Some(EditOpen::Bytes(Vec::new()))
    }

    fn feed(&mut self, open: &mut EditOpen, bytes: &[u8]) -> bool {
        match open {
            EditOpen::Bytes(held) => {
                held.extend_from_slice(bytes);
                u64::try_from(held.len()).is_ok_and(|length| length <= LARGEST)
            }
            EditOpen::Present => false,
            EditOpen::Search(rest, found) => {
                rest.extend_from_slice(bytes);
                *found = openssl_dir(rest);
                rest.drain(..rest.len().saturating_sub(OVERLAP));
                found.is_none()
            }
        }
    }

    fn close(&mut self, open: EditOpen, whole: bool) -> Option<EditFound> {
        Some(match open {
            EditOpen::Bytes(bytes) if whole => EditFound::Bytes(bytes),
            EditOpen::Search(_, Some(folder)) => EditFound::OpensslDir(folder),
            EditOpen::Bytes(_) | EditOpen::Present | EditOpen::Search(..) => EditFound::Present,
        })
    }

    fn folder(&mut self, head: &Head<'_>) {
        let plain = (head.mode, head.uid, head.gid) == (0o755, 0, 0);
        // An empty folder of trust tells the family of the distribution.
        let telling = WHOLE.iter().any(|start| head.path.starts_with(start.trim_end_matches('/')));
        if plain && !telling {
            self.folders.remove(head.path);
        } else if self.folders.len() < FOLDERS {
            let folder = Folder { mode: head.mode, uid: head.uid, gid: head.gid };
            self.folders.insert(head.path.to_owned(), folder);
        }
    }
}
