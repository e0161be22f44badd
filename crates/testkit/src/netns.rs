//! Network namespaces joined by cables. In: names and addresses. Out: namespaces in which a test may route and filter as it likes; removed when dropped.
//! By ip(8) of iproute2. Namespaces get names of their own per process, so that tests may run side by side.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::run;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with its loopback up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace.
    ///
    /// # Panics
    /// Without the permission to (CAP_SYS_ADMIN).
    #[allow(clippy::new_without_default, reason = "making a namespace changes the machine; a default should not")]
    pub fn new() -> Self {
        let name = format!("sl{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        ip(&["netns", "add", &name]);
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"]);
        made
    }

    /// The namespace that a process is in, a container's for instance, under a name of ours. It stays with the process.
    pub fn of_process(pid: u32) -> Self {
        let name = format!("sl{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        ip(&["netns", "attach", &name, &pid.to_string()]);
        Self { name }
    }

    /// The name, as ip-netns(8) knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// ip(8) inside the namespace.
    pub fn ip(&self, arguments: &[&str]) {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend_from_slice(arguments);
        ip(&all);
    }

    /// A command that runs inside the namespace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = enter(&self.name);
        command.arg(program);
        crate::hosts::clean(&mut command);
        command
    }

    /// A listener inside the namespace; it can be served from anywhere.
    pub fn listen(&self, address: &str) -> TcpListener {
        let address = address.to_owned();
        within(&self.name, move || {
            TcpListener::bind(&address).unwrap_or_else(|e| panic!("cannot listen on {address}: {e}"))
        })
    }

    /// Loads nftables rules inside the namespace.
    pub fn nft(&self, rules: &str) {
        run(self.command("nft").arg(rules)).success();
    }

    /// Writes a kernel setting inside the namespace: `net.ipv4.ip_forward`, `1`.
    pub fn sysctl(&self, key: &str, value: &str) {
        let file = format!("/proc/sys/{}", key.replace('.', "/"));
        run(self.command("sh").args(["-c", "printf %s \"$0\" > \"$1\"", value, &file])).success();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Runs something in the namespace of that name, on a thread of its own.
///
/// # Panics
/// If there is no such namespace, or the thread panics.
pub fn within<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let path = format!("/run/netns/{name}");
    let entered = std::thread::spawn(move || {
        let namespace = std::fs::File::open(&path).unwrap_or_else(|e| panic!("cannot open {path}: {e}"));
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).expect("the namespace is entered");
        work()
    });
    entered.join().expect("the work inside the namespace")
}

/// Joins two namespaces with a cable; each end gets its addresses (`10.9.0.1/24`, `fd09::1/64`).
pub fn join(a: (&Namespace, &[&str]), b: (&Namespace, &[&str])) {
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let ends = [format!("v{number}a"), format!("v{number}b")];
    ip(&["link", "add", &ends[0], "netns", a.0.name(), "type", "veth", "peer", "name", &ends[1], "netns", b.0.name()]);
    for ((namespace, addresses), end) in [a, b].into_iter().zip(&ends) {
        for address in addresses {
            let mut add = vec!["address", "add", address, "dev", end.as_str()];
            if address.contains(':') {
                // Without duplicate address detection the address is usable at once.
                add.push("nodad");
            }
            namespace.ip(&add);
        }
        namespace.ip(&["link", "set", end, "up"]);
    }
}

/// The start of a command in the namespace of that name. `ip netns exec` would also give it another /sys, without cgroups.
pub(crate) fn enter(name: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{name}")).arg("--");
    command
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments)).success();
}
