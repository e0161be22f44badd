//! The inode of the socket at one end of a TCP connection. In: its two addresses. Out: the inode, when the socket is on
//! this machine and connected. Spec: sock_diag(7), `linux/inet_diag.h`; proc(5) for `/proc/net/tcp`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::netlink::SOCK_DIAG;

use crate::netlink::{Message, Netlink};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// Offset of `idiag_inode` in `struct inet_diag_msg`.
const INODE: usize = 68;
/// Offset of `idiag_state`.
const STATE: usize = 1;
const TCP_LISTEN: u8 = 10;
/// `/proc/net/tcp` has 150 bytes a connection; more than 64 MiB of it is not read.
const MAX_TABLE: u64 = 64 << 20;

/// Asks one network namespace for inodes.
#[derive(Debug)]
pub(super) struct Inodes {
    /// `None` where the kernel or a sandbox does not let us open such a socket.
    diagnosis: Option<Mutex<Diagnosis>>,
    /// `/proc/net` shows our own namespace only.
    here: bool,
}

struct Diagnosis(Netlink);

impl std::fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Diagnosis")
    }
}

impl Inodes {
    pub(super) fn here() -> Self {
        let diagnosis = Netlink::open(Some(SOCK_DIAG)).ok().map(|socket| Mutex::new(Diagnosis(socket)));
        Self { diagnosis, here: true }
    }

    pub(super) fn elsewhere(socket: OwnedFd) -> Self {
        Self { diagnosis: Some(Mutex::new(Diagnosis(Netlink::adopt(socket)))), here: false }
    }

    /// The inode of the connected socket with the address `near` and the peer `far`.
    pub(super) fn of(&self, near: SocketAddr, far: SocketAddr) -> Option<u32> {
        let (near, far) = (canonical(near), canonical(far));
        if near.is_ipv4() != far.is_ipv4() {
            return None;
        }
        let asked = self.diagnosis.as_ref().map(|diagnosis| {
            let mut diagnosis = diagnosis.lock().unwrap_or_else(PoisonError::into_inner);
            diagnosis.0.query(request(near, far))
        });
        match asked {
            Some(Ok(answers)) => answers.first().and_then(|answer| inode_of_answer(answer)),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            _ if self.here => look_up(near, far),
            _ => None,
        }
    }
}

/// IPv4 in IPv6 as IPv4: so the kernel looks it up in both kinds of sockets.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `struct inet_diag_req_v2` for exactly one socket.
fn request(near: SocketAddr, far: SocketAddr) -> Message {
    let family = if near.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut fixed = vec![family, IPPROTO_TCP, 0, 0];
    fixed.extend_from_slice(&u32::MAX.to_ne_bytes()); // any state
    fixed.extend_from_slice(&near.port().to_be_bytes());
    fixed.extend_from_slice(&far.port().to_be_bytes());
    fixed.extend_from_slice(&address_field(near.ip()));
    fixed.extend_from_slice(&address_field(far.ip()));
    fixed.extend_from_slice(&[0; 4]); // any interface
    fixed.extend_from_slice(&[0xff; 8]); // INET_DIAG_NOCOOKIE
    Message::new(SOCK_DIAG_BY_FAMILY, &fixed)
}

fn address_field(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut field = [0; 16];
            field[..4].copy_from_slice(&address.octets());
            field
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// When no connected socket matches, the kernel gives the one that listens there: that is not a client.
fn inode_of_answer(answer: &[u8]) -> Option<u32> {
    let inode = u32::from_ne_bytes(*answer.get(INODE..)?.first_chunk()?);
    (inode != 0 && *answer.get(STATE)? != TCP_LISTEN).then_some(inode)
}

/// The same from the kernel's tables in text.
fn look_up(near: SocketAddr, far: SocketAddr) -> Option<u32> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        let lines = BufReader::new(File::open(table).ok()?.take(MAX_TABLE)).lines();
        lines.map_while(Result::ok).find_map(|line| inode_of_line(&line, near, far))
    })
}

/// Reads `sl local remote state queues timer retransmits uid timeout inode …`.
fn inode_of_line(line: &str, near: SocketAddr, far: SocketAddr) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let ends = (table_address(fields.next()?)?, table_address(fields.next()?)?);
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    (ends == (near, far) && inode != 0 && state != TCP_LISTEN).then_some(inode)
}

/// Reads `0100007F:1F90`: words of the address in host order, then the port.
fn table_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut octets = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        octets.extend_from_slice(&u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match octets.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn both_ways_of_asking_agree() {
        for (listen, connect) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")] {
            let listener = TcpListener::bind(listen).unwrap();
            let to = SocketAddr::new(connect.parse().unwrap(), listener.local_addr().unwrap().port());
            let client = TcpStream::connect(to).unwrap();
            let near = client.local_addr().unwrap();
            let inode = Inodes::here().of(near, to);
            assert!(inode.is_some(), "{near} -> {to}");
            assert_eq!(inode, look_up(near, to), "{near} -> {to}");
            assert_eq!(look_up(to, to), None);
        }
    }

    #[test]
    fn reads_the_tables_of_the_kernel() {
        let line = "  12: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 48213 1 0 20 4 30 10 -1";
        let (near, far) = if cfg!(target_endian = "little") {
            ("127.0.0.1:8080", "127.0.0.2:50000")
        } else {
            ("1.0.0.127:8080", "2.0.0.127:50000")
        };
        let (near, far) = (near.parse().unwrap(), far.parse().unwrap());
        assert_eq!(inode_of_line(line, near, far), Some(48213));
        assert_eq!(inode_of_line(line, far, near), None);
        for broken in ["", "  sl  local_address rem_address   st", "1: 00 00 00", &line[..60], "1: é:é 0:0 01"] {
            assert_eq!(inode_of_line(broken, near, far), None, "{broken}");
        }
    }
}
