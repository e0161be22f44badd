//! What a registry is verified against, and the client certificate it gets. In: roots, folders laid out as docker's `certs.d`.
//! Out: a handshake maker for each host. Spec: docker's "certs.d" folders, containers-certs.d(5).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidelight_model::flow::Authority;

use crate::tls::{Identities, Identity, Service, Trusted, Verifier};

/// The most files of one such folder that are looked at.
const MOST_FILES: usize = 256;

/// Roots, and the folders in which hosts have further ones of their own.
pub struct Trust {
    roots: Trusted,
    folders: Vec<PathBuf>,
    /// Roots and a client certificate for the registry, wherever they lie.
    own: (Vec<PathBuf>, Option<(PathBuf, PathBuf)>),
    limit: Duration,
    made: Mutex<HashMap<Authority, Arc<Service>>>,
}

/// What a host's folders hold.
#[derive(Default)]
struct Found {
    roots: Vec<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

/// What a place is verified against, and shown.
#[derive(Clone, Debug)]
pub struct TrustInputs {
    /// All roots that count there.
    pub trusted: Trusted,
    /// The client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    /// Verifies against `roots` and what `folders` (each as `/etc/docker/certs.d`) hold for a host; handshakes get `limit`.
    pub fn new(roots: Trusted, folders: Vec<PathBuf>, limit: Duration) -> Self {
        Self { roots, folders, own: (Vec::new(), None), limit, made: Mutex::default() }
    }

    /// With further roots, and a client certificate, wherever the conversation leads: as containerd has it.
    #[must_use]
    pub fn with_own(mut self, roots: Vec<PathBuf>, identity: Option<(PathBuf, PathBuf)>) -> Self {
        self.own = (roots, identity);
        self
    }

    /// The handshake maker for a host. As docker does it, the registry's own roots also count for its token server and storage;
    /// its client certificate does not go to them.
    ///
    /// # Errors
    /// When a file in one of the folders cannot be used; the words name it.
    pub(super) fn service(&self, registry: &str, at: &Authority) -> Result<Arc<Service>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = made.get(at) {
            return Ok(service.clone());
        }
        let service = Arc::new(self.make(registry, at)?);
        made.insert(at.clone(), service.clone());
        Ok(service)
    }

    fn make(&self, registry: &str, at: &Authority) -> Result<Service, String> {
        let inputs = self.inputs(registry, at)?;
        let verifier = Verifier::new(&inputs.trusted)?;
        let mut identities = Identities::default();
        if let Some((cert, key)) = &inputs.identity {
            identities.add(None, Some(Identity::read(cert, key)?));
        }
        Ok(Service::new(verifier, identities, self.limit))
    }

    /// What a place is verified against, and shown.
    ///
    /// # Errors
    /// When a file cannot be used; the words name it.
    pub(super) fn inputs(&self, registry: &str, at: &Authority) -> Result<TrustInputs, String> {
        let mut own = vec![at.to_string()];
        if at.port == 443 {
            own.push(at.host.to_string());
        }
        let of_registry = registry.to_owned();
        let is_registry =
            own.contains(&of_registry) || (registry == "docker.io" && at.host.to_string() == "registry-1.docker.io");
        if is_registry && !own.contains(&of_registry) {
            own.push(of_registry.clone());
        }
        let found = self.found(&own)?;
        let mut files = found.roots;
        files.extend(self.own.0.iter().cloned());
        if !is_registry {
            files.extend(self.found(&[of_registry])?.roots);
        }
        let mut trusted = self.roots.clone();
        if !files.is_empty() {
            let more = Trusted::from_paths(&files).map_err(|error| error.to_string())?;
            trusted.source = format!("{} and {}", trusted.source, more.source);
            trusted.roots.extend(more.roots);
        }
        Ok(TrustInputs { trusted, identity: found.identity.or_else(|| self.own.1.clone()) })
    }

    /// `*.crt` are roots; `*.cert` with `*.key` of the same name is a client certificate, of which the first counts.
    fn found(&self, names: &[String]) -> Result<Found, String> {
        let mut found = Found::default();
        for file in self.folders.iter().flat_map(|folder| names.iter().flat_map(|name| files_of(&folder.join(name)))) {
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => found.roots.push(file),
                Some("cert") if found.identity.is_none() => {
                    let key = file.with_extension("key");
                    if !key.exists() {
                        return Err(format!("{}: its key {} is missing", file.display(), key.display()));
                    }
                    found.identity = Some((file, key));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The files of a folder by name; none where there is no such folder, as for most hosts.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).take(MOST_FILES).collect();
    files.sort();
    files
}
