//! What of a whole machine is read, and what is passed over. In: paths of folders. Out: whether one is read, and one sentence on
//! those that were not. A machine holds gigabytes that no program reads for trust: caches, build trees, packages of builds.

use std::collections::BTreeMap;
use std::path::Path;

/// Where programs, their settings and their users' files lie.
pub(crate) const PLACES: &[&str] = &[
    "etc",
    "usr",
    "opt",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "var/lib",
    "home",
    "root",
    "srv",
    "nix/store",
];

const ROOTS: &str = "data and roots of engines and databases";
const TEXTS: &str = "texts, sources and parts of the kernel";
const PACKAGES: &str = "packages and compilers of builds";
const CACHES: &str = "caches and build trees";
const HISTORIES: &str = "histories of version control";
const JOURNAL: &str = "what sidelight keeps to take its changes back";
const NESTED: &str = "modules within modules of Node";

/// Folders by their whole path.
const WHOLE: &[(&str, &str)] = &[
    ("/var/lib/docker", ROOTS),
    ("/var/lib/containers", ROOTS),
    ("/var/lib/containerd", ROOTS),
    ("/var/lib/rancher", ROOTS),
    ("/var/lib/kubelet", ROOTS),
    ("/var/lib/lxc", ROOTS),
    ("/var/lib/lxd", ROOTS),
    ("/var/lib/incus", ROOTS),
    ("/var/lib/machines", ROOTS),
    ("/var/lib/libvirt", ROOTS),
    ("/var/lib/snapd", ROOTS),
    ("/var/lib/flatpak", ROOTS),
    ("/var/lib/postgresql", ROOTS),
    ("/var/lib/mysql", ROOTS),
    ("/var/lib/mongodb", ROOTS),
    ("/var/lib/elasticsearch", ROOTS),
    ("/var/lib/prometheus", ROOTS),
    ("/var/lib/clickhouse", ROOTS),
    ("/var/lib/apt/lists", TEXTS),
    ("/usr/share/doc", TEXTS),
    ("/usr/share/man", TEXTS),
    ("/usr/share/info", TEXTS),
    ("/usr/share/locale", TEXTS),
    ("/usr/share/icons", TEXTS),
    ("/usr/share/fonts", TEXTS),
    ("/usr/share/zoneinfo", TEXTS),
    ("/usr/include", TEXTS),
    ("/usr/src", TEXTS),
    ("/usr/lib/debug", TEXTS),
    ("/usr/lib/modules", TEXTS),
    ("/usr/lib/firmware", TEXTS),
];

/// Folders by the end of their path: what package managers and compilers keep for each user.
const ENDS: &[&str] = &[
    "/.cargo/registry",
    "/.cargo/git",
    "/usr/local/cargo/registry",
    "/usr/local/cargo/git",
    "/.rustup/toolchains",
    "/usr/local/rustup/toolchains",
    "/go/pkg",
    "/.m2/repository",
    "/.gradle/caches",
    "/.gradle/wrapper",
    "/.ivy2/cache",
    "/.nuget/packages",
    "/.npm/_cacache",
    "/.pnpm-store",
    "/.yarn/cache",
    "/.conda/pkgs",
    "/.local/share/containers",
    "/.local/share/docker",
    "/.local/share/Trash",
];

/// What was passed over: how many folders of each kind, and the first of them.
#[derive(Debug, Default)]
pub(crate) struct Spared(BTreeMap<&'static str, (u64, String)>);

impl Spared {
    /// Whether the folder at `path` is passed over. `is_tagged`: a file says that it is a cache.
    pub(crate) fn spares(&mut self, path: &str, is_tagged: bool) -> bool {
        let Some(kind) = kind(path, is_tagged) else { return false };
        self.0.entry(kind).or_insert_with(|| (0, path.to_owned())).0 += 1;
        true
    }

    /// What was passed over, in one sentence that says how to ask for it.
    pub(crate) fn sentence(&self) -> Option<String> {
        let last = self.0.values().next_back()?;
        let kinds: Vec<String> = self
            .0
            .iter()
            .map(|(kind, (count, first))| match count {
                1 => format!("{kind} ({first})"),
                2 => format!("{kind} ({first} and 1 more)"),
                _ => format!("{kind} ({first} and {} more)", count - 1),
            })
            .collect();
        Some(format!(
            "passed over on this machine: {}; a folder that is named is read: rootfs:{}",
            kinds.join(", "),
            last.1
        ))
    }
}

fn kind(path: &str, is_tagged: bool) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some((_, kind)) = WHOLE.iter().find(|(whole, _)| *whole == path) {
        return Some(kind);
    }
    match name {
        ".git" | ".hg" | ".svn" => Some(HISTORIES),
        ".cache" | ".ccache" => Some(CACHES),
        _ if is_tagged => Some(CACHES),
        "node_modules" if path.matches("/node_modules/").count() > 0 => Some(NESTED),
        // Copies of stores as they were, which nobody reads.
        "journal" if path.ends_with("/sidelight/journal") => Some(JOURNAL),
        _ => ENDS.iter().any(|end| path.ends_with(end)).then_some(PACKAGES),
    }
}

/// Places outside of [`PLACES`] that lead to what a program reads: its own folder, the one it works in, and files that its
/// environment names. They are given as they are without links, relative to the root, none within another.
pub(crate) fn further(folders: &[&Path], env: &[(String, String)]) -> Vec<String> {
    let is_telling =
        |name: &str| ["CERT", "BUNDLE", "CAINFO", "CAFILE", "TRUST"].iter().any(|part| name.contains(part));
    let named = env.iter().filter(|(name, value)| value.starts_with('/') && is_telling(name));
    let mut found: Vec<String> = Vec::new();
    // A folder right below the root holds too much to be meant by one program.
    let own = folders.iter().filter(|folder| folder.components().count() > 2).map(|folder| folder.to_path_buf());
    let files = named.flat_map(|(_, value)| {
        let path = Path::new(value);
        let beside = path.parent().and_then(|parent| parent.canonicalize().ok());
        let link = beside.and_then(|parent| Some(parent.join(path.file_name()?)));
        link.into_iter().chain(path.canonicalize().ok())
    });
    for path in own.chain(files) {
        let Some(text) = path.to_str().and_then(|text| text.strip_prefix('/')) else { continue };
        let is_within =
            |place: &str| text == place || text.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
        let is_kernel = ["proc", "sys", "dev"].iter().any(|place| is_within(place));
        if !text.is_empty()
            && !is_kernel
            && !PLACES.iter().any(|place| is_within(place))
            && !found.iter().any(|place| is_within(place))
        {
            found.push(text.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_is_told_in_one_sentence() {
        let mut spared = Spared::default();
        for path in ["/usr/lib", "/home/dev/.cargo", "/usr/lib/node_modules", "/srv/target", "/srv/x/registry"] {
            assert!(!spared.spares(path, false), "{path}");
        }
        assert_eq!(spared.sentence(), None);
        assert!(spared.spares("/srv/target", true));
        assert!(spared.spares("/home/a/.cache", false));
        assert!(spared.spares("/home/a/.local/state/sidelight/journal", false));
        assert!(spared.spares("/home/dev/.cargo/registry", false));
        assert!(spared.spares("/usr/lib/node_modules/npm/node_modules", false));
        let sentence = spared.sentence().unwrap();
        for part in ["caches and build trees (/srv/target and 1 more)", "(/home/dev/.cargo/registry)", "rootfs:/"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }

    #[test]
    fn what_a_program_reads_elsewhere_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("real.pem"), "x").unwrap();
        std::os::unix::fs::symlink("real.pem", root.join("ca.pem")).unwrap();
        let env = |name: &str| vec![(name.to_owned(), root.join("ca.pem").display().to_string())];
        let text = |path: &Path| path.strip_prefix("/").unwrap().display().to_string();
        let both = vec![text(&root.join("ca.pem")), text(&root.join("real.pem"))];
        assert_eq!(further(&[], &env("SSL_CERT_FILE")), both);
        assert_eq!(further(&[], &env("HOME")), Vec::<String>::new());
        assert_eq!(further(&[&root], &env("SSL_CERT_FILE")), vec![text(&root)]);
        let elsewhere = [Path::new("/"), Path::new("/tmp"), Path::new("/usr/lib/x"), Path::new("/proc/1/root")];
        assert_eq!(further(&elsewhere, &[]), Vec::<String>::new());
    }
}
