//! `sidelight trust audit` and `trust diff` as a user runs them, on look-alikes of images that are built here file by file.

mod trust_images;

use std::process::{Command, Output};

use serde_json::Value;
use sidelight_testkit::peers;
use sidelight_testkit::process::run;
use trust_images::{Authority, Layer, alpine_like, debian_like, docker_archive, messy};

/// The time of all audits here: roots of the look-alikes are made around it.
const AT: &str = "2026-11-30T00:00:00Z";

fn sidelight(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
    command.args(arguments).output().unwrap()
}

/// What it prints, and its exit status.
#[track_caller]
fn audit(source: &str, more: &[&str]) -> (i32, String) {
    let output = sidelight(&[&["trust", "audit", source, "--at", AT], more].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{said}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[track_caller]
fn json(source: &str, more: &[&str]) -> (i32, Value) {
    let (code, text) = audit(source, &[more, &["--json"]].concat());
    (code, serde_json::from_str(&text).unwrap())
}

/// `T13 critical …` of every issue.
fn told(document: &Value) -> Vec<String> {
    let issues = document["issues"].as_array().unwrap();
    let word = |issue: &Value, name: &str| issue[name].as_str().unwrap().to_owned();
    issues
        .iter()
        .map(|issue| format!("{} {} {}", word(issue, "check"), word(issue, "severity"), word(issue, "summary")))
        .collect()
}

#[track_caller]
fn has(told: &[String], start: &str, part: &str) {
    assert!(
        told.iter().any(|line| line.starts_with(start) && line.contains(part)),
        "no `{start}` with `{part}` in {told:#?}"
    );
}

/// A distroless image whose builders did everything wrong once.
fn unhappy(folder: &std::path::Path) -> String {
    let public = Authority::new("Public Root", "Example Trust");
    let gateway = Authority::new("Zscaler Root CA", "Zscaler Inc.");
    let mut damaged = public.pem.clone();
    damaged.push_str(&public.pem.replace("MII", "M!I"));
    damaged.push_str(&gateway.pem);
    let layers = [
        Layer::new("COPY certs /")
            .file("/etc/ssl/certs/ca-certificates.crt", 0o644, &damaged)
            .file("/etc/os-release", 0o644, "ID=debian\nPRETTY_NAME=\"Distroless\"\n")
            .file("/build/ca.key", 0o600, &gateway.key_pem),
        Layer::new("RUN rm /build/ca.key && curl -fsSLk https://tools.example/x | sh").removed("/build/ca.key"),
    ];
    let env = ["SSL_CERT_FILE=/certs/corp.pem", "NODE_TLS_REJECT_UNAUTHORIZED=0"];
    let file = folder.join("app.tar");
    docker_archive(&file, "app:1", &layers, &env);
    format!("docker-archive:{}", file.display())
}

#[test]
fn an_image_that_did_everything_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let source = unhappy(folder.path());
    let (code, document) = json(&source, &[]);
    assert_eq!(code, 1);
    assert_eq!(
        (document["v"].as_u64(), document["type"].as_str(), document["failed"].as_bool()),
        (Some(1), Some("trust-audit"), Some(true))
    );
    let told = told(&document);
    has(&told, "T13 critical", "An upper layer hides /build/ca.key");
    has(&told, "T13 critical", "the private key of Zscaler Root CA, a root that the image trusts");
    has(&told, "T09 warn", "Zscaler");
    has(&told, "T11 error", "/etc/ssl/certs/ca-certificates.crt is damaged at line");
    has(&told, "T14 ", "SSL_CERT_FILE points to /certs/corp.pem, which is not there");
    has(&told, "T15 error", "NODE_TLS_REJECT_UNAUTHORIZED is set in the image's configuration");
    has(&told, "T15 warn", "1 build step fetched without verification (curl)");
    has(&told, "T16 info", "may each issue");
    let key = document["issues"].as_array().unwrap().iter().find(|issue| issue["check"] == "T13").unwrap();
    assert_eq!(key["places"][0]["deleted"], true);
    assert_eq!(key["places"][0]["layer"]["index"], 0);
    assert_eq!(key["places"][0]["layer"]["created_by"], "COPY certs /");
    assert!(!document.to_string().contains("PRIVATE KEY-----"));

    let (code, text) = audit(&source, &["--all"]);
    assert_eq!(code, 1);
    let first = text.lines().next().unwrap();
    assert!(first.contains("1 critical issue"), "{first}");
    assert!(text.contains("layer 1, deleted later: COPY certs /"), "{text}");

    // The threshold, and what the user does not want to hear.
    assert_eq!(audit(&source, &["--fail-on", "never"]).0, 0);
    assert_eq!(audit(&source, &["--fail-on", "critical", "--ignore", "T13"]).0, 0);
    let (_, quiet) = json(&source, &["--ignore", "T15", "--ignore", "T14:SSL_CERT_FILE"]);
    assert!(
        !self::told(&quiet).iter().any(|line| line.starts_with("T15") || line.contains("SSL_CERT_FILE")),
        "{quiet:#}"
    );
}

/// Text without what differs from run to run: fingerprints, and where the image lies.
fn steady(text: &str, folder: &std::path::Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "FOLDER");
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() >= 16 { "‹hex›" } else { &digits });
        digits.clear();
        out.push(c);
    }
    out.trim_end_matches('\0').to_owned()
}

#[test]
fn the_report_as_text_json_and_sarif() {
    let folder = tempfile::tempdir().unwrap();
    let source = unhappy(folder.path());
    let text = |more: &[&str]| steady(&audit(&source, more).1, folder.path());
    let pretty = |more: &[&str]| {
        let value: Value = serde_json::from_str(&text(more)).unwrap();
        format!("{value:#}")
    };
    insta::assert_snapshot!("text", text(&["--ignore", "T11"]));
    insta::assert_snapshot!("json", pretty(&["--json", "--ignore", "T11", "--ignore", "T12"]));
    let mut sarif: Value =
        serde_json::from_str(&text(&["--format", "sarif", "--ignore", "T11", "--ignore", "T12"])).unwrap();
    sarif["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap().truncate(1);
    insta::assert_snapshot!("sarif", format!("{sarif:#}"));
}

#[test]
fn sarif_is_what_its_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let source = unhappy(folder.path());
    let (code, text) = audit(&source, &["--format", "sarif"]);
    assert_eq!(code, 1);
    let file = folder.path().join("it.sarif");
    std::fs::write(&file, &text).unwrap();
    let script = "const ajv = new (require('ajv'))({ unknownFormats: 'ignore', schemaId: 'auto', meta: true });
        ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
        const check = ajv.compile(require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'));
        const fine = check(JSON.parse(require('fs').readFileSync(process.argv[1])));
        console.log(fine ? 'valid' : JSON.stringify(check.errors)); process.exit(fine ? 0 : 1)";
    let mut node = Command::new("node");
    node.args(["-e", script]).arg(&file).env("NODE_PATH", peers::node_modules());
    assert_eq!(run(&mut node).success().text(), "valid\n");

    let log: Value = serde_json::from_str(&text).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let mut prints: Vec<&str> = Vec::new();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(!result["locations"].as_array().unwrap().is_empty(), "{result}");
        prints.push(result["partialFingerprints"]["sidelight/v1"].as_str().unwrap());
    }
    let number = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), number);
    let damaged = results.iter().find(|result| result["ruleId"] == "T11").unwrap();
    let place = &damaged["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "etc/ssl/certs/ca-certificates.crt");
    assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line > 1), "{place}");
}

/// A user reads all of it, and nothing fails that nobody has touched.
#[test]
fn an_untouched_image_gets_a_short_report() {
    let folder = tempfile::tempdir().unwrap();
    debian_like(folder.path(), 10);
    let source = format!("rootfs:{}", folder.path().display());
    let (code, text) = audit(&source, &[]);
    assert_eq!(code, 0, "{text}");
    let (_, document) = json(&source, &[]);
    let told = told(&document);
    assert!(told.len() <= 5, "{told:#?}");
    has(&told, "T10 warn", "lacks 10 roots that Mozilla trusts by now");
    assert!(text.lines().count() <= 20, "{text}");

    let folder = tempfile::tempdir().unwrap();
    alpine_like(folder.path());
    let (code, document) = json(&format!("rootfs:{}", folder.path().display()), &[]);
    let told = self::told(&document);
    assert!(code == 0 && told.iter().all(|line| line.contains(" info ")), "{told:#?}");
}

/// What a developer's machine is full of does not hide what matters.
#[test]
fn a_messy_machine_gets_a_short_report() {
    let folder = tempfile::tempdir().unwrap();
    let corp = messy(folder.path());
    let source = format!("rootfs:{}", folder.path().display());
    let (code, text) = audit(&source, &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("messy", steady(&text, folder.path()));
    let (_, document) = json(&source, &[]);
    let issues = document["issues"].as_array().unwrap();
    let issue = |check: &str, severity: &str| {
        let mut fits = issues.iter().filter(|issue| issue["check"] == check && issue["severity"] == severity);
        let found = fits.next().unwrap_or_else(|| panic!("no {check} {severity} in {document:#}"));
        assert!(fits.next().is_none(), "more than one {check} {severity}");
        found
    };
    // Nothing is lost in the groups: every file and certificate is in the document.
    assert_eq!(issue("T13", "critical")["places"].as_array().unwrap().len(), 2);
    assert_eq!(issue("T13", "info")["places"].as_array().unwrap().len(), 4);
    assert_eq!(issue("T10", "warn")["places"].as_array().unwrap().len(), 5);
    assert_eq!(issue("T09", "warn")["certificates"][0]["sha256"], corp.sha256());
    assert!(issue("T14", "info")["places"].to_string().contains(".whl!/pip/_vendor/certifi/cacert.pem"));

    // The same as a system that runs: what counts is who may read a key.
    let busybox = folder.path().join("usr/bin/busybox");
    std::fs::copy("/bin/busybox", &busybox).unwrap();
    let mut process =
        Command::new("chroot").arg(folder.path()).args(["/usr/bin/busybox", "sleep", "600"]).spawn().unwrap();
    let (code, document) = json(&format!("pid:{}", process.id()), &[]);
    process.kill().unwrap();
    process.wait().unwrap();
    let told = told(&document);
    assert_eq!(code, 1);
    let keys: Vec<&String> = told.iter().filter(|line| line.starts_with("T13")).collect();
    assert_eq!(keys.len(), 3, "{told:#?}");
    has(&told, "T13 error", "/etc/app/tls.key holds a private key (PKCS#8), and every user can read it");
    has(&told, "T13 info", "1 private key can be read by the owner alone, as it should be");
    has(&told, "T13 info", "4 private keys in tests, source code and documentation");
}

/// What update-ca-certificates would have done, undone bit by bit.
#[test]
fn a_root_file_system_that_was_edited_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    debian_like(folder.path(), 0);
    let certs = folder.path().join("etc/ssl/certs");
    let corp = Authority::new("Corp Root", "Corp");
    std::fs::write(certs.join("corp.pem"), &corp.pem).unwrap();
    std::os::unix::fs::symlink("gone.pem", certs.join("0a0a0a0a.0")).unwrap();
    let anchors = folder.path().join("usr/local/share/ca-certificates");
    std::fs::create_dir_all(&anchors).unwrap();
    std::fs::write(anchors.join("other.pem"), Authority::new("Other Root", "Other").pem).unwrap();
    let (code, document) = json(&format!("rootfs:{}", folder.path().display()), &[]);
    let told = told(&document);
    assert_eq!(code, 1);
    has(&told, "T11 error", "/etc/ssl/certs/corp.pem (Corp Root) is read by Go alone");
    has(&told, "T11 error", "1 link leads in /etc/ssl/certs to no certificate: /etc/ssl/certs/0a0a0a0a.0");
    has(
        &told,
        "T14 warn",
        "other.pem (Other Root) is not in the bundle: update-ca-certificates takes only names that end in .crt",
    );
}

#[test]
fn a_root_in_one_store_only() {
    let folder = tempfile::tempdir().unwrap();
    let (corp, public) = (Authority::new("Corp Root", "Corp"), Authority::new("Public Root", "Example Trust"));
    let both = format!("{}{}", corp.pem, public.pem);
    let layers = [Layer::new("COPY . /").file("/etc/ssl/certs/ca-certificates.crt", 0o644, &both).file(
        "/usr/lib/python3/dist-packages/certifi/cacert.pem",
        0o644,
        &public.pem,
    )];
    let file = folder.path().join("app.tar");
    docker_archive(&file, "app:1", &layers, &[]);
    let source = format!("docker-archive:{}", file.display());
    let (_, document) = json(&source, &[]);
    has(&told(&document), "T12 warn Corp Root is trusted by", "but not by");
}

#[test]
fn a_policy_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let (corp, other) = (Authority::new("Corp Root", "Corp"), Authority::new("Other Root", "Other"));
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("etc/ssl/certs")).unwrap();
    std::fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), format!("{}{}", corp.pem, other.pem)).unwrap();
    let policy = folder.path().join(".paranoia.yaml");
    let text = format!(
        "version: \"1\"\nallow:\n- comment: ours\n  fingerprints: {{sha256: {}}}\nforbid:\n- fingerprints: {{sha256: {}}}\n",
        corp.sha256(),
        other.sha256()
    );
    std::fs::write(&policy, text).unwrap();
    let source = format!("rootfs:{}", root.display());
    let (code, document) = json(&source, &["--policy", policy.to_str().unwrap()]);
    let told = told(&document);
    assert_eq!(code, 1);
    has(&told, "P03 error", "Other Root is trusted, and the policy forbids it");
    assert!(!told.iter().any(|line| line.contains("Corp Root") && line.starts_with("T09")), "{told:#?}");

    std::fs::write(&policy, "allow: []\n").unwrap();
    let output = sidelight(&["trust", "audit", &source, "--policy", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`version: \"1\"` is missing"));
}

#[test]
fn two_images_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let [kept, gone, new] = ["Kept", "Gone", "New"].map(|name| Authority::new(name, "Example"));
    let image = |name: &str, pem: String| {
        let file = folder.path().join(name);
        docker_archive(
            &file,
            name,
            &[Layer::new("COPY . /").file("/etc/ssl/certs/ca-certificates.crt", 0o644, &pem)],
            &[],
        );
        format!("docker-archive:{}", file.display())
    };
    let one = image("one", format!("{}{}", kept.pem, gone.pem));
    let two = image("two", format!("{}{}", kept.pem, new.pem));
    let diff = |before: &str, after: &str, more: &[&str]| {
        sidelight(&[&["trust", "diff", before, after, "--at", AT], more].concat())
    };
    let output = diff(&one, &two, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((document["type"].as_str(), document["differs"].as_bool()), (Some("trust-diff"), Some(true)));
    assert_eq!(document["roots"]["added"][0]["sha256"], new.sha256());
    assert_eq!(document["roots"]["removed"][0]["sha256"], gone.sha256());
    assert_eq!(document["stores"][0]["path"], "/etc/ssl/certs/ca-certificates.crt");
    let text = String::from_utf8(diff(&one, &two, &[]).stdout).unwrap();
    assert!(text.lines().next().unwrap().ends_with("1 added, 1 removed (2 → 2 roots)"), "{text}");
    assert!(text.contains("  + New  until") && text.contains("  - Gone  until"), "{text}");
    assert_eq!(diff(&one, &one, &[]).status.code(), Some(0));
    // Beside Mozilla's list, what is private is only here.
    let mozilla: Value = serde_json::from_slice(&diff("mozilla", &one, &["--json"]).stdout).unwrap();
    let added = mozilla["roots"]["added"].as_array().unwrap();
    assert_eq!(added.len(), 2, "{added:?}");
    assert!(mozilla["roots"]["removed"].as_array().unwrap().len() > 100);
}

/// Nothing from an image reaches a terminal as it is.
#[test]
fn names_in_certificates_cannot_move_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let evil = Authority::new("Evil\u{1b}[2J\u{202e}Root", "Corp");
    let file = folder.path().join("app.tar");
    docker_archive(
        &file,
        "app:1",
        &[Layer::new("COPY \u{1b}[31m").file("/etc/ssl/cert.pem", 0o644, &evil.pem)],
        &["SSL_CERT_FILE=/\u{1b}]0;x"],
    );
    let source = format!("docker-archive:{}", file.display());
    for more in [&["--all"][..], &["--json"], &["--format", "sarif"]] {
        let (_, text) = audit(&source, more);
        assert!(text.contains("Root") && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    let text = String::from_utf8(sidelight(&["trust", "diff", "mozilla", &source]).stdout).unwrap();
    assert!(text.contains("Root") && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn what_cannot_be_read_is_no_finding() {
    let output = sidelight(&["trust", "audit", "docker-archive:/nonexistent.tar"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    let output = sidelight(&["trust", "audit", "host", "--ignore", "T99"]);
    assert_eq!(output.status.code(), Some(2));
}
