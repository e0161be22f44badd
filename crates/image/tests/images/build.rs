//! Images made by hand. In: entries of layers. Out: archives and folders in every form in which images are kept.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// How layers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Zstd,
}

/// One layer's tar.
pub(crate) struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size as u64);
        header
    }

    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut header = Self::header(tar::EntryType::Regular, 0o644, content.len());
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub(crate) fn folder(mut self, path: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, 0o755, 0);
        self.0.append_data(&mut header, path, &[][..]).unwrap();
        self
    }

    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    pub(crate) fn hard(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Link, 0o644, 0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    /// An entry whose name and type are taken as they are, however odd.
    pub(crate) fn raw(mut self, kind: u8, name: &[u8], target: &[u8], content: &[u8]) -> Self {
        let mut header = Self::header(tar::EntryType::new(kind), 0o644, content.len());
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// An image.
pub(crate) struct Image {
    /// Uncompressed layers.
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Image {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::bytes).collect();
        let mut history = vec![json!({"created_by": "ENV A=b", "empty_layer": true})];
        history.extend((0..layers.len()).map(|index| json!({"created_by": format!("COPY {index}")})));
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "config": {"Env": ["PATH=/bin", "SSL_CERT_FILE=/etc/ssl/own.pem"], "Entrypoint": ["/app"], "Cmd": ["serve"], "User": "65532"},
            "history": history,
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect::<Vec<_>>()},
        });
        Self { layers, config: config.to_string().into_bytes() }
    }

    fn stored(&self, coding: Coding) -> Vec<Vec<u8>> {
        self.layers.iter().map(|layer| compress(layer, coding)).collect()
    }

    /// The OCI manifest.
    pub(crate) fn manifest(&self, coding: Coding) -> Vec<u8> {
        let layers: Vec<Value> = self
            .stored(coding)
            .iter()
            .map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer))
            .collect();
        let config = descriptor("application/vnd.oci.image.config.v1+json", &self.config);
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).to_string().into_bytes()
    }

    /// All blobs of the image with its manifest.
    pub(crate) fn blobs(&self, coding: Coding) -> Vec<Vec<u8>> {
        let mut blobs = self.stored(coding);
        blobs.push(self.config.clone());
        blobs.push(self.manifest(coding));
        blobs
    }

    /// `docker save` before 25: a folder for each layer; one that is equal to another is a link to it.
    pub(crate) fn docker_old(&self, tags: &[&str]) -> Vec<u8> {
        let mut archive = Layer::new();
        let mut names = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let id = sha256(format!("{index}{}", sha256(layer)).as_bytes());
            let first = self.layers[..index].iter().position(|known| known == layer);
            archive = archive.folder(&format!("{id}/")).file(&format!("{id}/VERSION"), "1.0");
            let name = format!("{id}/layer.tar");
            archive = match first {
                Some(first) => archive.link(&name, &format!("../{}", names[first])),
                None => archive.file(&name, layer),
            };
            names.push(name);
        }
        let config = format!("{}.json", sha256(&self.config));
        archive = archive.file(&config, &self.config);
        let manifest = json!([{"Config": config, "RepoTags": tags, "Layers": names}]);
        archive.file("manifest.json", manifest.to_string()).bytes()
    }

    /// An OCI layout's files.
    pub(crate) fn layout(&self, coding: Coding, name: &str) -> Vec<(String, Vec<u8>)> {
        let manifest = self.manifest(coding);
        let mut entry = descriptor(MANIFEST, &manifest);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        layout_of(self.blobs(coding), &json!([entry]))
    }

    /// `docker save` since 25: an OCI layout, and `manifest.json` beside it.
    pub(crate) fn docker_new(&self, coding: Coding, name: &str) -> Vec<u8> {
        let blob = |bytes: &[u8]| format!("blobs/sha256/{}", sha256(bytes));
        let layers: Vec<String> = self.stored(coding).iter().map(|layer| blob(layer)).collect();
        let manifest = json!([{"Config": blob(&self.config), "RepoTags": [name], "Layers": layers}]);
        let mut files = self.layout(coding, name);
        files.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
        archive(&files)
    }

    /// A copy by `skopeo copy … dir:`.
    pub(crate) fn skopeo(&self, coding: Coding, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for blob in self.blobs(coding) {
            fs::write(folder.join(sha256(&blob)), &blob).unwrap();
        }
        fs::write(folder.join("manifest.json"), self.manifest(coding)).unwrap();
        fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    }
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len()})
}

/// The files of a layout with these blobs and this list of manifests; the index comes last.
pub(crate) fn layout_of(blobs: Vec<Vec<u8>>, manifests: &Value) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        blobs.into_iter().map(|blob| (format!("blobs/sha256/{}", sha256(&blob)), blob)).collect();
    files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    files
}

/// Files in an archive.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    files.iter().fold(Layer::new(), |archive, (name, bytes)| archive.file(name, bytes)).bytes()
}

/// Files in a folder.
pub(crate) fn unfold(folder: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Compresses, with everything that real writers do: several gzip members, a zstd frame that is skipped.
pub(crate) fn compress(bytes: &[u8], coding: Coding) -> Vec<u8> {
    match coding {
        Coding::Plain => bytes.to_vec(),
        Coding::Gzip => {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            [a, b].iter().flat_map(|half| gzip(half)).collect()
        }
        Coding::Zstd => {
            let mut all = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
            let (a, b) = bytes.split_at(bytes.len() / 2);
            all.extend(zstd::encode_all(a, 3).unwrap());
            all.extend([0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]);
            all.extend(zstd::encode_all(b, 3).unwrap());
            all
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
