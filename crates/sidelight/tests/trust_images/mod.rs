//! Look-alikes of images. In: files and layers. Out: archives as `docker save` writes them, and root file systems.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::json;
use sidelight_model::redact::sha256_hex;
use sidelight_model::trust::reference::Reference;
use sidelight_model::x509::{Certificate, subject_hash};
use sidelight_testkit::process::run;
use sidelight_wire::pem;

/// A root with its key.
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) pem: String,
    /// Its private key.
    pub(crate) key_pem: String,
    der: Vec<u8>,
}

impl Authority {
    /// A sound root that is valid in 2026.
    pub(crate) fn new(name: &str, organization: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2035, 1, 1);
        let cert = params.self_signed(&key).unwrap();
        Self { pem: cert.pem(), key_pem: key.serialize_pem(), der: cert.der().to_vec() }
    }

    /// Its fingerprint.
    pub(crate) fn sha256(&self) -> String {
        sha256_hex(&self.der)
    }
}

/// A layer of an image.
pub(crate) struct Layer {
    made_by: String,
    tar: tar::Builder<Vec<u8>>,
}

impl Layer {
    /// An empty layer.
    pub(crate) fn new(made_by: &str) -> Self {
        Self { made_by: made_by.to_owned(), tar: tar::Builder::new(Vec::new()) }
    }

    /// With a file.
    pub(crate) fn file(mut self, path: &str, mode: u32, content: &str) -> Self {
        append(&mut self.tar, path.trim_start_matches('/'), mode, content.as_bytes());
        self
    }

    /// Without a file of the layers below.
    pub(crate) fn removed(mut self, path: &str) -> Self {
        let (folder, name) = path.trim_start_matches('/').rsplit_once('/').unwrap();
        append(&mut self.tar, &format!("{folder}/.wh.{name}"), 0o644, b"");
        self
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, path, content).unwrap();
}

/// Writes an image as `docker save` of versions before 25 does.
pub(crate) fn docker_archive(file: &Path, name: &str, layers: &[Layer], env: &[&str]) {
    let mut out = tar::Builder::new(Vec::new());
    let mut paths = Vec::new();
    let mut diff_ids = Vec::new();
    let mut history = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        // An archive ends with two empty blocks.
        let mut bytes = layer.tar.get_ref().clone();
        bytes.extend([0; 1024]);
        let path = format!("{index}/layer.tar");
        append(&mut out, &path, 0o644, &bytes);
        paths.push(path);
        diff_ids.push(format!("sha256:{}", sha256_hex(&bytes)));
        history.push(json!({"created_by": layer.made_by}));
    }
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Env": env, "Cmd": ["/app"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    });
    append(&mut out, "config.json", 0o644, config.to_string().as_bytes());
    let manifest = json!([{"Config": "config.json", "RepoTags": [name], "Layers": paths}]);
    append(&mut out, "manifest.json", 0o644, manifest.to_string().as_bytes());
    fs::write(file, out.into_inner().unwrap()).unwrap();
}

/// A root file system as Debian lays it out: one file for each root, a link to it, a link by its hash, and the bundle. It has
/// Mozilla's roots but for the `missing` that came last.
pub(crate) fn debian_like(root: &Path, missing: usize) {
    let material = "usr/share/ca-certificates/mozilla";
    let certs = root.join("etc/ssl/certs");
    fs::create_dir_all(&certs).unwrap();
    fs::create_dir_all(root.join(material)).unwrap();
    fs::write(root.join("etc/os-release"), "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n").unwrap();
    let mut roots: Vec<_> = Reference::builtin().current().collect();
    roots.sort_by(|a, b| (&a.since, &a.sha256).cmp(&(&b.since, &b.sha256)));
    let mut bundle = String::new();
    let mut conf = String::new();
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for known in &roots[..roots.len() - missing] {
        let cert = known.certificate.as_ref().unwrap();
        let name: String = known.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = format!("{name}_{}", &known.sha256[..8]);
        let pem = pem::write("CERTIFICATE", &cert.der);
        fs::write(root.join(material).join(format!("{name}.crt")), &pem).unwrap();
        bundle.push_str(&pem);
        conf.push_str(&format!("mozilla/{name}.crt\n"));
        symlink(format!("/{material}/{name}.crt"), certs.join(format!("{name}.pem"))).unwrap();
        let hash = subject_hash(&cert.subject_der).unwrap();
        let number = numbers.entry(hash.clone()).or_default();
        symlink(format!("{name}.pem"), certs.join(format!("{hash}.{number}"))).unwrap();
        *number += 1;
    }
    fs::write(root.join("etc/ca-certificates.conf"), conf).unwrap();
    fs::write(certs.join("ca-certificates.crt"), bundle).unwrap();
}

/// A root file system as Alpine lays it out: the bundle, and a link to it where OpenSSL looks.
pub(crate) fn alpine_like(root: &Path) {
    fs::create_dir_all(root.join("etc/ssl/certs")).unwrap();
    fs::create_dir_all(root.join("etc/apk")).unwrap();
    fs::write(root.join("etc/os-release"), "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.22\"\n").unwrap();
    let roots = Reference::builtin().current().filter_map(|root| root.certificate.as_ref());
    let bundle: String = roots.map(|cert| pem::write("CERTIFICATE", &cert.der)).collect();
    fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), bundle).unwrap();
    symlink("certs/ca-certificates.crt", root.join("etc/ssl/cert.pem")).unwrap();
}

/// A developer's machine: sources with keys and certificates of tests, six copies of certifi of different age, a wheel that is not
/// installed, keys with right and wrong modes, and one private root that curl trusts. Returns that root.
pub(crate) fn messy(root: &Path) -> Authority {
    let [corp, test] = [("Corp Root", "Corp"), ("Test Root", "Tests")].map(|(name, of)| Authority::new(name, of));
    let write = |path: &str, mode: u32, text: &str| {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    debian_like(root, 0);
    let bundle = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    write("usr/local/share/ca-certificates/corp.crt", 0o644, &corp.pem);
    write("etc/ssl/certs/ca-certificates.crt", 0o644, &format!("{bundle}{}", corp.pem));
    symlink("/usr/local/share/ca-certificates/corp.crt", root.join("etc/ssl/certs/corp.pem")).unwrap();
    let hash = subject_hash(&Certificate::parse(&corp.der).unwrap().subject_der).unwrap();
    symlink("corp.pem", root.join(format!("etc/ssl/certs/{hash}.0"))).unwrap();
    for folder in ["usr/bin", "usr/lib"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy("/usr/bin/curl", root.join("usr/bin/curl")).unwrap();
    let libraries = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("libcurl.so.4"));
    fs::copy(libraries.into_iter().find(|path| path.exists()).unwrap(), root.join("usr/lib/libcurl.so.4")).unwrap();
    // An interpreter is known by its name; what it is made of does not matter.
    fs::copy("/bin/busybox", root.join("usr/bin/python3.11")).unwrap();
    for n in 0..6 {
        let mut roots: Vec<_> = Reference::builtin().current().collect();
        roots.sort_by(|a, b| (&a.since, &a.sha256).cmp(&(&b.since, &b.sha256)));
        roots.truncate(roots.len() - 4 * n);
        let pem: String =
            roots.iter().map(|known| pem::write("CERTIFICATE", &known.certificate.as_ref().unwrap().der)).collect();
        write(&format!("home/ann/env{n}/lib/python3.1{n}/site-packages/certifi/cacert.pem"), 0o644, &pem);
    }
    let wheel = root.join("usr/lib/python3.11/ensurepip/_bundled/pip-23.whl");
    let staged = root.join("staged");
    write("staged/pip/_vendor/certifi/cacert.pem", 0o644, &bundle[..bundle.len() / 2]);
    fs::create_dir_all(wheel.parent().unwrap()).unwrap();
    let mut zip = Command::new("python3");
    run(zip.args(["-m", "zipfile", "-c"]).arg(&wheel).arg("pip").current_dir(&staged)).success();
    fs::remove_dir_all(staged).unwrap();
    for path in ["testdata/a.key", "testdata/b.key", "src/keys.rs", "certs_test.go"] {
        write(&format!("home/ann/project/{path}"), 0o644, &format!("{}{}", test.key_pem, test.pem));
    }
    write("etc/ssl/private/server.key", 0o600, &Authority::new("Server", "Corp").key_pem);
    write("etc/app/tls.key", 0o644, &Authority::new("App", "Corp").key_pem);
    corp
}
