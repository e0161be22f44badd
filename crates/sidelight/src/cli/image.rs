//! Options of all commands that read images. In: arguments. Out: [`ImageOptions`].

use clap::Args;
use sidelight_image::Platform;

use super::RegistryOptions;

/// Which image of a source is read, and how.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageOptions {
    /// Read the image for this platform, as linux/arm64 or linux/arm/v7 [default: this machine's, or the only one]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,

    /// Read the image of this name or tag, where a source holds several
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) image_name: Option<String>,

    /// How registries are talked to.
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// How image sources are written, for the help of commands that take them.
pub(crate) const SOURCES: &str = "\
Image sources:
  FILE, DIR                 looked into and recognised: docker save, OCI layout, skopeo copy, root file system
  NAME[:TAG]                asked of docker, podman and containerd here, then of its registry
  docker-archive:FILE[:NAME], oci-archive:FILE[:TAG], oci:DIR[:TAG], dir:DIR, rootfs:DIR, rootfs:FILE.tar
  docker-daemon:NAME, containers-storage:NAME, containerd:NAME, docker://HOST/NAME:TAG
  container:ID              a running container of any engine, by identifier or name
  pid:N, host, -            what a process sees as /; this machine; an archive on standard input";
