//! The cases in which the earlier tool failed, one test each, by their names: rights, reach, time. In: a scanner's CA, an attacker's.
//! Out: connections, or refusals with their status and nothing written.

use crate::engine::{Engine, leaf, scanner};

const PYTHON: &str = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)";
/// Nothing that a container can do without.
const EVERY: &str = "--read-only --cap-drop ALL --security-opt no-new-privileges --user 65534";

/// Where a container with these rights is to have its roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Roots {
    Stores,
    Environment,
}

/// First use and every later one with the same rights, each in a new container: curl and Python connect.
#[track_caller]
fn connects_with(options: &str, roots: Roots) {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    let options = format!("{} {options}", engine.pins());
    let first = engine.connects(&options);
    assert!(first.errors().contains("adopted on first use") && first.errors().contains("CN=Scanner"), "{first}");
    works(&engine, &options, roots);
}

/// A container whose CA is recorded.
#[track_caller]
fn works(engine: &Engine, options: &str, roots: Roots) {
    let said = engine.connects(options);
    assert!(said.errors().contains("the recorded key"), "{said}");
    let line = format!("echo ${{SSL_CERT_FILE-none}}; exec python3 -c '{PYTHON}' {}", engine.url());
    let said = engine.run(options, &["sh", "-c", &line]).success();
    let text = said.text();
    let (file, status) = text.split_once('\n').unwrap();
    assert_eq!(status, "204\n", "{said}");
    let found = if file == "none" { Roots::Stores } else { Roots::Environment };
    assert_eq!(found, roots, "{said}");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn normal() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    // Without a volume that stays, the next container would trust whoever answers first.
    let refused = engine.curl("");
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("-v sidelight:/var/lib/sidelight"), "{refused}");
    let refused = engine.curl("-v /var/lib/sidelight");
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("a volume without a name"), "{refused}");
    connects_with("", Roots::Stores);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn no_new_privileges() {
    connects_with("--security-opt no-new-privileges", Roots::Stores);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn read_only_root() {
    connects_with("--read-only", Roots::Environment);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn cap_drop_all() {
    connects_with("--cap-drop ALL", Roots::Stores);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn non_root_user() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    // First use by somebody who cannot write the record is no use: it says what to record, or to pin.
    let refused = engine.curl(&format!("{} --user 65534", engine.volume("other")));
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    let key = refused.errors().split_whitespace().find(|word| word.starts_with("sha256//")).map(str::to_owned);
    let key = key.unwrap_or_else(|| panic!("no key is named: {refused}"));
    engine.connects(&format!("-e SIDELIGHT_PIN={} {EVERY}", key.trim_end_matches(')')));

    // What somebody else recorded is enough.
    engine.connects(&engine.pins());
    for options in ["--user 65534", EVERY] {
        works(&engine, &format!("{} {options}", engine.pins()), Roots::Environment);
    }
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn unreachable_host() {
    let engine = Engine::with_debian();
    let options = format!("{} -e SIDELIGHT_DEADLINE=1s", engine.pins());
    let refused = engine.run(&options, &["echo", "started"]);
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("refused") && refused.text().is_empty(), "{refused}");
    let options = format!("{options} -e SIDELIGHT_ON_UNREACHABLE=continue");
    assert_eq!(engine.run(&options, &["echo", "started"]).success().text(), "started\n");
    assert_eq!(engine.run("-e TLS_TOFU=false", &["echo", "started"]).success().text(), "started\n");
}

/// A container that can be started again, and the record that it uses.
struct Again {
    engine: Engine,
    app: String,
}

impl Again {
    fn new() -> Self {
        let engine = Engine::with_debian();
        let (app, url) = (engine.own("app"), engine.url());
        let curl = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "%{http_code}", &url];
        let create = format!("create --name {app} {}", engine.pins());
        engine.container(&create, "sidelight:debian", &curl).success();
        Self { engine, app }
    }

    fn start(&self) -> sidelight_testkit::Finished {
        self.engine.line(&format!("start --attach {}", self.app))
    }

    fn record(&self) -> String {
        let options = format!("{} --entrypoint /bin/cat", self.engine.pins());
        self.engine.run(&options, &["/var/lib/sidelight/known-roots"]).success().text()
    }

    /// The bundle in the container's own layer.
    fn bundle(&self) -> Vec<u8> {
        let file = self.engine.path("bundle");
        let from = format!("{}:/etc/ssl/certs/ca-certificates.crt", self.app);
        self.engine.docker(&["cp", &from, file.to_str().unwrap()]).success();
        std::fs::read(file).unwrap()
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        self.engine.line(&format!("rm --force {}", self.app));
    }
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn restart_with_the_same_ca() {
    let again = Again::new();
    let _service = again.engine.service(&leaf(&scanner()));
    for said in ["adopted on first use", "the recorded key"] {
        let started = again.start().success();
        assert_eq!(started.text(), "204", "{started}");
        assert!(started.errors().contains(said), "{started}");
    }
    let recreated = again.engine.connects(&again.engine.pins());
    assert!(recreated.errors().contains("the recorded key"), "{recreated}");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn restart_and_recreate_with_an_attackers_ca() {
    let again = Again::new();
    let engine = &again.engine;
    // Of the same name, with keys of their own.
    let service = engine.service(&leaf(&scanner()));
    assert_eq!(again.start().success().text(), "204");
    let before = again.record();
    assert!(before.contains("sha256//"), "{before}");
    let bundle = again.bundle();

    drop(service);
    let _attacked = engine.service(&leaf(&scanner()));
    let (restarted, recreated) = (again.start(), engine.curl(&engine.pins()));
    for said in [&restarted, &recreated] {
        assert_eq!(said.status.code(), Some(121), "{said}");
        let errors = said.errors();
        assert!(said.text().is_empty(), "the command ran: {said}");
        assert!(errors.contains("recorded: sha256//") && errors.contains("shown:    sha256//"), "{said}");
    }
    assert_eq!(before, again.record(), "a refusal was recorded");
    // The container's own stores are as the first start left them, too.
    assert_eq!(bundle, again.bundle(), "a refusal was installed");

    // The command that accepts is the one that was printed.
    let errors = recreated.errors();
    let accept = errors.split("sidelight tofu pins accept ").nth(1).and_then(|rest| rest.lines().next());
    let accept = accept.unwrap_or_else(|| panic!("no command accepts: {recreated}"));
    let words: Vec<&str> = ["tofu", "pins", "accept"].into_iter().chain(accept.split_whitespace()).collect();
    engine.run(&format!("{} --entrypoint /sidelight", engine.pins()), &words).success();
    engine.connects(&engine.pins());
    assert_eq!(again.start().success().text(), "204");
}
