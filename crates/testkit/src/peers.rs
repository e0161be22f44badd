//! Real servers and the scripts of real clients. In: a folder and an identity. Out: a running server, ended when dropped.
//! What they need is installed by `cargo xtask setup`, the parts from language registries into `target/peers`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::process::{Running, free_port, run_within};
use crate::{Hosts, Identity};

/// The folder that `cargo xtask setup` fills: `SIDELIGHT_PEERS`, else `peers` beside the folder of the running test's profile.
#[track_caller]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("SIDELIGHT_PEERS") {
        return folder.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let found = test.ancestors().map(|folder| folder.join("peers")).find(|folder| folder.join("ready").exists());
    found.unwrap_or_else(|| panic!("no target/peers above {}; run `cargo xtask setup`", test.display()))
}

/// Python with the modules of the tests.
#[track_caller]
pub fn python() -> PathBuf {
    folder().join("venv/bin/python")
}

/// mitmproxy's recorder, of the newest release that the Python here can run.
#[track_caller]
pub fn mitmdump() -> PathBuf {
    folder().join("mitmproxy/bin/mitmdump")
}

/// Go's command.
#[track_caller]
pub fn go() -> PathBuf {
    folder().join("venv/bin/go")
}

/// The folder of Node's modules.
#[track_caller]
pub fn node_modules() -> PathBuf {
    folder().join("node/node_modules")
}

/// A script of this crate's folder `peers`.
#[track_caller]
pub fn script(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    assert!(file.is_file(), "no script {}", file.display());
    file
}

/// Builds the Go client of this crate; its build cache stays beside the toolchain, so that only the first build is slow.
#[track_caller]
pub fn go_program() -> PathBuf {
    go_client("fetch.go")
}

/// Builds a program from one of this crate's Go files, once in this process whoever asks.
#[track_caller]
pub fn go_client(source: &'static str) -> PathBuf {
    static PROGRAMS: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    // Held while it builds: tests of one process that ask at the same time get the same program.
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    programs.entry(source).or_insert_with(|| build_go(source)).clone()
}

#[track_caller]
fn build_go(source: &str) -> PathBuf {
    let folder = folder().join("go");
    std::fs::create_dir_all(&folder).expect("a folder for Go");
    let program = folder.join(source.trim_end_matches(".go"));
    // Tests also run side by side in processes of their own: each builds beside, and the last one wins.
    let fresh = folder.join(format!("{source}.{}", std::process::id()));
    go_build(&script(source), &fresh);
    std::fs::rename(&fresh, &program).expect("the program in its place");
    program
}

/// Builds a static program from one Go file, which may embed what lies beside it.
#[track_caller]
pub fn go_build(source: &Path, program: &Path) {
    let folder = folder().join("go");
    let mut go = Command::new(go());
    go.args(["build", "-o"]).arg(program).arg(source);
    go.env("GOCACHE", folder.join("cache")).env("GOPATH", folder.join("path"));
    go.env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
    run_within(&mut go, Duration::from_secs(400)).success();
}

/// A server and where it listens.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub process: Running,
}

/// A Python server of this crate: told its port, chain and key; ready when it accepts connections.
#[track_caller]
pub fn python_server(name: &str, folder: &Path, identity: &Identity) -> Server {
    let (chain, key) = identity.write_to(folder, name);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = Command::new(python());
    command.arg(script(name)).arg(address.port().to_string()).args([chain, key]);
    let mut process = Running::start(&mut command, &folder.join(format!("{name}.log")));
    process.until_it_listens(&Hosts::new(folder, &[]), address);
    Server { address, process }
}

/// nginx with TLS that passes everything on to a registry, listening at these addresses of `place`.
#[track_caller]
pub fn nginx(place: &Hosts, folder: &Path, identity: &Identity, listen: &[SocketAddr], registry: SocketAddr) -> Server {
    nginx_with(place, folder, identity, listen, registry, ["", ""])
}

/// The same with more of nginx's own words: more locations of that server, more servers.
#[track_caller]
pub fn nginx_with(
    place: &Hosts,
    folder: &Path,
    identity: &Identity,
    listen: &[SocketAddr],
    registry: SocketAddr,
    [locations, servers]: [&str; 2],
) -> Server {
    let (chain, key) = identity.write_to(folder, "nginx");
    let home = folder.join("nginx");
    std::fs::create_dir_all(&home).expect("a folder for nginx");
    let listens: String = listen.iter().map(|address| format!("listen {address} ssl http2; ")).collect();
    let (home, chain, key) = (home.display(), chain.display(), key.display());
    let text = format!(
        "daemon off; pid {home}/pid; error_log stderr warn; user root;
events {{ worker_connections 512; }}
http {{
  access_log {home}/access.log;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
  server {{
    {listens}
    ssl_certificate {chain}; ssl_certificate_key {key};
    location / {{
      proxy_pass http://{registry};
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
    }}
    {locations}
  }}
  {servers}
}}
"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).expect("nginx.conf");
    let mut command = place.command("nginx");
    command.arg("-p").arg(folder.join("nginx")).arg("-c").arg(&file);
    let mut process = Running::start(&mut command, &folder.join("nginx.log"));
    for address in listen {
        process.until_it_listens(place, *address);
    }
    Server { address: listen[0], process }
}

/// The one login of [`private_registry`]: its user and password.
pub const REGISTRY_LOGIN: (&str, &str) = ("joe", "hunter2");

/// The same as a line of an htpasswd file (bcrypt, the only form that the registry reads).
pub const HTPASSWD: &str = "joe:$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

/// Debian's docker-registry on plain HTTP at this address of `place`, its images in `folder`.
#[track_caller]
pub fn registry(place: &Hosts, folder: &Path, address: SocketAddr) -> Server {
    registry_with(place, folder, address, "")
}

/// The same in TLS by itself, for [`REGISTRY_LOGIN`] alone.
#[track_caller]
pub fn private_registry(place: &Hosts, folder: &Path, address: SocketAddr, identity: &Identity) -> Server {
    let (chain, key) = identity.write_to(folder, "registry");
    let logins = folder.join("htpasswd");
    std::fs::write(&logins, HTPASSWD).expect("htpasswd");
    let (chain, key, logins) = (chain.display(), key.display(), logins.display());
    let more = format!(
        "  tls: {{certificate: {chain}, key: {key}}}\nauth:\n  htpasswd: {{realm: registry, path: {logins}}}\n"
    );
    registry_with(place, folder, address, &more)
}

/// What a registry is told of its token server.
#[derive(Clone, Copy, Debug)]
pub struct TokenAuth<'a> {
    /// Where tokens are had.
    pub realm: &'a str,
    /// `service`
    pub service: &'a str,
    /// `issuer`
    pub issuer: &'a str,
    /// The bundle of certificates.
    pub bundle: &'a Path,
}

/// The same on plain HTTP with tokens. It may refuse to start with its bundle: the process comes back unasked whether it listens.
#[track_caller]
pub fn token_registry(folder: &Path, address: SocketAddr, auth: &TokenAuth<'_>) -> Running {
    token_registry_by(Command::new("docker-registry"), folder, address, auth)
}

/// As [`token_registry`], started by this command for docker-registry.
#[track_caller]
pub fn token_registry_by(mut command: Command, folder: &Path, address: SocketAddr, auth: &TokenAuth<'_>) -> Running {
    let TokenAuth { realm, service, issuer, bundle } = auth;
    let bundle = bundle.display();
    let more = format!(
        "auth:\n  token: {{realm: \"{realm}\", service: \"{service}\", issuer: \"{issuer}\", rootcertbundle: \"{bundle}\"}}\n"
    );
    let file = registry_settings(folder, address, &more);
    command.arg("serve").arg(&file);
    Running::start(&mut command, &folder.join("registry.log"))
}

fn registry_with(place: &Hosts, folder: &Path, address: SocketAddr, more: &str) -> Server {
    let file = registry_settings(folder, address, more);
    let mut command = place.command("docker-registry");
    command.arg("serve").arg(&file);
    let mut process = Running::start(&mut command, &folder.join("registry.log"));
    process.until_it_listens(place, address);
    Server { address, process }
}

fn registry_settings(folder: &Path, address: SocketAddr, more: &str) -> PathBuf {
    let storage = folder.join("registry");
    std::fs::create_dir_all(&storage).expect("a folder for the registry");
    let text = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: {address}\n  secret: only-for-tests\n{more}",
        storage.display()
    );
    let file = folder.join("registry.yml");
    std::fs::write(&file, text).expect("registry.yml");
    file
}

/// A dockerd of the test's own: own socket, data, containerd and process id file; no network of its own.
#[derive(Debug)]
pub struct Dockerd {
    socket: PathBuf,
    process: Running,
}

impl Dockerd {
    /// Starts dockerd by `command` (a namespace's or a hosts file's), which is ready once it answers on its socket.
    #[track_caller]
    pub fn start(command: Command, folder: &Path) -> Self {
        Self::start_with(command, folder, "vfs")
    }

    /// As [`Dockerd::start`], with this storage driver.
    #[track_caller]
    pub fn start_with(mut command: Command, folder: &Path, driver: &str) -> Self {
        // The path of a unix socket is short (unix(7)), so the folder should be too.
        let socket = folder.join("d.sock");
        let home = folder.join("docker");
        command.args(["--host", &format!("unix://{}", socket.display())]);
        for (option, path) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(home.join(path));
        }
        command.args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        command.args(["--storage-driver", driver, "--log-level", "warn"]);
        std::fs::create_dir_all(&home).expect("a folder for dockerd");
        let process = Running::start(&mut command, &folder.join("dockerd.log")).with_grace(Duration::from_secs(30));
        let mut dockerd = Self { socket, process };
        let probe = dockerd.socket.clone();
        dockerd.process.until("answering on its socket", || {
            let mut version = Command::new("docker");
            version.args(["--host", &format!("unix://{}", probe.display()), "version"]);
            version.output().is_ok_and(|output| output.status.success())
        });
        dockerd
    }

    /// docker(1) that talks to this daemon.
    pub fn docker(&self, folder: &Path) -> Command {
        let mut command = Command::new("docker");
        crate::hosts::clean(&mut command);
        command.arg("--config").arg(folder.join("docker-config"));
        command.args(["--host", &format!("unix://{}", self.socket.display())]);
        command
    }

    /// For clients that take `DOCKER_HOST`: the daemon's address.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What the daemon has logged.
    pub fn said(&self) -> String {
        self.process.said()
    }
}

/// Trust of dockerd in a registry's CA: `/etc/docker/certs.d/HOST:PORT/ca.crt`, bound into a command's own mount namespace.
pub fn docker_trust(hosts: &Hosts, folder: &Path, registries: &[&str], ca: &Path) -> Command {
    let trust = folder.join("certs.d");
    for registry in registries {
        let place = trust.join(registry);
        std::fs::create_dir_all(&place).expect("a folder for the registry's CA");
        std::fs::copy(ca, place.join("ca.crt")).expect("the CA's certificate");
    }
    let mut command = hosts.command("sh");
    // An empty /etc/docker on top of the machine's own, which stays as it is.
    command.arg("-c").arg(
        "mkdir -p /etc/docker && mount -t tmpfs none /etc/docker && mkdir /etc/docker/certs.d \
         && mount --bind \"$0\" /etc/docker/certs.d && exec \"$@\"",
    );
    command.arg(trust).arg("dockerd");
    command
}
