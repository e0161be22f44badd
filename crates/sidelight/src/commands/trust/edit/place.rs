//! What is to be changed. In: a source. Out: a root that is changed in place, or an image that is copied.
//!
//! A running process's root is reached by a link of a name that lasts, so that the journal finds a container again after it was
//! started anew.

use std::path::{Path, PathBuf};

use sidelight_image::Source;

use crate::commands::image_source;
use crate::exit::Failure;
use crate::render::escape;
use crate::settings::xdg_folder;

/// What a source is for a change.
#[derive(Debug)]
pub(super) enum Place {
    /// Changed where it is.
    InPlace(Box<Root>),
    /// Read, and written elsewhere.
    Copied,
}

/// A root on this machine.
#[derive(Debug)]
pub(super) struct Root {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What the journal calls it.
    pub(super) name: String,
    /// What tells a process from a later one of the same number.
    pub(super) guard: Option<String>,
    /// Variables in effect.
    pub(super) env: Vec<(String, String)>,
}

/// Finds what a source is.
pub(super) fn find(text: &str) -> Result<Place, Failure> {
    let source: Source = text.parse().map_err(Failure::usage)?;
    Ok(match source {
        Source::Host => {
            Place::InPlace(Box::new(Root { path: "/".into(), name: "host".into(), guard: None, env: Vec::new() }))
        }
        Source::Rootfs(path) if path.is_file() => Place::Copied,
        Source::Rootfs(path) => Place::InPlace(Box::new(folder(&path)?)),
        Source::Bare(word) if image_source::is_plain_folder(Path::new(&word)) => {
            Place::InPlace(Box::new(folder(Path::new(&word))?))
        }
        Source::Pid(pid) => Place::InPlace(Box::new(process(pid, format!("pid:{pid}"), true)?)),
        Source::Container(id) => {
            let options = sidelight_image::Options { engines: image_source::engines(), ..Default::default() };
            let pid = sidelight_image::container_process(&id, &options);
            Place::InPlace(Box::new(process(pid.map_err(image_source::failure)?, format!("container:{id}"), false)?))
        }
        Source::Mozilla => return Err(Failure::usage("mozilla is the list inside sidelight; it cannot be changed")),
        Source::Stdin
        | Source::DockerArchive(..)
        | Source::OciArchive(..)
        | Source::OciLayout(..)
        | Source::SkopeoDir(_)
        | Source::DockerDaemon(_)
        | Source::ContainersStorage(_)
        | Source::Containerd(_)
        | Source::Registry(_)
        | Source::Bare(_) => Place::Copied,
    })
}

fn folder(path: &Path) -> Result<Root, Failure> {
    let shown = escape::line(&path.display().to_string());
    let real = std::fs::canonicalize(path).map_err(|error| Failure::new(format_args!("rootfs:{shown}: {error}")))?;
    if !real.is_dir() {
        return Err(Failure::usage(format_args!("rootfs:{shown} is neither a folder nor a tar")));
    }
    let name = format!("rootfs:{}", real.display());
    Ok(Root { path: real, name, guard: None, env: Vec::new() })
}

/// The root of a running process. `is_itself`: it is named by its number, which another process may get later.
pub(super) fn process(pid: u32, name: String, is_itself: bool) -> Result<Root, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| {
        Failure::new(format_args!("{}: there is no process {pid} that can be looked at: {error}", escape::line(&name)))
    })?;
    // The name in brackets may hold anything; the moment of the start is the 22nd field of all.
    let started = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19)).unwrap_or_default();
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let env = environ.split(|byte| *byte == 0).filter_map(|entry| {
        let entry = String::from_utf8_lossy(entry).into_owned();
        entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    let guard = is_itself.then(|| format!("started {started}"));
    Ok(Root { path: lasting(&name, pid)?, name, guard, env: env.collect() })
}

/// A link of a lasting name to a process's root.
fn lasting(name: &str, pid: u32) -> Result<PathBuf, Failure> {
    let state = xdg_folder("XDG_STATE_HOME", ".local/state", &|name| std::env::var_os(name));
    let folder =
        state.ok_or_else(|| Failure::usage("the journal's folder is not known").hint("set HOME"))?.join("roots");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format_args!("cannot make {}: {error}", folder.display())))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let link = folder.join(name.chars().map(plain).collect::<String>());
    let target = PathBuf::from(format!("/proc/{pid}/root"));
    sidelight_host::files::replace_symlink(&link, &target, None).map_err(Failure::new)?;
    Ok(link)
}
