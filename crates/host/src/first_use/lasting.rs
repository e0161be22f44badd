//! Whether a file outlives the container. In: its path, /proc/self/mountinfo. Out: yes, or why not. Spec: proc_pid_mountinfo(5).
//!
//! What lies in a container's writable layer, on a tmpfs or in a volume without a name is gone when the container is made anew: its
//! next first use would trust whoever answers first.

use std::path::{Path, PathBuf};

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It stays: this is no container, or the file lies on a mount of its own.
    Yes,
    /// It goes with the container's writable layer.
    Layer,
    /// It goes with memory: a tmpfs.
    Memory(PathBuf),
    /// It goes with the container, though it is a volume: one without a name.
    Anonymous(PathBuf),
}

/// Looks where the file's folder is.
pub fn lasting(file: &Path) -> Lasting {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    judge(&folder, &mounts, is_container())
}

/// Whether the root file system is that of an image, and not of a whole machine: by its kind; because we are the first process, as
/// entrypoints are; or because it is a part of another one (a folder, a subvolume), while an engine left its signs.
pub fn is_image_root() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts: Vec<Mount> = mounts.lines().filter_map(mount).collect();
    std::process::id() == 1 || has_layered_root(&mounts) || (has_partial_root(&mounts) && is_container())
}

/// The last one is on top.
fn root(mounts: &[Mount]) -> Option<&Mount> {
    mounts.iter().rev().find(|mount| mount.at == Path::new("/"))
}

fn has_layered_root(mounts: &[Mount]) -> bool {
    root(mounts).is_some_and(|root| {
        matches!(root.kind.as_str(), "overlay" | "aufs" | "fuse.fuse-overlayfs" | "fuse-overlayfs" | "tmpfs")
    })
}

/// Engines without overlays give a folder of vfs, a subvolume of btrfs, a data set of ZFS, or share one with a small machine.
fn has_partial_root(mounts: &[Mount]) -> bool {
    root(mounts).is_some_and(|root| root.root != "/" || matches!(root.kind.as_str(), "zfs" | "virtiofs" | "9p"))
}

/// Signs that engines leave, for those whose root file system does not show it.
fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

struct Mount {
    at: PathBuf,
    root: String,
    kind: String,
}

fn judge(folder: &Path, mountinfo: &str, is_container: bool) -> Lasting {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    // Later mounts lie over earlier ones.
    let over = |path: &Path| {
        let below = mounts.iter().filter(|mount| path.starts_with(&mount.at));
        below.max_by_key(|mount| mount.at.components().count())
    };
    if !has_layered_root(&mounts) && !is_container {
        return Lasting::Yes;
    }
    match over(folder) {
        None => Lasting::Layer,
        Some(mount) if mount.at == Path::new("/") => Lasting::Layer,
        Some(mount) if matches!(mount.kind.as_str(), "tmpfs" | "ramfs") => Lasting::Memory(mount.at.clone()),
        Some(mount) if is_anonymous(&mount.root) => Lasting::Anonymous(mount.at.clone()),
        Some(_) => Lasting::Yes,
    }
}

/// `/var/lib/docker/volumes/<64 hexadecimal digits>/_data`: what Docker and podman call a volume that nobody named.
/// And Kubernetes' emptyDir, which goes with its pod.
fn is_anonymous(root: &str) -> bool {
    if root.contains("/kubernetes.io~empty-dir/") {
        return true;
    }
    let mut parts = root.rsplit('/');
    let is_data = parts.next() == Some("_data");
    let name = parts.next().unwrap_or_default();
    is_data && parts.next() == Some("volumes") && name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw`.
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let (root, at) = (fields.nth(3)?, fields.next()?);
    let kind = after.split(' ').next()?;
    Some(Mount { at: PathBuf::from(plain(at)), root: plain(root), kind: kind.to_owned() })
}

/// Blanks and backslashes stand as octal numbers.
fn plain(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let anonymous = "a".repeat(64);
        let mounts = format!(
            "1 0 0:1 / / rw - overlay overlay rw\n\
             2 1 0:2 /var/lib/docker/volumes/pins/_data /state rw - ext4 /dev/vda rw\n\
             3 1 0:2 /var/lib/docker/volumes/{anonymous}/_data /anonymous rw - ext4 /dev/vda rw\n\
             4 1 0:3 / /run rw - tmpfs tmpfs rw\n\
             5 1 0:4 / /with\\040blank rw - ext4 /dev/vdb rw\n"
        );
        let say = |path: &str| judge(Path::new(path), &mounts, false);
        assert_eq!(say("/state/sub"), Lasting::Yes);
        assert_eq!(say("/with blank"), Lasting::Yes);
        assert_eq!(say("/anonymous"), Lasting::Anonymous("/anonymous".into()));
        assert_eq!(say("/run/x"), Lasting::Memory("/run".into()));
        assert_eq!(say("/var/lib/sidelight"), Lasting::Layer);
        let partial = |line: &str| has_partial_root(&line.lines().filter_map(mount).collect::<Vec<_>>());
        assert!(partial("1 0 8:1 /var/lib/docker/vfs/dir/0a / rw - ext4 /dev/sda rw\n"));
        assert!(partial("1 0 0:9 / / rw - zfs tank/docker/0a rw\n"));
        assert!(!partial("1 0 8:1 / / rw - ext4 /dev/sda rw\n"));
        let host = "1 0 8:1 / / rw - ext4 /dev/sda rw\n";
        assert_eq!(judge(Path::new("/var/lib"), host, false), Lasting::Yes);
        assert_eq!(judge(Path::new("/var/lib"), host, true), Lasting::Layer);
    }
}
