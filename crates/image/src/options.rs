//! What to read of a source, and where engines keep their things. In: the user's options. Out: [`Options`].

use std::path::PathBuf;

use crate::limits::Limits;
use crate::platform::Platform;

/// How a source is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The platform that was asked for; `None`: this machine's, or the only one there is.
    pub platform: Option<Platform>,
    /// The name of the image, where a source holds several.
    pub image: Option<String>,
    /// Whether digests are compared. Without it, bytes that nobody wants are not even read where that is possible.
    pub verify: bool,
    /// Bounds.
    pub limits: Limits,
    /// Where engines keep their images and containers.
    pub engines: Engines,
}

impl Default for Options {
    fn default() -> Self {
        Self { platform: None, image: None, verify: true, limits: Limits::default(), engines: Engines::default() }
    }
}

/// Where the engines of a machine keep their things.
#[derive(Clone, Debug)]
pub struct Engines {
    /// `DOCKER_HOST`, or `None` for Docker's default sockets.
    pub docker_host: Option<String>,
    /// Docker's folders of data, in the order in which they are looked into.
    pub docker_roots: Vec<PathBuf>,
    /// Folders of containers-storage (podman, buildah, CRI-O), the user's own first.
    pub storage_roots: Vec<PathBuf>,
    /// `CONTAINERS_STORAGE_CONF`: a settings file that names further folders.
    pub storage_conf: Option<PathBuf>,
    /// containerd's folders of data.
    pub containerd_roots: Vec<PathBuf>,
    /// The folder of processes.
    pub proc: PathBuf,
}

impl Default for Engines {
    /// The places of this machine by the engines' own defaults; settings files are read when a source needs them.
    fn default() -> Self {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        Self {
            docker_host: None,
            storage_conf: None,
            docker_roots: paths(&["/var/lib/docker"]),
            storage_roots: paths(&["/var/lib/containers/storage"]),
            containerd_roots: paths(&[
                "/var/lib/containerd",
                "/run/k3s/containerd",
                "/var/lib/rancher/k3s/agent/containerd",
            ]),
            proc: PathBuf::from("/proc"),
        }
    }
}
