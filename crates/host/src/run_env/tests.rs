//! What is set, for environments that people have.

use super::*;
use crate::trust_store::{JavaStore, STOREPASS};
use sidelight_model::time::Timestamp;
use std::collections::HashMap;
use std::fs;

const CA: &str = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n";

const DER: &[u8] = b"ours";

struct Machine {
    root: tempfile::TempDir,
    folder: tempfile::TempDir,
    environment: HashMap<String, OsString>,
}

impl Machine {
    /// A machine whose system bundle holds `HOST`.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/ssl/certs")).unwrap();
        fs::write(root.path().join("etc/ssl/certs/ca-certificates.crt"), "HOST\n").unwrap();
        Self { root, folder: tempfile::tempdir().unwrap(), environment: HashMap::new() }
    }

    fn file(&mut self, variable: &str, content: &str) -> PathBuf {
        let path = self.root.path().join(format!("user-{variable}"));
        fs::write(&path, content).unwrap();
        self.environment.insert(variable.to_owned(), path.clone().into());
        path
    }

    /// Each time in a folder of its own, as each run has.
    fn prepare(&self, proxy: Option<&str>) -> RunEnvironment {
        let proxy = proxy.map(|address| ProxyAddr { address: address.parse().unwrap(), credentials: None });
        let environment = |name: &str| self.environment.get(name).cloned();
        let inputs = RunInputs { ca_der: DER, ca_pem: CA, proxy, environment: &environment, root: self.root.path() };
        RunEnvironment::prepare(&inputs, &tempfile::tempdir_in(self.folder.path()).unwrap().keep()).unwrap()
    }
}

fn value(made: &RunEnvironment, name: &str) -> Option<String> {
    let mut found = made.set.iter().filter(|(known, _)| known == name);
    let first = found.next().map(|(_, value)| value.to_str().unwrap().to_owned());
    assert!(found.next().is_none(), "{name} is set twice");
    first
}

fn roots(made: &RunEnvironment, name: &str) -> String {
    fs::read_to_string(value(made, name).unwrap()).unwrap().strip_prefix(CA).unwrap().to_owned()
}

#[test]
fn every_bundle_holds_the_hosts_roots_and_our_ca() {
    let made = Machine::new().prepare(Some("127.0.0.1:8080"));
    for variable in variables::CA_VARIABLES {
        // The folder is gone with the machine; the path alone is compared here, the content below.
        assert_eq!(value(&made, variable.name).as_deref(), made.bundle.to_str(), "{}", variable.name);
    }
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    let machine = Machine::new();
    assert_eq!(roots(&machine.prepare(None), "SSL_CERT_FILE"), "HOST\n");
}

#[test]
fn the_users_own_roots_are_kept_where_each_program_looks() {
    let mut machine = Machine::new();
    machine.file("SSL_CERT_FILE", "OPENSSL\n");
    machine.file("REQUESTS_CA_BUNDLE", "REQUESTS\n");
    let made = machine.prepare(None);
    assert_eq!(roots(&made, "SSL_CERT_FILE"), "OPENSSL\n");
    assert_eq!(roots(&made, "CURL_CA_BUNDLE"), "OPENSSL\n", "curl falls back to SSL_CERT_FILE");
    assert_eq!(roots(&made, "REQUESTS_CA_BUNDLE"), "REQUESTS\n");
    assert_eq!(roots(&made, "PIP_CERT"), "REQUESTS\n", "pip is built on requests");
    assert_eq!(roots(&made, "GIT_SSL_CAINFO"), "HOST\n", "git does not read SSL_CERT_FILE");
}

#[test]
fn an_unreadable_bundle_stays_the_users_problem_and_is_named() {
    let mut machine = Machine::new();
    machine.environment.insert("CURL_CA_BUNDLE".into(), "/none/such.pem".into());
    let made = machine.prepare(None);
    assert_eq!(value(&made, "CURL_CA_BUNDLE"), None);
    assert_eq!(value(&made, "REQUESTS_CA_BUNDLE"), None, "it would have failed on the same file");
    assert_eq!(roots(&made, "SSL_CERT_FILE"), "HOST\n");
    assert_eq!(made.warnings.len(), 1);
    assert!(
        made.warnings[0].starts_with("CURL_CA_BUNDLE is left as it is: cannot read /none/such.pem"),
        "{:?}",
        made.warnings
    );
}

#[test]
fn all_proxy_variables_point_to_the_proxy_and_exceptions_go() {
    let mut machine = Machine::new();
    machine.environment.insert("npm_config_https_proxy".into(), "http://corporate:3128".into());
    machine.environment.insert("JAVA_TOOL_OPTIONS".into(), "-Dx=y".into());
    let made = machine.prepare(Some("0.0.0.0:8081"));
    for name in
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "npm_config_https_proxy"]
    {
        assert_eq!(value(&made, name).as_deref(), Some("http://127.0.0.1:8081"), "{name}");
    }
    assert_eq!(value(&made, "grpc_proxy"), None, "the user has not set it");
    assert_eq!(value(&made, "NODE_USE_ENV_PROXY").as_deref(), Some("1"));
    assert!(made.unset.contains(&"NO_PROXY".into()) && made.unset.contains(&"no_proxy".into()));
    let java = value(&made, "JAVA_TOOL_OPTIONS").unwrap();
    assert!(
        java.starts_with("-Dx=y ") && java.contains(" -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8081"),
        "{java}"
    );
}

#[test]
fn without_a_proxy_the_command_connects_directly() {
    let made = Machine::new().prepare(None);
    assert!(made.unset.contains(&"HTTPS_PROXY".into()) && made.unset.contains(&"all_proxy".into()));
    assert!(made.set.iter().all(|(name, _)| !name.to_str().unwrap().to_lowercase().contains("proxy")));
}

#[test]
fn credentials_are_encoded_and_ipv6_is_bracketed() {
    let proxy =
        ProxyAddr { address: "[::]:8080".parse().unwrap(), credentials: Some(("a@b".to_owned(), "p:/ä".to_owned())) };
    assert_eq!(proxy.url(), "http://a%40b:p%3A%2F%C3%A4@[::1]:8080");
}

#[test]
fn settings_files_repeat_the_users_and_add_the_bundle() {
    let mut machine = Machine::new();
    machine.environment.insert("HOME".into(), machine.root.path().into());
    fs::write(machine.root.path().join(".wgetrc"), "tries = 3").unwrap();
    machine.environment.insert("APT_CONFIG".into(), "/none".into());
    let made = machine.prepare(None);
    let wgetrc = fs::read_to_string(value(&made, "WGETRC").unwrap()).unwrap();
    assert_eq!(wgetrc, format!("tries = 3\nca_certificate = {}\n", made.bundle.display()));
    assert_eq!(value(&made, "APT_CONFIG"), None);
    assert!(made.warnings[0].starts_with("APT_CONFIG is left as it is"), "{:?}", made.warnings);
}

#[test]
fn a_machine_without_roots_is_told() {
    let machine = Machine::new();
    fs::remove_file(machine.root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let made = machine.prepare(None);
    assert_eq!(fs::read_to_string(&made.bundle).unwrap(), CA);
    assert!(made.warnings[0].contains("no bundle of root certificates"));
}

#[test]
fn binds_go_over_what_is_really_read() {
    let machine = Machine::new();
    let certs = machine.root.path().join("etc/ssl/certs");
    std::os::unix::fs::symlink("certs/ca-certificates.crt", machine.root.path().join("etc/ssl/cert.pem")).unwrap();
    let inputs = RunInputs { ca_der: DER, ca_pem: CA, proxy: None, environment: &|_| None, root: machine.root.path() };
    let binds = trust_binds(&inputs, machine.folder.path()).unwrap();
    let [(source, target)] = &binds[..] else { panic!("{binds:?}") };
    assert_eq!(*target, certs.join("ca-certificates.crt"));
    assert_eq!(fs::read_to_string(source).unwrap(), format!("{CA}HOST\n"));
}

fn store(names: &[&str], password: &str) -> Vec<u8> {
    let mut store = JavaStore::Jks(Vec::new());
    names.iter().for_each(|name| store.add(name, name.as_bytes(), Timestamp::default()));
    store.write(password).unwrap()
}

fn trusted(path: &Path) -> Vec<String> {
    let found = JavaStore::trusted(&fs::read(path).unwrap(), STOREPASS).unwrap();
    found.into_iter().map(|(_, der)| String::from_utf8(der).unwrap()).collect()
}

#[test]
fn java_trusts_what_it_would_and_our_ca() {
    let mut machine = Machine::new();
    let pem = sidelight_wire::pem::write("CERTIFICATE", b"root");
    fs::write(machine.root.path().join("etc/ssl/certs/ca-certificates.crt"), pem).unwrap();
    assert_eq!(trusted(&machine.prepare(None).java_store.unwrap()), ["root", "ours"], "no Java is installed");

    fs::create_dir_all(machine.root.path().join("etc/ssl/certs/java")).unwrap();
    fs::write(machine.root.path().join("etc/ssl/certs/java/cacerts"), store(&["system"], STOREPASS)).unwrap();
    let made = machine.prepare(None);
    let path = made.java_store.clone().unwrap();
    assert_eq!(trusted(&path), ["system", "ours"]);
    let options = value(&made, "JAVA_TOOL_OPTIONS").unwrap();
    assert!(options.contains(&format!("-Djavax.net.ssl.trustStore={}", path.display())), "{options}");

    let own = machine.root.path().join("own store");
    fs::write(&own, store(&["own"], "secret")).unwrap();
    machine
        .environment
        .insert("JDK_JAVA_OPTIONS".into(), format!("'-Djavax.net.ssl.trustStore={}'", own.display()).into());
    assert_eq!(trusted(&machine.prepare(None).java_store.unwrap()), ["own", "ours"]);
    fs::remove_file(own).unwrap();
    let made = machine.prepare(None);
    assert_eq!((made.java_store, made.warnings.len()), (None, 1));
    assert!(made.warnings[0].contains("own store, named in the Java options: cannot read"), "{:?}", made.warnings);
}

#[test]
fn java_stores_are_bound_too() {
    let machine = Machine::new();
    let target = machine.root.path().join("usr/lib/jvm/java/lib/security/cacerts");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, store(&["system"], STOREPASS)).unwrap();
    let inputs = RunInputs { ca_der: DER, ca_pem: CA, proxy: None, environment: &|_| None, root: machine.root.path() };
    let binds = trust_binds(&inputs, machine.folder.path()).unwrap();
    assert_eq!(binds.len(), 2);
    assert_eq!(binds[1].1, target);
    assert_eq!(trusted(&binds[1].0), ["system", "ours"]);
}
