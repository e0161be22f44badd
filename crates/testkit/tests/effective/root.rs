//! A root file system that looks like an image and in which the machine's own programs run. In: what lies below /etc.
//! Out: commands in it, and a survey of it by the scanner that images are read with.
//!
//! /usr is the machine's, bound; /etc is the scene's own. Each command runs in a mount namespace of its own.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_model::trust::{Config, File, Survey};
use sidelight_testkit::{hosts, peers};
use sidelight_wire::scan::Scan;

/// Programs and libraries of the machine that the survey looks at, where they are.
const PROGRAMS: &[&str] =
    &["/usr/bin/curl", "/usr/bin/wget", "/usr/bin/openssl", "/usr/bin/node", "/usr/lib/git-core/git-remote-http"];

const LIBRARIES: &[&str] = &["libcurl.so.", "libcurl-gnutls.so.", "libssl.so.", "libcrypto.so.", "libgnutls.so."];

/// Where Debian keeps libraries.
const LIBRARY_FOLDER: &str = "/usr/lib/x86_64-linux-gnu";

/// Links of the machine that programs and trust go through.
const LINKS: &[&str] = &["/usr/lib/ssl/cert.pem", "/usr/lib/ssl/certs", "/lib", "/bin"];

/// The root of a scene.
pub(crate) struct Root {
    folder: PathBuf,
    /// Go's and Rust's clients, which lie in /app.
    apps: Vec<(PathBuf, &'static str)>,
}

impl Root {
    /// An empty one in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        for name in ["usr", "proc", "dev", "tmp", "app", "root", "etc", "usr-local", "peers"] {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{name}"), folder.join(name)).expect("a link");
        }
        let root = Self { folder, apps: Vec::new() };
        root.write("/etc/hosts", "127.0.0.1 localhost\n");
        root.write("/etc/nsswitch.conf", "hosts: files\npasswd: files\n");
        root.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        // Java's programs and settings are links into /etc.
        for entry in std::fs::read_dir("/etc").expect("/etc").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "alternatives" || name.starts_with("java-") {
                let copied = Command::new("cp").arg("-a").arg(entry.path()).arg(root.inside("/etc")).status();
                assert!(copied.expect("cp").success());
            }
        }
        root
    }

    /// Puts a client into /app.
    pub(crate) fn app(&mut self, program: &Path, name: &'static str) {
        std::fs::copy(program, self.inside(&format!("/app/{name}"))).expect("a copy");
        self.apps.push((program.to_path_buf(), name));
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = self.inside(path);
        std::fs::create_dir_all(file.parent().expect("a folder above")).expect("a folder");
        std::fs::write(file, bytes).expect("a file");
    }

    /// Makes a link.
    pub(crate) fn link(&self, path: &str, target: &str) {
        let file = self.inside(path);
        std::fs::create_dir_all(file.parent().expect("a folder above")).expect("a folder");
        std::os::unix::fs::symlink(target, file).expect("a link");
    }

    /// A command inside, with the image's environment.
    pub(crate) fn command(&self, line: &[&str], config: &Config) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-ec"]);
        command.arg(
            "mount --bind /usr \"$0/usr\" && mount --bind \"$0/usr-local\" \"$0/usr/local/share\" \
             && mount --rbind /proc \"$0/proc\" && mount --rbind /dev \"$0/dev\" \
             && mount --bind \"$1\" \"$0/peers\" && shift && exec chroot \"$R\" \"$@\"",
        );
        command.arg(&self.folder).arg(peers::script("trust.py").parent().expect("a folder")).args(line);
        hosts::clean(&mut command);
        command.env_remove("SSL_CERT_DIR").env("HOME", "/root").env("R", &self.folder);
        command.envs(config.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What the scanner of images finds in it.
    pub(crate) fn survey(&self, config: &Config) -> Survey {
        let mut survey = Survey { source: "scene".into(), config: config.clone(), ..Survey::default() };
        for folder in ["etc", "app", "root", "usr-local"] {
            self.walk(&self.folder.join(folder), &mut survey);
        }
        for path in PROGRAMS {
            scan(&mut survey, path, Path::new(path));
        }
        let python = real("/usr/bin/python3");
        scan(&mut survey, &python.to_string_lossy(), &python);
        for library in std::fs::read_dir(LIBRARY_FOLDER).expect("a folder of libraries").flatten() {
            let name = library.file_name().to_string_lossy().into_owned();
            if LIBRARIES.iter().any(|start| name.starts_with(start)) {
                scan(&mut survey, &format!("{LIBRARY_FOLDER}/{name}"), &real(library.path()));
            }
        }
        // …/bin/java
        let java = real("/usr/bin/java").ancestors().nth(2).expect("a folder above").to_owned();
        for name in ["lib/server/libjvm.so", "release"] {
            scan(&mut survey, &java.join(name).to_string_lossy(), &java.join(name));
        }
        for path in LINKS.iter().map(PathBuf::from).chain([java.join("lib/security/cacerts")]) {
            let target = std::fs::read_link(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            survey.links.insert(path.to_string_lossy().into_owned(), target.to_string_lossy().into_owned());
        }
        survey
    }

    fn walk(&self, folder: &Path, survey: &mut Survey) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let below = path.strip_prefix(&self.folder).expect("below the root").to_string_lossy().into_owned();
            let name = match below.strip_prefix("usr-local") {
                Some(rest) => format!("/usr/local/share{rest}"),
                None => format!("/{below}"),
            };
            let kind = entry.file_type().expect("its kind");
            if kind.is_symlink() {
                let target = std::fs::read_link(&path).expect("a link");
                survey.links.insert(name, target.to_string_lossy().into_owned());
            } else if kind.is_dir() {
                self.walk(&path, survey);
            } else {
                scan(survey, &name, &path);
            }
        }
    }
}

fn real(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    std::fs::canonicalize(path).unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask setup`", path.display()))
}

fn scan(survey: &mut Survey, name: &str, file: &Path) {
    let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let about = std::fs::metadata(file).expect("its size");
    let Some(mut scan) = Scan::open(name, about.len(), about.mode()) else { return };
    bytes.chunks(1 << 16).all(|piece| scan.feed(piece));
    let found: BTreeMap<String, File> = scan
        .close(true, &mut survey.pool)
        .into_iter()
        .map(|found| {
            let path = found.member.map_or_else(|| name.to_owned(), |member| format!("{name}!/{member}"));
            let file = File {
                path: path.clone(),
                layer: None,
                mode: about.mode() & 0o7777,
                uid: 0,
                gid: 0,
                size: about.len(),
                sha256: found.sha256,
                content: found.content,
            };
            (path, file)
        })
        .collect();
    survey.files.extend(found);
}
