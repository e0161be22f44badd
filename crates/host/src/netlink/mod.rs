//! The kernel's netlink protocol, as far as sidelight needs it: requests with attributes, acknowledgements, dumps.
//!
//! In: messages made with [`Message`]. Out: the payloads that the kernel answers with, or the error that it names.
//! Spec: netlink(7), RFC 3549; attributes as in `linux/netlink.h`.
//!
//! Answers come from the kernel of this machine, yet every length in them is checked: a short message is an error, never
//! a panic.

mod message;

pub(crate) use message::{Attributes, Message, attribute, nested};

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `NLM_F_REQUEST`: every request carries it.
const NLM_F_REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer also when all went well.
const NLM_F_ACK: u16 = 0x4;
/// `NLM_F_DUMP`: answer with all that there is.
const NLM_F_DUMP: u16 = 0x300;
/// `NLM_F_EXCL | NLM_F_CREATE`: make it; an error if it is there already.
pub(crate) const CREATE: u16 = 0x600;
/// `NLM_F_CREATE | NLM_F_APPEND`: make it, after those that are there.
pub(crate) const APPEND: u16 = 0xc00;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;

/// No request of ours has an answer longer than this many messages; a host with more routes than that is cut short.
const MAX_ANSWERS: usize = 65_536;
/// The kernel builds dumps in pieces of at most 32 KiB.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// The kernel answers from within `send`; this only ends a wait that could otherwise never end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A netlink socket of one family (`NETLINK_ROUTE`, `NETLINK_NETFILTER`, `NETLINK_SOCK_DIAG`).
///
/// It belongs to the network namespace in which it was opened, wherever it is used later.
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    patient: bool,
}

impl Netlink {
    /// Opens a socket; `None` is `NETLINK_ROUTE`.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` when the kernel has no such family (module missing), `EPERM` under some seccomp filters.
    pub(crate) fn open(family: Option<Protocol>) -> io::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, family)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self::adopt(socket))
    }

    /// Uses a netlink socket that was opened elsewhere.
    pub(crate) const fn adopt(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0, patient: false }
    }

    /// Asks for one thing; gives the payloads (after the netlink header) that come back.
    ///
    /// # Errors
    /// The kernel's errno, or `InvalidData` for an answer that cannot be read.
    pub(crate) fn query(&mut self, message: Message) -> io::Result<Vec<Vec<u8>>> {
        let first = self.send(vec![(message, NLM_F_REQUEST)])?;
        self.receive(first, first, true)
    }

    /// Asks for all things of a kind.
    ///
    /// # Errors
    /// As [`Netlink::query`].
    pub(crate) fn dump(&mut self, message: Message) -> io::Result<Vec<Vec<u8>>> {
        let first = self.send(vec![(message, NLM_F_REQUEST | NLM_F_DUMP)])?;
        self.receive(first, first, false)
    }

    /// Has one change made.
    ///
    /// # Errors
    /// The kernel's errno.
    pub(crate) fn change(&mut self, message: Message) -> io::Result<()> {
        let first = self.send(vec![(message, NLM_F_REQUEST | NLM_F_ACK)])?;
        self.receive(first, first, false).map(drop)
    }

    /// Has several changes made in one transaction: all of them, or none. The first and last messages are its brackets.
    ///
    /// Only the last change is acknowledged, lest the answers overflow the socket; refusals come in any case, and before.
    ///
    /// # Errors
    /// The kernel's errno for the first message that it refused.
    pub(crate) fn transact(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let last_change = messages.len().saturating_sub(2);
        let flagged = messages
            .into_iter()
            .enumerate()
            .map(|(at, message)| (message, if at == last_change { NLM_F_REQUEST | NLM_F_ACK } else { NLM_F_REQUEST }))
            .collect();
        let first = self.send(flagged)?;
        self.receive(first, first + u32::try_from(last_change).unwrap_or(u32::MAX), false).map(drop)
    }

    /// Sends messages in one datagram; gives the sequence number of the first, the others follow it.
    fn send(&mut self, messages: Vec<(Message, u16)>) -> io::Result<u32> {
        if !self.patient {
            set_socket_timeout(&self.socket, Timeout::Recv, Some(PATIENCE))?;
            self.patient = true;
        }
        if self.sequence > u32::MAX / 2 {
            self.sequence = 0;
        }
        let first = self.sequence + 1;
        let mut datagram = Vec::new();
        for (message, flags) in messages {
            self.sequence += 1;
            datagram.extend_from_slice(&message.finish(flags, self.sequence));
        }
        rustix::net::sendto(&self.socket, &datagram, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(first)
    }

    /// Collects the answers to the messages from `first` on, until the one with the sequence number `awaited` was
    /// acknowledged or its dump is complete; with `single`, its first answer of any kind is the end.
    fn receive(&self, first: u32, awaited: u32, single: bool) -> io::Result<Vec<Vec<u8>>> {
        let ours = first..=self.sequence;
        let mut answers = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); RECEIVE_BUFFER];
        loop {
            let ((datagram, _), length) = rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::TRUNC)?;
            if length > datagram.len() {
                return Err(malformed("a netlink answer is longer than 64 KiB"));
            }
            // What is not ours is the rest of the answer to an earlier request, of which the first error was enough.
            for (kind, sequence, payload) in split(datagram)?.into_iter().filter(|(_, at, _)| ours.contains(at)) {
                match kind {
                    NLMSG_ERROR => acknowledged(payload)?,
                    NLMSG_DONE => {}
                    _ if answers.len() < MAX_ANSWERS => answers.push(payload.to_vec()),
                    _ => {}
                }
                if sequence == awaited && (single || matches!(kind, NLMSG_ERROR | NLMSG_DONE)) {
                    return Ok(answers);
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Netlink> for OwnedFd {
    fn from(netlink: Netlink) -> Self {
        netlink.socket
    }
}

/// Reads an `NLMSG_ERROR` payload, where 0 means that all went well.
fn acknowledged(payload: &[u8]) -> io::Result<()> {
    let code = payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(malformed("a netlink acknowledgement is shorter than 4 bytes")),
    }
}

/// Splits a datagram into (type, sequence number, payload).
fn split(mut datagram: &[u8]) -> io::Result<Vec<(u16, u32, &[u8])>> {
    let mut messages = Vec::new();
    while !datagram.is_empty() {
        let header: &[u8; HEADER] = datagram.first_chunk().ok_or_else(|| malformed("a netlink header is cut short"))?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let sequence = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let payload = datagram.get(HEADER..length).ok_or_else(|| malformed("a netlink message is cut short"))?;
        messages.push((kind, sequence, payload));
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(messages)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_are_errors() {
        assert!(split(&[1, 0, 0]).is_err());
        let mut lies = Message::new(1, &[]).finish(0, 7);
        lies[0] = 200;
        assert!(split(&lies).is_err());
        lies[0] = 3;
        assert!(split(&lies).is_err(), "a message shorter than its header");
        assert!(acknowledged(&[0, 0]).is_err());
        assert_eq!(acknowledged(&(-13_i32).to_ne_bytes()).unwrap_err().raw_os_error(), Some(13));
    }

    #[test]
    fn splits_what_is_put_together() {
        let mut datagram = Message::new(20, b"abcde").finish(NLM_F_REQUEST, 7);
        datagram.extend(Message::new(21, b"xyz1").finish(NLM_F_REQUEST, 8));
        let parts = split(&datagram).unwrap();
        assert_eq!(parts[0].0, 20);
        assert_eq!((parts[1].1, parts[1].2), (8, &b"xyz1"[..]));
        assert!(parts[0].2.starts_with(b"abcde"));
    }

    #[test]
    fn asks_the_kernel_for_its_links() {
        const RTM_GETLINK: u16 = 18;
        let mut route = Netlink::open(None).unwrap();
        let links = route.dump(Message::new(RTM_GETLINK, &[0; 16])).unwrap();
        assert!(!links.is_empty(), "every network namespace has a loopback device");
        let refused = route.change(Message::new(RTM_GETLINK, &[0xff; 16])).unwrap_err();
        assert!(refused.raw_os_error().is_some());
        let again = route.dump(Message::new(RTM_GETLINK, &[0; 16])).unwrap();
        assert_eq!(links.len(), again.len(), "an error does not disturb the next request");
    }
}
