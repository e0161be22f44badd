//! dockerd. In: its process, as found by its socket; the registries. Out: what is touched: our CA below its certs.d, which it reads at
//! each pull, and a redirect of its connections in its network. Source: dockerd's `registry.CertsDir`, `registry.lookupV2Endpoints`.

use std::path::{Path, PathBuf};

use sidelight_host::files::{read_bounded, regular_files};
use sidelight_host::redirect::{ControlGroup, Daemon, DaemonError, find_by_socket};
use sidelight_model::flow::Authority;
use sidelight_wire::registry::DaemonJson;

use super::plan::{Plan, Touch};
use super::{Shown, below, shown_by};
use crate::exit::Failure;

/// Bytes of a file of settings.
const LARGEST: u64 = 4 << 20;

/// What is known of a dockerd before anything is changed.
#[derive(Debug)]
pub(super) struct Facts {
    /// The daemon.
    pub(super) daemon: Daemon,
    /// Its root as we see it.
    pub(super) root: PathBuf,
    /// Its certs.d, as it knows it.
    pub(super) certs: PathBuf,
    /// Its control group, where nobody else is in it.
    pub(super) group: Option<ControlGroup>,
    /// `daemon.json`.
    json: DaemonJson,
    /// The proxy by which it reaches registries, and who says so.
    proxy: Option<(String, String)>,
}

/// The socket that docker(1) would ask. `host`: what was said on the command line.
pub(super) fn socket(host: Option<&str>) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let named = host.map(str::to_owned).or_else(|| set("DOCKER_HOST")).or_else(|| of_context(set("DOCKER_CONTEXT")));
    match named {
        Some(host) => match host.strip_prefix("unix://").or_else(|| host.starts_with('/').then_some(&host)) {
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(Failure::new(format_args!(
                "dockerd is asked at {host}, which is no unix socket: it may be on another machine"
            ))
            .hint("run this on the machine of that daemon")),
        },
        None => {
            let own = set("XDG_RUNTIME_DIR").map(|it| PathBuf::from(it).join("docker.sock"));
            let usual = PathBuf::from("/var/run/docker.sock");
            Ok(own.filter(|it| !usual.exists() && it.exists()).unwrap_or(usual))
        }
    }
}

/// The daemon of docker's context: that of its name, else the current one.
fn of_context(name: Option<String>) -> Option<String> {
    let set = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    let json = |path: &Path| serde_json::from_slice::<serde_json::Value>(&read_bounded(path, LARGEST).ok()?).ok();
    let name = name.or_else(|| Some(json(&folder.join("config.json"))?["currentContext"].as_str()?.to_owned()))?;
    let metas = std::fs::read_dir(folder.join("contexts/meta")).ok()?.take(256).flatten();
    let found = metas.filter_map(|it| json(&it.path().join("meta.json"))).find(|it| it["Name"] == name.as_str())?;
    Some(found["Endpoints"]["docker"]["Host"].as_str()?.to_owned())
}

/// Looks at the daemon behind a socket.
///
/// # Errors
/// When there is none; the failure says who is there instead.
pub(super) fn look(socket: &Path) -> Result<Facts, Failure> {
    let daemon = find_by_socket(socket, "dockerd").map_err(|error| {
        let failure = Failure::new(&error);
        match error {
            DaemonError::Another { found, .. } if found.starts_with("podman") => failure.hint("use --client podman"),
            DaemonError::Socket { .. } => failure.hint("start dockerd, or name its socket with --host unix://PATH"),
            _ => failure.hint("run this where that process can be seen, as root"),
        }
    })?;
    let root = daemon.root();
    let rootless = daemon.variable("ROOTLESSKIT_STATE_DIR").is_some();
    let settings = |system: &str| {
        let own = || {
            let home = daemon.variable("XDG_CONFIG_HOME").or_else(|| Some(daemon.variable("HOME")? + "/.config"));
            home.map(|it| PathBuf::from(it).join("docker"))
        };
        rootless.then(own).flatten().unwrap_or_else(|| PathBuf::from(system))
    };
    let folder = settings("/etc/docker");
    let file = daemon.option(&["--config-file"]).map_or_else(|| folder.join("daemon.json"), PathBuf::from);
    let json = read_bounded(&below(&root, &file), LARGEST).ok().and_then(|bytes| DaemonJson::parse(&bytes).ok());
    let json = json.unwrap_or_default();
    let proxy = proxy(&daemon, &json);
    Ok(Facts { group: daemon.control_group(), certs: folder.join("certs.d"), daemon, root, json, proxy })
}

fn proxy(daemon: &Daemon, json: &DaemonJson) -> Option<(String, String)> {
    let of_json = json.proxies.iter().find(|it| it.0.eq_ignore_ascii_case("https_proxy"));
    let of_json = of_json.map(|it| (it.1.clone(), "`proxies` in its daemon.json".to_owned()));
    let of_environment = || {
        let names = ["HTTPS_PROXY", "https_proxy"];
        let set = |name: &&str| {
            Some((daemon.variable(name).filter(|it| !it.is_empty())?, format!("{name} in its environment")))
        };
        names.iter().find_map(set)
    };
    of_json.or_else(of_environment)
}

impl Facts {
    /// The file of our CA for a registry, as the daemon knows it.
    pub(super) fn certificate(&self, registry: &str) -> PathBuf {
        self.certs.join(registry).join("sidelight.crt")
    }

    /// CAs that only the daemon knows, for our own connections: certs.d of the registries, and its bundle where it sees other files.
    pub(super) fn roots(&self, registries: &[String]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for registry in registries {
            let files = regular_files(&below(&self.root, &self.certs.join(registry)), 256).unwrap_or_default();
            let is_ca = |it: &PathBuf| it.extension().is_some_and(|it| it == "crt") && !it.ends_with("sidelight.crt");
            found.extend(files.into_iter().filter(is_ca));
        }
        if self.root != Path::new("/") {
            found.extend(sidelight_host::trust_store::find_host_bundles(&self.root));
        }
        found
    }

    /// Client certificates that the daemon shows, each with its host and key.
    pub(super) fn identities(&self, registries: &[String]) -> Vec<Shown> {
        registries.iter().flat_map(|it| shown_by(it, &below(&self.root, &self.certs.join(it)))).collect()
    }

    /// What is touched for these registries.
    ///
    /// # Errors
    /// When it cannot be watched this way; the failure says why, and what can be done.
    pub(super) fn plan(&self, registries: &[String]) -> Result<(Plan, Vec<Authority>), Failure> {
        let whose = format!("{} (process {})", self.daemon.name, self.daemon.pid);
        let mut plan = Plan::default();
        let mut named = Vec::new();
        for registry in registries {
            if is_hub(registry) {
                return Err(Failure::new("dockerd reads no certs.d for Docker Hub: its connections to it cannot be opened without changing the trust of the whole machine")
                    .hint("see it as a client: sidelight registry check IMAGE --as docker")
                    .hint("or trust our CA everywhere, and restart dockerd: sidelight ca install, then sidelight proxy and HTTPS_PROXY for dockerd"));
            }
            let authority = Authority::parse(registry, Some(443)).map_err(Failure::usage)?;
            if let Some((url, whence)) = &self.proxy
                && !self.goes_around(&authority)
            {
                return Err(Failure::new(format_args!(
                    "nothing would be seen: {whose} reaches {registry} by the proxy {} ({whence})",
                    without_login(url)
                ))
                .hint(format_args!(
                    "put sidelight before that proxy: sidelight proxy --mode upstream:{}",
                    without_login(url)
                )));
            }
            let path = self.certificate(registry);
            let exists = std::fs::symlink_metadata(below(&self.root, &path)).is_ok();
            plan.file(&path, exists, format!("our CA, which {} reads at each pull from {registry}", self.daemon.name));
            plan.warnings.extend(self.odd(registry, &authority));
            named.push(authority);
        }
        let mut ports: Vec<u16> = named.iter().map(|it| it.port).chain([443]).collect();
        ports.sort_unstable();
        ports.dedup();
        let how = match self.group {
            Some(_) => "by nftables, those of its control group".to_owned(),
            None => "by nftables; those of other programs pass through untouched".to_owned(),
        };
        plan.touches.push(Touch::Redirect { whose, ports, how });
        Ok((plan, named))
    }

    /// Whether the proxy is not used for this registry.
    fn goes_around(&self, authority: &Authority) -> bool {
        let of_json = self.json.proxies.iter().find(|it| it.0.eq_ignore_ascii_case("no_proxy")).map(|it| it.1.clone());
        let list = of_json.or_else(|| self.daemon.variable("NO_PROXY")).or_else(|| self.daemon.variable("no_proxy"));
        sidelight_engine::dial::NoProxy::parse(&list.unwrap_or_default()).covers(authority)
    }

    /// What makes the daemon treat a registry in its own way.
    fn odd(&self, registry: &str, authority: &Authority) -> Vec<String> {
        let mut odd = Vec::new();
        let addresses: Vec<std::net::IpAddr> = authority.host.ip().into_iter().collect();
        if let Some(why) = self.json.insecure_by(registry, &addresses) {
            odd.push(format!("dockerd verifies nobody's certificate for {registry}: {why}"));
        }
        let hosts = below(&self.root, Path::new("/etc/hosts"));
        odd.extend(sidelight_host::pull_settings::loopback_entry(&hosts, &authority.host.to_string()).map(|line| {
            format!("/etc/hosts, line {line}, maps {registry} to a loopback address: dockerd then does not verify its certificate, and says nothing of it; remove the line")
        }));
        odd
    }
}

/// The names of Docker Hub.
fn is_hub(registry: &str) -> bool {
    ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&registry)
}

/// A proxy's URL as it may be shown.
fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(root: &Path) -> Facts {
        Facts {
            daemon: Daemon { pid: 7, name: "dockerd".into() },
            root: root.to_owned(),
            certs: "/etc/docker/certs.d".into(),
            group: None,
            json: DaemonJson::default(),
            proxy: None,
        }
    }

    #[test]
    fn the_ca_and_the_ports_of_the_registries() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hosts"), "127.0.0.1 localhost\n127.0.1.9 x r.test # mine\n").unwrap();
        let (plan, named) = facts(root.path()).plan(&["r.test:5000".to_owned()]).unwrap();
        assert_eq!(named[0].port, 5000);
        assert!(
            matches!(&plan.touches[0], Touch::File { path, exists: false, .. } if path == Path::new("/etc/docker/certs.d/r.test:5000/sidelight.crt"))
        );
        assert!(matches!(&plan.touches[1], Touch::Redirect { ports, .. } if ports == &[443, 5000]));
        assert!(plan.warnings[0].contains("line 2, maps r.test:5000"), "{:?}", plan.warnings);
    }

    #[test]
    fn what_cannot_be_seen_is_refused_with_its_reason() {
        let root = Path::new("/nonexistent");
        assert!(facts(root).plan(&["docker.io".to_owned()]).unwrap_err().message.contains("Docker Hub"));
        let behind = Facts {
            proxy: Some(("http://u:p@proxy.test:3128".into(), "HTTPS_PROXY in its environment".into())),
            ..facts(root)
        };
        let why = behind.plan(&["r.test".to_owned()]).unwrap_err();
        assert!(why.message.contains("http://proxy.test:3128") && !why.message.contains("u:p"), "{why:?}");
    }
}
