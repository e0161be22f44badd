//! Where the tests work. In: nothing. Out: a folder with certificates and roots, and sidelight run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::run;
use sidelight_testkit::{Finished, Issuer};

/// A folder of its own, in which sidelight runs and keeps its journal.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A command in this folder, with an environment of its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.path("home"));
        command
    }

    /// Runs sidelight with words as they would be typed.
    #[track_caller]
    pub(crate) fn sidelight(&self, line: &str) -> Finished {
        run(self.command(env!("CARGO_BIN_EXE_sidelight")).args(line.split_whitespace()))
    }

    /// The document that `--json` gives, and the exit status.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> (i32, Value) {
        let done = self.sidelight(&format!("{line} --json"));
        let document = serde_json::from_slice(&done.stdout).unwrap_or_else(|why| panic!("{why}: {done}"));
        (done.status.code().unwrap(), document)
    }

    /// Everything below a folder: content or link, mode and time of change.
    pub(crate) fn all(&self, name: &str) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut to_list = vec![self.path(name)];
        while let Some(folder) = to_list.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let about = fs::symlink_metadata(&path).unwrap();
                let told = if about.is_dir() {
                    to_list.push(path.clone());
                    format!("{:?}", about.permissions())
                } else if about.is_symlink() {
                    fs::read_link(&path).unwrap().display().to_string()
                } else {
                    let digest = sidelight_testkit::sha256(fs::read(&path).unwrap());
                    format!("{digest} {:?} {:?}", about.permissions(), about.modified().unwrap())
                };
                found.insert(path, told);
            }
        }
        found
    }

    /// A small Debian: the bundle with one other root, the folder for anchors, the switchboard, a Java store's place, Node.
    pub(crate) fn debian(&self, name: &str) {
        let other = Issuer::root("Other Root");
        for (path, content) in [
            ("etc/os-release", "ID=debian\n"),
            ("etc/ca-certificates.conf", ""),
            ("etc/ssl/certs/ca-certificates.crt", other.pem()),
        ] {
            self.write(&format!("{name}/{path}"), content);
        }
        fs::create_dir_all(self.path(name).join("usr/local/share/ca-certificates")).unwrap();
    }
}

/// Text without what differs from run to run.
pub(crate) fn plain(text: &str, place: &Place, issuer: &Issuer) -> String {
    let sha256 = sidelight_testkit::sha256(issuer.der());
    let hash = sidelight_model::x509::subject_hash(&subject(issuer)).unwrap();
    let sized: Vec<String> = text.lines().map(without_size).collect();
    (sized.join("\n") + "\n")
        .replace(&place.folder.path().display().to_string(), "FOLDER")
        .replace(&sha256, "‹sha256›")
        .replace(&sha256[..16], "‹sha256:16›")
        .replace(&sha256[..8], "‹sha256:8›")
        .replace(&hash, "‹hash›")
}

/// A line without the number of bytes in it, which differs with every signature.
fn without_size(line: &str) -> String {
    let (start, end) = match (line.split_once("\"size\": "), line.split_once(" bytes")) {
        (Some((start, rest)), _) => (format!("{start}\"size\": "), rest),
        (None, Some((start, rest))) => (start.to_owned() + " bytes", rest),
        (None, None) => return line.to_owned(),
    };
    let number = |c: char| c.is_ascii_digit();
    match start.strip_suffix(" bytes") {
        Some(start) => format!("{}‹size› bytes{end}", start.trim_end_matches(number)),
        None => format!("{start}‹size›{}", end.trim_start_matches(number)),
    }
}

fn subject(issuer: &Issuer) -> Vec<u8> {
    sidelight_model::x509::Certificate::parse(issuer.der()).unwrap().subject_der
}

/// Copies a file of this machine into a root, with the libraries that it needs (ldd).
pub(crate) fn copy_program(program: &str, root: &Path) {
    let listed = run(Command::new("ldd").arg(program)).success().text();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain([program]) {
        let target = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}
