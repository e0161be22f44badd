//! Going into a sandbox. In: the namespaces, in a child process between fork and exec. Out: the process is in them, in the
//! same working folder as before. Spec: setns(2), signal-safety(7).
//!
//! Only system calls are made, on descriptors that are open already: after a fork of a program with threads nothing else is
//! safe, memory allocation included.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// `PATH_MAX`, with the NUL.
const LONGEST_PATH: usize = 4096;

/// The namespaces of a sandbox; it stays as long as somebody holds them.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// When the sandbox was made by an ordinary user.
    pub(super) user: Option<OwnedFd>,
    pub(super) mount: OwnedFd,
    pub(super) network: OwnedFd,
}

impl Namespaces {
    /// Moves the calling process, which must have one thread, into the namespaces.
    ///
    /// The user namespace comes first: it gives the right to enter the others. Nothing needs to be given up later: a user
    /// other than root loses the capabilities of the user namespace by exec.
    pub(super) fn enter(&self) -> io::Result<()> {
        // The mount namespace's own root becomes the working folder, so that it must be gone back to. By name: a
        // descriptor would lead to the folder as it is outside, without the bind mounts.
        let mut path = [MaybeUninit::new(0); LONGEST_PATH];
        let here = working_folder(&mut path);
        let here_outside = rustix::fs::open(c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        if let Some(user) = &self.user {
            move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
        }
        move_into_link_name_space(self.mount.as_fd(), Some(LinkNameSpaceType::Mount))?;
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
        // A folder that was removed, or may not be entered from above, has no name to go by.
        here.and_then(rustix::process::chdir).or_else(|_| rustix::process::fchdir(here_outside?))?;
        Ok(())
    }
}

/// The path of the working folder, in the given space, which must be all zeros.
fn working_folder(space: &mut [MaybeUninit<u8>; LONGEST_PATH]) -> Result<&CStr, Errno> {
    let length = {
        let (path, _) = rustix::fs::readlinkat_raw(CWD, c"/proc/self/cwd", &mut space[..LONGEST_PATH - 1])?;
        path.len()
    };
    // SAFETY: every byte was written, by the caller with zeros and by the kernel with the path.
    #[allow(unsafe_code, reason = "std has no safe way to read initialised `MaybeUninit` bytes")]
    let bytes = unsafe { space[..=length].assume_init_ref() };
    CStr::from_bytes_with_nul(bytes).map_err(|_| Errno::NAMETOOLONG)
}
