//! The daemons that pull for their clients: dockerd alone and through sidelight, containerd. In: a folder, a proxy. Out: commands.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sidelight_testkit::peers::Dockerd;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::{Hosts, Running};

pub(crate) struct Daemons {
    alone: Dockerd,
    through: Dockerd,
    socket: PathBuf,
    _containerd: Running,
    /// Pulls of one layer beside each other are one to dockerd.
    one: Mutex<()>,
    namespaces: AtomicUsize,
}

impl Daemons {
    pub(crate) fn start(folder: &Path, hosts: &Hosts, proxy: &str) -> Self {
        let dockerd = |name: &str, proxy: Option<&str>| {
            let own = folder.join(name);
            std::fs::create_dir(&own).expect("a folder for dockerd");
            let mut command = hosts.command("dockerd");
            // Else it tries for more than a minute.
            command.args(["--max-download-attempts", "1"]);
            command.envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy)));
            Dockerd::start(command, &own)
        };
        let (alone, through) = (dockerd("a", None), dockerd("t", Some(proxy)));
        let socket = folder.join("c.sock");
        let at = |name: &str| folder.join("containerd").join(name).display().to_string();
        let settings = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt']\n[grpc]\naddress = '{}'\n",
            at("root"),
            at("state"),
            socket.display()
        );
        let file = folder.join("containerd.toml");
        std::fs::write(&file, settings).expect("a file of settings");
        let mut command = hosts.command("containerd");
        command.arg("--config").arg(&file);
        let mut containerd = Running::start(&mut command, &folder.join("containerd.log"));
        let probe = socket.clone();
        containerd.until("answering on its socket", || {
            let mut version = Command::new("ctr");
            version.arg("--address").arg(&probe).arg("version");
            version.output().is_ok_and(|output| output.status.success())
        });
        Self { alone, through, socket, _containerd: containerd, one: Mutex::new(()), namespaces: AtomicUsize::new(0) }
    }

    /// `docker pull` with settings in this folder.
    pub(crate) fn docker(&self, through: bool, settings: &Path, image: &str) -> Finished {
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let daemon = if through { &self.through } else { &self.alone };
        let mut command = Command::new("docker");
        sidelight_testkit::hosts::clean(&mut command);
        command.arg("--config").arg(settings).args(["--host", &daemon.address(), "pull", image]);
        run(&mut command)
    }

    /// ctr(8), which asks registries itself.
    pub(crate) fn ctr(&self, hosts: &Hosts) -> Command {
        let mut command = hosts.command("ctr");
        // Namespaces share no transfers.
        let namespace = format!("n{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        command.arg("--address").arg(&self.socket).args(["--namespace", &namespace]);
        command
    }
}
