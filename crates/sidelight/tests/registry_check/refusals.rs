//! What registries, token servers and storage answer. In: a table of faults. Out: the cause that `check` names for each, and the
//! cause to which `explain` brings what skopeo prints for it.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use sidelight_testkit::process::run;

use sidelight_testkit::registry::{Asked, LAYER, Reply, digest, good, manifest, refusal, reply, serve};

use super::program::{clean, explained, fault, sidelight};

type Answer = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A fault.
struct Fault {
    cause: &'static str,
    answer: Answer,
    /// Reads all blobs.
    blobs: bool,
    /// Brings a login that is refused.
    login: bool,
    /// Whether skopeo notices, so that its words can be explained; it does not where it is known to go on or to wait for minutes.
    skopeo: bool,
}

fn fault_of(cause: &'static str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fault {
    Fault { cause, answer: Box::new(answer), blobs: false, login: false, skopeo: true }
}

/// Good but for paths that hold `part`.
fn at(cause: &'static str, part: &'static str, answer: Reply) -> Fault {
    fault_of(cause, move |asked| if asked.path.contains(part) { answer.clone() } else { good(asked) })
}

/// A registry with tokens; once one is brought, `after` says what is wrong with it.
fn with_tokens(cause: &'static str, token: Reply, after: Option<&'static str>) -> Fault {
    fault_of(cause, move |asked| {
        if asked.path == "/token" {
            return token.clone();
        }
        let scope = if asked.path == "/v2/" { "" } else { r#",scope="repository:team/app:pull""# };
        let challenge = format!(r#"Bearer realm="http://{}/token",service="svc"{scope}"#, asked.host);
        let denied = |more: &str| {
            refusal(401, "UNAUTHORIZED", "authentication required")
                .with("www-authenticate", &format!("{challenge}{more}"))
        };
        match (&asked.proof, after) {
            (None, _) => denied(""),
            (Some(_), Some(error)) => denied(&format!(r#",error="{error}""#)),
            (Some(_), None) => good(asked),
        }
    })
}

fn json(body: &str) -> Reply {
    reply(200, &[("content-type", "application/json")], body)
}

fn html(status: u16) -> Reply {
    reply(status, &[("content-type", "text/html")], "<html><body>Blocked</body></html>")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// A token with these claims, which nobody signed.
fn token(audience: &str, from: u64, until: u64, access: &str) -> Reply {
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let claims = format!(r#"{{"iss":"i","aud":"{audience}","nbf":{from},"exp":{until},"access":[{access}]}}"#);
    json(&format!(r#"{{"token":"{}.{}.c2ln"}}"#, part(r#"{"alg":"ES256","kid":"AAAA:BBBB"}"#), part(&claims)))
}

const PULL: &str = r#"{"type":"repository","name":"team/app","actions":["pull"]}"#;

fn of_tokens() -> Vec<Fault> {
    let now = now();
    let refused = |cause, token| with_tokens(cause, token, Some("invalid_token"));
    vec![
        Fault { skopeo: false, ..fault_of("challenge_missing", |_| refusal(401, "UNAUTHORIZED", "who are you")) },
        fault_of("token_realm_unusable", |_| {
            refusal(401, "UNAUTHORIZED", "no").with("www-authenticate", r#"Bearer realm="/token",service="svc""#)
        }),
        with_tokens("login_missing", refusal(403, "DENIED", "denied"), None),
        with_tokens("login_missing", refusal(401, "UNAUTHORIZED", "no"), None).quietly(),
        Fault {
            login: true,
            ..with_tokens("login_refused", refusal(401, "UNAUTHORIZED", "incorrect username or password"), None)
        },
        with_tokens("token_server_failed", reply(500, &[], "oops"), None),
        with_tokens("token_server_failed", reply(404, &[("content-type", "text/plain")], "404"), None),
        with_tokens("token_answer_unusable", html(200), None),
        with_tokens("token_answer_unusable", json("{}"), None).quietly(),
        refused("token_refused", json(r#"{"token":"opaque"}"#)),
        refused("token_refused", token("svc", now - 5, now + 300, PULL)),
        refused("token_wrong_audience", token("other", now - 5, now + 300, PULL)),
        refused("token_expired", token("svc", 1000, 2000, PULL)),
        refused("token_not_yet_valid", token("svc", now + 4000, now + 8000, PULL)),
        with_tokens("token_access_missing", token("svc", now - 5, now + 300, ""), Some("insufficient_scope")),
        fault_of("login_missing", |_| {
            refusal(401, "UNAUTHORIZED", "no").with("www-authenticate", r#"Basic realm="r""#)
        }),
        Fault {
            login: true,
            ..fault_of("login_refused", |_| {
                refusal(401, "UNAUTHORIZED", "no").with("www-authenticate", r#"Basic realm="r""#)
            })
        },
    ]
}

impl Fault {
    /// skopeo goes on with it, or has no words of its own for it.
    fn quietly(self) -> Self {
        Self { skopeo: false, ..self }
    }

    fn reading(self) -> Self {
        Self { blobs: true, ..self }
    }
}

fn of_content() -> Vec<Fault> {
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"{}","digest":"{}","size":3,"platform":{{"os":"linux","architecture":"s390x"}}}}]}}"#,
        sidelight_testkit::registry::IMAGE,
        digest("x")
    );
    let manifest_as = |kind: &str, body: String| reply(200, &[("content-type", kind)], body);
    let named = digest(&manifest());
    let schema1 = r#"{"schemaVersion":1,"name":"team/app","tag":"1","fsLayers":[],"history":[]}"#.to_owned();
    let layer = |cause, answer: Reply| at(cause, Box::leak(digest(LAYER).into_boxed_str()), answer);
    vec![
        fault_of("ok", good).quietly().reading(),
        at("manifest_unknown", "/manifests/", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        at("repository_unknown", "/manifests/", refusal(404, "NAME_UNKNOWN", "repository name not known to registry")),
        fault_of("not_a_registry", |_| reply(404, &[("content-type", "text/plain")], "404 page not found\n")),
        fault_of("web_page_instead", |_| html(200)),
        at("web_page_instead", "/manifests/", html(200)),
        at("request_blocked", "/manifests/", html(403)),
        at("access_denied", "/manifests/", refusal(403, "DENIED", "blocked by policy")),
        at("rate_limited", "/manifests/", refusal(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "60"))
            .quietly(),
        at("registry_failed", "/manifests/", html(503)),
        at("platform_missing", "/manifests/", manifest_as("application/vnd.oci.image.index.v1+json", index)),
        at(
            "manifest_altered",
            "/manifests/",
            manifest_as(sidelight_testkit::registry::IMAGE, manifest() + " ").with("docker-content-digest", &named),
        )
        .quietly(),
        at("media_type_wrong", "/manifests/", manifest_as("text/plain", manifest())),
        at(
            "manifest_schema_old",
            "/manifests/",
            manifest_as("application/vnd.docker.distribution.manifest.v1+prettyjws", schema1),
        ),
        at("blob_unknown", "/blobs/", refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")),
        layer("blob_altered", reply(200, &[], "y".repeat(LAYER.len()))).reading(),
        layer("blob_altered", reply(200, &[], "<html>scanned</html>")),
        layer("transfer_cut", reply(200, &[], &LAYER[..9]).cut(LAYER.len() - 9)).reading(),
        at("location_wrong", "/manifests/", reply(307, &[], "")),
        fault_of("redirect_loop", |asked| {
            if asked.path.contains("/manifests/") { reply(307, &[("location", &asked.path)], "") } else { good(asked) }
        }),
    ]
}

/// What is wrong with the answers to a fault.
fn wrong(fault_: Fault, home: &Path) -> Vec<String> {
    let Fault { cause, answer, blobs, login, skopeo } = fault_;
    let service = serve(None, answer);
    let place = service.place();
    let image = format!("{place}/team/app:1");
    let logins = if login {
        format!(r#"{{"auths":{{"{place}":{{"username":"joe","password":"wrong"}}}}}}"#)
    } else {
        "{}".to_owned()
    };
    let file = home.join(format!("{}.json", service.address.port()));
    std::fs::write(&file, logins).expect("a file of logins");
    let file = file.to_str().expect("a path");
    let root = home.to_str().expect("a path");
    let mut arguments = vec!["--json", "registry", "check", &image, "--host-root", root, "--authfile", file];
    arguments.extend(blobs.then_some("--blobs"));
    let checked = sidelight(home, &arguments, &[]);
    let mut wrong: Vec<String> = fault(&checked, cause).into_iter().collect();
    if format!("{checked}").contains("c2ln") {
        wrong.push(format!("{cause}: a token's signature is printed"));
    }
    if skopeo {
        let to = format!("dir:{}", home.join(format!("out-{}", service.address.port())).display());
        let mut command = Command::new("skopeo");
        command.args(["copy", "--insecure-policy", "--src-tls-verify=false", "--src-authfile", file]);
        let printed = run(clean(command.arg(format!("docker://{image}")).arg(to), home));
        let found = explained(home, &printed.errors());
        if printed.status.success() || !found.iter().any(|it| it == cause) {
            wrong.push(format!("{cause}: skopeo's words are explained as {found:?}: {printed}"));
        }
    }
    wrong
}

fn all_right(faults: Vec<Fault>) {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = faults.into_iter().map(|fault| scope.spawn(move || wrong(fault, home))).collect();
        running.into_iter().flat_map(|it| it.join().expect("no panic")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

#[test]
fn each_refusal_of_a_login_or_token_is_named() {
    all_right(of_tokens());
}

#[test]
fn each_fault_of_what_is_served_is_named() {
    all_right(of_content());
}

#[test]
fn a_storage_that_refuses_is_told_from_the_registry() {
    let denied =
        r#"<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"#;
    let storage = serve(None, move |_| reply(403, &[("content-type", "application/xml")], denied));
    let to = format!("http://{}/bucket/blob?X-Amz-Signature=s3cret", storage.place());
    let lasting = fault_of("storage_refused", move |asked| {
        if asked.path.contains("/blobs/") { reply(307, &[("location", &to)], "") } else { good(asked) }
    });
    all_right(vec![lasting]);
}
