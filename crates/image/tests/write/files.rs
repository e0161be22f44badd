//! What is written, without tools: the same bytes each time, old blobs as they were, nothing half written, nothing overwritten.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sidelight_image::write::{
    Base, Layers, WriteError, stage, write_docker_archive, write_oci_archive, write_oci_layout,
};
use sidelight_model::time::Timestamp;
use sidelight_testkit::sha256;

use crate::base::{Blobs, Coding, MOMENT, edit, folders, image, new_image};

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_same_edit_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let (base, mut blobs) = image([Coding::Gzip, Coding::Plain], true);
        let path = folder.path().join(name);
        let digest = write_oci_archive(&mut new_image(base, &mut blobs), &path, Some("1")).unwrap();
        (digest, sha256(fs::read(path).unwrap()))
    };
    assert_eq!(write("a"), write("b"));
}

#[test]
fn old_blobs_stay_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut blobs) = image([Coding::Gzip, Coding::Zstd], true);
    let old = blobs.0.clone();
    let digest = write_oci_layout(&mut new_image(base, &mut blobs), folder.path(), Some("new")).unwrap();
    let place = folder.path().join("blobs/sha256");
    for blob in &old {
        assert!(fs::read(place.join(sha256(blob))).unwrap() == *blob);
    }
    for name in names(&place) {
        assert_eq!(sha256(fs::read(place.join(&name)).unwrap()), name);
    }
    let manifest = json(&place.join(digest.strip_prefix("sha256:").unwrap()));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    let config = json(&place.join(manifest["config"]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap()));
    assert_eq!(config["history"][3]["created_by"], "sidelight trust add corp.pem");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(config["config"]["Env"][1], "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/bundle.crt");
}

#[test]
fn a_layout_keeps_its_other_images() {
    let folder = tempfile::tempdir().unwrap();
    let write = |tag: Option<&str>| {
        let (base, mut blobs) = image([Coding::Gzip, Coding::Gzip], true);
        write_oci_layout(&mut new_image(base, &mut blobs), folder.path(), tag).unwrap();
        let index = json(&folder.path().join("index.json"));
        let entries = index["manifests"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|entry| entry["annotations"]["org.opencontainers.image.ref.name"].to_string())
            .collect::<Vec<_>>()
    };
    crate::base::old_layout(folder.path());
    assert_eq!(write(Some("new")), ["\"old\"", "\"new\""]);
    assert_eq!(write(Some("new")), ["\"old\"", "\"new\""]);
    assert_eq!(write(None), ["\"old\"", "\"new\"", "null"]);
    assert_eq!(write(None), ["\"old\"", "\"new\"", "null"]);
    assert_eq!(names(folder.path()), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn what_is_something_else_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "x").unwrap();
    let (base, mut blobs) = image([Coding::Gzip, Coding::Gzip], true);
    let error = write_oci_layout(&mut new_image(base.clone(), &mut blobs), folder.path(), None).unwrap_err();
    assert!(matches!(error, WriteError::Occupied { .. }), "{error:?}");
    let error = write_oci_layout(&mut new_image(base, &mut blobs), &folder.path().join("mine"), None).unwrap_err();
    assert!(matches!(error, WriteError::Occupied { .. }), "{error:?}");
    assert_eq!(names(folder.path()), ["mine"]);
}

#[test]
fn a_layer_that_is_not_what_it_says_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.tar");
    fs::write(&path, "what was there").unwrap();
    for damage in
        [|blob: &mut Vec<u8>| blob[0] ^= 1, |blob: &mut Vec<u8>| blob.truncate(100), |blob: &mut Vec<u8>| blob.push(0)]
    {
        let (base, mut blobs) = image([Coding::Gzip, Coding::Gzip], true);
        damage(&mut blobs.0[1]);
        let error = write_oci_archive(&mut new_image(base, &mut blobs), &path, None).unwrap_err();
        assert!(error.to_string().contains("layer") || error.to_string().contains("bytes"), "{error}");
        assert_eq!(names(folder.path()), ["out.tar"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "what was there");
    }
}

#[test]
fn layers_without_a_manifest_are_found_out() {
    let (base, mut blobs) = image([Coding::Plain, Coding::Gzip], false);
    let image = new_image(base, &mut blobs);
    let (_, manifest) = image.manifest(image.style()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let types: Vec<_> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect();
    let of = "application/vnd.oci.image.layer.v1.tar";
    assert_eq!(types, [of.to_owned(), format!("{of}+gzip"), format!("{of}+gzip")]);
}

#[test]
fn a_layer_that_cannot_be_had_is_named() {
    struct Gone;
    impl Layers for Gone {
        fn layer(&mut self, index: usize) -> Result<Box<dyn Read + Send>, String> {
            Err(format!("layer {index} is kept as a folder"))
        }
    }
    let (base, _) = image([Coding::Gzip, Coding::Gzip], true);
    let mut gone = Gone;
    let mut image = stage(base, &mut gone, &edit(), &folders(), Timestamp::from_secs(MOMENT)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = write_docker_archive(&mut image, &folder.path().join("x"), Some("a:1")).unwrap_err();
    assert_eq!(error.to_string(), "layer 0 is kept as a folder");
    let error = write_docker_archive(&mut image, &folder.path().join("x"), Some("A B")).unwrap_err();
    assert!(error.to_string().contains("no image name"), "{error}");
    assert!(names(folder.path()).is_empty());
    let Base { manifest, .. } = crate::base::image([Coding::Gzip, Coding::Gzip], true).0;
    let broken = Base { manifest, config: b"{".to_vec(), layers: Vec::new() };
    assert!(stage(broken, &mut Blobs(Vec::new()), &edit(), &folders(), Timestamp::from_secs(0)).is_err());
}
