//! What a path says of a file: settings, a place where a store is expected, or nothing of interest. In: paths. Out: [`Class`].
//! The places are those of the distributions and of the programs that read them (docs/trust.md lists them).

/// What is known before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Settings that bear on trust: kept as text.
    Settings,
    /// A store is expected here: what is none is a fault.
    Store,
    /// An anchor is expected here, as above; whatever its name.
    Anchor,
    /// Its bytes decide.
    Any,
    /// It cannot bear on trust.
    Skip,
}

/// Files of settings by their whole path.
const SETTINGS: &[&str] = &[
    "/etc/environment",
    "/etc/profile",
    "/etc/bash.bashrc",
    "/etc/gitconfig",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/curlrc",
    "/etc/wgetrc",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/alpine-release",
    "/etc/debian_version",
    "/etc/ca-certificates.conf",
    "/etc/default/cacerts",
    "/etc/docker/daemon.json",
    "/etc/containers/registries.conf",
    "/etc/containers/policy.json",
    "/etc/containerd/config.toml",
    "/etc/buildkit/buildkitd.toml",
    "/etc/conda/condarc",
    "/etc/nsswitch.conf",
    "/etc/p11-kit/pkcs11.conf",
    "/etc/gnutls/config",
    "/etc/passwd",
];

/// Files of settings by their last name, wherever they stand.
const SETTINGS_NAMES: &[&str] = &[
    ".curlrc",
    ".wgetrc",
    ".gitconfig",
    ".npmrc",
    "npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".condarc",
    "condarc",
    "pip.conf",
    "pip.ini",
    "uv.toml",
    "hosts.toml",
    "java.security",
    "openssl.cnf",
    "gradle.properties",
    "php.ini",
    "registries.conf",
    "daemon.json",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".mavenrc",
    ".hgrc",
    ".gemrc",
    "nodejs.cnf",
];

/// Ends of paths.
const SETTINGS_ENDS: &[&str] = &[
    "/.m2/settings.xml",
    "/conf/settings.xml",
    "/.cargo/config",
    "/.cargo/config.toml",
    "/usr/local/cargo/config.toml",
    "/.config/pip/pip.conf",
    "/.pip/pip.conf",
    "/.config/git/config",
    "/.aws/config",
    "/.subversion/servers",
    "/.docker/config.json",
];

/// Folders, all files of which are settings.
const SETTINGS_FOLDERS: &[&str] = &[
    "/etc/profile.d/",
    "/etc/apt/apt.conf.d/",
    "/etc/containers/registries.conf.d/",
    "/etc/containers/registries.d/",
    "/etc/environment.d/",
    "/etc/php/",
    "/usr/local/etc/php/conf.d/",
    "/etc/pkcs11/modules/",
    "/usr/share/p11-kit/modules/",
    "/etc/yum.repos.d/",
    "/etc/crypto-policies/back-ends/",
];

/// Bundles and key stores of the distributions.
const STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/var/lib/ca-certificates/java-cacerts",
    "/etc/ssl/certs/java/cacerts",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/usr/local/ssl/cert.pem",
    "/var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem",
];

/// Folders in which every file is meant as an anchor.
const ANCHORS: &[&str] = &[
    "/usr/local/share/ca-certificates/",
    "/etc/pki/ca-trust/source/anchors/",
    "/usr/share/pki/ca-trust-source/anchors/",
    "/etc/ca-certificates/trust-source/anchors/",
    "/usr/share/ca-certificates/trust-source/anchors/",
    "/etc/pki/trust/anchors/",
    "/usr/share/pki/trust/anchors/",
    "/certificates/",
];

/// Ends of names that cannot bear on trust: packed, pictures, sound, fonts, texts for people, tables of translations.
const SKIPPED: &[&str] = &[
    ".gz", ".xz", ".bz2", ".zst", ".lz4", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".ttf", ".otf",
    ".woff", ".woff2", ".mo", ".po", ".html", ".htm", ".css", ".h", ".hpp", ".mp3", ".mp4", ".ogg", ".wav", ".pdf",
    ".ps", ".tex", ".gmo", ".qm", ".map", ".pcf", ".afm", ".pfb", ".rst", ".md",
];

/// Folders of which nothing is of interest.
const SKIPPED_FOLDERS: &[&str] = &[
    "/usr/share/zoneinfo/",
    "/usr/share/man/",
    "/usr/share/doc/",
    "/usr/share/info/",
    "/usr/share/locale/",
    "/usr/share/i18n/",
    "/usr/share/terminfo/",
    "/lib/terminfo/",
    "/usr/share/icons/",
    "/usr/share/fonts/",
    "/var/lib/dpkg/info/",
    "/var/cache/",
    "/proc/",
    "/sys/",
    "/dev/",
];

pub(super) fn class(path: &str) -> Class {
    let name = path.rsplit('/').next().unwrap_or(path);
    if is_settings(path) {
        return Class::Settings;
    }
    if STORES.contains(&path) || (name == "cacerts" && path.contains("/security/")) || name == "jssecacerts" {
        return Class::Store;
    }
    if ANCHORS.iter().any(|folder| path.starts_with(folder)) {
        return Class::Anchor;
    }
    let lower = name.to_ascii_lowercase();
    // The source of what is compiled there stands beside it.
    if path.contains("/__pycache__/") {
        return Class::Skip;
    }
    if SKIPPED.iter().any(|end| lower.ends_with(end)) || SKIPPED_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Class::Skip;
    }
    Class::Any
}

/// Whether the path is that of a file of settings that bears on trust.
pub fn is_settings(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    SETTINGS.contains(&path)
        || SETTINGS_NAMES.contains(&name)
        || SETTINGS_ENDS.iter().any(|end| path.ends_with(end))
        || SETTINGS_FOLDERS.iter().any(|folder| path.starts_with(folder))
        || (name == "release" && !path.starts_with("/etc/"))
        || (path.contains("/certs.d/") && name.ends_with(".toml"))
        || path.starts_with("/etc/apt/apt.conf")
}
