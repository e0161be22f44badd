//! Sources that hold several images. In: names, platforms. Out: the one that is meant, or what there is to choose from.

use std::collections::HashMap;
use std::fs;
use std::io::Read;

use serde_json::{Value, json};
use sidelight_image::{Error, Opened, Options, Remote};

use crate::build::{Coding, INDEX, Image, Layer, MANIFEST, archive, descriptor, layout_of, sha256};
use crate::watch::{All, contents, read};

/// An image for a platform, whose only file says which.
fn image_for(architecture: &str) -> Image {
    let mut image = Image::new(vec![Layer::new().file("etc/platform", architecture)]);
    let config = String::from_utf8(image.config).unwrap().replace("\"amd64\"", &format!("\"{architecture}\""));
    image.config = config.into_bytes();
    image
}

/// Blobs of two platforms, an attestation, and the index of all three.
fn two_platforms() -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut blobs = Vec::new();
    let mut list = Vec::new();
    for (architecture, variant) in [("amd64", None), ("arm64", Some("v8"))] {
        let image = image_for(architecture);
        let mut entry = descriptor(MANIFEST, &image.manifest(Coding::Gzip));
        entry["platform"] = json!({"os": "linux", "architecture": architecture, "variant": variant});
        list.push(entry);
        blobs.extend(image.blobs(Coding::Gzip));
    }
    let attestation =
        json!({"schemaVersion": 2, "config": descriptor("", b"{}"), "layers": []}).to_string().into_bytes();
    let mut entry = descriptor(MANIFEST, &attestation);
    entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    list.push(entry);
    blobs.push(attestation);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": list}).to_string().into_bytes();
    (blobs, index)
}

fn asking(platform: Option<&str>, image: Option<&str>) -> Options {
    let platform = platform.map(|platform| platform.parse().unwrap());
    Options { platform, image: image.map(str::to_owned), ..Options::default() }
}

#[test]
fn the_platform_is_chosen_and_attestations_are_no_images() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.tar");
    let (mut blobs, index) = two_platforms();
    let list = json!([descriptor(INDEX, &index)]);
    blobs.push(index);
    fs::write(&file, archive(&layout_of(blobs, &list))).unwrap();
    let source = file.display().to_string();
    for (asked, platform) in [("linux/arm64", "arm64"), ("linux/arm64/v8", "arm64"), ("linux/amd64", "amd64")] {
        let collected = read(&source, &asking(Some(asked), None)).unwrap();
        assert_eq!(collected.files["/etc/platform"].found, platform.as_bytes());
    }
    match read(&source, &asking(Some("linux/s390x"), None)) {
        Err(Error::Choice { there, is_platform: true, .. }) => assert_eq!(there, ["linux/amd64", "linux/arm64/v8"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_only_image_for_another_platform_is_read_and_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.tar");
    fs::write(&file, archive(&image_for("riscv64").layout(Coding::Plain, "v1"))).unwrap();
    let source = file.display().to_string();
    let collected = read(&source, &Options::default()).unwrap();
    assert!(collected.notes.iter().any(|note| note.contains("linux/riscv64")), "{:?}", collected.notes);
    assert!(matches!(read(&source, &asking(Some("linux/arm64"), None)), Err(Error::Choice { is_platform: true, .. })));
}

#[test]
fn one_of_several_images_is_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let images = ["one", "two"].map(|text| Image::new(vec![Layer::new().file("etc/name", text)]));
    // As docker save writes it, and as an OCI layout.
    let mut saved = Layer::new();
    let mut list = Vec::new();
    for (image, tag) in images.iter().zip(["app:1", "registry.example/app:2"]) {
        let (config, layer) =
            (format!("{}.json", sha256(&image.config)), format!("{}/layer.tar", sha256(&image.layers[0])));
        saved = saved.file(&config, &image.config).file(&layer, &image.layers[0]);
        list.push(json!({"Config": config, "RepoTags": [tag], "Layers": [layer]}));
    }
    fs::write(at("saved.tar"), saved.file("manifest.json", Value::from(list).to_string()).bytes()).unwrap();
    let entries = images.iter().zip(["app:1", "registry.example/app:2"]).map(|(image, name)| {
        let mut entry = descriptor(MANIFEST, &image.manifest(Coding::Plain));
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        entry
    });
    let entries: Value = entries.collect();
    let blobs = images.iter().flat_map(|image| image.blobs(Coding::Plain)).collect();
    fs::write(at("layout.tar"), archive(&layout_of(blobs, &entries))).unwrap();
    for file in ["saved.tar", "layout.tar"] {
        for (name, content) in [("app:1", "one"), ("docker.io/library/app:1", "one"), ("registry.example/app:2", "two")]
        {
            let collected = read(&at(file), &asking(None, Some(name))).unwrap();
            assert_eq!(collected.files["/etc/name"].found, content.as_bytes(), "{file} {name}");
            let collected = read(&format!("{}:{name}", at(file)), &Options::default()).unwrap();
            assert_eq!(collected.files["/etc/name"].found, content.as_bytes(), "{file}:{name}");
        }
        match read(&at(file), &Options::default()) {
            Err(Error::Choice { there, is_platform: false, .. }) => {
                assert_eq!(there, ["app:1", "registry.example/app:2"], "{file}");
            }
            other => panic!("{file}: {other:?}"),
        }
        assert!(matches!(read(&at(file), &asking(None, Some("app:3"))), Err(Error::Choice { .. })), "{file}");
    }
    let third = read(&format!("docker-archive:{}:@1", at("saved.tar")), &Options::default()).unwrap();
    assert_eq!(third.files["/etc/name"].found, b"two");
}

/// A registry in memory.
struct Memory {
    top: Vec<u8>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Remote for Memory {
    fn manifest(&mut self, reference: &str) -> Result<(String, Vec<u8>), String> {
        let found = if reference == "1" { Some(&self.top) } else { self.blobs.get(reference) };
        found.map(|bytes| (String::new(), bytes.clone())).ok_or_else(|| format!("no manifest {reference}"))
    }

    fn blob(&mut self, digest: &str) -> Result<Box<dyn Read + Send>, String> {
        let blob = self.blobs.get(digest).ok_or_else(|| format!("no blob {digest}"))?;
        Ok(Box::new(std::io::Cursor::new(blob.clone())))
    }
}

#[test]
fn a_registry_gives_what_an_archive_gives_and_is_not_believed() {
    let (blobs, index) = two_platforms();
    let named = |blob: Vec<u8>| (format!("sha256:{}", sha256(&blob)), blob);
    let blobs: HashMap<String, Vec<u8>> = blobs.into_iter().map(named).collect();
    let open = |blobs: &HashMap<String, Vec<u8>>| {
        let remote = Memory { top: index.clone(), blobs: blobs.clone() };
        Opened::remote(Box::new(remote), "registry.example/app:1", "1", &asking(Some("linux/arm64"), None))
    };
    let mut opened = open(&blobs).unwrap();
    assert_eq!(contents(&opened.collect(&mut All).unwrap())["/etc/platform"], b"arm64");
    let name = opened.image().unwrap().to_owned();
    assert!(name.starts_with("registry.example/app:1@sha256:"), "{name}");
    // Whatever blob a registry swaps, it is noticed.
    let mut noticed = 0;
    for digest in blobs.keys() {
        let mut swapped = blobs.clone();
        swapped.insert(digest.clone(), b"{}".to_vec());
        let error = open(&swapped).and_then(|mut opened| opened.collect(&mut All).map(drop)).err();
        if let Some(error) = error {
            assert!(matches!(&error, Error::Mismatch { expected, .. } if expected == digest), "{error}");
            noticed += 1;
        }
    }
    assert_eq!(noticed, 3, "the manifest, configuration and layer of this platform");
}
