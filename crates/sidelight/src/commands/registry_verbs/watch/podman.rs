//! podman, skopeo, buildah, and podman's service. In: what registries.conf says of a registry. Out: a drop-in that asks our plain local
//! port before it. Spec: containers-registries.conf(5).
//!
//! Ours is a mirror rather than the location itself: when we are gone without a word, pulls go on as before.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sidelight_host::pull_settings::{PullSettings, Surroundings, podman};

use super::plan::{Plan, Touch};
use super::undo::marked;
use super::{Shown, shown_by};
use crate::exit::Failure;

/// The name of the drop-in; the last one that names a registry counts.
const NAME: &str = "zz-sidelight-watch.conf";

/// One registry's places.
#[derive(Debug)]
pub(super) struct Facts {
    registry: String,
    /// What is asked, in order: `HOST[:PORT][/PATH]`, and whether it need not be secure.
    asked: Vec<(String, bool)>,
    settings: PullSettings,
}

/// The drop-in's path: of this user, of the machine for root.
pub(super) fn drop_in(environment: &dyn Fn(&str) -> Option<OsString>, uid: u32) -> Result<PathBuf, Failure> {
    if uid == 0 {
        return Ok(Path::new("/etc/containers/registries.conf.d").join(NAME));
    }
    let home = environment("HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = home.ok_or_else(|| Failure::new("HOME is not set, so the user's registries.conf.d cannot be found"))?;
    Ok(home.join(".config/containers/registries.conf.d").join(NAME))
}

/// What podman does for a registry now.
///
/// # Errors
/// When it would ask nobody.
pub(super) fn look(registry: &str, here: &Surroundings<'_>) -> Result<Facts, Failure> {
    let settings = podman(here, registry);
    if let Some(why) = &settings.blocked {
        return Err(Failure::new(format_args!("podman asks nobody for {registry}: {why}")));
    }
    let hub = "registry-1.docker.io";
    let place = |location: &str| match location {
        "" if registry == "docker.io" => hub.to_owned(),
        "" => registry.to_owned(),
        other => other.to_owned(),
    };
    let asked = settings.asked.iter().map(|it| (place(&it.location), it.may_be_plain)).collect();
    Ok(Facts { registry: registry.to_owned(), asked, settings })
}

impl Facts {
    /// The origins that are asked, in order, with what stands behind them.
    pub(super) fn origins(&self) -> Vec<(String, String)> {
        let split = |(location, plain): &(String, bool)| {
            let (host, path) = location.split_once('/').map_or((location.as_str(), ""), |(host, path)| (host, path));
            // A plain registry is asked over TLS first by podman, too.
            let scheme = if *plain && is_local(host) { "http" } else { "https" };
            let path = if path.is_empty() { String::new() } else { format!("/{path}") };
            (format!("{scheme}://{host}"), path)
        };
        self.asked.iter().map(split).collect()
    }

    /// CAs that only podman knows, for our own connections.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let hosts = self.origins().into_iter().filter_map(|it| it.0.split_once("://").map(|it| it.1.to_owned()));
        let folders =
            hosts.flat_map(|host| self.settings.cert_folders.iter().map(move |it| it.join(&host)).collect::<Vec<_>>());
        let files = folders.flat_map(|it| sidelight_host::files::regular_files(&it, 256).unwrap_or_default());
        files.filter(|it| it.extension().is_some_and(|it| it == "crt")).collect()
    }

    /// Client certificates that podman shows, each with its host and key.
    pub(super) fn identities(&self) -> Vec<Shown> {
        let hosts = self.origins().into_iter().filter_map(|it| it.0.split_once("://").map(|it| it.1.to_owned()));
        let all = hosts.flat_map(|host| {
            self.settings.cert_folders.iter().flat_map(move |it| shown_by(&host, &it.join(&host))).collect::<Vec<_>>()
        });
        all.collect()
    }

    /// Hosts whose certificates are not verified.
    pub(super) fn insecure(&self) -> Vec<String> {
        let insecure = self.asked.iter().filter(|it| it.1);
        insecure.filter_map(|it| it.0.split('/').next().map(str::to_owned)).collect()
    }

    /// The file of logins that holds one for the registry, which is not sent to a local port.
    fn login(&self) -> Option<PathBuf> {
        let has = |file: &&PathBuf| {
            let bytes = sidelight_host::files::read_bounded(file, 4 << 20).ok()?;
            let file = sidelight_wire::registry::LoginFile::parse(&bytes).ok()?;
            Some(file.find(&self.registry, "").is_ok_and(|it| !it.is_empty()))
        };
        self.settings.login_files.iter().find(|it| has(it) == Some(true)).cloned()
    }
}

fn is_local(host: &str) -> bool {
    host.starts_with("localhost") || host.starts_with("127.")
}

/// What is touched.
pub(super) fn plan(file: &Path, facts: &[Facts]) -> Plan {
    let mut plan = Plan::default();
    for it in facts {
        for (origin, _) in it.origins() {
            plan.touches.push(Touch::Listen { what: format!("in place of {origin}") });
        }
        plan.warnings.push(format!(
            "pushes to {} are not seen this way: podman asks mirrors for pulls alone; `sidelight run -- podman push …` shows them",
            it.registry
        ));
        plan.warnings.extend(it.login().map(|login| {
            format!(
                "podman's login for {} (in {}) is not sent to a local port: it looks logins up by the host that it asks; \
                 a private image is refused there, then pulled from {} itself, unseen. `sidelight run -- podman pull …` shows such a pull whole",
                it.registry,
                login.display(),
                it.registry
            )
        }));
    }
    plan.file(file, file.exists(), "our ports as mirrors that are asked first");
    plan
}

/// The drop-in; `local` has the ports of each registry's places.
pub(super) fn text(facts: &[Facts], local: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (facts, local) in facts.iter().zip(local) {
        let Some(((location, insecure), mirrors)) = facts.asked.split_last() else { continue };
        text.push_str(&format!(
            "[[registry]]\nprefix = \"{}\"\nlocation = \"{location}\"\ninsecure = {insecure}\n",
            facts.registry
        ));
        for (local, (_, path)) in local.iter().zip(facts.origins()) {
            let host = local.trim_start_matches("http://");
            text.push_str(&format!("[[registry.mirror]]\nlocation = \"{host}{path}\"\ninsecure = true\n"));
        }
        for (location, insecure) in mirrors {
            text.push_str(&format!("[[registry.mirror]]\nlocation = \"{location}\"\ninsecure = {insecure}\n"));
        }
    }
    marked(&text)
}

#[cfg(test)]
mod tests {
    use sidelight_wire::registry::RegistriesConf;

    use super::*;

    #[test]
    fn mirrors_that_are_there_stay_behind_ours() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/containers/registries.conf.d");
        std::fs::create_dir_all(&folder).unwrap();
        let old = "[[registry]]\nprefix = 'r.test'\nlocation = 'in.test:5000/hub'\n[[registry.mirror]]\nlocation = 'm.test'\n";
        std::fs::write(folder.join("a.conf"), old).unwrap();
        let here = Surroundings { root: root.path(), environment: &|_| None, uid: 7, authfile: None };
        let facts = look("r.test", &here).unwrap();
        assert_eq!(
            facts.origins(),
            [("https://m.test".to_owned(), String::new()), ("https://in.test:5000".to_owned(), "/hub".to_owned())]
        );
        let text = text(&[facts], &[vec!["http://127.0.0.1:1".into(), "http://127.0.0.2:2".into()]]);
        let mut conf = RegistriesConf::default();
        conf.add(old).unwrap();
        conf.add(&text).unwrap();
        let entry = conf.find("r.test/x").unwrap();
        let mirrors: Vec<_> = entry.mirrors.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(mirrors, ["127.0.0.1:1", "127.0.0.2:2/hub", "m.test"]);
        assert_eq!(entry.location, "in.test:5000/hub");
    }

    #[test]
    fn the_drop_in_is_the_user_s_or_the_machine_s() {
        let environment = &|name: &str| (name == "HOME").then(|| "/home/joe".into());
        assert_eq!(
            drop_in(environment, 0).unwrap(),
            Path::new("/etc/containers/registries.conf.d/zz-sidelight-watch.conf")
        );
        let own = drop_in(environment, 7).unwrap();
        assert_eq!(own, Path::new("/home/joe/.config/containers/registries.conf.d/zz-sidelight-watch.conf"));
        assert!(drop_in(&|_| None, 7).is_err());
    }
}
