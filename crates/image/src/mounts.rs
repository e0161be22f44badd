//! What kind of file system a folder lies on. In: an open folder. Out: [`Mount`]. Spec: statfs(2), the kernel's magic.h.

use std::os::fd::AsFd;

/// Kinds of file systems, as far as reading them is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Files that lie on this machine.
    Local,
    /// The kernel's own views: processes, devices, control groups.
    Pseudo,
    /// Files of other machines, or served by a program, which may hang.
    Remote,
}

/// Looks at the file system of an open folder.
pub(crate) fn kind(folder: impl AsFd) -> Mount {
    let Ok(found) = rustix::fs::fstatfs(folder) else { return Mount::Remote };
    // Magic numbers are 32 bits wide, whatever the word that carries them.
    match found.f_type as u32 {
        // proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, bpf, securityfs, pstore, efivarfs, configfs, selinuxfs,
        // binfmt_misc, hugetlbfs, fusectl, autofs, nsfs
        0x9fa0 | 0x6265_6572 | 0x27_e0eb | 0x6367_7270 | 0x1cd1 | 0x1980_0202 | 0x6462_6720 | 0x7472_6163
        | 0xcafe_4a11 | 0x7363_6673 | 0x6165_676c | 0xde5e_81e4 | 0x6265_6570 | 0xf97c_ff8c | 0x4249_4e4d
        | 0x9584_58f6 | 0x6573_5543 | 0x0187 | 0x6e73_6673 => Mount::Pseudo,
        // nfs, smb, cifs, smb2, fuse, 9p, ceph, afs, coda, ncp, gfs2, ocfs2, lustre
        0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x6573_5546 | 0x0102_1997 | 0x00c3_6400 | 0x5346_414f
        | 0x7375_7245 | 0x564c | 0x0116_1970 | 0x7461_636f | 0x0bd0_0bd0 => Mount::Remote,
        _ => Mount::Local,
    }
}
