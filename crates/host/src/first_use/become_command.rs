//! Becoming the command. In: arguments, environment, whom to run as. Out: the command in our place, with our process id; or why not.
//! Spec: execve(2), credentials(7), capabilities(7); env(1) for what the statuses mean.
//!
//! Credentials of Linux belong to threads, and execve leaves only the calling one: what is dropped here holds for the command.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::User;

/// Why the command is not there.
#[derive(Debug)]
pub enum Became {
    /// There is no such program (127).
    NotFound(io::Error),
    /// It cannot be started (126).
    NotExecutable(io::Error),
}

/// Takes on a user and gives up all that the old one could: further groups, group, user, every capability, the ways to get them back.
///
/// # Errors
/// When the kernel refuses a step; nothing may be started then.
pub fn drop_rights(user: &User) -> io::Result<()> {
    let gid = Gid::from_raw(user.gid);
    let groups: Vec<Gid> = std::iter::once(user.gid).chain(user.groups.iter().copied()).map(Gid::from_raw).collect();
    // While we may still: what is not in the bounding set no setuid program gives back.
    for capability in CapabilitySet::all().iter() {
        match thread::remove_capability_from_bounding_set(capability) {
            // A kernel that does not know it, or we may not (its absence then is as good).
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match thread::set_thread_groups(&groups) {
        Ok(()) => {}
        // Without CAP_SETGID nothing can be changed; that is only right when nothing has to be.
        Err(rustix::io::Errno::PERM) if rustix::process::getgid() == gid => {}
        Err(error) => return Err(error.into()),
    }
    thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(user.uid);
    thread::set_thread_res_uid(uid, uid, uid)?;
    thread::clear_ambient_capability_set().or_else(|error| match error {
        rustix::io::Errno::INVAL => Ok(()),
        other => Err(other),
    })?;
    let none = CapabilitySet::empty();
    thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    thread::set_no_new_privs(true)?;
    Ok(())
}

/// Becomes the command: no shell, no child. Gives back only when that failed.
pub fn become_command(arguments: &[OsString], set: &[(OsString, OsString)], unset: &[OsString]) -> Became {
    let Some((program, rest)) = arguments.split_first() else {
        return Became::NotFound(io::Error::new(io::ErrorKind::NotFound, "there is no command"));
    };
    let mut command = Command::new(program);
    command.args(rest);
    unset.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.envs(set.iter().map(|(name, value)| (name, value)));
    let error = command.exec();
    match error.kind() {
        io::ErrorKind::NotFound => Became::NotFound(error),
        _ => Became::NotExecutable(error),
    }
}
