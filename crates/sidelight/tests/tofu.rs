//! `sidelight tofu` on loopback: what is adopted, what is refused, what is written, and what the command gets. In the environment alone:
//! no store of this machine is touched.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sidelight_model::tofu::KeyPin;
use sidelight_model::x509::Certificate;
use sidelight_testkit::origin::Origin;
use sidelight_testkit::peers;
use sidelight_testkit::pki::{Issuer, Leaf};
use sidelight_testkit::process::{Finished, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, with a clean environment.
    fn sidelight(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", self.folder.path()).env("TMPDIR", self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// A start of `sh -c SCRIPT`.
    fn start(&self, at: &str, options: &[&str], script: &str) -> Finished {
        let fixed = ["tofu", "--host", at, "--pins", "pins", "--install", "environment", "--deadline", "1s"];
        run(self.sidelight(&fixed).args(options).args(["--", "sh", "-c", script]))
    }

    fn begin(&self) {
        run(&mut self.sidelight(&["tofu", "pins", "init", "--pins", "pins", "--by", "kim"])).success();
    }

    fn pins(&self) -> String {
        std::fs::read_to_string(self.path("pins")).unwrap_or_default()
    }
}

const TOFU: &[&str] = &["--policy", "tofu", "--record-may-vanish"];

fn pin(issuer: &Issuer) -> String {
    KeyPin::of(&Certificate::parse(issuer.der()).expect("a CA").public_key).to_string()
}

fn origin(issuer: &Issuer, leaf: &Leaf) -> (Origin, String) {
    let origin = Origin::https("127.0.0.1:0", &issuer.issue(leaf), &["http/1.1"]);
    let at = format!("localhost:{}", origin.address().port());
    (origin, at)
}

fn localhost() -> Leaf {
    Leaf::named(&["localhost"])
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap_or(-1)
}

#[test]
fn a_key_is_adopted_once_and_another_is_refused() {
    let world = World::new();
    let (scanner, attacker) = (Issuer::root("Scanner"), Issuer::root("Scanner"));
    // The root is not sent: the topmost issuer that is.
    let (first, at) = origin(&scanner.intermediate("Scanner below"), &localhost());
    let refused = world.start(&at, TOFU, "echo started");
    assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
    assert!(refused.errors().contains("sidelight tofu pins init --pins pins"), "{refused}");
    assert!(!world.path("pins").exists(), "nothing is written on refusal");
    world.begin();
    let curl = format!("curl -sS -o /dev/null -w '%{{http_code}} ' https://{at}/bytes/10 && echo \"$@ pid $PPID\"");
    let adopted = world.start(&at, TOFU, &curl).success();
    assert!(adopted.text().starts_with("200 "), "{adopted}");
    let recorded = world.pins();
    assert!(recorded.contains(&format!("{at} sha256//")) && recorded.contains("CN=Scanner below"), "{recorded}");
    let again = world.start(&at, TOFU, &curl).success();
    assert!(again.errors().contains("the recorded key"), "{again}");
    assert_eq!(world.pins(), recorded, "nothing is new");
    // The same service, another key by the same name.
    let (_other, elsewhere) = origin(&attacker.intermediate("Scanner below"), &localhost());
    let recorded = recorded.replace(&at, &elsewhere);
    std::fs::write(world.path("pins"), &recorded).expect("a file");
    let curl = curl.replace(&at, &elsewhere);
    let at = elsewhere;
    drop(first);
    let refused = world.start(&at, TOFU, "echo started");
    assert_eq!((code(&refused), refused.text().as_str()), (121, ""), "{refused}");
    for words in ["recorded: sha256//", "shown:    sha256//", "chain 1: CN=Scanner below", "--replace"] {
        assert!(refused.errors().contains(words), "`{words}` is not in {refused}");
    }
    assert_eq!(world.pins(), recorded, "nothing is written on refusal");
    // The command that the refusal names accepts it.
    let line =
        refused.errors().lines().find_map(|line| line.split("sidelight tofu pins accept ").nth(1).map(str::to_owned));
    let line = line.expect("a command");
    run(world.sidelight(&["tofu", "pins", "accept"]).args(line.split(' '))).success();
    let now = world.start(&at, TOFU, &curl).success();
    assert!(now.text().starts_with("200 "), "{now}");
}

#[test]
fn an_issuer_that_is_not_sent_is_fetched_from_where_the_certificate_says() {
    let world = World::new();
    world.begin();
    let scanner = Issuer::root("Scanner");
    let url = format!("http://127.0.0.1:{}/ca.der", serve(scanner.der().to_vec()));
    let (_origin, at) = origin(&scanner, &localhost().issuer_at(&url));
    let refused = world.start(&at, &[TOFU, &["--no-fetch"]].concat(), "echo started");
    assert_eq!(code(&refused), 125, "{refused}");
    assert!(refused.errors().contains("CN=Scanner, which is unknown and was not sent"), "{refused}");
    let script = format!("curl -sS -o /dev/null -w '%{{http_code}}' https://{at}/bytes/10");
    let adopted = world.start(&at, TOFU, &script).success();
    assert_eq!(adopted.text(), "200", "{adopted}");
    assert!(world.pins().contains(&pin(&scanner)), "{}", world.pins());
}

/// A web server with one file; gives its port.
fn serve(body: Vec<u8>) -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = client.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = client.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    port
}

#[test]
fn pins_by_hand_and_their_policy() {
    let world = World::new();
    let scanner = Issuer::root("Scanner");
    let (_origin, at) = origin(&scanner, &localhost());
    let refused = world.start(&at, &["--record-may-vanish"], "echo started");
    assert_eq!(code(&refused), 125, "{refused}");
    // The root is not sent, so its key cannot be shown: the file has it.
    std::fs::write(world.path("root.pem"), scanner.pem()).expect("a file");
    let refused = world.start(&at, &["--issuers", "root.pem"], "echo started");
    assert!(refused.errors().contains(&format!("--pin {}", pin(&scanner))), "{refused}");
    let key = pin(&scanner);
    let started = world.start(&at, &["--issuers", "root.pem", "--pin", &key], "echo \"a  b\" '$(id)'; exit 7");
    assert_eq!((code(&started), started.text().as_str()), (7, "a  b $(id)\n"), "{started}");
    assert!(!world.path("pins").exists());
    let wrong = world.start(&at, &["--issuers", "root.pem", "--pin", &pin(&Issuer::root("Other"))], "echo started");
    assert_eq!((code(&wrong), wrong.text().as_str()), (121, ""), "{wrong}");
    let next = world.start(&at, &["--issuers", "root.pem", "--policy", "observe"], "echo started").success();
    assert!(next.errors().contains("only observed: would refuse"), "{next}");
}

#[test]
fn only_an_unknown_issuer_is_adopted() {
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    for (leaf, words) in [
        (localhost().expired(), "has expired"),
        (localhost().not_yet_valid(), "not valid yet"),
        (Leaf::named(&["other.test"]), "is for other.test, not for localhost"),
        (localhost().for_clients(), "not for servers"),
    ] {
        let world = World::new();
        world.begin();
        let before = world.pins();
        let (_origin, at) = origin(&scanner, &leaf);
        let refused = world.start(&at, TOFU, "echo started");
        assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
        assert!(refused.errors().contains(words), "`{words}` is not in {refused}");
        assert_eq!(world.pins(), before);
    }
    let world = World::new();
    world.begin();
    let origin = Origin::https("127.0.0.1:0", &localhost().self_signed(), &["http/1.1"]);
    let refused = world.start(&format!("localhost:{}", origin.address().port()), TOFU, "echo started");
    assert_eq!(code(&refused), 125, "{refused}");
    assert!(refused.errors().contains("signed by itself"), "{refused}");
}

#[test]
fn unreachable_hosts_are_told_from_others() {
    let world = World::new();
    world.begin();
    let refused = world.start("localhost:1", TOFU, "echo started");
    assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
    let started = world.start("localhost:1", &["--on-unreachable", "continue"], "echo started").success();
    assert_eq!(started.text(), "started\n");
    assert!(started.errors().contains("without a look at it: 127.0.0.1:1: the connection is refused"), "{started}");
}

#[test]
fn what_is_missing_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    let refused = world.start(&at, &[], "echo started");
    assert!(refused.errors().contains("there is no file pins: if it was made before, its volume is not"), "{refused}");
    std::fs::write(world.path("script"), "#!/nowhere/sh\n").expect("a file");
    std::fs::set_permissions(world.path("script"), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    for (command, words) in [
        ("nosuchcommand", "nosuchcommand is in no folder of PATH (/"),
        ("/nowhere/command", "the command /nowhere/command is not there"),
        ("./script", "something that it needs is not in the image"),
    ] {
        let pin = pin(&scanner);
        let options = ["tofu", "--host", &at, "--pin", &pin, "--install", "environment", "--", command];
        let failed = run(&mut world.sidelight(&options));
        assert_eq!(code(&failed), 127, "{failed}");
        assert!(failed.errors().contains(words), "{failed}");
    }
}

#[test]
fn what_cannot_be_meant_refuses_before_the_command() {
    let world = World::new();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    let told = |options: &[&str], words: &str| {
        let refused = world.start(&at, options, "echo started");
        assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
        assert!(refused.errors().contains(words), "`{words}` is not in {refused}");
    };
    told(&["--policy", "trust-all"], "`trust-all` is no policy");
    told(&["--pin", "sha256//zz"], "is no pin");
    told(&["--scope", "a b"], "scope");
    told(&["--user", "no-such-user"], "there is no user `no-such-user`");
    std::fs::write(world.path("pins"), "genesis 2026-11-30\nlocalhost sha256//zz\n").expect("a file");
    told(TOFU, "line 2: `localhost` is no endpoint");
    std::fs::remove_file(world.path("pins")).expect("gone");
    std::fs::create_dir(world.path("pins")).expect("a folder");
    told(TOFU, "is not a regular file");
    let missing = run(world.sidelight(&["tofu", "--", "true"]).env("TLS_TOFU_PORT", "no"));
    assert_eq!(code(&missing), 125, "{missing}");
    assert!(missing.errors().contains("TLS_TOFU_PORT: `no` is no port"), "{missing}");
    let missing = run(&mut world.sidelight(&["tofu", "--", "true"]));
    assert!(missing.errors().contains("no host is named"), "{missing}");
    let not_found = run(world.sidelight(&["tofu", "--", "no-such-program"]).env("TLS_TOFU", "false"));
    assert_eq!(code(&not_found), 127, "{not_found}");
    let not_executable = run(world.sidelight(&["tofu", "--", "/etc/passwd"]).env("TLS_TOFU", "false"));
    assert_eq!(code(&not_executable), 126, "{not_executable}");
}

#[test]
fn two_hosts_are_evidence_of_a_scanner() {
    let world = World::new();
    world.begin();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let leaf = localhost();
    let (_first, at) = origin(&scanner, &leaf);
    let evidence = [TOFU, &["--evidence", "two-hosts", "--scope", "any"]].concat();
    let refused = world.start(&at, &evidence, "echo started");
    assert_eq!(code(&refused), 125, "{refused}");
    assert!(refused.errors().contains("no unrelated host showed"), "{refused}");
    let leaf = Leaf::named(&["one.example", "two.test"]);
    let (both, _) = origin(&scanner, &leaf);
    let proxy_to_both = format!("http://127.0.0.1:{}", connect_proxy(both.address().port()));
    let fixed = [
        "tofu",
        "--pins",
        "pins",
        "--install",
        "environment",
        "--deadline",
        "1s",
        "--host",
        "one.example",
        "--host",
        "two.test",
    ];
    let mut command = world.sidelight(&fixed);
    let adopted = run(command.args(&evidence).args(["--via-proxy", &proxy_to_both, "--", "true"])).success();
    assert!(adopted.errors().contains("one.example:443 via 127.0.0.1:"), "{adopted}");
    assert_eq!(world.pins().matches("sha256//").count(), 2, "{}", world.pins());
}

/// A proxy that takes every CONNECT to one port of loopback.
fn connect_proxy(to: u16) -> u16 {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(client.try_clone().expect("a handle"));
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    line.clear();
                }
                let server = TcpStream::connect(("127.0.0.1", to)).expect("the origin");
                let mut client = client;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("an answer");
                let (mut back, mut out) =
                    (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
                std::thread::spawn(move || std::io::copy(&mut back, &mut out));
                let mut server = server;
                let _ = std::io::copy(&mut reader, &mut server);
            });
        }
    });
    port
}

#[test]
fn a_scope_that_leaves_names_out_is_told() {
    let world = World::new();
    world.begin();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &Leaf::named(&["localhost", "other.test"]));
    let refused = world.start(&at, TOFU, "echo started");
    assert_eq!(code(&refused), 125, "{refused}");
    assert!(refused.errors().contains("--scope localhost,other.test"), "{refused}");
    assert!(!world.pins().contains("sha256//"), "what cannot be installed is not recorded: {}", world.pins());
    world.start(&at, &[TOFU, &["--scope", "localhost,other.test"]].concat(), "true").success();
    assert!(world.pins().contains("scope=localhost,other.test"), "{}", world.pins());
}

#[test]
fn the_log_holds_what_was_decided() {
    let world = World::new();
    world.begin();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    run(Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(world.path("log.key")))
        .success();
    let logged = [TOFU, &["--log", "log", "--log-key", "log.key"]].concat();
    for _ in 0..2 {
        world.start(&at, &logged, "true").success();
    }
    let lines = std::fs::read_to_string(world.path("log")).expect("a log");
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&entries[0]["decision"], &entries[1]["rule"]), (&"adopt".into(), &"known".into()), "{entries:#?}");
    let verify = |arguments: &[&str]| run(world.sidelight(&["tofu", "log", "verify", "log"]).args(arguments));
    verify(&["--key", "log.key"]).success();
    std::fs::write(world.path("log"), lines.replacen("adopt", "start", 1)).expect("a file");
    let broken = verify(&[]);
    assert_eq!(code(&broken), 1, "{broken}");
    assert!(broken.text().contains("line 2: it does not follow"), "{broken}");
    let first: String = lines.lines().take(1).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(world.path("log"), first).expect("a file");
    assert!(verify(&[]).text().contains("the last ones were removed"));
    // A log that is not whole is not continued, and then nothing is started.
    let refused = world.start(&at, &logged, "echo started");
    assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
}

#[test]
fn json_of_a_start_is_a_line_for_each_host_on_standard_error() {
    let world = World::new();
    let scanner = Issuer::root("Scänner\u{202e}").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    let lines = |finished: &Finished| -> Vec<Value> {
        let errors = finished.errors();
        assert!(errors.is_ascii(), "{errors}");
        errors
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let refused = world.start(&at, &[TOFU, &["--json", "--log", "lög"]].concat(), "echo started");
    assert_eq!((code(&refused), refused.text().as_str()), (125, ""), "{refused}");
    let told = lines(&refused);
    assert_eq!(told.len(), 1, "{refused}");
    assert_eq!((&told[0]["v"], &told[0]["type"], &told[0]["decision"]), (&1.into(), &"tofu".into(), &"refuse".into()));
    assert!(told[0]["hints"].to_string().contains("tofu pins init") && told[0]["rule"] == "no_genesis", "{refused}");
    world.begin();
    let adopted = world.start(&at, &[TOFU, &["--json", "--log", "lög"]].concat(), "echo started").success();
    assert_eq!(adopted.text(), "started\n", "standard output is the command's");
    let told = lines(&adopted);
    assert_eq!((told.len(), &told[0]["decision"], &told[0]["endpoint"]), (1, &"adopt".into(), &at.as_str().into()));
    assert!(told[0]["message"].as_str().is_some_and(|text| text.contains("adopted on first use")), "{adopted}");
    // The end of the log is in it, so that what collects standard error holds it.
    let head = std::fs::read_to_string(world.path("lög.head")).expect("a head");
    let log = &told[0]["log"];
    assert_eq!(head, format!("{} {}\n", log["lines"], log["sha256"].as_str().expect("a hash")));
    assert_eq!(log["file"], "lög");
}

#[test]
fn every_client_gets_the_root_from_its_environment() {
    let world = World::new();
    world.begin();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    let url = format!("https://{at}/bytes/3");
    let write = |name: &str, text: &str| std::fs::write(world.path(name), text).expect("a file");
    write("get.py", &format!("import urllib.request\nprint(urllib.request.urlopen('{url}').status)\n"));
    write("get.mjs", &format!("console.log((await fetch('{url}')).status)\n"));
    let script = format!(
        "curl -sS -o /dev/null -w '%{{http_code}}\\n' {url}; python3 get.py; node get.mjs; wget -qO- {url} | wc -c; \
         SIDE_URL=https://{at} java {fetch} > /dev/null && echo java",
        fetch = peers::script("Fetch.java").display(),
    );
    let done = world.start(&at, TOFU, &script);
    assert_eq!(code(&done), 0, "{done}");
    let lines: Vec<String> = done.text().lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(&lines[..4], ["200", "200", "200", "3"], "{done}");
    assert_eq!(lines[4..], ["java"], "{done}");
}

#[test]
fn a_user_is_taken_on_without_any_rights() {
    let world = World::new();
    let script =
        "id -u; id -g; id -G; grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status | tr -s '\\t\\n' ' '";
    let options = [
        "tofu",
        "--user",
        "65534:65533",
        "--host",
        "localhost:1",
        "--deadline",
        "0s",
        "--on-unreachable",
        "continue",
        "--pins",
        "/nowhere/pins",
    ];
    let done = run(world.sidelight(&options).args(["--", "sh", "-c", script])).success();
    let text = done.text();
    assert!(text.starts_with("65534\n65533\n65533\n"), "{done}");
    let zero = "0000000000000000";
    assert!(
        text.contains(&format!(
            "CapInh: {zero} CapPrm: {zero} CapEff: {zero} CapBnd: {zero} CapAmb: {zero} NoNewPrivs: 1"
        )),
        "{done}"
    );
}

#[test]
fn enrolment_makes_a_record_that_starts_use() {
    let world = World::new();
    let scanner = Issuer::root("Scanner").intermediate("Scanner below");
    let (_origin, at) = origin(&scanner, &localhost());
    let silent = run(&mut world.sidelight(&["tofu", "enrol", &at, "--pins", "pins"]));
    assert_eq!(code(&silent), 2, "{silent}");
    assert!(silent.errors().contains("nobody is there to say yes") && !world.path("pins").exists(), "{silent}");
    let made = run(&mut world.sidelight(&[
        "tofu",
        "enrol",
        &at,
        "--pins",
        "pins",
        "--yes",
        "--by",
        "kim",
        "--format",
        "kubernetes",
    ]));
    assert!(made.success().text().contains("kind: ConfigMap"));
    assert!(world.pins().contains("genesis ") && world.pins().contains("by=kim"), "{}", world.pins());
    world.start(&at, &[], "true").success();
    let shown = run(&mut world.sidelight(&["tofu", "pins", "show", &at, "--pins", "pins"])).success();
    assert!(shown.text().contains("CN=Scanner below"), "{shown}");
    run(&mut world.sidelight(&["tofu", "pins", "forget", &at, "--pins", "pins"])).success();
    assert_eq!(code(&run(&mut world.sidelight(&["tofu", "pins", "show", &at, "--pins", "pins"]))), 1);
}
