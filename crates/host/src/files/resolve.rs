//! Looking a path up inside a root, as the program that runs in that root would. In: a root and a path. Out: the true path.
//!
//! An absolute symbolic link of a container's file system means the container's root, not this machine's; `..` stops at the root.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// `path` below `root`, whether it is written as absolute or relative.
pub fn within(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The path, beginning with `root`, at which `path` really stands, with every symbolic link followed inside `root`.
///
/// # Errors
/// When a part does not exist, a link loop is met, or a folder cannot be read.
pub fn resolve_in_root(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut to_go: Vec<OsString> = parts(path);
    let mut at: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = to_go.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        at.push(part);
        let here = joined(root, &at);
        if !std::fs::symlink_metadata(&here)?.is_symlink() {
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        let target = std::fs::read_link(&here)?;
        if target.is_absolute() {
            at.clear();
        } else {
            at.pop();
        }
        to_go.extend(parts(&target));
    }
    Ok(joined(root, &at))
}

fn joined(root: &Path, parts: &[OsString]) -> PathBuf {
    let mut whole = root.to_owned();
    whole.extend(parts);
    whole
}

/// The parts of a path, last first, so that the next is popped.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn absolute_links_and_dots_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("etc/ssl")).unwrap();
        std::fs::create_dir_all(root.join("var/lib")).unwrap();
        std::fs::write(root.join("var/lib/bundle"), b"x").unwrap();
        symlink("/var/lib/bundle", root.join("etc/ssl/absolute")).unwrap();
        symlink("../../../../../var/lib/bundle", root.join("etc/ssl/relative")).unwrap();
        symlink("loop", root.join("etc/ssl/loop")).unwrap();
        let real = root.join("var/lib/bundle");
        assert_eq!(resolve_in_root(root, Path::new("/etc/ssl/absolute")).unwrap(), real);
        assert_eq!(resolve_in_root(root, Path::new("etc/ssl/relative")).unwrap(), real);
        let looped = resolve_in_root(root, Path::new("/etc/ssl/loop")).unwrap_err();
        assert_eq!(looped.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert_eq!(resolve_in_root(root, Path::new("/none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
