//! The limit on open files. In: the limit that this process was started with. Out: as many as are allowed for us, and the former
//! limit for the commands that we start. Spec: getrlimit(2).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::process::Command;

/// Allows this process as many open files as it may have: each connection takes two. Gives the former limit, if it was lower.
///
/// The usual soft limit of 1024 is that low for programs that use select(2), which this one does not.
pub(crate) fn raise() -> Option<Rlimit> {
    let former = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: former.maximum, ..former };
    (former.current != former.maximum && setrlimit(Resource::Nofile, raised).is_ok()).then_some(former)
}

/// Lets `command` start with `limit`.
pub(crate) fn restore_in(command: &mut Command, limit: Rlimit) {
    let restore = move || setrlimit(Resource::Nofile, limit).map_err(Into::into);
    // SAFETY: between fork and exec the hook makes one system call.
    #[allow(unsafe_code, reason = "a process can get a limit of its own only between fork and exec")]
    unsafe {
        command.pre_exec(restore);
    }
}
