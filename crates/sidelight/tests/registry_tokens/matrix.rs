//! Every kind of key, every way to be wrong. In: a running registry. Out: nothing, or the case in which its answer or log is not what was said.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use sidelight_testkit::Hosts;
use sidelight_testkit::peers::{TokenAuth, token_registry};
use sidelight_testkit::process::{Running, free_port};

use super::keys::{self, Key, Keys};
use super::{ISSUER, SERVICE, ask, mint, sidelight};

const SCOPE: &str = "repository:team/app:pull";

/// A registry that logs, and what it had logged when it was last looked at.
struct Registry {
    process: Running,
    base: String,
    seen: usize,
}

impl Registry {
    /// What was logged about tokens since the last time, each line without its time: level and message.
    fn logged(&mut self) -> Vec<String> {
        let all = self.process.said();
        let new = all.get(self.seen..).unwrap_or_default().to_owned();
        self.seen = all.len();
        // A request that is let in may go on to other errors, which are none of the token's.
        let about_tokens = |line: &&str| !line.contains("msg=\"response completed") && !line.contains("level=error");
        new.lines()
            .filter_map(|line| line.strip_prefix("time=")?.split_once(' ').map(|it| it.1))
            .filter(about_tokens)
            .map(message)
            .collect()
    }
}

/// `level=… msg="…"` of a line, with the clock's reading taken out.
fn message(line: &str) -> String {
    let end = line.char_indices().skip_while(|(at, _)| !line[..*at].ends_with("msg=\""));
    let mut escaped = false;
    for (at, letter) in end {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return without_clock(&line[..=at]),
            _ => escaped = false,
        }
    }
    without_clock(line)
}

fn without_clock(line: &str) -> String {
    let line = line.split(" - currently ").next().unwrap_or_default();
    // The certificate's dates are told with the present time as well.
    match (line.find("current time "), line.find(" is after ").or(line.find(" is before "))) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    }
    .trim_end_matches('"')
    .to_owned()
}

fn verify(token: &str, bundle: &Path, scope: Option<&str>) -> Value {
    let bundle = bundle.to_str().expect("a path of text");
    let base = ["registry", "token", "verify", "--json", "--token", token, "--registry", "2", "--roots", bundle];
    let told = ["--issuer", ISSUER, "--service", SERVICE];
    let scope: Vec<&str> = scope.iter().flat_map(|scope| ["--scope", scope]).collect();
    let said = sidelight(&[&base[..], &told, &scope].concat());
    serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// One token, asked twice: for nothing in particular, and for a repository.
fn compare(registry: &mut Registry, bundle: &Path, name: &str, token: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, scope) in [("", None), ("team/app/tags/list", Some(SCOPE))] {
        registry.logged();
        let (status, challenge) = ask(&format!("{}/v2/{path}", registry.base), token);
        let logged = registry.logged();
        let said = verify(token, bundle, scope);
        // The repository does not exist: who is let in is told so.
        let status = if path.is_empty() || status == 401 { status } else { 200 };
        let error = challenge.as_deref().and_then(|it| it.split_once("error=\"")?.1.split('"').next());
        let log: Vec<String> = said["log"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|line| without_clock(line.as_str().expect("text")))
            .collect();
        let mut differ = |what: &str, is: String, said: String| {
            if is != said {
                wrong.push(format!("{name} /v2/{path}: {what}\n  registry  {is}\n  sidelight {said}"));
            }
        };
        differ("status", status.to_string(), said["status"].to_string());
        differ("error", format!("{error:?}"), format!("{:?}", said["error"].as_str()));
        let logged: Vec<String> = logged.iter().map(|line| line.trim_end_matches('"').to_owned()).collect();
        differ("log", if status == 401 { format!("{logged:?}") } else { "[]".to_owned() }, format!("{log:?}"));
    }
    wrong
}

/// Ways to be right, and the name of each.
const RIGHT: &[&[&str]] = &[&[], &["--x5c"], &["--jwk"], &["--alg", "RS512"]];

fn cases(key: &Key) -> Vec<(String, String)> {
    let chain = key.chain.to_str().expect("a path of text");
    let own = key.own.to_str().expect("a path of text");
    let is_rsa = key.name.starts_with("rsa");
    let base = ["--scope", "repository:team/app:pull,push"];
    let mut all = Vec::new();
    for options in RIGHT.iter().filter(|options| is_rsa || !options.contains(&"--alg")) {
        let token = mint(&key.key, &[&base[..], &["--cert", chain], options].concat());
        all.push((format!("{} {options:?}", key.name), token));
    }
    all.push((
        format!("{} its own certificate", key.name),
        mint(&key.key, &[&base[..], &["--cert", own, "--x5c"]].concat()),
    ));
    for (broken, name, _) in sidelight_wire::jwt::mint::BREAKS {
        use sidelight_wire::jwt::mint::Break as B;
        let unfit = match broken {
            B::AlgorithmPss | B::KidPkcs1 => !is_rsa && *broken == B::AlgorithmPss,
            B::KidBasePoint | B::SignatureDer => is_rsa,
            _ => false,
        };
        if !unfit {
            all.push((
                format!("{} {name}", key.name),
                mint(&key.key, &[&base[..], &["--cert", chain, "--break", name]].concat()),
            ));
        }
    }
    all
}

#[test]
fn the_registry_does_what_was_said() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let keys = Keys::make(folder.path());
    let bundle = folder.path().join("bundle.pem");
    keys.bundle(&bundle);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let auth = TokenAuth { realm: "http://127.0.0.1:1/token", service: SERVICE, issuer: ISSUER, bundle: &bundle };
    let mut process = token_registry(folder.path(), address, &auth);
    process.until_it_listens(&Hosts::new(folder.path(), &[]), address);
    let mut registry = Registry { process, base: format!("http://{address}"), seen: 0 };
    let mut wrong = Vec::new();
    let mut number = 0;
    for key in &keys.all {
        for (name, token) in cases(key) {
            number += 1;
            wrong.extend(compare(&mut registry, &bundle, &name, &token));
        }
    }
    assert!(wrong.is_empty(), "{} of {number} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(number > 200, "{number} cases");
}

#[test]
fn the_registry_does_not_start_when_that_was_said() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let (key, own) = keys::own(folder.path(), "ed25519", &["-algorithm", "ED25519"]);
    let empty = folder.path().join("key-only.pem");
    std::fs::copy(&key, &empty).expect("a copy");
    let token = mint(&key, &["--registry", "3.1"]);
    for bundle in [own, empty] {
        let said = verify(&token, &bundle, None);
        assert_eq!((&said["status"], &said["checks"][0]["check"]), (&Value::Null, &"start".into()), "{said}");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let auth = TokenAuth { realm: "http://127.0.0.1:1/token", service: SERVICE, issuer: ISSUER, bundle: &bundle };
        let mut process = token_registry(folder.path(), address, &auth);
        let line = said["log"][0].as_str().expect("a line");
        let message = line.split_once("msg=\"").expect("a message").1.trim_end_matches('"').to_owned();
        let message = message.replace("\\\"", "\"");
        process.until("ended with the reason", || true);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !process.said().contains(&message) {
            assert!(std::time::Instant::now() < deadline, "{message}\n{}", process.said());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
