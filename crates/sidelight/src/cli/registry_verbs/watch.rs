//! `sidelight registry watch`. In: arguments. Out: [`WatchCommand`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::options::{Limits, Scope, Services, WaysIn};
use crate::cli::{CaOptions, Period, ProxyOptions, RecordingOptions, ShowOptions};

/// Watch what a container engine says to its registries, without restarting it, and undo everything at the end
///
/// Takes the lightest way into the conversation of that engine: for dockerd our CA below certs.d, which it reads at each pull, and a
/// redirect of its connections; for containerd a hosts.toml, for podman, skopeo and buildah a drop-in of registries.conf that put a
/// plain local port before the registry. Each pull, push and login is told as it ends. At the end, also after Ctrl-C, everything is
/// as it was; what a killed one left is taken back by the next sidelight.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = "sidelight registry watch --client CLIENT [--registry HOST[:PORT]]… [OPTIONS] [-- COMMAND [ARG]…]")]
pub(crate) struct WatchCommand {
    /// Whose conversation is watched
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: WatchClient,

    /// A registry, as images name it; repeatable [default: that of the image that COMMAND names]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) registry: Vec<String>,

    /// The daemon's socket [default: dockerd's as DOCKER_HOST or the context names it, else /var/run/docker.sock; of several
    /// containerds the first]
    #[arg(long, value_name = "unix://PATH")]
    pub(crate) host: Option<String>,

    /// containerd's folder of hosts.toml files [default: config_path of its configuration]
    #[arg(long, value_name = "DIR")]
    pub(crate) hosts_dir: Option<PathBuf>,

    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How registries are called and judged.
    #[command(flatten)]
    pub(crate) services: Services,
    /// The certificate authority that dockerd is shown.
    #[command(flatten)]
    pub(crate) ca: CaOptions,
    /// Limits.
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// What is recorded.
    #[command(flatten)]
    pub(crate) recording: RecordingOptions,
    /// What is shown.
    #[command(flatten)]
    pub(crate) show: ShowOptions,

    /// Watch while this command runs, instead of until Ctrl-C
    #[arg(value_name = "COMMAND", num_args = 0.., trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// Whose conversation is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchClient {
    /// dockerd, also rootless or in a network of its own
    Docker,
    /// containerd, as a kubelet or crictl uses it; ctr with --hosts-dir
    Containerd,
    /// podman, skopeo, buildah, and podman's service
    Podman,
}

impl WatchCommand {
    /// The options as an interception takes them.
    pub(crate) fn interception(&self) -> ProxyOptions {
        ProxyOptions {
            // Listeners are on loopback; a redirected client's own address may be a public one.
            ways_in: WaysIn { allow_public: true, ..WaysIn::default() },
            scope: Scope {
                only: Vec::new(),
                pass: Vec::new(),
                fail_open_for: Period(std::time::Duration::from_secs(600)),
            },
            services: self.services.clone(),
            ca: self.ca.clone(),
            limits: self.limits.clone(),
            recording: self.recording.clone(),
            show: self.show.clone(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  See the next pulls of dockerd from one registry, until Ctrl-C:
    sidelight registry watch --client docker --registry registry.corp

  See one pull of dockerd (`sidelight run -- docker pull …` is the same):
    sidelight registry watch --client docker -- docker pull registry.corp/team/app:1

  What a kubelet pulls, as JSON Lines; and what would be changed for that:
    sidelight registry watch --client containerd --registry registry.corp --json
    sidelight registry watch --client containerd --registry registry.corp --dry-run

  ctr reads hosts.toml files only of a folder that it is told:
    sidelight registry watch --client containerd --hosts-dir /tmp/hosts --registry registry.corp -- \\
      ctr images pull --hosts-dir /tmp/hosts registry.corp/team/app:1

  podman's service, or skopeo in a timer:
    sidelight registry watch --client podman --registry registry.corp

Exit status: 0 everything worked, or nothing came; 1 a pull or push failed; 2 usage; 3 it cannot be watched. With COMMAND: as it ends;
125 when it cannot be watched.";
