//! Files that the sandboxed command sees in place of the machine's own. In: pairs of files. Out: read-only bind mounts in
//! the mount namespace of the calling thread. Spec: mount(2), mount_namespaces(7).

use std::io;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};

/// Keeps what is mounted here from now on out of every other mount namespace.
///
/// # Errors
/// `EINVAL` when the root folder is not a mount point (a plain chroot), `EPERM` without CAP_SYS_ADMIN.
pub(super) fn make_private() -> io::Result<()> {
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// Shows the file `source` at `target`, which must exist, and lets nobody write to it there.
///
/// # Errors
/// `ENOENT` when either is missing, `EPERM` without CAP_SYS_ADMIN.
pub(super) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount_bind(source, target)?;
    // A remount states all flags anew, and must repeat those that the file system of the source is mounted with: in a user
    // namespace they cannot be taken away.
    let flags = inherited(statvfs(target)?.f_flag) | MountFlags::BIND | MountFlags::RDONLY;
    Ok(mount_remount(target, flags, c"")?)
}

fn inherited(present: StatVfsMountFlags) -> MountFlags {
    const SAME: [(StatVfsMountFlags, MountFlags); 6] = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    SAME.iter()
        .filter(|(shown, _)| present.contains(*shown))
        .fold(MountFlags::empty(), |flags, (_, flag)| flags | *flag)
}
