//! The sandbox of `run --transparent`: a network and a mount namespace in which all TCP of a command arrives at our own
//! listeners. In: which files the command shall see in place of others. Out: listeners, DNS sockets, and the way in.
//! Spec: namespaces(7), user_namespaces(7), nft(8).
//!
//! Inside, the loopback device has this machine's addresses, and routes to wherever the machine has some. TCP connections
//! to anywhere are redirected to [`Sandbox::listeners`] (`SO_ORIGINAL_DST` tells where they were going), DNS over UDP to
//! [`Sandbox::dns_sockets`] (for [`crate::dns_relay`]), all other UDP is answered "port unreachable". The command runs as the
//! same user, in the same folder, with the same terminal, environment and files. It works without privileges where the
//! kernel lets ordinary users make user namespaces; then programs cannot become other users inside (`sudo` fails).
//!
//! Connections to loopback or to the machine's own addresses may be meant for a server that the command itself started: ask
//! [`Sandbox::is_own`], try [`Sandbox::connect_inside`], and only when that is refused connect from outside.
//! Unix sockets in the file system work across the border; those in the abstract namespace do not.
//!
//! ```no_run
//! use std::os::unix::process::CommandExt;
//! use std::process::{Command, ExitCode};
//!
//! use sidelight_host::netns::{Sandbox, SandboxOptions, agent_main_if_asked};
//!
//! fn main() -> ExitCode {
//!     // First thing in main, before any thread is started:
//!     if let Some(code) = agent_main_if_asked(std::env::args_os()) {
//!         return code;
//!     }
//!     run().map_or(ExitCode::from(125), |()| ExitCode::SUCCESS)
//! }
//!
//! fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut sandbox = Sandbox::start(&SandboxOptions {
//!         binds: vec![("/tmp/bundle.pem".into(), "/etc/ssl/certs/ca-certificates.crt".into())],
//!     })?;
//!     let listeners = sandbox.listeners(); // serve with tokio::net::TcpListener::from_std
//!     let dns = sandbox.dns_sockets(); // serve each with sidelight_host::dns_relay::serve
//!     let finder = sandbox.finder()?; // finder.find(client, original_destination)
//!     let mut command = Command::new("curl");
//!     command.arg("https://registry.test/v2/");
//!     // SAFETY: the hook makes system calls only.
//!     unsafe { command.pre_exec(sandbox.enter_hook()) };
//!     let status = command.status()?;
//!     println!("{status}; {} UDP flows were turned away", sandbox.refused_udp()?);
//! #   drop((listeners, dns, finder));
//!     Ok(())
//! }
//! ```

mod agent;
mod channel;
mod enter;
mod error;
mod links;
mod mounts;

pub use agent::agent_main_if_asked;
pub use error::{SandboxError, Step};

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channel::{Ask, Channel, Told};
use enter::Namespaces;

use crate::process::Finder;

/// The program itself, also when its file was replaced meanwhile.
const OURSELVES: &str = "/proc/self/exe";
/// A server inside that is so slow to accept is treated as not there.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// How a sandbox shall look.
#[derive(Clone, Debug, Default)]
pub struct SandboxOptions {
    /// Files that the command sees in place of others, read-only: (the file, the existing path at which it is seen).
    pub binds: Vec<(PathBuf, PathBuf)>,
}

/// A sandbox; dropping it ends its agent. Commands that still run in it lose their network then.
#[derive(Debug)]
pub struct Sandbox {
    agent: Mutex<Agent>,
    namespaces: Arc<Namespaces>,
    diagnosis: OwnedFd,
    listeners: Vec<TcpListener>,
    listening: Vec<SocketAddr>,
    dns: Vec<UdpSocket>,
    own: BTreeSet<IpAddr>,
}

impl Sandbox {
    /// Makes a sandbox; takes some tens of milliseconds, blocking.
    ///
    /// The agent is this program once more, so that `main` must call [`agent_main_if_asked`].
    ///
    /// # Errors
    /// When the kernel does not allow it: the error names the step, the missing permission, and what to do.
    pub fn start(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let (channel, theirs) = Channel::pair().map_err(SandboxError::Silent)?;
        let mut command = Command::new(OURSELVES);
        command.arg0("sidelight").arg(agent::VERB);
        command.args(options.binds.iter().flat_map(|(file, seen_at)| [file, seen_at]));
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|source| SandboxError::Start { program: OURSELVES.into(), source })?;
        drop(command); // and with it our copy of the agent's end: its closing must be seen
        let agent = Agent { child, channel, silent: false };
        match agent.channel.receive() {
            Ok(Some((Told::Ready { ipv6, user, own }, descriptors))) => {
                Self::assemble(agent, descriptors, ipv6, user, own).map_err(SandboxError::Silent)
            }
            Ok(Some((Told::Failed(failure), _))) => Err(SandboxError::explain(failure)),
            Ok(Some(_)) => Err(SandboxError::Silent(out_of_turn())),
            Ok(None) => Err(SandboxError::Silent(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(SandboxError::Silent(error)),
        }
    }

    fn assemble(agent: Agent, descriptors: Vec<OwnedFd>, ipv6: bool, user: bool, own: Vec<IpAddr>) -> io::Result<Self> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(out_of_turn);
        let (mount, network, diagnosis) = (next()?, next()?, next()?);
        let (mut listeners, mut dns) = (Vec::new(), Vec::new());
        for _ in 0..if ipv6 { 2 } else { 1 } {
            listeners.push(TcpListener::from(next()?));
            dns.push(UdpSocket::from(next()?));
        }
        let user = if user { Some(next()?) } else { None };
        let listening = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        for socket in &dns {
            socket.set_nonblocking(true)?;
        }
        let namespaces = Arc::new(Namespaces { user, mount, network });
        let own = own.into_iter().collect();
        Ok(Self { agent: Mutex::new(agent), namespaces, diagnosis, listeners, listening, dns, own })
    }

    /// The listeners at which all TCP connections from inside arrive: IPv4, and IPv6 where there is IPv6; non-blocking.
    /// The second call gives none.
    pub fn listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// The sockets at which all DNS queries over UDP from inside arrive: IPv4, and IPv6 where there is IPv6; non-blocking.
    /// The second call gives none.
    pub fn dns_sockets(&mut self) -> Vec<UdpSocket> {
        std::mem::take(&mut self.dns)
    }

    /// Whether a connection to this address may be meant for a server inside: a loopback address or one of this machine.
    pub fn is_own(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || self.own.contains(&address)
    }

    /// Connects to a server inside, past the redirection. Blocks for as long as the server needs to accept, at most 2 s.
    ///
    /// # Errors
    /// `ConnectionRefused` when nothing listens there (connect from outside then), also for our own listeners: they
    /// would only lead back here. `BrokenPipe` when the agent has ended.
    pub fn connect_inside(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let to = SocketAddr::new(address.ip().to_canonical(), address.port());
        let ours = self.listening.iter().any(|ours| ours.port() == to.port() && ours.is_ipv4() == to.is_ipv4());
        if !self.is_own(to.ip()) || ours {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        match self.ask(Ask::Socket { ipv6: to.is_ipv6() })? {
            (Told::Socket, descriptors) => {
                let socket = socket2::Socket::from(descriptors.into_iter().next().ok_or_else(out_of_turn)?);
                socket.connect_timeout(&to.into(), CONNECT_PATIENCE)?;
                Ok(socket.into())
            }
            _ => Err(out_of_turn()),
        }
    }

    /// How many UDP flows (QUIC, for the most part) were turned away so far.
    ///
    /// # Errors
    /// `BrokenPipe` when the agent has ended.
    pub fn refused_udp(&self) -> io::Result<u64> {
        match self.ask(Ask::RefusedUdp)? {
            (Told::RefusedUdp(count), _) => Ok(count),
            _ => Err(out_of_turn()),
        }
    }

    /// A finder for the programs inside; give it the client's address and the *original destination*.
    ///
    /// # Errors
    /// When no more files can be opened.
    pub fn finder(&self) -> io::Result<Finder> {
        Ok(Finder::with_diagnosis_socket(self.diagnosis.try_clone()?))
    }

    /// What a command must do between fork and exec to run inside; for `pre_exec` of [`std::process::Command`] or tokio's.
    ///
    /// It makes system calls only. The command keeps its user, group, working folder, terminal and files.
    pub fn enter_hook(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        let namespaces = Arc::clone(&self.namespaces);
        move || namespaces.enter()
    }

    /// The process ID of the agent.
    pub fn agent_pid(&self) -> u32 {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner).child.id()
    }

    fn ask(&self, ask: Ask) -> io::Result<(Told, Vec<OwnedFd>)> {
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if agent.silent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // An answer that did not come could come later, and be taken for the answer to something else.
        agent.silent = true;
        let answer = agent.channel.send(&ask, &[]).and_then(|()| agent.channel.receive()).map_err(ended)?;
        let answer = answer.ok_or(io::ErrorKind::BrokenPipe)?;
        agent.silent = false;
        match answer {
            (Told::Errno(errno), _) => Err(io::Error::from_raw_os_error(errno)),
            answer => Ok(answer),
        }
    }
}

/// An agent that ended while a question was under way resets the channel.
fn ended(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::ConnectionReset { io::ErrorKind::BrokenPipe.into() } else { error }
}

fn out_of_turn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the sandbox's agent said something that was not asked for")
}

/// The agent's process and our end of its channel.
struct Agent {
    child: Child,
    channel: Channel,
    /// It failed to answer once, and is asked no more.
    silent: bool,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("pid", &self.child.id()).finish_non_exhaustive()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It would end by itself once the channel closes; this way it has ended when we go on.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
