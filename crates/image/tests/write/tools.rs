//! skopeo, umoci and podman take what is written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sidelight_image::write::{write_docker_archive, write_oci_archive, write_oci_layout};

use crate::base::{Coding, image, new_image, tool};

#[test]
fn skopeo_reads_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for codings in [[Coding::Gzip, Coding::Gzip], [Coding::Plain, Coding::Gzip]] {
        let (base, mut blobs) = image(codings, true);
        let mut new = new_image(base, &mut blobs);
        let digest = write_oci_archive(&mut new, &at("oci.tar"), Some("1")).unwrap();
        write_docker_archive(&mut new, &at("docker.tar"), Some("team/app:1")).unwrap();
        let layout = tempfile::tempdir().unwrap();
        write_oci_layout(&mut new, layout.path(), Some("1")).unwrap();
        let oci = format!("oci-archive:{}:1", at("oci.tar").display());
        let inspected: serde_json::Value = serde_json::from_str(&tool("skopeo", &["inspect", &oci])).unwrap();
        assert_eq!(inspected["Digest"], digest);
        assert_eq!(inspected["Layers"].as_array().unwrap().len(), 3);
        for source in [
            oci,
            format!("docker-archive:{}", at("docker.tar").display()),
            format!("oci:{}:1", layout.path().display()),
        ] {
            // A copy verifies every digest and diff_id.
            let copy = format!("dir:{}", at("copy").display());
            tool("skopeo", &["copy", "--insecure-policy", &source, &copy]);
            let config = tool("skopeo", &["inspect", "--config", &source]);
            assert!(config.contains("sidelight trust add corp.pem"), "{source}: {config}");
            let _ = fs::remove_dir_all(at("copy"));
        }
    }
}

#[test]
fn umoci_unpacks_it_as_it_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let (base, mut blobs) = image([Coding::Gzip, Coding::Gzip], true);
    write_oci_layout(&mut new_image(base, &mut blobs), &layout, Some("new")).unwrap();
    let bundle = folder.path().join("bundle");
    tool("umoci", &["unpack", "--image", &format!("{}:new", layout.display()), bundle.to_str().unwrap()]);
    let root = bundle.join("rootfs");
    let meta = |path: &str| {
        let meta = fs::symlink_metadata(root.join(path)).unwrap();
        format!("{:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid())
    };
    assert_eq!(fs::read_to_string(root.join("etc/ssl/certs/bundle.crt")).unwrap(), "the old bundle\nand more\n");
    assert_eq!(fs::read_link(root.join("etc/ssl/certs/0a1b2c3d.0")).unwrap(), Path::new("bundle.crt"));
    assert!(!root.join("etc/ssl/old.pem").exists() && root.join("etc/passwd").exists());
    assert_eq!(
        (meta("etc"), meta("etc/ssl"), meta("etc/ssl/certs")),
        ("751 0:0".into(), "755 5:6".into(), "2775 7:8".into())
    );
    assert_eq!(meta("usr/local/share/ca-certificates/corp.crt"), "640 0:0");
    assert_eq!(meta("usr/local"), "755 0:0");
}

#[test]
fn podman_loads_it() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (base, mut blobs) = image([Coding::Gzip, Coding::Zstd], true);
    let mut new = new_image(base, &mut blobs);
    write_docker_archive(&mut new, Path::new(&at("docker.tar")), Some("app:1")).unwrap();
    write_oci_archive(&mut new, Path::new(&at("oci.tar")), Some("localhost/app:2")).unwrap();
    let (root, run) = (at("root"), at("run"));
    let podman = |arguments: &[&str]| {
        let own = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs", "--events-backend", "none"];
        tool("podman", &[&own, arguments].concat())
    };
    for (file, name) in [("docker.tar", "docker.io/library/app:1"), ("oci.tar", "localhost/app:2")] {
        let said = podman(&["load", "--quiet", "--input", &at(file)]);
        assert!(said.contains(name), "{said}");
        let history = podman(&["history", "--format", "{{.CreatedBy}}", name]);
        assert_eq!(history.lines().next(), Some("sidelight trust add corp.pem"), "{history}");
    }
}
