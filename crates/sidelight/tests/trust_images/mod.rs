//! Look-alikes of images. In: files and layers. Out: archives as `docker save` writes them, and root file systems.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::json;
use sidelight_model::redact::sha256_hex;
use sidelight_model::trust::reference::Reference;
use sidelight_model::x509::subject_hash;
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
