//! The program under test: runs a command in a sandbox, with a forwarder that plays the proxy. In: a command; settings in the
//! environment. Out: what happened, as lines in a log file; the command's exit status.
//!
//! `SANDBOX_LOG`: the log file. `SANDBOX_BIND`: `FILE:SEEN_AT`. `SANDBOX_RESOLV_CONF`: instead of `/etc/resolv.conf`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;

use sidelight_host::dns_relay;
use sidelight_host::netns::{Sandbox, SandboxOptions};
use sidelight_host::process::Finder;

/// Runs the command; 125 when there is no sandbox.
pub(crate) fn run(command: &[String]) -> ExitCode {
    let binds = std::env::var("SANDBOX_BIND").ok();
    let binds = binds.iter().filter_map(|pair| pair.split_once(':')).map(|(file, at)| (file.into(), at.into()));
    let mut sandbox = match Sandbox::start(&SandboxOptions { binds: binds.collect() }) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(125);
        }
    };
    let log = Arc::new(log());
    let (listeners, dns) = (sandbox.listeners(), sandbox.dns_sockets());
    let (finder, sandbox) = (Arc::new(sandbox.finder().unwrap()), Arc::new(sandbox));
    for listener in listeners {
        let (sandbox, finder, log) = (Arc::clone(&sandbox), Arc::clone(&finder), Arc::clone(&log));
        thread::spawn(move || forward(&listener, &sandbox, &finder, &log));
    }
    let resolv_conf = std::env::var("SANDBOX_RESOLV_CONF").unwrap_or_else(|_| "/etc/resolv.conf".into());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut relays = tokio::task::JoinSet::new();
            for socket in dns {
                relays.spawn(dns_relay::serve(socket, resolv_conf.clone().into()));
            }
            relays.join_all().await
        })
    });
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]);
    // SAFETY: the hook makes system calls only.
    #[allow(unsafe_code, reason = "the way into namespaces is between fork and exec")]
    unsafe {
        child.pre_exec(sandbox.enter_hook());
    }
    let mut child = child.spawn().unwrap();
    note(&log, &format!("agent {} command {}", sandbox.agent_pid(), child.id()));
    let status = child.wait().unwrap();
    match sandbox.refused_udp() {
        Ok(count) => note(&log, &format!("refused-udp {count}")),
        Err(error) => note(&log, &format!("agent-gone {:?}", error.kind())),
    }
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    ExitCode::from(u8::try_from(code).unwrap_or(255))
}

fn log() -> File {
    let path = std::env::var("SANDBOX_LOG").unwrap_or_else(|_| "/dev/null".into());
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// One write a line, so that lines of several threads do not mix.
fn note(mut log: &File, line: &str) {
    log.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Accepts what was redirected, and connects it to where it was going.
fn forward(listener: &TcpListener, sandbox: &Arc<Sandbox>, finder: &Arc<Finder>, log: &Arc<File>) {
    listener.set_nonblocking(false).unwrap();
    while let Ok((client, from)) = listener.accept() {
        let (sandbox, finder, log) = (Arc::clone(sandbox), Arc::clone(finder), Arc::clone(log));
        thread::spawn(move || {
            let to = original_destination(&client).unwrap();
            let name = finder.find(from, to).map_or_else(|| "?".to_owned(), |process| process.name);
            let inside = if sandbox.is_own(to.ip()) { sandbox.connect_inside(to).ok() } else { None };
            let side = if inside.is_some() { "inside" } else { "outside" };
            note(&log, &format!("to {to} {side} by {name}"));
            match inside.map_or_else(|| TcpStream::connect(to), Ok) {
                Ok(server) => copy_both_ways(client, server),
                Err(error) => note(&log, &format!("unreachable {to}: {error}")),
            }
        });
    }
}

fn original_destination(client: &TcpStream) -> io::Result<SocketAddr> {
    Ok(match client.local_addr()? {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_original_dst(client)?.into(),
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_original_dst(client)?.into(),
    })
}

fn copy_both_ways(client: TcpStream, server: TcpStream) {
    let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let there = thread::spawn(move || copy(client, server));
    copy(back.0, back.1);
    let _ = there.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// A command that is its own server: connects to each of its listeners, over the loopback and over the machine's address.
pub(crate) fn talk_to_itself() -> ExitCode {
    for (listen, connect) in
        [("127.0.0.1:0", None), ("[::1]:0", None), ("0.0.0.0:0", std::env::var("OWN_ADDRESS").ok())]
    {
        let listener = TcpListener::bind(listen).unwrap();
        let mut to = listener.local_addr().unwrap();
        if let Some(own) = connect {
            to.set_ip(own.parse().unwrap());
        }
        let mut client = TcpStream::connect(to).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        let mut heard = String::new();
        accepted.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        println!("heard {to}");
    }
    ExitCode::SUCCESS
}
