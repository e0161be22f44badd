//! dockerd loads what is written, and has then what its own build makes of the same change.

use std::fs;
use std::path::Path;
use std::process::Command;

use sidelight_image::write::write_docker_archive;
use sidelight_testkit::peers::Dockerd;
use sidelight_testkit::process::run;

use crate::base::{Coding, edit, image, listing, new_image, old_layout, tool};

/// The root of a container of an image, as a tar.
fn exported(dockerd: &Dockerd, folder: &Path, name: &str) -> Vec<u8> {
    let docker = |arguments: &[&str]| run(dockerd.docker(folder).args(arguments)).success().text();
    let id = docker(&["create", name]).trim().to_owned();
    let file = folder.join("export.tar");
    docker(&["export", "--output", file.to_str().unwrap(), &id]);
    docker(&["rm", &id]);
    fs::read(file).unwrap()
}

/// The lines of a root that both could have changed: what a container brings itself and new times are left out.
fn changed(tar: &[u8]) -> Vec<String> {
    listing(tar)
        .into_iter()
        .filter(|line| {
            line.starts_with("etc/") && line.contains("ssl") || line.starts_with("usr/") || line.starts_with("etc/ ")
        })
        .collect()
}

/// The image as docker itself keeps it, for a build to begin from.
fn old_archive(folder: &Path) -> String {
    let layout = folder.join("layout");
    old_layout(&layout);
    let old = folder.join("old.tar").display().to_string();
    let (from, to) = (format!("oci:{}:old", layout.display()), format!("docker-archive:{old}:base:1"));
    tool("skopeo", &["copy", "--insecure-policy", &from, &to]);
    old
}

/// A folder from which docker builds what we write.
fn build_context(folder: &Path) -> std::path::PathBuf {
    let context = folder.join("context");
    fs::create_dir_all(&context).unwrap();
    for change in edit().changes {
        if let sidelight_model::trust::ChangeKind::File { bytes } = change.kind {
            let name = Path::new(&change.path).file_name().unwrap().to_owned();
            fs::write(context.join(&name), bytes).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(change.mode);
            fs::set_permissions(context.join(&name), mode).unwrap();
        }
    }
    fs::write(
        context.join("Dockerfile"),
        "FROM base:1\nCOPY bundle.crt /etc/ssl/certs/bundle.crt\nCOPY corp.crt /usr/local/share/ca-certificates/corp.crt\n",
    )
    .unwrap();
    context
}

#[test]
fn docker_load_gives_what_docker_build_gives() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().unwrap();
    let dockerd = Dockerd::start(Command::new("dockerd"), folder.path());
    let docker = |arguments: &[&str]| run(dockerd.docker(folder.path()).args(arguments).env("DOCKER_BUILDKIT", "0"));
    for (number, (codings, with_manifest)) in [
        ([Coding::Gzip, Coding::Gzip], true),
        ([Coding::Plain, Coding::Zstd], true),
        ([Coding::Plain, Coding::Plain], false),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join("image.tar");
        let (base, mut blobs) = image(codings, with_manifest);
        let mut new = new_image(base, &mut blobs);
        write_docker_archive(&mut new, &file, Some(&format!("app:{number}"))).unwrap();
        let loaded = docker(&["load", "--input", file.to_str().unwrap()]);
        assert!(loaded.status.success(), "{loaded}\n{}", dockerd.said());
        assert!(loaded.text().contains(&format!("app:{number}")), "{loaded}");
        let id = docker(&["inspect", "--format", "{{.Id}}", &format!("app:{number}")]).success().text();
        assert_eq!(id.trim(), new.id());
    }
    docker(&["load", "--input", &old_archive(folder.path())]).success();
    let context = build_context(folder.path());
    let built = docker(&["build", "--quiet", "--tag", "built:1", context.to_str().unwrap()]);
    assert!(built.status.success(), "{built}");
    // COPY makes no link and removes nothing: those two lines are the difference.
    let expected: Vec<_> = changed(&exported(&dockerd, folder.path(), "built:1"));
    let found = changed(&exported(&dockerd, folder.path(), "app:0"));
    let only = |a: &[String], b: &[String]| {
        a.iter()
            .filter(|line| !b.contains(line))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(only(&found, &expected), ["etc/ssl/certs/0a1b2c3d.0"], "{found:#?}\n{expected:#?}");
    assert_eq!(only(&expected, &found), ["etc/ssl/old.pem"], "{found:#?}\n{expected:#?}");
    assert!(found.iter().any(|line| line.starts_with("etc/ssl/certs/ Directory 2775 7:8")), "{found:#?}");
    let same = exported(&dockerd, folder.path(), "app:2");
    assert_eq!(changed(&same), found, "from an archive without manifest the same comes");
}
