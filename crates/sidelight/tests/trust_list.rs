//! `sidelight trust list`, `find` and `export` as a user runs them, on look-alikes of images. What is exported is read by
//! `openssl` and `keytool`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sidelight_testkit::peers;

/// A folder that stands for an image.
struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn copy(&self, from: impl AsRef<Path>, to: &str) {
        self.put(to, fs::read(from.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", from.as_ref().display())));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn source(&self) -> String {
        format!("rootfs:{}", self.folder.path().display())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        command.env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin").arg("trust").args(arguments);
        command.output().unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The path and number of roots of each bundle.
fn bundles(list: &Value) -> Vec<(&str, u64)> {
    let stores = list["stores"].as_array().unwrap().iter();
    stores
        .filter(|store| store["bundle"] == true)
        .map(|store| (store["path"].as_str().unwrap(), store["count"].as_u64().unwrap()))
        .collect()
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn a_development_image_has_a_store_for_each_of_its_worlds() {
    let image = Image::new();
    let packages = peers::folder().join("venv/lib");
    let packages = fs::read_dir(packages).unwrap().next().unwrap().unwrap().path().join("site-packages");
    let certifi = fs::read(packages.join("certifi/cacert.pem")).unwrap();
    image.copy(BUNDLE, BUNDLE);
    image.copy("/etc/ssl/certs/java/cacerts", "/etc/ssl/certs/java/cacerts");
    image.copy("/usr/bin/node", "/usr/bin/node");
    let vendored = [
        "/usr/lib/python3/dist-packages/certifi/cacert.pem",
        "/usr/lib/python3/dist-packages/pip/_vendor/certifi/cacert.pem",
        "/opt/venv/lib/python3.12/site-packages/certifi/cacert.pem",
        "/opt/venv/lib/python3.12/site-packages/botocore/cacert.pem",
        "/opt/venv/lib/python3.12/site-packages/grpc/_cython/_credentials/roots.pem",
        "/opt/venv/lib/python3.12/site-packages/httplib2/cacerts.txt",
    ];
    for path in vendored {
        image.put(path, &certifi);
    }
    let list = image.json(&["list", &image.source()], 0);
    assert_eq!((list["v"].as_u64(), list["type"].as_str()), (Some(1), Some("trust-list")));
    let found = bundles(&list);
    assert_eq!(found.len(), 3 + vendored.len(), "{found:?}");
    let blocks = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches("BEGIN CERTIFICATE").count() as u64;
    for path in vendored {
        assert!(found.contains(&(path, blocks(&certifi))), "{path}: {found:?}");
    }
    assert!(found.contains(&(BUNDLE, blocks(&fs::read(BUNDLE).unwrap()))));
    let shown = text(&image.run(&["list", &image.source()]));
    assert!(shown.lines().next().unwrap().contains(" in 9 stores"), "{shown}");
    assert!(shown.contains("/usr/bin/node (Node "));
}

#[test]
fn find_answers_for_every_store_and_by_every_name() {
    let image = Image::new();
    image.copy(BUNDLE, BUNDLE);
    image.copy("/etc/ssl/certs/java/cacerts", "/etc/ssl/certs/java/cacerts");
    // One store lacks what the others have.
    let root = "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt";
    let others = ["ISRG_Root_X2", "GTS_Root_R1", "GTS_Root_R3", "GTS_Root_R4", "Amazon_Root_CA_1", "Amazon_Root_CA_2"];
    let other = |name: &&str| fs::read_to_string(format!("/usr/share/ca-certificates/mozilla/{name}.crt")).unwrap();
    image.put("/app/cacert.pem", others.iter().map(other).collect::<String>());
    let source = image.source();
    let sha256 = "96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6";
    for query in ["ISRG Root X1", sha256, root, "CABD2A79A1076A31F21D253635CB039D4329A5E8"] {
        let found = image.json(&["find", query, &source], 0);
        assert_eq!(found["certificates"][0]["sha256"], sha256, "{query}");
        assert_eq!((found["found"].as_bool(), found["stores"].as_array().unwrap().len()), (Some(true), 2), "{query}");
        assert_eq!(found["without"][0]["path"], "/app/cacert.pem");
        assert_eq!(found["certificates"][0]["mozilla"]["status"], "current");
    }
    let none = image.json(&["find", "No Such Root", &source], 1);
    assert_eq!((none["found"].as_bool(), none["without"].as_array().unwrap().len()), (Some(false), 3));
    let first = image.json(&["find", "ISRG Root X1", &source, "--first"], 0);
    assert_eq!(first["stores"].as_array().unwrap().len(), 1);
    let shown = text(&image.run(&["find", "ISRG Root X1", &source]));
    assert!(shown.starts_with("✓ yes: ISRG Root X1 is in 2 stores of 3"), "{shown}");
    assert!(shown.contains("✗ /app/cacert.pem"));
}

#[test]
fn what_is_exported_is_read_by_others() {
    let image = Image::new();
    image.copy(BUNDLE, BUNDLE);
    let source = image.source();
    let out = |name: &str| image.path(name).display().to_string();
    for format in ["pem", "jks", "p12"] {
        let file = out(&format!("out.{format}"));
        let output = image.run(&["export", &source, "--format", format, "-o", &file]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let wanted = fs::read_to_string(BUNDLE).unwrap().matches("BEGIN CERTIFICATE").count();
    let list = |name: &str| {
        let mut command = Command::new("keytool");
        command.args(["-J-Duser.language=en", "-list", "-storepass", "changeit", "-keystore", &out(name)]);
        String::from_utf8(command.env_remove("JAVA_TOOL_OPTIONS").output().unwrap().stdout).unwrap()
    };
    for name in ["out.jks", "out.p12"] {
        assert!(list(name).contains(&format!("contains {wanted} entries")), "{name}: {}", list(name));
    }
    let root = "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt";
    let verify =
        Command::new("openssl").args(["verify", "-no-CApath", "-CAfile", &out("out.pem"), root]).output().unwrap();
    assert!(verify.status.success(), "{verify:?}");
    let refused = image.run(&["export", &source, "--store", "/nowhere"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(BUNDLE), "the stores that there are: {said}");
}

#[test]
fn the_list_of_mozilla_is_a_source_like_any_other() {
    let image = Image::new();
    let list = image.json(&["list", "mozilla"], 0);
    assert!(bundles(&list)[0].1 >= 110);
    let pem = text(&image.run(&["export", "mozilla"]));
    assert!(pem.matches("BEGIN CERTIFICATE").count() >= 110);
    image.json(&["find", "DigiCert Global Root CA", "mozilla"], 1);
}

#[test]
fn one_runtime_has_what_another_has_not() {
    let image = Image::new();
    image.copy(BUNDLE, BUNDLE);
    let source = image.source();
    let go = image.json(&["find", "ISRG Root X1", &source, "--as", "go"], 0);
    assert_eq!((go["runtimes"][0]["runtime"].as_str(), go["runtimes"][0]["has"].as_bool()), (Some("go"), Some(true)));
    let java = image.json(&["find", "ISRG Root X1", &source, "--as", "java"], 1);
    assert_eq!((java["found"].as_bool(), java["runtimes"][0]["has"].as_bool()), (Some(true), Some(false)));
    let list = image.json(&["list", &source, "--as", "go"], 0);
    let count = fs::read_to_string(BUNDLE).unwrap().matches("BEGIN CERTIFICATE").count() as u64;
    assert_eq!(list["runtimes"][0]["roots"].as_array().unwrap().len() as u64, count);
    let exported = text(&image.run(&["export", &source, "--as", "go"]));
    assert!(exported.contains("ISRG Root X1") || exported.contains("isrg root x1"), "{exported:.200}");
}
