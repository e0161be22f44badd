//! One local world for a journey: a CA, an origin with a name, a real sidelight, and clients that go there with and without it.
//! In: what the origin should be. Out: each client's results on both ways, compared.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::peers;
use crate::process::{Finished, run};
use crate::{Hosts, Identity, Issuer, Leaf, Origin, Sidelight};

/// The origin's name. Names under `.test` exist nowhere (RFC 6761).
pub const NAME: &str = "origin.test";
/// The same origin by an IPv6 address.
pub const NAME6: &str = "origin6.test";

/// Everything that a client on one way needs to know.
#[derive(Clone, Debug)]
pub struct Side {
    /// The HTTP proxy to go through, or nothing for the direct way.
    pub proxy: Option<SocketAddr>,
    /// The CA that the client must trust on this way.
    pub ca: PathBuf,
    /// The origin's base URL, without a slash at the end.
    pub url: String,
    /// A folder for the client's files.
    pub folder: PathBuf,
    hosts: Hosts,
}

impl Side {
    /// A URL of the origin.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A command with the world's names in its /etc/hosts and this way's proxy in its environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.hosts.command(program);
        if let Some(proxy) = self.proxy {
            for name in ["http_proxy", "https_proxy", "HTTPS_PROXY"] {
                command.env(name, format!("http://{proxy}"));
            }
        }
        command.env("SIDE_CA", &self.ca).env("SIDE_URL", &self.url).current_dir(&self.folder);
        if let Some(proxy) = self.proxy {
            command.env("SIDE_PROXY", proxy.to_string());
        } else {
            command.env_remove("SIDE_PROXY");
        }
        command
    }

    /// curl(1) with this way's CA; silent but for errors.
    pub fn curl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("curl");
        command.args(["--silent", "--show-error", "--cacert"]).arg(&self.ca).args(arguments);
        command
    }
}

/// A CA, an origin, and sidelight.
pub struct World {
    /// The origin's root.
    pub root: Issuer,
    /// The origin.
    pub origin: Origin,
    /// The program under test.
    pub sidelight: Sidelight,
    /// The names of this world.
    pub hosts: Hosts,
    folder: TempDir,
}

impl World {
    /// A world whose origin offers HTTP/2 and HTTP/1.1, with an explicit proxy at `program`.
    #[track_caller]
    pub fn new(program: &str) -> Self {
        Self::with(program, &["h2", "http/1.1"], &["--mode", "explicit@127.0.0.1:0"], 1)
    }

    /// A world with these protocols at the origin, these options and number of modes of sidelight.
    #[track_caller]
    pub fn with(program: &str, protocols: &[&str], options: &[&str], modes: usize) -> Self {
        let root = Issuer::root("Origin Test Root");
        let identity = root.intermediate("Origin Test Intermediate").issue(&leaf());
        let origin = Origin::https("127.0.0.1:0", &identity, protocols);
        Self::around(program, root, origin, options, modes)
    }

    /// A world around an origin that a test made itself.
    #[track_caller]
    pub fn around(program: &str, root: Issuer, origin: Origin, options: &[&str], modes: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let roots = root.write_to(&folder.path().join("origin-root.pem"));
        let hosts = names(folder.path());
        let mut all = vec!["--roots", roots.to_str().expect("a path in UTF-8")];
        all.extend_from_slice(options);
        let program = hosts.command(binary(program));
        let sidelight = Sidelight::start(program, folder.path(), &all, modes);
        Self { root, origin, sidelight, hosts, folder }
    }

    /// A folder of this world, removed with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The way without sidelight.
    pub fn direct(&self) -> Side {
        self.side("direct", None, self.folder.path().join("origin-root.pem"))
    }

    /// The way through sidelight's explicit proxy.
    #[track_caller]
    pub fn through(&self) -> Side {
        self.side("through", Some(self.sidelight.address("explicit")), self.sidelight.ca_file())
    }

    fn side(&self, name: &str, proxy: Option<SocketAddr>, ca: PathBuf) -> Side {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the client");
        let url = format!("https://{NAME}:{}", self.origin.address().port());
        Side { proxy, ca, url, folder, hosts: self.hosts.clone() }
    }

    /// Runs a client on both ways; both must succeed and print the same bytes. Gives what it did through sidelight.
    #[track_caller]
    pub fn compare(&self, client: impl Fn(&Side) -> Command) -> Finished {
        let through = self.same(client);
        assert!(through.status.success(), "it failed on both ways: {through}");
        through
    }

    /// Runs a client on both ways; both must end with the same status and print the same bytes. Gives what it did through sidelight.
    #[track_caller]
    pub fn same(&self, client: impl Fn(&Side) -> Command) -> Finished {
        let direct = run(&mut client(&self.direct()));
        let through = run(&mut client(&self.through()));
        assert_eq!(
            direct.status.code(),
            through.status.code(),
            "it ended otherwise\n--- direct: {direct}\n--- through: {through}\n{}",
            self.sidelight.said()
        );
        assert_eq!(
            crate::sha256(&direct.stdout),
            crate::sha256(&through.stdout),
            "a body changed on its way\n--- direct: {direct}\n--- through: {through}"
        );
        through
    }
}

/// The origin's usual certificate: both its names and both its addresses.
pub fn leaf() -> Leaf {
    Leaf::named(&[NAME, NAME6, "127.0.0.1", "::1"])
}

/// The usual identity below a root: through an intermediate, as most of the world's are.
pub fn identity(root: &Issuer) -> Identity {
    root.intermediate("Origin Test Intermediate").issue(&leaf())
}

/// The hosts file of a world.
pub fn names(folder: &Path) -> Hosts {
    Hosts::new(folder, &[(NAME, IpAddr::V4(Ipv4Addr::LOCALHOST)), (NAME6, IpAddr::V6(Ipv6Addr::LOCALHOST))])
}

/// The program under test: `SIDELIGHT_BIN` if set (to test a finished one), else the one that cargo built.
pub fn binary(built: &str) -> PathBuf {
    std::env::var_os("SIDELIGHT_BIN").map_or_else(|| PathBuf::from(built), PathBuf::from)
}

/// A Python script of the test kit, run by the Python that set-up prepared.
pub fn python(side: &Side, script: &str) -> Command {
    let mut command = side.command(peers::python());
    command.arg(peers::script(script));
    command
}
