//! The way into one client's conversation: looked at, planned, opened, closed. In: the client, its registries. Out: while it is open,
//! what the client says comes by; closed, nothing of it is left.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidelight_engine::dial::{Inside, Proxy, Way as Outward};
use sidelight_engine::{Identify, Listener, Mode};
use sidelight_host::process::Finder;
use sidelight_host::pull_settings::Surroundings as Host;
use sidelight_host::redirect::Network;
use sidelight_model::flow::{Authority, Process};
use sidelight_model::registry::Reference;

use super::local_ports::LocalPorts;
use super::plan::Plan;
use super::scope::DaemonScope;
use super::undo::Changes;
use super::{Shown, below, containerd, docker, lasting_root, podman};
use crate::cli::WatchClient;
use crate::commands::environment_proxy::{self, FOR_HTTPS, further_proxy};
use crate::commands::interception::Interception;
use crate::exit::Failure;
use crate::ui::Ui;

/// A way that was looked at; nothing is changed yet.
pub(super) enum Way {
    Docker { facts: docker::Facts, registries: Vec<String>, named: Vec<Authority> },
    Containerd { facts: containerd::Facts, files: Vec<containerd::File> },
    Podman { file: PathBuf, facts: Vec<podman::Facts> },
}

/// A way that is open; closes when dropped.
pub(super) struct Open {
    scope: Option<Arc<DaemonScope>>,
    changes: Changes,
    /// The local ports know how to open more of them, for as long as this lives.
    _ports: Option<Arc<LocalPorts>>,
}

impl Way {
    /// Looks at the client.
    ///
    /// # Errors
    /// When it cannot be watched; the failure says why.
    pub(super) fn look(
        client: WatchClient,
        registries: &[String],
        host: Option<&str>,
        hosts_dir: Option<&Path>,
    ) -> Result<(Self, Plan), Failure> {
        registries.iter().try_for_each(|it| is_registry(it))?;
        match client {
            WatchClient::Docker => {
                let facts = docker::look(&docker::socket(host)?)?;
                let (plan, named) = facts.plan(registries)?;
                Ok((Self::Docker { facts, registries: registries.to_vec(), named }, plan))
            }
            WatchClient::Containerd => {
                let facts =
                    containerd::look(hosts_dir, host.map(|it| Path::new(it.strip_prefix("unix://").unwrap_or(it))))?;
                let files = registries.iter().map(|it| facts.file(it)).collect::<Result<Vec<_>, _>>()?;
                let plan = containerd::Facts::plan(&files);
                Ok((Self::Containerd { facts, files }, plan))
            }
            WatchClient::Podman => {
                let environment = &|name: &str| std::env::var_os(name);
                let uid = rustix::process::geteuid().as_raw();
                let here = Host { root: Path::new("/"), environment, uid, authfile: None };
                let facts = registries.iter().map(|it| podman::look(it, &here)).collect::<Result<Vec<_>, _>>()?;
                let file = podman::drop_in(environment, uid)?;
                if file.exists() {
                    return Err(Failure::new(format_args!(
                        "{} is there: another `sidelight registry watch` is at work",
                        file.display()
                    ))
                    .hint(
                        "if none is, one that was killed left it, whose journal is another user's: remove the file",
                    ));
                }
                let plan = podman::plan(&file, &facts);
                Ok((Self::Podman { file, facts }, plan))
            }
        }
    }

    /// Who is watched, in words.
    pub(super) fn whose(&self) -> String {
        let of = |name: &str, pid: u32| format!("{name} (process {pid})");
        match self {
            Self::Docker { facts, .. } => of(&facts.daemon.name, facts.daemon.pid),
            Self::Containerd { facts, .. } => {
                facts.daemon.as_ref().map_or_else(|| "containerd's clients".to_owned(), |it| of(&it.name, it.pid))
            }
            Self::Podman { .. } => "podman, skopeo and buildah".to_owned(),
        }
    }

    /// The daemon's process, where there is a daemon.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Docker { facts, .. } => Some(facts.daemon.pid),
            Self::Containerd { facts, .. } => facts.daemon.as_ref().map(|it| it.pid),
            Self::Podman { .. } => None,
        }
    }

    /// Files with CAs that the client knows and we may not.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        match self {
            Self::Docker { facts, registries, .. } => facts.roots(registries),
            Self::Containerd { facts, files } => files.iter().flat_map(|it| facts.roots(it)).collect(),
            Self::Podman { facts, .. } => facts.iter().flat_map(podman::Facts::roots).collect(),
        }
    }

    /// Client certificates that the client shows.
    pub(super) fn identities(&self) -> Vec<Shown> {
        match self {
            Self::Docker { facts, registries, .. } => facts.identities(registries),
            Self::Containerd { facts, files } => files.iter().flat_map(|it| facts.identities(it)).collect(),
            Self::Podman { facts, .. } => facts.iter().flat_map(podman::Facts::identities).collect(),
        }
    }

    /// Hosts whose certificates the client does not verify.
    pub(super) fn insecure(&self) -> Vec<String> {
        match self {
            Self::Docker { .. } => Vec::new(),
            Self::Containerd { files, .. } => {
                let asked = files.iter().flat_map(|it| &it.asked).filter(|it| it.place.skip_verify);
                asked.filter_map(|it| it.origin.split_once("://").map(|it| it.1.to_owned())).collect()
            }
            Self::Podman { facts, .. } => facts.iter().flat_map(podman::Facts::insecure).collect(),
        }
    }

    /// The further proxy by which the client reaches registries, and the hosts that it reaches around it.
    ///
    /// # Errors
    /// When its variable cannot be read.
    pub(super) fn proxy(&self) -> Result<(Option<Arc<Proxy>>, Option<String>), Failure> {
        match self {
            Self::Docker { .. } => Ok((None, None)),
            Self::Containerd { facts: containerd::Facts { daemon: Some(daemon), .. }, .. } => {
                let proxy = environment_proxy::named_in(FOR_HTTPS, |name| daemon.variable(name))?;
                let around = daemon.variable("NO_PROXY").or_else(|| daemon.variable("no_proxy")).unwrap_or_default();
                Ok((proxy.map(|it| further_proxy(&it.0)), Some(around)))
            }
            Self::Containerd { .. } | Self::Podman { .. } => Ok((environment_proxy::proxy(FOR_HTTPS)?, None)),
        }
    }

    /// Opens the way.
    ///
    /// # Errors
    /// When a listener, a file or the redirection cannot be made; what was made until then is taken back.
    pub(super) fn open(
        &self,
        interception: &Interception,
        proxy: Option<Arc<Proxy>>,
        ui: Ui,
        quiet: bool,
    ) -> Result<Open, Failure> {
        let told = (!quiet).then_some(ui);
        let mut changes = Changes::begin(ui)?;
        let doorman = interception.doorman();
        if let Self::Docker { facts, registries, named } = self {
            let scope = open_docker(facts, (registries, named), interception, &mut changes, told)?;
            return Ok(Open { scope: Some(scope), changes, _ports: None });
        }
        // Our ports are where the client is, and so is our way to the registry.
        let network = self.pid().and_then(|pid| Network::of(pid).ok()).filter(Network::is_elsewhere).map(Arc::new);
        let inside = network.clone().filter(|_| proxy.is_none()).map(|it| Arc::new(Around(it)) as Arc<dyn Inside>);
        let identify = match network.as_ref().map(|it| it.finder()) {
            Some(Ok(finder)) => Arc::new(Residents(finder)),
            _ => interception.identify(),
        };
        let ports = LocalPorts::new(doorman, identify, Outward { proxy, inside }, network, told);
        match self {
            Self::Docker { .. } => {}
            Self::Containerd { facts, files } => {
                for file in files {
                    let local: Vec<String> =
                        file.asked.iter().map(|it| ports.open(&it.origin, it.is_mirror)).collect::<Result<_, _>>()?;
                    let root = lasting_root(&facts.root, &file.path);
                    changes.write("containerd", &root, &below(&root, &file.path), file.with(&local).as_bytes())?;
                }
            }
            Self::Podman { file, facts } => {
                let all = |it: &podman::Facts| it.origins().iter().map(|it| ports.open(&it.0, false)).collect();
                let local: Vec<Vec<String>> = facts.iter().map(all).collect::<Result<_, _>>()?;
                changes.write("podman", Path::new("/"), file, podman::text(facts, &local).as_bytes())?;
            }
        }
        Ok(Open { scope: None, changes, _ports: Some(ports) })
    }
}

impl Open {
    /// Closes it: new connections go their own way again, and files are as they were.
    pub(super) fn close(&mut self) {
        if let Some(scope) = &self.scope {
            scope.release();
        }
        self.changes.take_back();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_docker(
    facts: &docker::Facts,
    (registries, named): (&[String], &[Authority]),
    interception: &Interception,
    changes: &mut Changes,
    told: Option<Ui>,
) -> Result<Arc<DaemonScope>, Failure> {
    let whose = format!("{} (process {})", facts.daemon.name, facts.daemon.pid);
    let cannot = |what: &str, error: &io::Error| {
        let failure = Failure::new(format_args!("{what} of {whose}: {error}"));
        if error.kind() == io::ErrorKind::PermissionDenied {
            failure.hint("run it as root: sudo sidelight …")
        } else {
            failure
        }
    };
    let network = Arc::new(Network::of(facts.daemon.pid).map_err(|it| cannot("the network", &it))?);
    let listeners = network.listen().map_err(|it| cannot("listening in the network", &it))?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|it| it.local_addr().ok()).collect();
    let scope = Arc::new(DaemonScope::new((facts.daemon.pid, &facts.daemon.name), named.to_vec(), told));
    let finder = network.finder().map_err(|it| cannot("finding the programs in the network", &it))?;
    finder.hint(facts.daemon.pid);
    let identify: Arc<dyn Identify> = Arc::new(Residents(finder));
    for socket in listeners {
        let listener = Listener {
            mode: Mode::Transparent,
            name: "transparent".into(),
            way: Outward { proxy: None, inside: Some(Arc::new(Around(network.clone()))) },
            foreign: network.is_elsewhere(),
            identify: Some(identify.clone()),
            scope: Some(scope.clone()),
            edit: None,
        };
        interception.doorman().add(listener, socket).map_err(|it| cannot("listening in the network", &it))?;
    }
    let pem = interception.authority().cert_pem();
    for registry in registries {
        let root = lasting_root(&facts.root, &facts.certificate(registry));
        let path = below(&root, &facts.certificate(registry));
        // `ca install --into docker:HOST` may have put it there: then it stays.
        if std::fs::read(&path).is_ok_and(|it| it == pem.as_bytes()) {
            continue;
        }
        changes.write("docker", &root, &path, pem.as_bytes())?;
    }
    let mut ports: Vec<u16> = named.iter().map(|it| it.port).chain([443]).collect();
    ports.sort_unstable();
    ports.dedup();
    let redirection = network.redirect(&ports, &addresses, facts.group).map_err(|error| {
        let failure = cannot("the connections cannot be redirected", &error);
        match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::PERM.raw_os_error() => failure.hint(
                "it takes root (CAP_NET_ADMIN); as root: another `sidelight registry watch` is at work in that network",
            ),
            _ => failure.hint("the kernel needs nf_tables with nat (modprobe nf_tables nft_chain_nat nft_redir)"),
        }
    })?;
    scope.keep(redirection);
    Ok(scope)
}

/// Finds the programs in the daemon's network.
struct Residents(Finder);

impl Identify for Residents {
    fn process(&self, client: SocketAddr, local: SocketAddr) -> Option<Process> {
        self.0.find(client, local)
    }
}

/// Connects from the daemon's network, around the redirection.
struct Around(Arc<Network>);

impl Inside for Around {
    fn is_own(&self, _: SocketAddr) -> bool {
        true
    }

    fn is_only_way(&self) -> bool {
        true
    }

    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.connect(address)
    }
}

/// Whether it can be the name of a registry: it becomes part of paths and of other programs' settings.
fn is_registry(name: &str) -> Result<(), Failure> {
    match format!("{name}/x").parse::<Reference>() {
        Ok(image) if image.registry == name || image.is_docker_hub() => Ok(()),
        _ => Err(Failure::usage(format_args!("`{name}` is no registry; write HOST[:PORT], as images do"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_place_are_no_registries() {
        for good in ["registry.corp", "registry.corp:5000", "localhost:5000", "docker.io", "10.0.0.7:5000"] {
            assert!(is_registry(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "../../etc", "a.b/../c", "bad name", "a.b\"\n[x]", "a.b/team", "https://a.b", "/a.b"] {
            assert!(is_registry(bad).is_err(), "{bad}");
        }
    }
}
