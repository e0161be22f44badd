//! Archives that mean harm. In: each attack that is known on readers of images. Out: an error or a note, in little memory, and
//! nothing written anywhere.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sidelight_image::Options;

use crate::build::{Coding, INDEX, Image, Layer, MANIFEST, archive, descriptor, gzip, layout_of, sha256};
use crate::watch::{files, read};

/// What a process that reads a hostile archive may have resident, in kB.
const MOST_MEMORY: u64 = 64 << 10;

/// Reads a source in a process of its own.
fn measured(source: &Path) -> Value {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/read_image");
    assert!(program.is_file(), "{} is built by cargo test", program.display());
    let output = Command::new(program).arg(source).arg("--keep").output().unwrap();
    assert!(output.status.code().is_some_and(|code| code <= 1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let peak = told["peak_kb"].as_u64().unwrap();
    assert!(peak > 0 && peak < MOST_MEMORY, "{}: {peak} kB resident, {told}", source.display());
    told
}

/// An image whose only layer is stored as these bytes, which give a tar with this digest.
fn image_of(layer: &[u8], diff_id: &str) -> Vec<u8> {
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let config = config.to_string().into_bytes();
    let manifest = json!({"schemaVersion": 2, "config": descriptor("", &config), "layers": [descriptor("", layer)]});
    let manifest = manifest.to_string().into_bytes();
    let list = json!([descriptor(MANIFEST, &manifest)]);
    archive(&layout_of(vec![layer.to_vec(), config, manifest], &list))
}

const SOME_DIFF_ID: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A tar whose only file is so many zeros, compressed as it is made.
fn zeros(count: u64, mut write: impl std::io::Write) {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(count);
    header.set_mode(0o644);
    header.set_cksum();
    write.write_all(header.as_bytes()).unwrap();
    let block = vec![0_u8; 1 << 20];
    for _ in 0..count >> 20 {
        write.write_all(&block).unwrap();
    }
}

fn in_folder(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, bytes).unwrap();
    (folder, file)
}

/// The error that a source gives.
fn refused(source: &str) -> String {
    match read(source, &Options::default()) {
        Ok(collected) => panic!("{source} was read: {:?}", collected.notes),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_and_links_stay_inside() {
    let layer = Layer::new()
        .raw(b'0', b"../../outside/passwd", b"", b"no")
        .raw(b'0', b"/etc/absolute", b"", b"in")
        .raw(b'2', b"up", b"../../..", b"")
        .raw(b'0', b"up/etc/through", b"", b"in")
        .raw(b'2', b"out", b"/etc", b"")
        .raw(b'0', b"out/through-absolute", b"", b"in")
        .raw(b'1', b"shadow", b"../../etc/shadow", b"")
        .raw(b'1', b"hosts", b"/etc/hosts", b"")
        .raw(b'2', b"one", b"two", b"")
        .raw(b'2', b"two", b"one", b"")
        .raw(b'0', b"one/in-a-circle", b"", b"no")
        .raw(b'3', b"dev/device", b"", b"")
        .raw(b'6', b"dev/fifo", b"", b"")
        .raw(b'X', b"odd", b"", b"kind")
        .raw(b'0', b"\xff\xfe", b"", b"bytes");
    let (_folder, file) = in_folder("it.tar", &Image::new(vec![layer]).docker_old(&["it:1"]));
    let collected = read(&file.display().to_string(), &Options::default()).unwrap();
    let names: Vec<&String> = collected.files.keys().collect();
    assert_eq!(
        names,
        ["/etc/absolute", "/etc/through", "/etc/through-absolute", "/\u{fffd}\u{fffd}"],
        "{:?}",
        files(&collected)
    );
    for kind in ["lead out of the root", "targets lie out of the root", "links in circles", "types that mean nothing"] {
        assert!(collected.notes.iter().any(|note| note.contains(kind)), "{kind}: {:?}", collected.notes);
    }
    measured(&file);
}

#[test]
fn bombs_are_refused_before_they_fill_anything() {
    let mut zstd = zstd::Encoder::new(Vec::new(), 19).unwrap();
    zeros(3 << 29, &mut zstd);
    let zstd = zstd.finish().unwrap();
    assert!((3_u64 << 29) / zstd.len() as u64 > 10_000, "{} bytes are no bomb", zstd.len());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zeros(1 << 30, &mut gzip);
    for bomb in [zstd, gzip.finish().unwrap()] {
        let (_folder, file) = in_folder("bomb.tar", &image_of(&bomb, SOME_DIFF_ID));
        let told = measured(&file);
        let error = told["error"].as_str().unwrap();
        assert!(error.contains("layer 1") && error.contains("expands"), "{error}");
    }
}

#[test]
fn a_million_entries_are_passed_in_little_memory() {
    for kind in [b'0', b'2'] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("million.tar.zst");
        let mut zstd = zstd::Encoder::new(fs::File::create(&file).unwrap(), 1).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(0);
        header.set_mode(0o644);
        for number in 0..1_000_000 {
            header.set_path(format!("usr/share/a/{number}")).unwrap();
            header.set_link_name(format!("target-{number}")).unwrap();
            header.set_cksum();
            zstd.write_all(header.as_bytes()).unwrap();
        }
        zstd.finish().unwrap();
        let told = measured(&file);
        assert_eq!(told["error"], Value::Null);
        let notes = told["notes"].to_string();
        let left_out = if kind == b'0' { "files were left out" } else { "symbolic links were left out" };
        assert!(notes.contains(left_out), "{told}");
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    let size_field = |field: &[u8; 12]| {
        let mut header = tar::Header::new_gnu();
        header.set_path("file").unwrap();
        header.set_mode(0o644);
        header.as_mut_bytes()[124..136].copy_from_slice(field);
        header.set_cksum();
        [header.as_bytes().as_slice(), &[0; 1024]].concat()
    };
    let negative = size_field(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe");
    let huge = size_field(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    let nonsense = size_field(b"-1\0\0\0\0\0\0\0\0\0\0");
    let text = size_field(b"77777777777\0");
    for (layer, says) in [(negative, "negative"), (huge, "cut off"), (nonsense, "no number"), (text, "cut off")] {
        let diff_id = format!("sha256:{}", sha256(&layer));
        let (_folder, file) = in_folder("it.tar", &image_of(&layer, &diff_id));
        let error = refused(&file.display().to_string());
        assert!(error.contains("layer 1") && error.contains(says), "{says}: {error}");
        measured(&file);
    }
}

#[test]
fn long_headers_and_windows_are_refused() {
    let mut long_name = tar::Header::new_gnu();
    long_name.set_entry_type(tar::EntryType::GNULongName);
    long_name.set_path("././@LongLink").unwrap();
    long_name.set_size(300 << 20);
    long_name.set_cksum();
    let layer = [long_name.as_bytes().as_slice(), &vec![b'a'; 300 << 20]].concat();
    let layer = zstd::encode_all(layer.as_slice(), 1).unwrap();
    let (_folder, file) = in_folder("it.tar", &image_of(&layer, SOME_DIFF_ID));
    let told = measured(&file);
    assert!(told["error"].as_str().unwrap().contains("extended header of 314572800 bytes"), "{told}");

    let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(30).unwrap();
    wide.write_all(&vec![0; 64 << 20]).unwrap();
    let (_folder, file) = in_folder("it.tar", &image_of(&wide.finish().unwrap(), SOME_DIFF_ID));
    let told = measured(&file);
    assert!(told["error"].as_str().unwrap().contains("cannot be decompressed"), "{told}");
}

#[test]
fn bytes_that_are_not_the_images_are_named() {
    let image = Image::new(vec![Layer::new().file("etc/ssl/bundle.pem", "the true one")]);
    let swapped = Layer::new().file("etc/ssl/bundle.pem", "another one").bytes();
    let replace = |files: &mut Vec<(String, Vec<u8>)>, with: &[u8]| {
        let stored =
            files.iter_mut().find(|(name, bytes)| name.starts_with("blobs") && !bytes.starts_with(b"{")).unwrap();
        stored.1 = with.to_vec();
    };
    for with in [swapped.clone(), gzip(&swapped), b"\x1f\x8b damaged".to_vec(), b"no tar at all".to_vec()] {
        let mut files = image.layout(Coding::Plain, "v1");
        replace(&mut files, &with);
        let (_folder, file) = in_folder("it.tar", &archive(&files));
        let error = refused(&file.display().to_string());
        assert!(error.contains("layer 1") && error.contains("it should have"), "{error}");
        assert!(error.contains(&sha256(&image.layers[0])), "{error}");
    }
    // The blob is right, and its tar is not the one that the configuration names.
    let right = image_of(&gzip(&swapped), &format!("sha256:{}", sha256(&image.layers[0])));
    let (_folder, file) = in_folder("it.tar", &right);
    let error = refused(&file.display().to_string());
    assert!(error.contains("diff_id") && error.contains(&sha256(&swapped)), "{error}");
}

#[test]
fn what_is_cut_off_or_missing_is_named() {
    let image = Image::new(vec![Layer::new().file("a", vec![7_u8; 5000]), Layer::new().file("b", "2")]);
    let whole = image.docker_old(&["it:1"]);
    for cut in [100, 700, 3000, whole.len() / 2] {
        let (_folder, file) = in_folder("it.tar", &whole[..cut]);
        let error = refused(&format!("docker-archive:{}", file.display()));
        assert!(error.contains("cut off") || error.contains("no such archive"), "{cut}: {error}");
    }
    let mut files = image.layout(Coding::Gzip, "v1");
    let layer = files.iter().position(|(_, bytes)| bytes.starts_with(&[0x1f, 0x8b])).unwrap();
    let missing = files.remove(layer).0;
    let (_folder, file) = in_folder("it.tar", &archive(&files));
    let error = refused(&file.display().to_string());
    assert!(error.contains(&missing), "{error}");
    let (_folder, file) =
        in_folder("it.tar", b"neither tar nor anything else, but long enough to have been one".repeat(20).as_slice());
    assert!(refused(&file.display().to_string()).contains("is no archive"));
}

#[test]
fn indexes_in_circles_and_in_depth_end() {
    // A digest cannot be known before its document is written, so a circle needs a digest that is not compared: each index is
    // called by an algorithm that is not computed.
    let circle = json!({"schemaVersion": 2, "manifests": [{"mediaType": INDEX, "digest": "md5:1", "size": 1}]});
    let mut files = layout_of(Vec::new(), &circle["manifests"]);
    files.push(("blobs/md5/1".to_owned(), circle.to_string().into_bytes()));
    let (_folder, file) = in_folder("it.tar", &archive(&files));
    assert!(refused(&file.display().to_string()).contains("holds no image"));

    let mut inner = json!([]);
    let mut blobs = Vec::new();
    for _ in 0..20 {
        let index = json!({"schemaVersion": 2, "manifests": inner}).to_string().into_bytes();
        inner = json!([descriptor(INDEX, &index)]);
        blobs.push(index);
    }
    let (_folder, file) = in_folder("it.tar", &archive(&layout_of(blobs, &inner)));
    assert!(refused(&file.display().to_string()).contains("nests more than"));
}

#[test]
fn documents_are_bounded() {
    let big = vec![b' '; 9 << 20];
    let (_folder, file) = in_folder("it.tar", &Layer::new().file("manifest.json", &big).bytes());
    assert!(refused(&file.display().to_string()).contains("has more than"));
    let many = format!("[{}]", vec![r#"{"Config":"a"}"#; 300_000].join(","));
    let (_folder, file) = in_folder("it.tar", &Layer::new().file("manifest.json", many).bytes());
    let told = measured(&file);
    assert!(told["error"].as_str().unwrap().contains("4096"), "{told}");
    let layers = Image::new((0..1100).map(|_| Layer::new()).collect());
    let (_folder, file) = in_folder("it.tar", &layers.docker_old(&["it:1"]));
    assert!(refused(&file.display().to_string()).contains("1100 layers"));
}

#[test]
fn a_folder_with_pipes_devices_and_circles_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("etc/deep")).unwrap();
    fs::write(at("etc/file"), "text").unwrap();
    std::os::unix::fs::symlink("/etc", at("etc/deep/again")).unwrap();
    std::os::unix::fs::symlink("/../../../../etc/passwd", at("etc/passwd")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let collected = read(&format!("rootfs:{}", folder.path().display()), &Options::default()).unwrap();
    assert_eq!(collected.files.keys().collect::<Vec<_>>(), ["/etc/file"]);
    assert_eq!(collected.links["/etc/passwd"], "/../../../../etc/passwd");
    drop(socket);
}
