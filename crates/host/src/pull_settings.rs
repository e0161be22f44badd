//! How a client on this host reaches registries. In: which client, the registry, the host's root. Out: [`PullSettings`]: the places it
//! asks in order, its CAs and client certificates, its proxies, the files that hold its logins. Read only; nothing is judged.

mod containers;
mod daemon;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::files::read_bounded;
use crate::files::within;

/// The most bytes of a settings file.
const LARGEST: u64 = 4 << 20;

/// One place that the client asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `[http[s]://]HOST[:PORT][/PATH]`; empty: the registry that the image names.
    pub location: String,
    /// Whether the path stands for `/v2` itself.
    pub overrides_path: bool,
    /// Whether certificates are not verified, and why, in words.
    pub insecure: Option<String>,
    /// Whether plain HTTP is spoken where TLS is not.
    pub may_be_plain: bool,
    /// Whether it stands in for the registry, which is asked after it.
    pub is_mirror: bool,
    /// Whether requests name the registry that is meant (`?ns=`).
    pub names_registry: bool,
    /// CAs that count for it besides.
    pub roots: Vec<PathBuf>,
    /// A client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How a client reaches a registry.
#[derive(Clone, Debug, Default)]
pub struct PullSettings {
    /// The places that it asks, in order; never empty.
    pub asked: Vec<Asked>,
    /// Folders laid out as `certs.d`.
    pub cert_folders: Vec<PathBuf>,
    /// The environment that names its proxies.
    pub environment: Vec<(String, String)>,
    /// Whose environment that is, in words; `None`: nobody's, for the daemon does not run.
    pub environment_of: Option<String>,
    /// The files of logins, in the order in which they count.
    pub login_files: Vec<PathBuf>,
    /// What was read, for people.
    pub read: Vec<String>,
    /// What is odd or could not be read, one sentence each.
    pub notes: Vec<String>,
    /// Why the client would ask nobody at all.
    pub blocked: Option<String>,
}

/// Where settings are looked for.
pub struct Surroundings<'s> {
    /// The root of the host: `/`, or where it is mounted.
    pub root: &'s Path,
    /// Our own environment.
    pub environment: &'s dyn Fn(&str) -> Option<OsString>,
    /// Our own user.
    pub uid: u32,
    /// A file of logins that was named.
    pub authfile: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// A file of the host; `None` where there is none. What cannot be read becomes a note.
    fn text(&self, path: &str, settings: &mut PullSettings) -> Option<String> {
        let file = within(self.root, path);
        match read_bounded(&file, LARGEST) {
            Ok(bytes) => {
                settings.read.push(file.display().to_string());
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(error) => {
                if !error.is_absent() {
                    settings.notes.push(error.to_string());
                }
                None
            }
        }
    }

    fn own_environment(&self) -> Vec<(String, String)> {
        let names = [
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ];
        let value = |name: &str| Some((name.to_owned(), (self.environment)(name)?.into_string().ok()?));
        names.into_iter().filter_map(value).collect()
    }
}

/// The line of a hosts file (from 1) that gives a name a loopback address: dockerd then does not verify its certificate.
pub fn loopback_entry(hosts: &Path, name: &str) -> Option<usize> {
    let text = read_bounded(hosts, LARGEST).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let found = text.lines().position(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let is_loopback = words.next().and_then(|it| it.parse::<IpAddr>().ok()).is_some_and(|it| it.is_loopback());
        is_loopback && words.any(|word| word.eq_ignore_ascii_case(name))
    });
    found.filter(|_| name != "localhost").map(|at| at + 1)
}

/// dockerd's settings for a registry at these addresses, and the logins of the user who asks it.
pub fn docker(here: &Surroundings<'_>, registry: &str, addresses: &[IpAddr]) -> PullSettings {
    daemon::docker(here, registry, addresses)
}

/// containerd's settings for a registry.
pub fn containerd(here: &Surroundings<'_>, registry: &str) -> PullSettings {
    daemon::containerd(here, registry)
}

/// The settings of podman, skopeo and their kin for an image (`HOST/NAME`).
pub fn podman(here: &Surroundings<'_>, image: &str) -> PullSettings {
    containers::podman(here, image)
}

/// Our own: all folders that any client knows, and our own environment.
pub fn native(here: &Surroundings<'_>) -> PullSettings {
    containers::native(here)
}
