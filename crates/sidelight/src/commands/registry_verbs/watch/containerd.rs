//! containerd. In: its configuration, the hosts.toml of a registry. Out: a hosts.toml that asks our plain local ports first and the true
//! places after them. Source: containerd's `docs/hosts.md`; tables are asked in the order in which they stand.

use std::path::{Path, PathBuf};

use sidelight_host::files::read_bounded;
use sidelight_host::redirect::{Daemon, find_by_name, find_by_socket};
use sidelight_wire::registry::{HostsToml, Place, containerd_config_path};

use super::plan::{Plan, Touch};
use super::undo::{MARK, marked};
use super::{Shown, below, shown_by};
use crate::exit::Failure;

/// Bytes of a file of settings.
const LARGEST: u64 = 4 << 20;

/// Where containerd looks for hosts.toml files.
#[derive(Debug)]
pub(super) struct Facts {
    /// The daemon, where one runs.
    pub(super) daemon: Option<Daemon>,
    /// Its root as we see it.
    pub(super) root: PathBuf,
    /// The folder, as it knows it.
    folder: PathBuf,
}

/// One place that is asked for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// `https://HOST[:PORT]`.
    pub(super) origin: String,
    /// The path behind it, where there is one.
    path: String,
    /// Whether it stands in for the registry, and is told which.
    pub(super) is_mirror: bool,
    /// What hosts.toml says of it.
    pub(super) place: Place,
}

/// One registry's file.
#[derive(Debug)]
pub(super) struct File {
    /// As containerd knows it.
    pub(super) path: PathBuf,
    /// What stands there.
    text: Option<String>,
    registry: String,
    /// What is asked, in order.
    pub(super) asked: Vec<Asked>,
}

/// Looks for the folder: the one that is named, else that of the running daemon's configuration; `socket` tells which daemon.
///
/// # Errors
/// When there is none; the failure says what to set.
pub(super) fn look(hosts_dir: Option<&Path>, socket: Option<&Path>) -> Result<Facts, Failure> {
    if let Some(folder) = hosts_dir {
        let folder = std::path::absolute(folder)?;
        return Ok(Facts { daemon: None, root: PathBuf::from("/"), folder });
    }
    let found = match socket {
        Some(socket) => find_by_socket(socket, "containerd"),
        None => find_by_name("containerd"),
    };
    let daemon = found.map_err(|error| {
        Failure::new(error)
            .hint("for ctr and nerdctl, which talk to registries themselves, name a folder: --hosts-dir DIR")
    })?;
    let root = daemon.root();
    let config = daemon.option(&["--config", "-c"]).unwrap_or_else(|| "/etc/containerd/config.toml".to_owned());
    let text = read_bounded(&below(&root, Path::new(&config)), LARGEST).ok();
    let paths = text.and_then(|it| containerd_config_path(&String::from_utf8_lossy(&it)));
    let folder = paths.and_then(|it| it.split(':').next().map(PathBuf::from)).filter(|it| it.is_absolute());
    let Some(folder) = folder else {
        return Err(Failure::new(format_args!(
            "containerd (process {}) reads no hosts.toml: {config} sets no config_path",
            daemon.pid
        ))
        .hint("set it, and restart containerd once: [plugins.\"io.containerd.grpc.v1.cri\".registry] config_path = \"/etc/containerd/certs.d\" (containerd 2: io.containerd.cri.v1.images)")
        .hint("ctr needs no such setting: use --hosts-dir DIR here and with ctr"));
    };
    Ok(Facts { daemon: Some(daemon), root, folder })
}

impl Facts {
    /// The file of a registry.
    ///
    /// # Errors
    /// When what stands there cannot be read, or another watch is at work there.
    pub(super) fn file(&self, registry: &str) -> Result<File, Failure> {
        let names = [registry.to_owned(), format!("{}_", registry.replace(':', "_"))];
        let used = names.iter().map(|it| self.folder.join(it)).find(|it| below(&self.root, it).is_dir());
        let path = used.unwrap_or_else(|| self.folder.join(registry)).join("hosts.toml");
        let text = match read_bounded(&below(&self.root, &path), LARGEST) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(Failure::new(error)),
        };
        if text.as_ref().is_some_and(|it| it.contains(MARK)) {
            return Err(Failure::new(format_args!(
                "{}: another `sidelight registry watch` is at work there",
                path.display()
            ))
            .hint("if none is, one that was killed left it, whose journal is another user's: take out the lines between its marks"));
        }
        let hosts = text.as_deref().map_or_else(|| Ok(HostsToml::default()), HostsToml::parse);
        let hosts = hosts.map_err(|why| Failure::new(format_args!("{}: {why}", path.display())))?;
        Ok(File { asked: asked(registry, &hosts), path, text, registry: registry.to_owned() })
    }

    /// CAs that hosts.toml names, for our own connections.
    pub(super) fn roots(&self, file: &File) -> Vec<PathBuf> {
        let beside = file.path.parent().unwrap_or(Path::new("/"));
        let named = file.asked.iter().flat_map(|it| &it.place.ca);
        let mut found: Vec<PathBuf> = named.map(|it| below(&self.root, &beside.join(it))).collect();
        if file.text.is_none() {
            // Without a hosts.toml, files named as docker has them count; with ours they would not.
            let files = sidelight_host::files::regular_files(&below(&self.root, beside), 256).unwrap_or_default();
            found.extend(files.into_iter().filter(|it| it.extension().is_some_and(|it| it == "crt")));
        }
        if self.root != Path::new("/") {
            found.extend(sidelight_host::trust_store::find_host_bundles(&self.root));
        }
        found
    }

    /// Client certificates that hosts.toml names, each with its host and key.
    pub(super) fn identities(&self, file: &File) -> Vec<Shown> {
        let beside = file.path.parent().unwrap_or(Path::new("/"));
        let at = |name: &str| below(&self.root, &beside.join(name));
        let one = |it: &Asked| {
            let host = it.origin.split_once("://")?.1.to_owned();
            let (certificate, key) = it.place.client.first()?;
            let key = key.as_deref().filter(|key| !key.is_empty()).unwrap_or(certificate);
            Some(Shown { host, certificate: at(certificate), key: at(key) })
        };
        let named: Vec<Shown> = file.asked.iter().filter_map(one).collect();
        if file.text.is_none() { shown_by(&file.registry, &below(&self.root, beside)) } else { named }
    }

    /// What is touched for these files.
    pub(super) fn plan(files: &[File]) -> Plan {
        let mut plan = Plan::default();
        for file in files {
            for it in &file.asked {
                plan.touches.push(Touch::Listen { what: format!("in place of {}", it.origin) });
            }
            plan.file(&file.path, file.text.is_some(), format!("our ports first, {} kept after them", file.registry));
            plan.warnings.push(format!(
                "a login that names {} as its server (imagePullSecrets of a kubelet do) is not sent to a local port: such a pull is refused there, \
                 then made at {} itself, unseen; `ctr --user` and `crictl --creds` name no server, and are seen",
                file.registry, file.registry
            ));
        }
        plan
    }
}

/// The places of a registry in the order in which they are asked.
fn asked(registry: &str, hosts: &HostsToml) -> Vec<Asked> {
    let usual = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let server = hosts.server.clone().unwrap_or_else(|| Place {
        url: format!("https://{usual}"),
        resolves: true,
        pulls: true,
        ..Place::default()
    });
    let mirrors = hosts.hosts.iter().filter(|it| it.pulls || it.resolves).map(|it| (it.clone(), true));
    let one = |(place, is_mirror): (Place, bool)| {
        let url = if place.url.contains("://") { place.url.clone() } else { format!("https://{}", place.url) };
        let start = url.find("://").map_or(0, |it| it + 3);
        let end = url[start..].find('/').map_or(url.len(), |it| start + it);
        let (origin, path) = url.split_at(end);
        Asked { origin: origin.to_owned(), path: path.trim_end_matches('/').to_owned(), is_mirror, place }
    };
    mirrors.chain(std::iter::once((server, false))).map(one).collect()
}

impl File {
    /// The text with our ports first; `local` has one for each place that is asked.
    pub(super) fn with(&self, local: &[String]) -> String {
        let block: String = self
            .asked
            .iter()
            .zip(local)
            .map(|(asked, local)| {
                let mut capabilities = Vec::new();
                capabilities.extend(asked.place.pulls.then_some("\"pull\""));
                capabilities.extend(asked.place.resolves.then_some("\"resolve\""));
                if !asked.is_mirror {
                    capabilities.push("\"push\"");
                }
                let path = if asked.place.override_path { "  override_path = true\n" } else { "" };
                format!("[host.\"{local}{}\"]\n  capabilities = [{}]\n{path}", asked.path, capabilities.join(", "))
            })
            .collect();
        let block = marked(&block);
        match &self.text {
            None => {
                let server = self.asked.last().map(|it| it.origin.clone()).unwrap_or_default();
                format!("server = \"{server}\"\n\n{block}")
            }
            // Keys of the file itself stand before the first table.
            Some(text) => {
                let at = text.split_inclusive('\n').scan(0, |at, line| {
                    let start = *at;
                    *at += line.len();
                    Some((start, line))
                });
                let first =
                    at.into_iter().find(|(_, line)| line.trim_start().starts_with('[')).map_or(text.len(), |it| it.0);
                let (before, after) = text.split_at(first);
                let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
                format!("{before}{gap}{block}{after}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: Option<&str>) -> File {
        let hosts = text.map_or_else(HostsToml::default, |it| HostsToml::parse(it).unwrap());
        File {
            path: "/c/r.test/hosts.toml".into(),
            text: text.map(str::to_owned),
            registry: "r.test".into(),
            asked: asked("r.test", &hosts),
        }
    }

    #[test]
    fn a_new_file_keeps_the_registry_after_ours() {
        let text = file(None).with(&["http://127.0.0.1:5".to_owned()]);
        let hosts = HostsToml::parse(&text).unwrap();
        assert_eq!(
            (hosts.hosts[0].url.as_str(), hosts.server.unwrap().url.as_str()),
            ("http://127.0.0.1:5", "https://r.test")
        );
        assert!(hosts.hosts[0].pulls && hosts.hosts[0].resolves);
    }

    #[test]
    fn a_file_that_is_there_keeps_all_it_says() {
        let old = "server = 'https://r.test'\nca = 'own.crt'\n[host.'https://m.test/hub']\n  capabilities = ['pull']\n  skip_verify = true\n";
        let file = file(Some(old));
        let text = file.with(&["http://127.0.0.1:5".to_owned(), "http://127.0.0.2:6".to_owned()]);
        let hosts = HostsToml::parse(&text).unwrap();
        let urls: Vec<_> = hosts.hosts.iter().map(|it| it.url.as_str()).collect();
        assert_eq!(urls, ["http://127.0.0.1:5/hub", "http://127.0.0.2:6", "https://m.test/hub"]);
        assert_eq!(hosts.server.unwrap().ca, ["own.crt"]);
        assert!(file.asked[0].is_mirror && !hosts.hosts[0].resolves);
        assert_eq!(super::super::undo::without_us(&text).as_deref(), Some(old));
    }
}
