//! The agent: a process of the same program that holds a sandbox's namespaces. In: its arguments and a socket in place of
//! standard input. Out: the namespaces and sockets through that socket; then answers, until the other end closes.
//!
//! It exists because one program cannot be in two network namespaces as an ordinary user: only a process with a single
//! thread may enter a new user namespace, and only from within one can one open sockets there. When its parent ends, in
//! whatever way, the socket closes and it ends; with the last process in them the namespaces end, and with those the mounts,
//! the rules and the addresses. It never writes to the disk.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::net::netlink::SOCK_DIAG;
use rustix::thread::UnshareFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::channel::{Ask, Channel, Told};
use super::error::{Failure, Step};
use super::links::Links;
use super::mounts;
use crate::netlink::Netlink;
use crate::nft;

/// The first argument that makes this program an agent.
pub(super) const VERB: &str = "__sandbox";

/// Runs the agent when the arguments (with the program's name first) ask for it; gives the status to exit with.
///
/// Call this first thing in `main`: the agent must have one thread only, and does not want the program's own set-up.
pub fn agent_main_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    Some(run(arguments.map(PathBuf::from).collect()).unwrap_or(ExitCode::FAILURE))
}

/// The agent's life; what goes wrong is told through the channel.
fn run(files: Vec<PathBuf>) -> io::Result<ExitCode> {
    let channel = match io::stdin().as_fd().try_clone_to_owned().and_then(Channel::adopt) {
        Ok(channel) => channel,
        Err(_) => {
            return Ok(ExitCode::from(2)); // started by hand: there is nobody to talk to
        }
    };
    // Ctrl-C in the terminal is for the command, which still needs its network while it cleans up.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"sidelight-net");
    match Held::make(&files) {
        Ok(held) => {
            held.hand_over(&channel)?;
            held.serve(&channel)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            channel.send(&Told::Failed(failure), &[])?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Everything that makes up the sandbox.
struct Held {
    links: Links,
    user: bool,
    ipv4: Sockets,
    ipv6: Option<Sockets>,
    rules: nft::Table,
}

/// The sockets of one IP version.
struct Sockets {
    tcp: TcpListener,
    dns: UdpSocket,
    /// Connected to itself: nobody else can take its port, and what anybody sends there is answered "unreachable".
    closed: UdpSocket,
}

impl Held {
    /// `files` are pairs: a file, and where it is shown.
    fn make(files: &[PathBuf]) -> Result<Self, Failure> {
        let (pairs, []) = files.as_chunks::<2>() else {
            return Err(Failure::new(Step::Invocation, &io::ErrorKind::InvalidInput.into()));
        };
        let links = step(Step::ReadLinks, Links::read())?;
        let user = enter_new_namespaces()?;
        step(Step::PrivateMounts, mounts::make_private())?;
        for [from, to] in pairs {
            let about = || Step::Bind { from: from.display().to_string(), to: to.display().to_string() };
            mounts::bind(from, to).map_err(|error| Failure::new(about(), &error))?;
        }
        let _ = rustix::process::chdir("/"); // keeps no folder of the outside busy
        step(Step::WriteLinks, links.write())?;
        let ipv4 = step(Step::Sockets, Sockets::open(Ipv4Addr::LOCALHOST.into()))?;
        let ipv6 = Sockets::open(Ipv6Addr::LOCALHOST.into()).ok(); // a kernel without IPv6 is no reason to fail
        let rules = step(
            Step::Rules,
            ipv4.ports().and_then(|ports| Ok((ports, ipv6.as_ref().map(Sockets::ports).transpose()?))).and_then(
                |(v4, v6)| {
                    let own = links.addresses.iter().copied().collect();
                    nft::Table::install(&nft::Rules { ipv4: v4, ipv6: v6, own })
                },
            ),
        )?;
        Ok(Self { links, user, ipv4, ipv6, rules })
    }

    fn hand_over(&self, channel: &Channel) -> io::Result<()> {
        let handed = || -> io::Result<(Vec<OwnedFd>, Told)> {
            let mut descriptors = vec![namespace("mnt")?, namespace("net")?, Netlink::open(Some(SOCK_DIAG))?.into()];
            for sockets in std::iter::once(&self.ipv4).chain(&self.ipv6) {
                descriptors.push(sockets.tcp.as_fd().try_clone_to_owned()?);
                descriptors.push(sockets.dns.as_fd().try_clone_to_owned()?);
            }
            if self.user {
                descriptors.push(namespace("user")?);
            }
            let own = self.links.addresses.iter().copied().collect();
            Ok((descriptors, Told::Ready { ipv6: self.ipv6.is_some(), user: self.user, own }))
        };
        match handed() {
            Ok((descriptors, ready)) => channel.send(&ready, &descriptors.iter().map(AsFd::as_fd).collect::<Vec<_>>()),
            Err(error) => channel.send(&Told::Failed(Failure::new(Step::HandOver, &error)), &[]),
        }
    }

    fn serve(mut self, channel: &Channel) -> io::Result<()> {
        while let Some((ask, _)) = channel.receive()? {
            match ask {
                Ask::Socket { ipv6 } => match exempt_socket(ipv6) {
                    Ok(socket) => channel.send(&Told::Socket, &[socket.as_fd()])?,
                    Err(error) => channel.send(&refused(&error), &[])?,
                },
                Ask::RefusedUdp => match self.rules.refused_udp() {
                    Ok(count) => channel.send(&Told::RefusedUdp(count), &[])?,
                    Err(error) => channel.send(&refused(&error), &[])?,
                },
            }
        }
        Ok(())
    }
}

impl Sockets {
    fn open(loopback: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(loopback, 0);
        let closed = UdpSocket::bind(any)?;
        closed.connect(closed.local_addr()?)?;
        Ok(Self { tcp: TcpListener::bind(any)?, dns: UdpSocket::bind(any)?, closed })
    }

    fn ports(&self) -> io::Result<nft::Ports> {
        Ok(nft::Ports {
            tcp: self.tcp.local_addr()?.port(),
            dns: self.dns.local_addr()?.port(),
            closed: self.closed.local_addr()?.port(),
        })
    }
}

fn refused(error: &io::Error) -> Told {
    Told::Errno(error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()))
}

/// A socket that the rules leave alone.
fn exempt_socket(ipv6: bool) -> io::Result<Socket> {
    let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_mark(nft::EXEMPT_MARK)?;
    Ok(socket)
}

fn namespace(kind: &str) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/self/ns/{kind}"))?.into())
}

fn step<T>(step: Step, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(step, &error))
}

/// Moves this process into a new network and a new mount namespace; where that is not allowed, into a new user namespace
/// first, in which it is. Tells whether there is one.
fn enter_new_namespaces() -> Result<bool, Failure> {
    let denied = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error());
    let user = match unshare(UnshareFlags::NEWNET) {
        Err(error) if denied(&error) => true,
        other => {
            step(Step::NetworkNamespace, other)?;
            false
        }
    };
    if user {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        step(Step::UserNamespace, unshare(UnshareFlags::NEWUSER))?;
        // The same numbers inside as outside; a group map may be written only after giving up setgroups(2).
        step(Step::IdMap, fs::write("/proc/self/setgroups", "deny"))?;
        step(Step::IdMap, fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))?;
        step(Step::IdMap, fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")))?;
        step(Step::NetworkNamespace, unshare(UnshareFlags::NEWNET))?;
    }
    step(Step::MountNamespace, unshare(UnshareFlags::NEWNS))?;
    Ok(user)
}

fn unshare(what: UnshareFlags) -> io::Result<()> {
    // SAFETY: the agent has one thread, and none of the flags used here separates what threads must share (`FILES`).
    #[allow(unsafe_code, reason = "namespaces can be left in no other way")]
    unsafe {
        rustix::thread::unshare_unsafe(what)?;
    }
    Ok(())
}
