//! Tests of capture files: what is on the disk, and what the person is told.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::notice::Notices;

const SECOND: i64 = 1_000_000;

fn open(path: impl Into<PathBuf>, rotation: Rotation) -> Result<CaptureFile, CaptureError> {
    CaptureFile::create("--har", Destination::File(path.into()), rotation, Timestamp(0))
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn notices() -> (Notices, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&said);
    (Notices::new(move |words| keep.lock().unwrap().push(words.to_owned())), said)
}

#[test]
fn a_file_takes_the_place_of_the_old_one_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har");
    std::fs::write(&path, "old").unwrap();
    let mut old = std::fs::File::open(&path).unwrap();
    let mut file = open(&path, Rotation::default()).unwrap();
    file.write(b"new").unwrap();
    assert_eq!((text(&path).as_str(), file.written(), file.waiting()), ("", 3, 1));
    file.flush().unwrap();
    assert_eq!((text(&path).as_str(), file.waiting()), ("new", 0));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let mut kept = String::new();
    old.read_to_string(&mut kept).unwrap();
    assert_eq!(kept, "old");
    assert_eq!(names(folder.path()), ["x.har"]);
}

#[test]
fn what_cannot_be_a_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: PathBuf| open(path, Rotation::default()).unwrap_err().to_string();
    let missing = told(folder.path().join("none/x.har"));
    assert!(missing.ends_with(&format!("mkdir -p {}", folder.path().join("none").display())), "{missing}");
    assert!(told(folder.path().to_owned()).contains("this is a folder"));
    std::fs::write(folder.path().join("target"), "untouched").unwrap();
    symlink(folder.path().join("target"), folder.path().join("link")).unwrap();
    assert!(told(folder.path().join("link")).contains("symbolic link to"));
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    assert!(told(folder.path().join("dangling")).contains("symbolic link to nowhere"));
    assert_eq!(text(folder.path().join("target")), "untouched");
    assert_eq!(names(folder.path()), ["dangling", "link", "target"]);
}

#[test]
fn rotation_by_size_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x-0001.har"), "of another run").unwrap();
    let rotation = Rotation { size: Some(10), keep: Some(2), ..Rotation::default() };
    let mut writer = Writer::new(open(folder.path().join("x.har"), rotation).unwrap(), "records", Notices::none());
    for n in 0..7 {
        assert!(writer.record(Timestamp(n), format!("{n}{n}{n}").as_bytes(), || b"H".to_vec()));
    }
    writer.end();
    assert_eq!(names(folder.path()), ["x-0001.har", "x-0002.har", "x-0003.har"]);
    assert_eq!(text(folder.path().join("x-0002.har")), "H333444555");
    assert_eq!(text(folder.path().join("x-0003.har")), "H666");
    // A record that is larger than a file may be is in a file of its own.
    assert!(writer.record(Timestamp(9), &[b'x'; 40], Vec::new));
    writer.flush();
    assert_eq!(writer.file().written(), 40);
}

#[test]
fn rotation_by_time_goes_by_the_time_of_records() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { time: Some(Duration::from_secs(60)), ..Rotation::default() };
    let mut writer = Writer::new(open(folder.path().join("%s.log"), rotation).unwrap(), "records", Notices::none());
    for seconds in [0, 59, 60, 119, 300] {
        assert!(writer.record(Timestamp(seconds * SECOND), format!("{seconds} ").as_bytes(), Vec::new));
    }
    writer.end();
    assert_eq!(names(folder.path()), ["0.log", "300.log", "60.log"]);
    assert_eq!(text(folder.path().join("60.log")), "60 119 ");
}

#[test]
fn when_no_next_file_can_be_begun_the_old_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { size: Some(4), ..Rotation::default() };
    let (notices, said) = notices();
    let mut writer = Writer::new(open(folder.path().join("x.har"), rotation).unwrap(), "records", notices);
    symlink("elsewhere", folder.path().join("x-0002.har")).unwrap();
    for _ in 0..3 {
        assert!(writer.record(Timestamp(1), b"123", || b"H".to_vec()));
    }
    writer.end();
    assert_eq!(text(folder.path().join("x.har")), "H123123123");
    let said = said.lock().unwrap();
    assert!(said.len() == 1 && said[0].contains("symbolic link") && said[0].contains("goes on"), "{said:?}");
}

#[test]
fn the_tail_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har");
    let mut file = open(&path, Rotation::default()).unwrap();
    file.write(b"[1]").unwrap();
    file.replace_tail(1, b",2]").unwrap();
    assert_eq!(text(&path), "[1,2]");
    file.replace_tail(3, b"]").unwrap();
    assert_eq!((text(&path).as_str(), file.written()), ("[1]", 3));
    assert!(file.replace_tail(4, b"").is_err());
    assert_eq!(text(&path), "[1]");
}

#[test]
fn a_reader_that_goes_is_told_once_and_a_full_device_is_the_end_of_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Open for reading and writing, so that opening for writing does not wait.
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (notices, said) = notices();
    let mut writer = Writer::new(open(&path, Rotation::default()).unwrap(), "records", notices);
    assert!(!writer.file().is_seekable());
    assert!(writer.record(Timestamp(1), b"seen", Vec::new));
    writer.flush();
    let mut seen = [0; 4];
    (&reader).read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"seen");
    drop(reader);
    for _ in 0..3 {
        writer.record(Timestamp(2), &[b'x'; BUFFER], Vec::new);
        writer.flush();
    }
    writer.end();
    assert_eq!(said.lock().unwrap().len(), 1, "{said:?}");
    assert!(said.lock().unwrap()[0].contains("the reader has gone"), "{said:?}");
    assert_eq!(writer.lost_in_all(), 3);

    let mut full = open("/dev/full", Rotation::default()).unwrap();
    full.write(b"x").unwrap();
    let error = full.flush().unwrap_err();
    assert!(matches!(error, CaptureError::Io { .. }) && error.to_string().contains("/dev/full"), "{error}");
}

#[test]
fn files_are_private_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    for umask in ["0777", "0000"] {
        // The umask belongs to the whole process: a child of this test's program takes it.
        let output = std::process::Command::new("sh")
            .args(["-c", "umask $0; exec \"$1\" --exact capture::tests::writes_where_it_is_told --nocapture", umask])
            .arg(std::env::current_exe().unwrap())
            .env("SIDELIGHT_TEST_FILE", folder.path().join(umask))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let mode = std::fs::metadata(folder.path().join(umask)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{umask}");
    }
}

/// Called by the test above with a file to write; does the same in a folder of its own otherwise.
#[test]
fn writes_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("SIDELIGHT_TEST_FILE").map_or_else(|| folder.path().join("x"), PathBuf::from);
    let mut file = open(&path, Rotation::default()).unwrap();
    file.write(b"written").unwrap();
    file.flush().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 7);
}
