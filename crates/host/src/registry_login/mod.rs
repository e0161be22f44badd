//! Logins to registries that this user has stored. In: a registry and repository, the environment. Out: logins, and what could not be
//! read. Spec: docker's `config.json`, containers-auth.json(5), docker-credential-helpers' protocol.

mod credential_program;

use std::ffi::OsString;
use std::path::PathBuf;

use sidelight_wire::registry::{Login, LoginFile, Stored};

use crate::files::{FileError, read_bounded};

/// The most bytes of such a file; tokens of some clouds have several thousand.
const LARGEST: u64 = 4 << 20;

/// Looks up a variable of the environment.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Logins, the one to use first.
    pub logins: Vec<Login>,
    /// What could not be read or asked, one line each with the file or program in it.
    pub problems: Vec<String>,
}

/// The files that may hold logins, in the order in which they count. One that was named, by option or variable, counts alone.
pub fn files(named: Option<PathBuf>, environment: Environment<'_>, uid: u32) -> Vec<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = named.or_else(|| set("REGISTRY_AUTH_FILE")) {
        return vec![file];
    }
    let home = set("HOME");
    let mut files = Vec::new();
    files.extend(set("DOCKER_CONFIG").map(|folder| folder.join("config.json")));
    let runtime = set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers"));
    files.push(runtime.unwrap_or_else(|| format!("/run/containers/{uid}").into()).join("auth.json"));
    let settings = set("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    files.extend(settings.map(|folder| folder.join("containers/auth.json")));
    if set("DOCKER_CONFIG").is_none() {
        files.extend(home.map(|home| home.join(".docker/config.json")));
    }
    files
}

/// The logins for a repository of a registry: those of the first file that has any.
pub fn find(files: &[PathBuf], registry: &str, repository: &str) -> Found {
    let mut found = Found::default();
    for file in files {
        let at = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        let bytes = match read_bounded(file, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => continue,
            Err(error @ FileError::Io { .. }) => {
                found.problems.push(error.to_string());
                continue;
            }
            Err(error) => {
                found.problems.push(error.to_string());
                continue;
            }
        };
        let stored = LoginFile::parse(&bytes).and_then(|parsed| parsed.find(registry, repository));
        for stored in stored.unwrap_or_else(|error| {
            found.problems.push(at(&error));
            Vec::new()
        }) {
            match stored {
                Stored::Login(login) => found.logins.push(login),
                Stored::Helper { name, keys } => match credential_program::ask(&name, &keys) {
                    Ok(login) => found.logins.extend(login),
                    Err(why) => found.problems.push(format!("{why} (named in {})", file.display())),
                },
            }
        }
        if !found.logins.is_empty() {
            return found;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_stand_in_the_order_of_the_field() {
        let with = |named: Option<&str>, set: &[(&str, &str)]| -> Vec<String> {
            let find = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            files(named.map(PathBuf::from), &find, 7).iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(with(Some("/x"), &[("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/r")]), ["/x"]);
        assert_eq!(with(None, &[("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/r")]), ["/r"]);
        let usual = ["/run/containers/7/auth.json", "/h/.config/containers/auth.json", "/h/.docker/config.json"];
        assert_eq!(with(None, &[("HOME", "/h")]), usual);
        let docker = ["/d/config.json", "/run/user/7/containers/auth.json", "/h/.config/containers/auth.json"];
        assert_eq!(with(None, &[("HOME", "/h"), ("DOCKER_CONFIG", "/d"), ("XDG_RUNTIME_DIR", "/run/user/7")]), docker);
    }

    #[test]
    fn the_first_file_with_a_login_counts_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let broken = file("broken", "{");
        let other = file("other", r#"{"auths":{"else.test":{"username":"u","password":"p"}}}"#);
        let right = file("right", r#"{"auths":{"r.test":{"username":"right","password":"p"}}}"#);
        let late = file("late", r#"{"auths":{"r.test":{"username":"late","password":"p"}}}"#);
        let found = find(&[folder.path().join("absent"), broken.clone(), other, right, late], "r.test", "a");
        let users: Vec<_> = found.logins.iter().map(|login| format!("{login:?}")).collect();
        assert!(users.len() == 1 && users[0].contains("right") && !users[0].contains("\"p\""), "{users:?}");
        assert!(
            found.problems.len() == 1 && found.problems[0].contains(&broken.display().to_string()),
            "{:?}",
            found.problems
        );
    }
}
