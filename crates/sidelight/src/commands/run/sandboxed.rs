//! `run --transparent`: the command in a network of its own, whose every TCP connection arrives at us.
//! In: a prepared command. Out: the same, which will start inside, and the sandbox that has to outlive it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use sidelight_engine::dial::{Inside, Proxy, Way};
use sidelight_engine::{Identify, Listener, Mode};
use sidelight_host::netns::{Sandbox, SandboxOptions};
use sidelight_host::process::Finder;
use sidelight_model::flow::Process;

use super::super::interception::Interception;
use super::child::Prepared;
use crate::exit::Failure;

/// Connects inside the sandbox.
struct Within(Arc<Sandbox>);

impl Inside for Within {
    fn is_own(&self, address: SocketAddr) -> bool {
        self.0.is_own(address.ip())
    }

    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.connect_inside(address)
    }
}

/// Finds the programs inside.
struct Residents(Finder);

impl Identify for Residents {
    fn process(&self, client: SocketAddr, server: SocketAddr) -> Option<Process> {
        self.0.find(client, server)
    }
}

/// Makes the sandbox, serves its listeners and name look-ups, and lets the command start inside.
///
/// # Errors
/// When the kernel does not allow it; the failure names the permission and what to do.
pub(super) fn enter(
    interception: &mut Interception,
    prepared: &mut Prepared,
    binds: Vec<(PathBuf, PathBuf)>,
    chained: Option<Arc<Proxy>>,
) -> Result<Arc<Sandbox>, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let mut sandbox = Sandbox::start(&SandboxOptions { binds }).map_err(|error| {
        Failure::new(format!("--transparent: {error}"))
            .hint("without --transparent, programs that obey HTTPS_PROXY are seen all the same")
    })?;
    let listeners = sandbox.listeners();
    for socket in sandbox.dns_sockets() {
        interception.runtime().spawn(sidelight_host::dns_relay::serve(socket, "/etc/resolv.conf".into()));
    }
    let identify: Arc<dyn Identify> = Arc::new(Residents(sandbox.finder().map_err(|error| refused(&error))?));
    let sandbox = Arc::new(sandbox);
    for socket in listeners {
        let _inside = interception.runtime().enter();
        let socket = tokio::net::TcpListener::from_std(socket).map_err(|error| refused(&error))?;
        let listener = Listener {
            mode: Mode::Transparent,
            name: "transparent".into(),
            way: Way { proxy: chained.clone(), inside: Some(Arc::new(Within(sandbox.clone()))) },
            foreign: true,
            identify: Some(identify.clone()),
            scope: None,
            edit: None,
        };
        interception.add(listener, socket);
    }
    // SAFETY: between fork and exec the hook makes system calls only, on descriptors that are open already.
    #[allow(unsafe_code, reason = "a process can enter namespaces only between fork and exec")]
    unsafe {
        prepared.command.pre_exec(sandbox.enter_hook());
    }
    Ok(sandbox)
}
