//! An engine with the images of `images/`. In: Debian's dockerd, the static program, Debian's base from `cargo xtask setup`. Out: containers
//! that run, in a folder of the test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::peers::{self, Dockerd};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Finished, Hosts, Identity, Issuer, Leaf, Origin};

/// The name of the service behind the scanner.
pub(crate) const NAME: &str = "api.test";
/// What the earlier tool's users give, and the volume of the record.
pub(crate) const VOLUME: &str = "-v pins:/var/lib/sidelight";

/// A dockerd, and a folder for what is built.
pub(crate) struct Engine {
    dockerd: Dockerd,
    folder: tempfile::TempDir,
    /// Where the service listens, whoever holds it.
    pub(crate) port: u16,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().unwrap();
        let hosts = Hosts::new(folder.path(), &[]);
        let dockerd = Dockerd::start_with(hosts.command("dockerd"), folder.path(), "overlay2");
        Self { dockerd, folder, port: free_port() }
    }

    /// The same with `base:debian` and `sidelight:debian`.
    pub(crate) fn with_debian() -> Self {
        let engine = Self::new();
        engine.import_debian();
        engine.build("sidelight:debian", "images/debian/Dockerfile", &["BASE=base:debian"]);
        engine
    }

    pub(crate) fn import_debian(&self) {
        let tar = peers::folder().join("debian.tar");
        self.docker(&["import", tar.to_str().unwrap(), "base:debian"]).success();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// docker(1), with arguments as they are.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Finished {
        let mut docker = self.dockerd.docker(self.folder.path());
        run(docker.env("DOCKER_BUILDKIT", "0").current_dir(self.folder.path()).args(arguments))
    }

    /// docker(1), with a line.
    pub(crate) fn line(&self, line: &str) -> Finished {
        self.docker(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Builds from a Dockerfile of the repository, as its head says: the context holds the static program.
    #[track_caller]
    pub(crate) fn build(&self, image: &str, dockerfile: &str, arguments: &[&str]) {
        let context = self.path("context");
        if !context.exists() {
            std::fs::create_dir(&context).unwrap();
            std::fs::copy(program(), context.join("sidelight")).unwrap();
        }
        self.build_in(image, dockerfile, arguments, &context);
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
fn program() -> PathBuf {
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
