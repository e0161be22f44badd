//! What a sandbox's agent and its parent say to each other. In: messages with descriptors. Out: the same, on the other side.
//! Spec: unix(7), `SOCK_SEQPACKET` and `SCM_RIGHTS`.
//!
//! The agent speaks first: [`Told::Ready`] with the descriptors named there, or [`Told::Failed`]. Then the parent asks and
//! the agent answers, one by one. Either side ends it by closing its end.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Failure;

/// The longest message is the list of at most 512 addresses.
const MAX_MESSAGE: usize = 64 * 1024;
/// Three namespaces, the diagnosis socket, two listeners and two DNS sockets.
const MAX_DESCRIPTORS: usize = 8;

/// The parent waits no longer than this for an answer: loading kernel modules may take a second, nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the parent asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// A TCP socket of this IP version that is not redirected.
    Socket {
        /// IPv6 rather than IPv4.
        ipv6: bool,
    },
    /// How many UDP flows were turned away.
    RefusedUdp,
}

/// What the agent answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// The sandbox stands. Descriptors: the mount and network namespaces, the diagnosis socket, the IPv4 listener and DNS
    /// socket; then those of IPv6, when there is IPv6; then the user namespace, when there is a new one.
    Ready {
        /// There is IPv6.
        ipv6: bool,
        /// There is a new user namespace.
        user: bool,
        /// The sandbox's addresses besides the loopback ones.
        own: Vec<IpAddr>,
    },
    /// It could not be made.
    Failed(Failure),
    /// Descriptor: the socket.
    Socket,
    /// So many UDP flows were turned away.
    RefusedUdp(u64),
    /// The kernel refused what was asked for, with this errno.
    Errno(i32),
}

/// One end.
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Two connected ends; neither is inherited by programs that are started.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE))?;
        Ok((Self(ours), theirs))
    }

    /// The agent's end, if that is what this descriptor is.
    pub(super) fn adopt(descriptor: OwnedFd) -> io::Result<Self> {
        if rustix::net::sockopt::socket_type(&descriptor)? != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self(descriptor))
    }

    /// Sends a message.
    pub(super) fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one message"));
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&text)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for a message; `None` when the other side has closed its end.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut text = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let into = &mut [IoSliceMut::new(&mut text)];
            match rustix::net::recvmsg(&self.0, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of the sandbox's agent was cut short"));
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&text[..received.bytes])?, descriptors)))
    }
}
