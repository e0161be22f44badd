//! This host as a source. In: nothing. Out: the folders in which programs and their settings lie, on local file systems.

use std::path::PathBuf;

use sidelight_model::trust::Config;

use crate::folder::Folder;
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::platform::Platform;

/// Where programs, their settings and their users' files lie.
const PLACES: &[&str] = &[
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

/// Other roots, which are sources of their own, and stores of content that no program reads for trust.
const NEVER: &[&str] = &[
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/lib/rancher",
    "/var/lib/kubelet",
    "/var/lib/lxc",
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/lib/machines",
    "/var/lib/libvirt",
    "/var/lib/postgresql",
    "/var/lib/mysql",
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/locale",
];

/// Opens this host.
pub(crate) fn host(options: &Options) -> Opened {
    let mut opened = Opened::new("this host".to_owned(), options);
    let never = NEVER.iter().map(|path| (*path).to_owned()).collect();
    let folder = Folder { path: PathBuf::from("/"), only: Some(PLACES.to_vec()), never, overlay: false, cross: true };
    opened.parts.push(Part::root(Place::Folder(folder)));
    let platform = Platform::here().to_string();
    let env = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    opened.config = Config { env: env.collect(), platform, ..Config::default() };
    let places: Vec<String> = PLACES.iter().map(|place| format!("/{place}")).collect();
    opened.notes.push(format!("of this host, {} were read", places.join(" ")));
    opened
}
