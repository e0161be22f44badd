//! Why a sandbox could not be made, and what to do about it. In: the step that failed, the kernel's errno, and what the
//! machine allows. Out: words. Spec: user_namespaces(7), network_namespaces(7).

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A step of making the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Reading the command of the agent: it was started by hand, or by another version.
    Invocation,
    /// A user namespace of its own, needed without CAP_SYS_ADMIN.
    UserNamespace,
    /// The map of user and group IDs in it.
    IdMap,
    /// A network namespace.
    NetworkNamespace,
    /// A mount namespace.
    MountNamespace,
    /// Keeping its mounts from the rest of the machine.
    PrivateMounts,
    /// Showing a file in place of another.
    Bind {
        /// The file that is shown.
        from: String,
        /// The place where it is shown.
        to: String,
    },
    /// Reading the machine's addresses and routes.
    ReadLinks,
    /// Setting up the loopback device with them.
    WriteLinks,
    /// Opening the sockets that the sandbox's traffic goes to.
    Sockets,
    /// The rules that send it there.
    Rules,
    /// Handing the namespaces and sockets over.
    HandOver,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invocation => f.write_str("reading the command of the sandbox's agent"),
            Self::UserNamespace => f.write_str("making a user namespace"),
            Self::IdMap => f.write_str("mapping your user and group into the new user namespace"),
            Self::NetworkNamespace => f.write_str("making a network namespace"),
            Self::MountNamespace => f.write_str("making a mount namespace"),
            Self::PrivateMounts => f.write_str("keeping the sandbox's mounts private"),
            Self::Bind { from, to } => write!(f, "showing {from} at {to}"),
            Self::ReadLinks => f.write_str("reading this machine's addresses and routes"),
            Self::WriteLinks => f.write_str("setting up the sandbox's addresses and routes"),
            Self::Sockets => f.write_str("listening in the sandbox"),
            Self::Rules => f.write_str("redirecting the sandbox's traffic with nf_tables"),
            Self::HandOver => f.write_str("handing over the sandbox's sockets"),
        }
    }
}

/// A step that failed in the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) step: Step,
    /// The kernel's errno, where there is one.
    pub(super) errno: Option<i32>,
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(step: Step, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error(), words: error.to_string() }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The agent could not be started.
    #[error("cannot start the sandbox's agent {}: {source}", program.display())]
    Start {
        /// The program that was to be started.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A step failed.
    #[error("{step}: {words}\n{advice}")]
    Step {
        /// The step.
        step: Step,
        /// The kernel's words.
        words: String,
        /// Which permission is missing, and what to do.
        advice: String,
    },
    /// The agent ended or fell silent without saying why.
    #[error("the sandbox's agent gave no answer: {0}")]
    Silent(io::Error),
}

impl SandboxError {
    pub(super) fn explain(failure: Failure) -> Self {
        let advice = advice(&failure, &Machine::read());
        Self::Step { step: failure.step, words: failure.words, advice }
    }
}

/// What this machine allows, as far as sandboxes are concerned. `None` is: this kernel has no such switch.
#[derive(Clone, Debug, Default)]
struct Machine {
    root: bool,
    /// Debian's `kernel.unprivileged_userns_clone`.
    userns_clone: Option<u64>,
    /// Ubuntu's `kernel.apparmor_restrict_unprivileged_userns`.
    apparmor_restrict: Option<u64>,
    max_user_namespaces: Option<u64>,
    max_net_namespaces: Option<u64>,
    max_mnt_namespaces: Option<u64>,
    /// A seccomp filter is in force, as in most containers.
    seccomp: bool,
}

impl Machine {
    fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
        Self {
            root: rustix::process::geteuid().is_root(),
            userns_clone: switch("kernel/unprivileged_userns_clone"),
            apparmor_restrict: switch("kernel/apparmor_restrict_unprivileged_userns"),
            max_user_namespaces: switch("user/max_user_namespaces"),
            max_net_namespaces: switch("user/max_net_namespaces"),
            max_mnt_namespaces: switch("user/max_mnt_namespaces"),
            seccomp: seccomp.is_some_and(|mode| mode != "0"),
        }
    }
}

fn switch(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

const EPERM: i32 = rustix::io::Errno::PERM.raw_os_error();
const EACCES: i32 = rustix::io::Errno::ACCESS.raw_os_error();
const ENOENT: i32 = rustix::io::Errno::NOENT.raw_os_error();
const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();
const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
const ENOSYS: i32 = rustix::io::Errno::NOSYS.raw_os_error();
const EOPNOTSUPP: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();
const EPROTONOSUPPORT: i32 = rustix::io::Errno::PROTONOSUPPORT.raw_os_error();
const EROFS: i32 = rustix::io::Errno::ROFS.raw_os_error();

/// Which permission is missing, and what to do. Pure, so that every machine can be judged in tests.
fn advice(failure: &Failure, machine: &Machine) -> String {
    let errno = failure.errno.unwrap_or_default();
    match &failure.step {
        Step::UserNamespace => user_namespace(errno, machine),
        Step::IdMap | Step::NetworkNamespace | Step::MountNamespace | Step::PrivateMounts | Step::WriteLinks
            if matches!(errno, EPERM | EACCES) =>
        {
            no_capabilities(machine)
        }
        Step::NetworkNamespace if errno == ENOSPC || machine.max_net_namespaces == Some(0) => {
            limit("max_net_namespaces")
        }
        Step::MountNamespace if errno == ENOSPC || machine.max_mnt_namespaces == Some(0) => limit("max_mnt_namespaces"),
        Step::NetworkNamespace if errno == EINVAL => {
            "this kernel is built without network namespaces (CONFIG_NET_NS)".to_owned()
        }
        Step::PrivateMounts if errno == EINVAL => {
            "the root folder is not a mount point, as in a chroot: start sidelight outside of it".to_owned()
        }
        Step::Bind { from, to } => bind(errno, from, to, machine),
        Step::Rules => rules(errno, machine),
        _ if errno == ENOSYS && machine.seccomp => {
            "a seccomp filter hides this system call: start the container with --security-opt seccomp=unconfined"
                .to_owned()
        }
        _ => "the sandbox needs a Linux kernel of version 5.2 or newer with /proc mounted".to_owned(),
    }
}

fn user_namespace(errno: i32, machine: &Machine) -> String {
    if errno == ENOSPC || machine.max_user_namespaces == Some(0) {
        return limit("max_user_namespaces");
    }
    if errno == EINVAL || errno == ENOSYS {
        return "this kernel is built without user namespaces (CONFIG_USER_NS): run sidelight as root".to_owned();
    }
    if machine.userns_clone == Some(0) {
        return "user namespaces are switched off for ordinary users: \
                `sysctl kernel.unprivileged_userns_clone=1`, or run sidelight as root"
            .to_owned();
    }
    no_capabilities(machine)
}

/// The kernel said no although the namespace as such is allowed.
fn no_capabilities(machine: &Machine) -> String {
    if !machine.root && machine.apparmor_restrict.is_some_and(|restrict| restrict != 0) {
        return "AppArmor lets ordinary users make user namespaces but do nothing in them: \
                `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile with `userns,` for \
                sidelight, or run sidelight as root"
            .to_owned();
    }
    match (machine.root, machine.seccomp) {
        (true, true) => "CAP_SYS_ADMIN is missing and a seccomp filter is in force, as in a container: start the \
                         container with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \
                         (Docker also needs --security-opt apparmor=unconfined)"
            .to_owned(),
        (true, false) => {
            "CAP_SYS_ADMIN is missing: start the container with --cap-add SYS_ADMIN --cap-add NET_ADMIN".to_owned()
        }
        (false, true) => "a seccomp filter is in force, as in a container: start it with \
                          --security-opt seccomp=unconfined, or run sidelight outside of it"
            .to_owned(),
        (false, false) => {
            "a security module or a chroot forbids it to ordinary users: run sidelight as root".to_owned()
        }
    }
}

fn limit(name: &str) -> String {
    format!("the limit of such namespaces is reached or 0: `sysctl user.{name}=15000`")
}

fn bind(errno: i32, from: &str, to: &str, machine: &Machine) -> String {
    match errno {
        ENOENT => format!("{from} or {to} does not exist, or its folder may not be entered"),
        EACCES => format!("a folder of {from} or {to} may not be entered by this user"),
        EROFS | EPERM if machine.seccomp => no_capabilities(machine),
        _ => format!("{to} cannot be mounted over; sidelight leaves it as it is when it is not named as a trust store"),
    }
}

fn rules(errno: i32, machine: &Machine) -> String {
    let load = "nf_tables nft_chain_nat nft_redir nf_nat nf_conntrack";
    match errno {
        EPERM | EACCES => no_capabilities(machine),
        EPROTONOSUPPORT | ENOENT | EOPNOTSUPP => format!(
            "the kernel's packet filter is not loaded, and cannot be loaded from within: as root `modprobe -a {load}`"
        ),
        _ => format!("the kernel's packet filter refuses the rules: it must be Linux 5.2 or newer with {load}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(step: Step, errno: i32, machine: &Machine) -> String {
        advice(&Failure { step, errno: Some(errno), words: String::new() }, machine)
    }

    #[test]
    fn names_what_each_kind_of_machine_lacks() {
        let user = Machine::default();
        let debian = Machine { userns_clone: Some(0), ..Machine::default() };
        let ubuntu = Machine { apparmor_restrict: Some(1), ..Machine::default() };
        let container = Machine { root: true, seccomp: true, ..Machine::default() };
        let privileged = Machine { root: true, ..Machine::default() };
        for (step, errno, machine, words) in [
            (Step::UserNamespace, EPERM, &debian, "kernel.unprivileged_userns_clone=1"),
            (Step::UserNamespace, EPERM, &user, "run sidelight as root"),
            (Step::UserNamespace, ENOSPC, &user, "user.max_user_namespaces"),
            (Step::UserNamespace, EINVAL, &user, "CONFIG_USER_NS"),
            (Step::IdMap, EACCES, &ubuntu, "apparmor_restrict_unprivileged_userns=0"),
            (Step::NetworkNamespace, EPERM, &ubuntu, "apparmor_restrict_unprivileged_userns=0"),
            (Step::NetworkNamespace, ENOSPC, &user, "user.max_net_namespaces"),
            (Step::NetworkNamespace, EPERM, &container, "seccomp=unconfined"),
            (Step::MountNamespace, EPERM, &privileged, "--cap-add SYS_ADMIN"),
            (Step::Rules, EPROTONOSUPPORT, &user, "modprobe -a nf_tables"),
            (Step::Rules, ENOENT, &privileged, "modprobe -a nf_tables"),
            (Step::Bind { from: "/a".into(), to: "/b".into() }, ENOENT, &user, "/a or /b does not exist"),
        ] {
            let text = said(step.clone(), errno, machine);
            assert!(text.contains(words), "{step:?} {errno}: {text}");
        }
    }

    #[test]
    fn an_error_names_its_step() {
        let failure = Failure::new(Step::NetworkNamespace, &io::Error::from_raw_os_error(EPERM));
        let text = SandboxError::explain(failure).to_string();
        assert!(text.starts_with("making a network namespace: Operation not permitted"), "{text}");
    }
}
