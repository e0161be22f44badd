//! A running process as a source. In: its number. Out: its root and mounts as it sees them, its environment and command line.
//! Spec: proc(5).

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sidelight_model::trust::Config;

use super::host::{what_is_read, whole_machine};
use super::machine;
use crate::error::Error;
use crate::folder::Folder;
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::platform::Platform;

/// Bytes of an environment or command line that are read.
const MAX_TEXT: u64 = 4 << 20;

/// Opens the root of a process.
pub(crate) fn process(pid: u32, options: &Options) -> Result<Opened, Error> {
    let home = options.engines.proc.join(pid.to_string());
    if !home.is_dir() {
        return Err(Error::NotFound { what: format!("process {pid}"), tried: vec!["no such process runs".to_owned()] });
    }
    let mut opened = Opened::new(format!("process {pid}"), options);
    opened.config = config(&home);
    // With the last slash the link is followed into the process's own mounts.
    let path = home.join("root/");
    let folder = if is_whole_machine(&path) {
        let exe = std::fs::read_link(home.join("exe")).unwrap_or_default();
        let work = PathBuf::from(&opened.config.working_dir);
        let folders = [exe.parent().unwrap_or(&exe), &work];
        let further = machine::further(&folders, &opened.config.env);
        opened.notes.push(what_is_read("its root is that of this machine, of which", &further));
        whole_machine(path, further)
    } else {
        Folder { path, only: None, spare: false, overlay: false, cross: true }
    };
    rustix::fs::openat(
        rustix::fs::CWD,
        &folder.path,
        rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .map_err(|errno| Error::io(format!("the root of process {pid}"))(errno.into()))?;
    opened.parts.push(Part::root(Place::Folder(folder)));
    opened.pid = Some(pid);
    if opened.config.env.is_empty() {
        opened.notes.push(format!("process {pid} shows no environment: it is empty, or this user may not read it"));
    }
    Ok(opened)
}

/// Whether a process sees the root that this program sees, which then is no container's.
fn is_whole_machine(root: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    identity(root).is_some_and(|root| identity(Path::new("/")) == Some(root))
}

/// What stands for an image's configuration.
pub(super) fn config(home: &Path) -> Config {
    let env = texts(&home.join("environ")).into_iter().map(|line| match line.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (line, String::new()),
    });
    let status = text(&home.join("status"));
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next());
    let working_dir: PathBuf = std::fs::read_link(home.join("cwd")).unwrap_or_default();
    Config {
        env: env.collect(),
        entrypoint: texts(&home.join("cmdline")),
        user: user.unwrap_or_default().to_owned(),
        working_dir: working_dir.to_string_lossy().into_owned(),
        platform: Platform::here().to_string(),
        ..Config::default()
    }
}

/// Texts that end with zeros.
fn texts(path: &Path) -> Vec<String> {
    let all = text(path);
    all.split('\0').filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// A file of `/proc`; what cannot be read counts as empty, because processes end at any time.
pub(super) fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(MAX_TEXT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
