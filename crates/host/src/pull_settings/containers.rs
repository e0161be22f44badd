//! podman and its kin, and ourselves: programs without a daemon. In: registries.conf, certs.d, our environment. Out: [`PullSettings`].
//! Spec: containers-registries.conf(5), containers-certs.d(5), containers-auth.json(5).

use std::path::PathBuf;

use sidelight_wire::registry::RegistriesConf;

use super::{Asked, PullSettings, Surroundings};
use crate::files::regular_files;
use crate::files::within;

/// Drop-ins of one folder that are read.
const MOST_FILES: usize = 256;

fn common(here: &Surroundings<'_>, folders: &[&str]) -> PullSettings {
    let set = |name: &str| (here.environment)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let own = settings.map(|folder| folder.join("containers/certs.d"));
    PullSettings {
        cert_folders: own.into_iter().chain(folders.iter().map(|folder| within(here.root, folder))).collect(),
        environment: here.own_environment(),
        environment_of: Some("the environment of this process".to_owned()),
        login_files: crate::registry_login::files(here.authfile.clone(), here.environment, here.uid),
        ..PullSettings::default()
    }
}

pub(super) fn native(here: &Surroundings<'_>) -> PullSettings {
    let mut settings = common(here, &["/etc/containers/certs.d", "/etc/docker/certs.d"]);
    settings.asked = vec![Asked::default()];
    settings
}

pub(super) fn podman(here: &Surroundings<'_>, image: &str) -> PullSettings {
    let mut settings = common(here, &["/etc/containers/certs.d", "/etc/docker/certs.d"]);
    let conf = read(here, &mut settings);
    let Some(entry) = conf.find(image) else {
        settings.asked = vec![Asked::default()];
        return settings;
    };
    if entry.blocked {
        settings.blocked = Some(format!("registries.conf blocks `{}`", entry.prefix));
    }
    // What follows the prefix goes behind the location.
    let rest = image.strip_prefix(&entry.prefix).unwrap_or_default();
    let at = |location: &str, insecure: bool, is_mirror: bool| Asked {
        location: if location.is_empty() { String::new() } else { format!("{location}{rest}") },
        insecure: insecure.then(|| format!("`insecure` for {} in registries.conf", entry.prefix)),
        may_be_plain: insecure,
        is_mirror,
        ..Asked::default()
    };
    settings.asked = entry.mirrors.iter().map(|(location, insecure)| at(location, *insecure, true)).collect();
    let same = entry.location == entry.prefix;
    settings.asked.push(at(if same { "" } else { &entry.location }, entry.insecure, false));
    settings
}

/// The user's file in place of the system's; then all drop-ins.
fn read(here: &Surroundings<'_>, settings: &mut PullSettings) -> RegistriesConf {
    let mut conf = RegistriesConf::default();
    let home = (here.environment)("HOME").and_then(|home| home.into_string().ok()).filter(|home| !home.is_empty());
    let own = home
        .map(|home| format!("{home}/.config/containers/registries.conf"))
        .filter(|file| std::fs::exists(file).unwrap_or(false));
    let main = own.unwrap_or_else(|| "/etc/containers/registries.conf".to_owned());
    let mut texts = Vec::new();
    texts.extend(here.text(&main, settings).map(|text| (main, text)));
    let folder = within(here.root, "/etc/containers/registries.conf.d");
    for file in regular_files(&folder, MOST_FILES).unwrap_or_default() {
        if file.extension().is_some_and(|extension| extension == "conf")
            && let Ok(relative) = file.strip_prefix(here.root)
            && let Some(name) = relative.to_str()
        {
            texts.extend(here.text(name, settings).map(|text| (name.to_owned(), text)));
        }
    }
    for (name, text) in texts {
        if let Err(why) = conf.add(&text) {
            settings.notes.push(format!("{name} cannot be read: {why}"));
        }
    }
    conf
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn mirrors_and_locations_of_registries_conf_are_asked() {
        let root = tempfile::tempdir().unwrap();
        let drop_ins = root.path().join("etc/containers/registries.conf.d");
        std::fs::create_dir_all(&drop_ins).unwrap();
        let text = "[[registry]]\nprefix = 'r.test'\nlocation = 'in.test:5000/hub'\n[[registry.mirror]]\nlocation = '127.0.0.1:1'\ninsecure = true\n";
        std::fs::write(drop_ins.join("a.conf"), text).unwrap();
        let environment = &|_: &str| None;
        let here = Surroundings { root: root.path(), environment, uid: 7, authfile: Some(PathBuf::from("/logins")) };
        let settings = podman(&here, "r.test/team/app");
        let locations: Vec<_> = settings.asked.iter().map(|it| it.location.as_str()).collect();
        assert_eq!(locations, ["127.0.0.1:1/team/app", "in.test:5000/hub/team/app"]);
        assert!(settings.asked[0].may_be_plain && settings.asked[0].is_mirror && !settings.asked[1].is_mirror);
        assert_eq!(settings.login_files, [Path::new("/logins")]);
        assert_eq!(podman(&here, "other.test/x").asked, [Asked::default()]);
    }
}
