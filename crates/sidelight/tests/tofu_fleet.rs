//! `sidelight tofu --pins nats://…` with a real nats-server. In: replicas that start at once, scanners that differ, servers that are killed.
//! Out: one key for the fleet, whatever happens. In the environment alone: no store of this machine is touched.

mod nats_operator;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sidelight_testkit::Hosts;
use sidelight_testkit::origin::Origin;
use sidelight_testkit::pki::{Issuer, Leaf, provider};
use sidelight_testkit::process::{Finished, Running, free_port, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

struct World {
    folder: tempfile::TempDir,
    port: u16,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: free_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server with JetStream; its store survives it.
    fn nats(&self, settings: &str) -> Running {
        let config = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
            self.port,
            self.path("store").display()
        );
        std::fs::write(self.path("nats.conf"), config).expect("a file");
        let mut server =
            Running::start(Command::new("nats-server").arg("-c").arg(self.path("nats.conf")), &self.path("nats.log"));
        server.until_it_listens(&Hosts::new(self.folder.path(), &[]), ([127, 0, 0, 1], self.port).into());
        server
    }

    fn url(&self) -> String {
        format!("nats://localhost:{}/pins", self.port)
    }

    fn sidelight(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", self.folder.path()).env("TMPDIR", self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    fn pins(&self, verb: &[&str], url: &str) -> Command {
        let mut command = self.sidelight(&["tofu", "pins"]);
        command.args(verb).args(["--pins", url]);
        command
    }

    /// A start under the policy tofu.
    fn start(&self, at: &str, url: &str, options: &[&str]) -> Command {
        let fixed = ["tofu", "--policy", "tofu", "--host", at, "--pins", url, "--install", "environment"];
        let mut command = self.sidelight(&fixed);
        let deadline = if options.contains(&"--deadline") { &[][..] } else { &["--deadline", "20s"] };
        command.args(["--timeout", "3s"]).args(deadline).args(options).args(["--", "echo", "started"]);
        command
    }
}

/// Shows another scanner's certificate at each connection.
#[derive(Debug)]
struct Turns {
    keys: Vec<Arc<CertifiedKey>>,
    turn: AtomicUsize,
}

impl ResolvesServerCert for Turns {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.keys[self.turn.fetch_add(1, Ordering::SeqCst) % self.keys.len()].clone())
    }
}

fn in_turns(scanners: &[&Issuer]) -> (Origin, String) {
    let key = |issuer: &&Issuer| {
        let identity = issuer.intermediate("Scanner below").issue(&Leaf::named(&["localhost"]));
        let key = provider().key_provider.load_private_key(identity.key()).expect("a key");
        Arc::new(CertifiedKey::new(identity.chain.clone(), key))
    };
    let turns = Turns { keys: scanners.iter().map(key).collect(), turn: AtomicUsize::new(0) };
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(turns));
    let origin = Origin::with_config("127.0.0.1:0", Arc::new(config));
    let at = format!("localhost:{}", origin.address().port());
    (origin, at)
}

/// As a machine that fails: without a word.
fn kill(server: &Running) {
    let pid = i32::try_from(server.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a process of ours");
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap_or(-1)
}

/// Starts so many replicas at once, does something meanwhile, and gives how each ended.
fn replicas(world: &World, at: &str, count: usize, meanwhile: impl FnOnce()) -> Vec<Finished> {
    std::thread::scope(|scope| {
        let one = |_| scope.spawn(|| run(&mut world.start(at, &world.url(), &[])));
        let threads: Vec<_> = (0..count).map(one).collect();
        meanwhile();
        threads.into_iter().map(|thread| thread.join().expect("a replica")).collect()
    })
}

/// One key is recorded; whoever saw it started, whoever saw another was refused, and nobody else.
#[track_caller]
fn one_key_won(world: &World, ended: &[Finished]) {
    let listed = run(&mut world.pins(&["list", "--json"], &world.url())).success();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["records"].as_array().map(Vec::len), Some(1), "{listed}");
    let keys = listed["records"][0]["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 1, "{listed}");
    let key = keys[0].as_str().expect("a key");
    for one in ended {
        match code(one) {
            0 => assert!(one.text() == "started\n" && one.errors().contains(key), "{one}"),
            121 => assert!(one.text().is_empty() && one.errors().contains(&format!("recorded: {key}")), "{one}"),
            _ => panic!("{one}\nrecorded: {key}"),
        }
    }
    let adopted = ended.iter().filter(|one| one.errors().contains("adopted on first use")).count();
    assert!(adopted <= 1, "{adopted} replicas adopted");
    assert!(ended.iter().any(|one| code(one) == 0), "nobody started");
    assert!(ended.iter().any(|one| code(one) == 121), "nobody was refused");
}

#[test]
fn replicas_that_race_end_with_one_key() {
    let world = World::new();
    let _nats = world.nats("");
    let (one, two) = (Issuer::root("Scanner one"), Issuer::root("Scanner two"));
    let (_origin, at) = in_turns(&[&one, &two]);
    let early = run(&mut world.start(&at, &world.url(), &[]));
    assert!(code(&early) == 125 && early.errors().contains("sidelight tofu pins init --pins nats://"), "{early}");
    run(&mut world.pins(&["init", "--by", "kim"], &world.url())).success();
    let ended = replicas(&world, &at, 6, || {});
    one_key_won(&world, &ended);
}

#[test]
fn a_server_that_is_killed_meanwhile_makes_no_second_first_use() {
    let world = World::new();
    let nats = world.nats("");
    let (one, two) = (Issuer::root("Scanner one"), Issuer::root("Scanner two"));
    let (origin, at) = in_turns(&[&one, &two]);
    run(&mut world.pins(&["init"], &world.url())).success();
    let mut again = None;
    let ended = replicas(&world, &at, 5, || {
        // The first replica has read the record and looks at its host: the server dies before or while it writes.
        while origin.connections() == 0 {
            std::thread::yield_now();
        }
        kill(&nats);
        drop(nats);
        again = Some(world.nats(""));
    });
    one_key_won(&world, &ended);
}

#[test]
fn when_nats_is_down_the_copy_serves_and_adopts_nothing() {
    let world = World::new();
    let nats = world.nats("");
    let (one, two) = (Issuer::root("Scanner one"), Issuer::root("Scanner two"));
    let (_origin, at) = in_turns(&[&one]);
    run(&mut world.pins(&["init"], &world.url())).success();
    let with_copy = ["--pins-cache", "copy"];
    run(&mut world.start(&at, &world.url(), &with_copy)).success();
    drop(nats);
    let quick = ["--pins-cache", "copy", "--deadline", "1s"];
    let served = run(&mut world.start(&at, &world.url(), &quick)).success();
    assert!(served.errors().contains("cannot be reached") && served.errors().contains("the recorded key"), "{served}");
    // Without a copy, an operator reads where it was sought and what to look at.
    let down = run(&mut world.pins(&["list"], &world.url()));
    let place = format!("127.0.0.1:{}: Connection refused", world.port);
    assert!(code(&down) == 3 && down.errors().contains(&place), "{down}");
    assert!(down.errors().contains("nats-server with JetStream"), "{down}");
    // A host that is not in the copy is not adopted.
    let (_other, elsewhere) = in_turns(&[&two]);
    let refused = run(&mut world.start(&elsewhere, &world.url(), &quick));
    assert!(code(&refused) == 125 && refused.errors().contains("no key is pinned"), "{refused}");
    // Another record's copy, a broken one, or none: nothing is started.
    let other = world.url().replace("/pins", "/other");
    for (url, copy) in [(other.as_str(), "copy"), (world.url().as_str(), "none"), (world.url().as_str(), "broken")] {
        std::fs::write(world.path("broken"), "not a record\n").expect("a file");
        let refused = run(&mut world.start(&at, url, &["--pins-cache", copy, "--deadline", "1s"]));
        assert!(code(&refused) == 125 && refused.text().is_empty(), "{refused}");
        assert!(refused.errors().contains("cannot be reached"), "{refused}");
        assert!(copy != "broken" || refused.errors().contains("broken: line 1"), "{refused}");
    }
}

#[test]
fn logins_and_tls_are_as_nats_has_them() {
    let world = World::new();
    let (ca, scanner) = (Issuer::root("NATS CA"), Issuer::root("Scanner"));
    let (cert, key) = ca.issue(&Leaf::named(&["localhost"])).write_to(world.folder.path(), "nats");
    ca.write_to(&world.path("ca.pem"));
    let settings = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\nauthorization {{ users = [\n\
         {{ user: kim, password: \"p@ss\" }},\n\
         {{ nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 }},\n\
         {{ user: reader, password: r, permissions: {{ publish: [\"$JS.API.STREAM.INFO.KV_pins\", \"$JS.API.STREAM.MSG.GET.KV_pins\"] }} }}\n] }}",
        cert.display(),
        key.display()
    );
    let _nats = world.nats(&settings);
    let url = |login: &str| format!("tls://{login}localhost:{}/pins", world.port);
    let by_ca = ["--nats-ca", "ca.pem"];
    let unknown = run(&mut world.pins(&["init"], &url("kim:p%40ss@")));
    assert!(code(&unknown) == 3 && unknown.errors().contains("--nats-ca"), "{unknown}");
    for (login, words) in [("kim:wrong-s3cret@", "the user and password of --pins"), ("", "no credentials at all")] {
        let refused = run(world.pins(&["init"], &url(login)).args(by_ca));
        assert!(code(&refused) == 3 && refused.errors().contains(words), "{refused}");
        assert!(refused.errors().contains("--nats-creds") && !refused.errors().contains("wrong-s3cret"), "{refused}");
    }
    let begun = run(world.pins(&["init"], &url("kim:p%40ss@")).args(by_ca)).success();
    assert!(!format!("{begun}").split_once('\n').is_some_and(|(_, said)| said.contains("p%40ss")), "{begun}");
    let (_origin, at) = in_turns(&[&scanner]);
    // Who may only read cannot adopt, and is told what is missing.
    let reader = run(&mut world.start(&at, &url("reader:r@"), &by_ca));
    assert!(code(&reader) == 125 && reader.errors().contains("$KV.pins.known-roots"), "{reader}");
    let adopted = run(&mut world.start(&at, &url("kim:p%40ss@"), &by_ca)).success();
    assert!(adopted.errors().contains("adopted on first use"), "{adopted}");
    let known = run(&mut world.start(&at, &url("reader:r@"), &by_ca)).success();
    assert!(known.errors().contains("the recorded key"), "{known}");
    // The pair of NATS' own documentation.
    std::fs::write(world.path("seed"), "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n").expect("a file");
    let by_nkey = ["--nats-ca", "ca.pem", "--nats-nkey", "seed"];
    run(world.pins(&["list"], &url("")).args(by_nkey)).success();
    // The command does not get the login.
    let mut command =
        world.sidelight(&["tofu", "--host", &at, "--install", "environment", "--nats-ca", "ca.pem", "--", "env"]);
    let inside = run(command.env("SIDELIGHT_PINS", url("kim:p%40ss@"))).success();
    assert!(!inside.text().contains("p%40ss") && inside.text().contains("PATH="), "{inside}");
}

#[test]
fn a_client_certificate_opens_nats() {
    let world = World::new();
    let ca = Issuer::root("NATS CA");
    let (cert, key) = ca.issue(&Leaf::named(&["localhost"])).write_to(world.folder.path(), "nats");
    let (ours, our_key) = ca.issue(&Leaf::named(&["replica"]).for_clients()).write_to(world.folder.path(), "replica");
    ca.write_to(&world.path("ca.pem"));
    let (cert, key, root) = (cert.display(), key.display(), world.path("ca.pem"));
    let root = root.display();
    let _nats =
        world.nats(&format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{root}\", verify: true }}"));
    let without = run(world.pins(&["init"], &world.url()).args(["--nats-ca", "ca.pem"]));
    assert!(code(&without) == 3 && without.errors().contains("--nats-cert FILE"), "{without}");
    let mut init = world.pins(&["init"], &world.url());
    init.args(["--nats-ca", "ca.pem", "--nats-cert"]).arg(ours).arg("--nats-key").arg(our_key);
    run(&mut init).success();
}

#[test]
fn credentials_of_an_operator_open_nats() {
    let world = World::new();
    let operator = nats_operator::Operator::new();
    let _nats = world.nats(&operator.settings);
    std::fs::write(world.path("replica.creds"), &operator.creds).expect("a file");
    let without = run(&mut world.pins(&["init"], &world.url()));
    assert!(code(&without) == 3 && without.errors().contains("--nats-creds"), "{without}");
    run(world.pins(&["init"], &world.url()).args(["--nats-creds", "replica.creds"])).success();
    // Another operator's user is refused, and no part of the seed is repeated.
    let other = nats_operator::Operator::new().creds;
    std::fs::write(world.path("other.creds"), &other).expect("a file");
    let refused = run(world.pins(&["list"], &world.url()).args(["--nats-creds", "other.creds"]));
    assert!(code(&refused) == 3 && refused.errors().contains("the credentials of --nats-creds"), "{refused}");
    let seed = other.lines().find(|line| line.starts_with("SU")).expect("a seed");
    assert!(!refused.errors().contains(seed), "{refused}");
    // What is no credentials file is named with its path.
    std::fs::write(world.path("cut.creds"), &operator.creds[..operator.creds.len() / 2]).expect("a file");
    for (file, why) in [("cut.creds", "cut.creds"), ("none.creds", "none.creds")] {
        let wrong = run(world.pins(&["list"], &world.url()).args(["--nats-creds", file]));
        assert!(code(&wrong) != 0 && wrong.errors().contains(why), "{wrong}");
    }
}

#[test]
fn operators_change_the_record_of_a_fleet() {
    let world = World::new();
    let _nats = world.nats("");
    let missing = run(&mut world.pins(&["list"], &world.url()));
    assert!(code(&missing) == 3 && missing.errors().contains("sidelight tofu pins init --pins nats://"), "{missing}");
    run(&mut world.pins(&["init"], &world.url())).success();
    let key = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    // Several at once: none is lost.
    std::thread::scope(|scope| {
        for number in 0..4 {
            let world = &world;
            scope.spawn(move || {
                run(&mut world.pins(&["accept", &format!("host{number}.test"), key], &world.url())).success()
            });
        }
    });
    let listed = run(&mut world.pins(&["list"], &world.url())).success();
    assert!((0..4).all(|number| listed.text().contains(&format!("host{number}.test:443"))), "{listed}");
    run(&mut world.pins(&["forget", "host1.test"], &world.url())).success();
    assert_eq!(code(&run(&mut world.pins(&["show", "host1.test"], &world.url()))), 1);
    let scanner = Issuer::root("Scanner");
    let (_origin, at) = in_turns(&[&scanner]);
    run(&mut world.sidelight(&["tofu", "enrol", &at, "--yes", "--pins", &world.url()])).success();
    let mut start = world.sidelight(&["tofu", "--host", &at, "--pins", &world.url(), "--install", "environment"]);
    let started = run(start.args(["--", "echo", "started"])).success();
    assert!(started.errors().contains("the recorded key"), "{started}");
}
