//! The same image read from every source that can be made by hand gives the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sidelight_image::{Collected, Options};

use crate::build::{Coding, Image, Layer, archive, compress, unfold};
use crate::watch::{contents, files, hidden, read};

/// An image with everything that layers do to each other.
pub(crate) fn sample() -> Image {
    let long = format!("opt/{}/file", "long-name/".repeat(30));
    Image::new(vec![
        Layer::new()
            .folder("etc/")
            .folder("etc/ssl/")
            .file("etc/ssl/bundle.pem", "old bundle\n")
            .file("etc/ssl/key.pem", "a key that is deleted\n")
            .file("usr/lib/ssl/cert.pem", "in usr\n")
            .hard("etc/ssl/same.pem", "usr/lib/ssl/cert.pem")
            .link("lib", "usr/lib")
            .file("opt/app/one", "1")
            .file("opt/app/two", "2")
            .file(&long, "deep"),
        Layer::new()
            .file("etc/ssl/bundle.pem", "new bundle\n")
            .file("etc/ssl/.wh.key.pem", "")
            .hard("etc/ssl/own.pem", "etc/ssl/bundle.pem")
            .file("opt/app/three", "3")
            .file("opt/app/.wh..wh..opq", ""),
        Layer::new().link("opt/app", "/etc/ssl").folder("data/").file("data/empty", ""),
    ])
}

/// The root as an engine would unpack it.
fn unpacked(root: &Path) {
    let long = format!("opt/{}/file", "long-name/".repeat(30));
    let files = [
        ("etc/ssl/bundle.pem", "new bundle\n"),
        ("etc/ssl/own.pem", "new bundle\n"),
        ("etc/ssl/same.pem", "in usr\n"),
        ("usr/lib/ssl/cert.pem", "in usr\n"),
        (&long, "deep"),
        ("data/empty", ""),
    ];
    unfold(root, &files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("/etc/ssl", root.join("opt/app")).unwrap();
}

/// What is the same whatever the source of an image: files, hidden files, links, history lines, configuration.
pub(crate) fn summary(collected: &Collected<Vec<u8>>) -> Vec<String> {
    let mut all = files(collected);
    all.push("hidden:".to_owned());
    all.extend(hidden(collected));
    all.extend(collected.links.iter().map(|(path, target)| format!("{path} -> {target}")));
    all.extend(collected.layers.iter().map(|layer| format!("{:?} by {:?}", layer.diff_id, layer.created_by)));
    all.push(format!("{:?}", collected.config));
    all
}

#[test]
fn one_image_from_every_source_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let image = sample();
    let write = |name: &str, bytes: &[u8]| fs::write(at(name), bytes).unwrap();
    write("old.tar", &image.docker_old(&["app:1"]));
    write("old.tar.gz", &compress(&image.docker_old(&["app:1"]), Coding::Gzip));
    let mut sources = vec!["docker-archive:old.tar", "old.tar", "docker-archive:old.tar:app:1", "old.tar.gz"];
    for (coding, name) in [(Coding::Plain, "plain"), (Coding::Gzip, "gzip"), (Coding::Zstd, "zstd")] {
        write(&format!("new-{name}.tar"), &image.docker_new(coding, "docker.io/library/app:1"));
        write(&format!("oci-{name}.tar"), &archive(&image.layout(coding, "v1")));
        unfold(&at(&format!("oci-{name}")), &image.layout(coding, "v1"));
        image.skopeo(coding, &at(&format!("dir-{name}")));
    }
    let named: Vec<String> = ["plain", "gzip", "zstd"]
        .iter()
        .flat_map(|coding| {
            [
                "docker-archive:new-C.tar",
                "new-C.tar",
                "oci-archive:oci-C.tar:v1",
                "oci-C.tar",
                "oci:oci-C",
                "oci:oci-C:v1",
                "oci-C",
                "dir:dir-C",
                "dir-C",
            ]
            .map(|source| source.replace('C', coding))
        })
        .collect();
    sources.extend(named.iter().map(String::as_str));
    let options = Options::default();
    let placed = |source: &str| match source.split_once(':') {
        Some((scheme, rest)) => format!("{scheme}:{}/{rest}", folder.path().display()),
        None => at(source).display().to_string(),
    };
    let first = read(&placed(sources[0]), &options).unwrap();
    assert_eq!(first.notes, Vec::<String>::new());
    for source in &sources {
        let collected = read(&placed(source), &options).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(summary(&collected), summary(&first), "{source}");
    }

    // Without layers the final state is the same.
    unpacked(&at("root"));
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", at("root")).unwrap();
    let tar = tar.into_inner().unwrap();
    write("root.tar", &tar);
    write("root.tar.zst", &compress(&tar, Coding::Zstd));
    for source in ["rootfs:root", "root", "rootfs:root.tar", "root.tar", "root.tar.zst", "rootfs:root.tar.zst"] {
        let collected = read(&placed(source), &options).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(contents(&collected), contents(&first), "{source}");
        assert_eq!(collected.links, first.links, "{source}");
        assert!(collected.layers.is_empty() && collected.hidden.is_empty(), "{source}");
    }
}

#[test]
fn the_layers_say_what_is_hidden_and_who_wrote_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.tar");
    fs::write(&file, sample().docker_old(&["app:1"])).unwrap();
    let collected = read(&file.display().to_string(), &Options::default()).unwrap();
    assert_eq!(
        hidden(&collected),
        [
            "/etc/ssl/bundle.pem @0 644 0:0 = old bundle\\n",
            "/etc/ssl/key.pem @0 644 0:0 = a key that is deleted\\n",
            "/opt/app/one @0 644 0:0 = 1",
            "/opt/app/two @0 644 0:0 = 2",
            "/opt/app/three @1 644 0:0 = 3",
        ]
    );
    assert!(
        files(&collected).contains(&"/etc/ssl/same.pem @0 644 0:0 = in usr\\n".to_owned()),
        "{:?}",
        files(&collected)
    );
    assert_eq!(collected.layers[2].created_by.as_deref(), Some("COPY 2"));
    assert_eq!(collected.image.as_deref(), Some("app:1"));
    assert_eq!(collected.config.var("SSL_CERT_FILE"), Some("/etc/ssl/own.pem"));
}
