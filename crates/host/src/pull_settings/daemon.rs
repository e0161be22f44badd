//! The daemons: dockerd and containerd. In: their files, and the environment of the ones that run. Out: [`PullSettings`].
//! Spec: dockerd's `daemon.json` and `certs.d`, containerd's `hosts.toml`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sidelight_wire::registry::{DaemonJson, HostsToml, Place, containerd_config_path};

use super::{Asked, LARGEST, PullSettings, Surroundings};
use crate::files::read_bounded;
use crate::files::within;

/// Folders in which containerd looks where its configuration does not say.
const CERTS: [&str; 2] = ["/etc/containerd/certs.d", "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"];

pub(super) fn docker(here: &Surroundings<'_>, registry: &str, addresses: &[IpAddr]) -> PullSettings {
    let mut settings =
        PullSettings { cert_folders: vec![within(here.root, "/etc/docker/certs.d")], ..Default::default() };
    let json = here.text("/etc/docker/daemon.json", &mut settings);
    let daemon = json.map_or_else(|| Ok(DaemonJson::default()), |text| DaemonJson::parse(text.as_bytes()));
    let daemon = daemon.unwrap_or_else(|why| {
        settings.notes.push(format!("/etc/docker/daemon.json: {why}: dockerd does not start with it"));
        DaemonJson::default()
    });
    environment_of(here, "dockerd", &mut settings);
    if !daemon.proxies.is_empty() {
        settings.environment.retain(|(name, _)| !name.to_ascii_lowercase().ends_with("_proxy"));
        settings.environment.extend(daemon.proxies.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        settings.environment_of = Some("`proxies` in /etc/docker/daemon.json".to_owned());
    }
    if registry == "docker.io" {
        let mirror = |url: &String| Asked {
            location: url.clone(),
            is_mirror: true,
            may_be_plain: url.starts_with("http://"),
            ..Asked::default()
        };
        settings.asked.extend(daemon.mirrors.iter().map(mirror));
    }
    let name = registry.rsplit_once(':').map_or(registry, |(name, _)| name);
    if let Some(line) = super::loopback_entry(&within(here.root, "/etc/hosts"), name) {
        settings.notes.push(format!(
            "/etc/hosts, line {line}, maps {name} to a loopback address: dockerd then verifies no certificate of it, without a word; remove the line"
        ));
    }
    let insecure = daemon.insecure_by(registry, addresses);
    settings.asked.push(Asked { may_be_plain: insecure.is_some(), insecure, ..Asked::default() });
    let set = |name: &str| (here.environment)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
    settings.login_files = match &here.authfile {
        Some(file) => vec![file.clone()],
        None => folder.into_iter().map(|folder| folder.join("config.json")).collect(),
    };
    settings
}

pub(super) fn containerd(here: &Surroundings<'_>, registry: &str) -> PullSettings {
    let mut settings = PullSettings::default();
    let config = here.text("/etc/containerd/config.toml", &mut settings);
    let configured = config.as_deref().and_then(containerd_config_path);
    let folders: Vec<String> = match &configured {
        Some(paths) => paths.split(':').map(str::to_owned).collect(),
        None => CERTS.iter().map(|path| (*path).to_owned()).collect(),
    };
    environment_of(here, "containerd", &mut settings);
    // containerd keeps no logins: kubelet hands over those of imagePullSecrets.
    settings.login_files = here.authfile.iter().cloned().collect();
    let names = [registry.to_owned(), format!("{}_", registry.replace(':', "_")), "_default".to_owned()];
    let found = folders.iter().flat_map(|folder| names.iter().map(move |name| format!("{folder}/{name}")));
    let found = found.filter(|folder| within(here.root, folder).is_dir()).collect::<Vec<_>>();
    if let Some(folder) = found.first() {
        if configured.is_none() && config.is_some() {
            settings.notes.push(format!(
                "{folder} is there, but /etc/containerd/config.toml names no config_path: pulls of a kubelet do not read it (nerdctl does, and ctr with --hosts-dir)"
            ));
        }
        match here.text(&format!("{folder}/hosts.toml"), &mut settings).map(|text| HostsToml::parse(&text)) {
            Some(Ok(hosts)) => settings.asked = places(here.root, folder, &hosts),
            Some(Err(why)) => settings.notes.push(format!("{folder}/hosts.toml cannot be read: {why}")),
            // Without one, files named as docker has them count.
            None => {
                settings.cert_folders = within(here.root, folder).parent().map(Path::to_owned).into_iter().collect()
            }
        }
    }
    let has_own = settings.asked.iter().any(|it| !it.is_mirror);
    if !has_own {
        // As CRI has it: plain HTTP for localhost where TLS is not spoken.
        let is_local =
            registry.starts_with("localhost") || registry.starts_with("127.") || registry.starts_with("[::1]");
        settings.asked.push(Asked { may_be_plain: is_local, ..Asked::default() });
    }
    settings
}

fn places(root: &Path, folder: &str, hosts: &HostsToml) -> Vec<Asked> {
    // Relative names are those of files beside hosts.toml.
    let file = |name: &String| match name.starts_with('/') {
        true => within(root, name),
        false => within(root, folder).join(name),
    };
    let asked = |place: &Place, is_mirror: bool| Asked {
        location: place.url.clone(),
        overrides_path: place.override_path,
        insecure: place.skip_verify.then(|| format!("skip_verify in {folder}/hosts.toml")),
        may_be_plain: place.url.starts_with("http://"),
        is_mirror,
        names_registry: is_mirror,
        roots: place.ca.iter().map(file).collect(),
        identity: place.client.first().map(|(cert, key)| {
            let key = key.as_ref().filter(|key| !key.is_empty()).unwrap_or(cert);
            (file(cert), file(key))
        }),
    };
    let mirrors = hosts.hosts.iter().filter(|place| place.resolves && place.pulls).map(|place| asked(place, true));
    mirrors.chain(hosts.server.iter().map(|place| asked(place, false))).collect()
}

/// The bundles of distributions, one of which a host has.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// Ticks a second in `/proc/PID/stat` (USER_HZ), which is the same on every machine that is supported.
const TICKS: u64 = 100;

/// When a process began, in seconds since 1970. Spec: proc(5), `stat` of a process (22) and of the system (btime).
fn began(proc: &Path, pid: u32) -> Option<u64> {
    let text = |name: &str| Some(String::from_utf8_lossy(&read_bounded(&proc.join(name), LARGEST).ok()?).into_owned());
    let stat = text(&format!("{pid}/stat"))?;
    // The name in brackets may hold anything.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let system = text("stat")?;
    let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / TICKS)
}

/// Says so where the host's roots are younger than the daemon, which reads them once.
fn note_old_roots(here: &Surroundings<'_>, program: &str, (proc, pid): (&Path, u32), settings: &mut PullSettings) {
    let Some(began) = began(proc, pid) else { return };
    for bundle in BUNDLES {
        let changed = std::fs::metadata(within(here.root, bundle)).and_then(|meta| meta.modified());
        let changed = changed.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        if changed.is_some_and(|changed| changed.as_secs() > began) {
            settings.notes.push(format!(
                "{bundle} was changed after {program} (process {pid}) began: it still works with the roots of its start (roots_not_reread); \
                 systemctl restart {program}, or use certs.d or hosts.toml, which are read on each pull"
            ));
        }
    }
}

/// The environment of the daemon that runs, of several the first.
fn environment_of(here: &Surroundings<'_>, program: &str, settings: &mut PullSettings) {
    let proc = within(here.root, "/proc");
    let pids = std::fs::read_dir(&proc).into_iter().flatten().filter_map(Result::ok);
    let mut pids: Vec<u32> = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let is_it = |pid: &u32| {
        let comm = read_bounded(&proc.join(pid.to_string()).join("comm"), 64).unwrap_or_default();
        comm.trim_ascii_end() == program.as_bytes()
    };
    let Some(pid) = pids.into_iter().find(is_it) else {
        settings
            .notes
            .push(format!("no {program} runs here: which proxies it would use is not known, and none is assumed"));
        return;
    };
    note_old_roots(here, program, (&proc, pid), settings);
    match read_bounded(&proc.join(pid.to_string()).join("environ"), LARGEST) {
        Ok(bytes) => {
            let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
                let text = std::str::from_utf8(pair).ok()?;
                text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            });
            settings.environment = pairs.filter(|(name, _)| name.to_ascii_lowercase().ends_with("_proxy")).collect();
            settings.environment_of = Some(format!("the environment of {program} (process {pid})"));
        }
        Err(error) => settings
            .notes
            .push(format!("the environment of {program} cannot be read: {error} (that takes root's rights)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    fn here(root: &Path) -> Surroundings<'_> {
        let environment = &|name: &str| (name == "HOME").then(|| "/home/joe".into());
        Surroundings { root, environment, uid: 7, authfile: None }
    }

    #[test]
    fn docker_takes_proxies_of_its_daemon_and_mirrors_for_its_hub_alone() {
        let root = root(&[
            ("etc/docker/daemon.json", r#"{"registry-mirrors":["https://m.test"],"insecure-registries":["r.test"]}"#),
            ("proc/12/comm", "dockerd\n"),
            ("proc/12/stat", "12 (docker) d) S 1 12 12 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 500 0"),
            ("proc/stat", "cpu 1 2\nbtime 1000000\n"),
            ("etc/ssl/certs/ca-certificates.crt", ""),
            ("proc/12/environ", "PATH=/bin\0HTTPS_PROXY=http://p.test:3128\0NO_PROXY=r.test\0"),
        ]);
        let settings = docker(&here(root.path()), "docker.io", &[]);
        assert_eq!(settings.asked[0].location, "https://m.test");
        assert!(settings.asked[0].is_mirror && settings.asked.len() == 2);
        assert_eq!(settings.environment[0], ("HTTPS_PROXY".to_owned(), "http://p.test:3128".to_owned()));
        assert!(settings.environment_of.unwrap().contains("process 12"));
        assert!(settings.notes.iter().any(|note| note.contains("was changed after dockerd")), "{:?}", settings.notes);
        assert_eq!(began(&root.path().join("proc"), 12), Some(1_000_005));
        assert_eq!(settings.login_files, [PathBuf::from("/home/joe/.docker/config.json")]);
        let other = docker(&here(root.path()), "r.test", &[]);
        assert!(other.asked.len() == 1 && other.asked[0].insecure.as_ref().unwrap().contains("insecure-registries"));
        let trap = docker(&here(root.path()), "x.test", &["127.0.0.1".parse().unwrap()]);
        assert!(trap.asked[0].insecure.as_ref().unwrap().contains("loopback"));
    }

    #[test]
    fn containerd_s_hosts_are_asked_in_order_with_files_beside_them() {
        let root = root(&[
            ("etc/containerd/config.toml", "[plugins.x.registry]\nconfig_path = '/etc/containerd/certs.d'\n"),
            (
                "etc/containerd/certs.d/r.test/hosts.toml",
                "server = 'https://r.test'\nca = 'own.crt'\n[host.\"http://127.0.0.1:5000\"]\ncapabilities = ['pull','resolve']\n",
            ),
        ]);
        let settings = containerd(&here(root.path()), "r.test");
        assert_eq!(settings.asked.len(), 2, "{settings:?}");
        assert!(settings.asked[0].is_mirror && settings.asked[0].may_be_plain && settings.asked[0].names_registry);
        assert_eq!(settings.asked[1].roots, [root.path().join("etc/containerd/certs.d/r.test/own.crt")]);
        assert!(settings.notes.iter().any(|note| note.contains("no containerd runs")), "{:?}", settings.notes);
        assert_eq!(containerd(&here(root.path()), "other.test").asked, [Asked::default()]);
    }
}
