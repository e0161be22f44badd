//! Everything of one image, host or folder that bears on trust. In: files that were gathered and read. Out: [`Survey`],
//! which all judgements on trust take.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Program, Store};
use crate::x509::Certificate;

/// The most links that are followed for one path, as Linux has it.
const MAX_LINKS: usize = 40;

/// A certificate of a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertId(pub usize);

/// Certificates, each kept once however many stores hold it.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    all: Vec<Arc<Certificate>>,
    bytes: usize,
    by_sha256: HashMap<String, CertId>,
}

impl Pool {
    /// Takes a certificate in.
    ///
    /// # Errors
    /// When the DER is no certificate; the words are the parser's.
    pub fn add(&mut self, der: &[u8]) -> Result<CertId, String> {
        let key = crate::x509::fingerprint(der);
        if let Some(known) = self.by_sha256.get(&key) {
            return Ok(*known);
        }
        let id = CertId(self.all.len());
        self.all.push(Arc::new(Certificate::parse(der)?));
        self.bytes += der.len();
        self.by_sha256.insert(key, id);
        Ok(id)
    }

    /// The certificate behind an identifier of this pool.
    ///
    /// # Panics
    /// With an identifier of another pool that is larger.
    pub fn get(&self, id: CertId) -> &Arc<Certificate> {
        &self.all[id.0]
    }

    /// The certificate with this lower-case hexadecimal SHA-256.
    pub fn find(&self, sha256: &str) -> Option<CertId> {
        self.by_sha256.get(sha256).copied()
    }

    /// Bytes of all certificates in DER together.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All certificates, in order of their identifiers.
    pub fn all(&self) -> &[Arc<Certificate>] {
        &self.all
    }
}

/// A layer of an image, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// `sha256:…` of the uncompressed layer, where known.
    pub diff_id: Option<String>,
    /// `sha256:…` of the blob, where known.
    pub digest: Option<String>,
    /// The history line that made it.
    pub created_by: Option<String>,
}

/// An image's configuration, or what stands for it (a process's environment).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `NAME=value`.
    pub env: Vec<(String, String)>,
    /// The entrypoint.
    pub entrypoint: Vec<String>,
    /// The command or its arguments.
    pub cmd: Vec<String>,
    /// The user that it runs as; empty: root.
    pub user: String,
    /// The working directory.
    pub working_dir: String,
    /// `linux/amd64`, `linux/arm64/v8`.
    pub platform: String,
    /// Labels.
    pub labels: Vec<(String, String)>,
}

impl Config {
    /// The value of a variable, the last that was set.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a file holds that bears on trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Certificates or keys.
    Store(Store),
    /// A program, with the store that is compiled into it, if any.
    Program(Program, Option<Store>),
    /// A file of settings, as it is (bounded).
    Text(String),
    /// Nothing but that it is there (an empty bundle, a folder's marker).
    Other,
}

/// A file of an image that bears on trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its absolute path within the root, without `.` and `..`; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The index of the layer that brought it.
    pub layer: Option<usize>,
    /// The permission bits, with set-uid and set-gid.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes in lower-case hexadecimal, for files that were read whole.
    pub sha256: Option<String>,
    /// What it holds.
    pub content: Content,
}

/// All that bears on trust in one source.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The source as the user named it.
    pub source: String,
    /// The image's name and digest, where known.
    pub image: Option<String>,
    /// The layers, the lowest first; empty for folders and hosts.
    pub layers: Vec<Layer>,
    /// The configuration.
    pub config: Config,
    /// Files of the final state by path.
    pub files: BTreeMap<String, File>,
    /// Files of lower layers that upper ones replaced or removed, still in the image.
    pub hidden: Vec<File>,
    /// Symbolic links of the final state: path to target as written.
    pub links: BTreeMap<String, String>,
    /// The certificates of all files.
    pub pool: Pool,
    /// What was left out or odd while reading the source, one sentence each.
    pub notes: Vec<String>,
}

impl Survey {
    /// The path that `path` leads to with every link in it followed inside the root. The result need not exist.
    /// `None` when links go in circles.
    pub fn resolve(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut followed = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => {}
                ".." => {
                    done.pop();
                }
                _ => done.push(part),
            }
            let Some(target) = self.links.get(&format!("/{}", done.join("/"))) else { continue };
            followed += 1;
            if followed > MAX_LINKS {
                return None;
            }
            if target.starts_with('/') {
                done.clear();
            } else {
                done.pop();
            }
            todo.extend(target.split('/').rev().map(str::to_owned));
        }
        Some(format!("/{}", done.join("/")))
    }

    /// The file at `path`, links followed.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(&self.resolve(path)?)
    }

    /// The store at `path`, links followed.
    pub fn store(&self, path: &str) -> Option<&Store> {
        match &self.file(path)?.content {
            Content::Store(store) | Content::Program(_, Some(store)) => Some(store),
            _ => None,
        }
    }

    /// The files right in a folder, links among them followed: the name as it stands in the folder, and the file.
    pub fn folder(&self, path: &str) -> Vec<(String, &File)> {
        let Some(real) = self.resolve(path) else { return Vec::new() };
        let prefix = if real == "/" { real } else { real + "/" };
        let name_of = |path: &str| path.strip_prefix(&prefix).filter(|name| !name.contains('/')).map(str::to_owned);
        let start = prefix.clone();
        let files = self.files.range(start.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let links = self.links.range(start..).take_while(|(path, _)| path.starts_with(&prefix));
        let mut found: Vec<(String, &File)> = files.filter_map(|(path, file)| Some((name_of(path)?, file))).collect();
        found.extend(links.filter_map(|(path, _)| Some((name_of(path)?, self.file(path)?))));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_root() {
        let links = [
            ("/etc/ssl/cert.pem", "certs/bundle"),
            ("/etc/ssl/certs", "/etc/pki"),
            ("/a", "b"),
            ("/b", "/a"),
            ("/up", "../../../etc"),
        ];
        let survey = Survey {
            links: links.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
            ..Survey::default()
        };
        assert_eq!(survey.resolve("/etc/ssl/cert.pem").as_deref(), Some("/etc/pki/bundle"));
        assert_eq!(survey.resolve("/up/../up/passwd").as_deref(), Some("/etc/passwd"));
        assert_eq!(survey.resolve("/a/x"), None);
        assert_eq!(survey.resolve("/").as_deref(), Some("/"));
    }
}
