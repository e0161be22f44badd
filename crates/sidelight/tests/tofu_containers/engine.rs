//! One engine for all tests, with the images of `images/`. In: Debian's dockerd, the static program, Debian's bases from `cargo xtask setup`.
//! Out: containers that run; each test has a folder, volumes, container names and a port of its own.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sidelight_testkit::peers::{self, Dockerd};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Finished, Hosts, Identity, Issuer, Leaf, Origin};

/// The name of the service behind the scanner.
pub(crate) const NAME: &str = "api.test";

/// A dockerd, and the images that were made so far.
struct Shared {
    dockerd: Dockerd,
    folder: tempfile::TempDir,
    images: Mutex<BTreeSet<String>>,
}

/// As long as any test holds it: it ends with the last one.
static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

impl Shared {
    fn get() -> Arc<Self> {
        // Held while it starts: whoever else asks waits for the same one.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let folder = tempfile::Builder::new().prefix("sl").tempdir().unwrap();
            let hosts = Hosts::new(folder.path(), &[]);
            let dockerd = Dockerd::start_with(hosts.command("dockerd"), folder.path(), "overlay2");
            let made = Arc::new(Self { dockerd, folder, images: Mutex::default() });
            *shared = Arc::downgrade(&made);
            made
        })
    }

    fn docker(&self) -> Command {
        let mut docker = self.dockerd.docker(self.folder.path());
        docker.env("DOCKER_BUILDKIT", "0");
        docker
    }

    /// Makes an image unless it is there. A test that fails meanwhile leaves the others to try it themselves.
    fn make(&self, image: &str, with: impl FnOnce()) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if !images.contains(image) {
            with();
            images.insert(image.to_owned());
        }
    }
}

/// What one test has of it.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
    number: u8,
    /// Where the service listens, whoever holds it.
    pub(crate) port: u16,
}

impl Engine {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(1);
        let folder = tempfile::Builder::new().prefix("sl").tempdir().unwrap();
        Self { shared: Shared::get(), folder, number: COUNT.fetch_add(1, Ordering::SeqCst), port: free_port() }
    }

    /// The same with `base:debian` and `sidelight:debian`.
    pub(crate) fn with_debian() -> Self {
        let engine = Self::new();
        engine.import("debian");
        engine.build("sidelight:debian", "images/debian/Dockerfile", &["BASE=base:debian"]);
        engine
    }

    /// The same with Node, Java, wget and an image `sidelight:debian-clients` around them.
    pub(crate) fn with_clients() -> Self {
        let engine = Self::new();
        engine.import("debian-clients");
        engine.build("sidelight:debian-clients", "images/debian/Dockerfile", &["BASE=base:debian-clients"]);
        engine
    }

    /// A Debian of `cargo xtask setup` as `base:NAME`.
    pub(crate) fn import(&self, name: &str) {
        let image = format!("base:{name}");
        self.shared.make(&image, || {
            let tar = peers::folder().join(format!("{name}.tar"));
            assert!(tar.is_file(), "no {}; run `cargo xtask setup`", tar.display());
            self.docker(&["import", tar.to_str().unwrap(), &image]).success();
        });
    }

    /// A name that no other test's containers and volumes have.
    pub(crate) fn own(&self, name: &str) -> String {
        format!("{name}-{}", self.number)
    }

    /// `-v NAME:/var/lib/sidelight`: a volume for a record.
    pub(crate) fn volume(&self, name: &str) -> String {
        format!("-v {}:/var/lib/sidelight", self.own(name))
    }

    /// The volume of the record, if a test needs one alone.
    pub(crate) fn pins(&self) -> String {
        self.volume("pins")
    }

    /// An address of loopback that no other test uses, for services on their usual port.
    pub(crate) fn address(&self) -> Ipv4Addr {
        let [.., high, low] = std::process::id().to_be_bytes();
        Ipv4Addr::new(127, 100 + self.number, high, low)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// docker(1), with arguments as they are.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Finished {
        run(self.shared.docker().current_dir(self.folder.path()).args(arguments))
    }

    /// docker-compose(1), for a project of this test's own.
    pub(crate) fn compose(&self) -> Command {
        let mut compose = Command::new("docker-compose");
        compose.env("DOCKER_HOST", self.shared.dockerd.address()).env("DOCKER_CONFIG", self.path("docker-config"));
        compose.args(["--project-name", &self.own("compose")]);
        compose
    }

    /// docker(1), with a line.
    pub(crate) fn line(&self, line: &str) -> Finished {
        self.docker(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Builds from a Dockerfile of the repository, as its head says: the context holds the static program.
    #[track_caller]
    pub(crate) fn build(&self, image: &str, dockerfile: &str, arguments: &[&str]) {
        let context = self.path("context");
        self.shared.make(image, || {
            std::fs::create_dir_all(&context).unwrap();
            std::fs::copy(program(), context.join("sidelight")).unwrap();
            self.build_in(image, dockerfile, arguments, &context);
        });
    }

    #[track_caller]
    pub(crate) fn build_in(&self, image: &str, dockerfile: &str, arguments: &[&str], context: &Path) {
        let file = repository().join(dockerfile);
        let mut all = vec!["build", "--quiet", "--network", "host", "--tag", image, "--file", file.to_str().unwrap()];
        arguments.iter().for_each(|argument| all.extend(["--build-arg", argument]));
        all.push(context.to_str().unwrap());
        self.docker(&all).success();
    }

    /// `docker run` or `docker create` of an image, which is told of the service as the earlier tool's users do.
    pub(crate) fn container(&self, verb: &str, image: &str, command: &[&str]) -> Finished {
        let line = format!(
            "{verb} --network host --add-host {NAME}:127.0.0.1 -e TLS_TOFU_HOST={NAME} -e TLS_TOFU_PORT={} {image}",
            self.port
        );
        let words: Vec<&str> = line.split_whitespace().chain(command.iter().copied()).collect();
        self.docker(&words)
    }

    /// `docker run --rm OPTIONS sidelight:debian COMMAND`.
    pub(crate) fn run(&self, options: &str, command: &[&str]) -> Finished {
        self.container(&format!("run --rm {options}"), "sidelight:debian", command)
    }

    /// What curl does in a new container.
    pub(crate) fn curl(&self, options: &str) -> Finished {
        let url = self.url();
        self.run(
            options,
            &["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "%{http_code}", &url],
        )
    }

    /// Waits until something holds, for a minute.
    #[track_caller]
    pub(crate) fn until(&self, mut holds: impl FnMut() -> bool) {
        for _ in 0..600 {
            if holds() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("it does not come to be within a minute");
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{NAME}:{}/status/204", self.port)
    }

    #[track_caller]
    pub(crate) fn connects(&self, options: &str) -> Finished {
        let said = self.curl(options).success();
        assert_eq!(said.text(), "204", "{said}");
        said
    }

    /// The service, as somebody shows it.
    pub(crate) fn service(&self, identity: &Identity) -> Origin {
        // The port of one that was dropped a moment ago comes free by itself.
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let free = || std::net::TcpListener::bind(address).is_ok();
        for _ in 0..500 {
            if free() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Origin::https(&address.to_string(), identity, &["http/1.1"])
    }
}

/// A scanner's certificate for the service, and its chain as scanners send it.
pub(crate) fn leaf(issuer: &Issuer) -> Identity {
    issuer.issue(&Leaf::named(&[NAME]))
}

/// The static program.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("SIDELIGHT_DIST").expect("SIDELIGHT_DIST names the static program; run `cargo xtask test`").into()
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A server of files in a folder, on plain HTTP.
pub(crate) fn files(folder: &Path) -> peers::Server {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut python = Command::new(peers::python());
    python.args(["-m", "http.server", "--bind", "127.0.0.1", &address.port().to_string()]);
    python.arg("--directory").arg(folder);
    let mut process = sidelight_testkit::Running::start(&mut python, &folder.join("server.log"));
    process.until_it_listens(&Hosts::new(folder, &[]), address);
    peers::Server { address, process }
}

/// A scanner's CA, which servers send; each time with another key.
pub(crate) fn scanner() -> Issuer {
    Issuer::root("Far Root").intermediate("Scanner")
}
