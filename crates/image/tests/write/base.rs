//! An old image made by hand, and the edit that all tests make. In: what kind of source it stands for. Out: its documents and layers.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sidelight_image::write::{Base, BaseLayer, Folder, Folders, Layers, NewImage, stage};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::{Change, ChangeKind, Edit};
use sidelight_testkit::sha256;

/// When the new layer says that it was made.
pub(crate) const MOMENT: i64 = 1_700_000_000;

/// The blobs of an image.
pub(crate) struct Blobs(pub(crate) Vec<Vec<u8>>);

impl Layers for Blobs {
    fn layer(&mut self, index: usize) -> Result<Box<dyn Read + Send>, String> {
        Ok(Box::new(Cursor::new(self.0[index].clone())))
    }
}

/// How a layer is stored.
#[derive(Clone, Copy)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Zstd,
}

impl Coding {
    fn code(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(tar).unwrap();
                gzip.finish().unwrap()
            }
            Self::Zstd => zstd::encode_all(tar, 3).unwrap(),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, (mode, uid, gid): (u32, u64, u64), bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    let is_folder = name.ends_with('/');
    header.set_entry_type(if is_folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(1_600_000_000);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, name, bytes).unwrap();
}

/// Two layers: busybox with folders of odd modes and owners, then a bundle.
fn tars() -> [Vec<u8>; 2] {
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static");
    append(&mut tar, "bin/", (0o755, 0, 0), b"");
    append(&mut tar, "bin/busybox", (0o755, 0, 0), &busybox);
    append(&mut tar, "etc/", (0o751, 0, 0), b"");
    append(&mut tar, "etc/passwd", (0o644, 0, 0), b"root:x:0:0::/:/bin/sh\n");
    append(&mut tar, "etc/ssl/", (0o755, 5, 6), b"");
    append(&mut tar, "etc/ssl/certs/", (0o2775, 7, 8), b"");
    append(&mut tar, "etc/ssl/old.pem", (0o644, 0, 0), b"old\n");
    let first = tar.into_inner().unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "etc/ssl/certs/bundle.crt", (0o644, 0, 0), b"the old bundle\n");
    [first, tar.into_inner().unwrap()]
}

/// The old image, with a manifest or, as docker archives of old, without one.
pub(crate) fn image(codings: [Coding; 2], with_manifest: bool) -> (Base, Blobs) {
    let tars = tars();
    let diff_ids: Vec<String> = tars.iter().map(|tar| format!("sha256:{}", sha256(tar))).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/busybox", "cat", "/etc/ssl/certs/bundle.crt"]},
        "history": [{"created_by": "ADD rootfs"}, {"created_by": "COPY bundle"}, {"created_by": "CMD", "empty_layer": true}],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let blobs: Vec<Vec<u8>> = tars.iter().zip(codings).map(|(tar, coding)| coding.code(tar)).collect();
    let named = |(blob, coding): (&Vec<u8>, Coding)| {
        (
            format!("application/vnd.oci.image.layer.v1.tar{}", coding.suffix()),
            format!("sha256:{}", sha256(blob)),
            blob.len() as u64,
        )
    };
    let layers: Vec<_> = blobs.iter().zip(codings).map(named).collect();
    let entries: Vec<_> =
        layers.iter().map(|(kind, digest, size)| json!({"mediaType": kind, "digest": digest, "size": size})).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", sha256(&config)), "size": config.len()},
        "layers": entries,
    });
    let base = |(media_type, digest, size)| match with_manifest {
        true => BaseLayer { media_type, digest: Some(digest), size: Some(size) },
        false => BaseLayer { media_type: String::new(), digest: None, size: None },
    };
    let manifest = if with_manifest { serde_json::to_vec(&manifest).unwrap() } else { Vec::new() };
    (Base { manifest, config, layers: layers.into_iter().map(base).collect() }, Blobs(blobs))
}

fn change(path: &str, kind: ChangeKind, mode: u32) -> Change {
    Change { path: path.to_owned(), kind, mode, uid: 0, gid: 0 }
}

/// A bundle replaced, a file and a link added, a file removed, a folder that is new.
pub(crate) fn edit() -> Edit {
    let file = |text: &str| ChangeKind::File { bytes: text.as_bytes().to_vec() };
    Edit {
        changes: vec![
            change("/etc/ssl/certs/bundle.crt", file("the old bundle\nand more\n"), 0o644),
            change("/etc/ssl/certs/0a1b2c3d.0", ChangeKind::Symlink { target: "bundle.crt".to_owned() }, 0o777),
            change("/etc/ssl/old.pem", ChangeKind::Remove, 0),
            change("/usr/local/share/ca-certificates/corp.crt", file("corp\n"), 0o640),
        ],
        env: vec![("NODE_EXTRA_CA_CERTS".to_owned(), "/etc/ssl/certs/bundle.crt".to_owned())],
        created_by: "sidelight trust add corp.pem".to_owned(),
    }
}

/// The folders above the edit, as the old image has them.
pub(crate) fn folders() -> Folders {
    [("/etc", 0o751, 0, 0), ("/etc/ssl", 0o755, 5, 6), ("/etc/ssl/certs", 0o2775, 7, 8)]
        .into_iter()
        .map(|(path, mode, uid, gid)| (path.to_owned(), Folder { mode, uid, gid }))
        .collect()
}

/// The new image.
pub(crate) fn new_image(base: Base, blobs: &mut Blobs) -> NewImage<'_> {
    stage(base, blobs, &edit(), &folders(), Timestamp::from_secs(MOMENT)).unwrap()
}

/// Writes the old image as an OCI layout called `old`, for tools that are to build on it.
pub(crate) fn old_layout(folder: &Path) {
    let (base, mut blobs) = image([Coding::Gzip, Coding::Gzip], true);
    let put = |bytes: &[u8]| {
        let place = folder.join("blobs/sha256");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(sha256(bytes)), bytes).unwrap();
    };
    for index in 0..blobs.0.len() {
        let mut bytes = Vec::new();
        blobs.layer(index).unwrap().read_to_end(&mut bytes).unwrap();
        put(&bytes);
    }
    put(&base.config);
    put(&base.manifest);
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", sha256(&base.manifest)),
        "size": base.manifest.len(), "annotations": {"org.opencontainers.image.ref.name": "old"}}]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A tool that must succeed; gives what it printed.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> String {
    sidelight_testkit::process::run(Command::new(program).args(arguments)).success().text()
}

/// What a tar of a root holds: path, type, mode, owner, link target and content, sorted.
pub(crate) fn listing(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let shown = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header().clone();
        let path = entry.path().unwrap().display().to_string();
        let target = entry.link_name().unwrap().map(|to| to.display().to_string()).unwrap_or_default();
        let mode = header.mode().unwrap() & 0o7777;
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        format!("{path} {:?} {mode:o} {uid}:{gid} {target} {}", header.entry_type(), sha256(&bytes))
    };
    let mut all: Vec<String> = archive.entries().unwrap().map(shown).collect();
    all.sort();
    all
}
