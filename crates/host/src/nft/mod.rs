//! The packet filter's rules of a sandbox. In: the ports that its traffic goes to. Out: an nf_tables ruleset in the
//! network namespace of the calling thread, and the count of what it turned away. Spec: nft(8), `linux/netfilter/nf_tables.h`.
//!
//! As `nft list ruleset` shows it, with one such half for each of IPv4 and IPv6:
//! ```text
//! table inet sidelight {
//!     flags owner
//!     counter refused-udp { packets 0 bytes 0 }
//!     chain output {
//!         type nat hook output priority -100; policy accept;
//!         meta mark 0x0051de11 accept
//!         meta nfproto ipv4 meta l4proto tcp redirect to :TRANSPARENT
//!         meta nfproto ipv4 udp dport 53 redirect to :DNS
//!         meta l4proto udp ip daddr 127.0.0.0/8 accept
//!         meta l4proto udp ip daddr OWN accept
//!         meta nfproto ipv4 meta l4proto udp counter name "refused-udp" redirect to :CLOSED
//!     }
//! }
//! ```
//! UDP is sent to a port that is kept closed, so that the kernel answers "port unreachable" as if the other side had:
//! QUIC falls back to TCP at once. A `reject` in the output hook would make `sendto` fail with EPERM instead, which programs
//! do not expect. Rules of a nat chain see the first packet of a flow, hence the counter counts flows.
//!
//! The table is owned by the netlink socket: when its last descriptor closes, the kernel removes it.

mod expression;
pub(crate) mod watch;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use expression::{Header, Meta};
use rustix::net::netlink::NETFILTER;

use crate::netlink::{APPEND, Attributes, CREATE, Message, Netlink, attribute};

/// Sockets with this mark are not redirected.
pub(crate) const EXEMPT_MARK: u32 = 0x0051_de11;

const TABLE: &str = "sidelight";
const CHAIN: &str = "output";
const COUNTER: &str = "refused-udp";

const SUBSYSTEM: u16 = 10;
const NFT_MSG_NEWTABLE: u16 = SUBSYSTEM << 8;
const NFT_MSG_NEWCHAIN: u16 = SUBSYSTEM << 8 | 3;
const NFT_MSG_NEWRULE: u16 = SUBSYSTEM << 8 | 6;
const NFT_MSG_NEWOBJ: u16 = SUBSYSTEM << 8 | 18;
const NFT_MSG_GETOBJ: u16 = SUBSYSTEM << 8 | 19;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const TABLE_F_OWNER: u32 = 2;
const NFT_OBJECT_COUNTER: u32 = 1;
const HOOK_LOCAL_OUT: u32 = 3;
const PRIORITY_DSTNAT: i32 = -100;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DNS_PORT: u16 = 53;
/// Offset of the destination port in the TCP and UDP headers.
const DESTINATION_PORT: u32 = 2;

/// Where the traffic of one IP version goes: ports on the loopback address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// The transparent listener.
    pub(crate) tcp: u16,
    /// The DNS relay.
    pub(crate) dns: u16,
    /// A UDP port on which nothing answers.
    pub(crate) closed: u16,
}

/// What the ruleset needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// For IPv4.
    pub(crate) ipv4: Ports,
    /// For IPv6, where there is IPv6.
    pub(crate) ipv6: Option<Ports>,
    /// The namespace's own addresses besides the loopback ones: UDP to them is left alone.
    pub(crate) own: Vec<IpAddr>,
}

/// An installed ruleset; it lasts as long as this value and, at the longest, as long as the network namespace.
pub(crate) struct Table(Netlink);

impl Table {
    /// Installs the rules in the network namespace of the calling thread.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` when the kernel has no nf_tables, `ENOENT` or `EOPNOTSUPP` when one of its parts is missing,
    /// `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn install(rules: &Rules) -> io::Result<Self> {
        let mut netlink = Netlink::open(Some(NETFILTER))?;
        let owned = netlink.transact(transaction(rules, TABLE_F_OWNER));
        match owned {
            // Kernels before 5.12 know no owner; there the table goes with the namespace only.
            Err(error) if matches!(error.raw_os_error(), Some(EINVAL | EOPNOTSUPP)) => {
                netlink.transact(transaction(rules, 0))?;
            }
            other => other?,
        }
        Ok(Self(netlink))
    }

    /// How many UDP flows were turned away.
    ///
    /// # Errors
    /// The kernel's errno, when somebody removed the table.
    pub(crate) fn refused_udp(&mut self) -> io::Result<u64> {
        const OBJ_DATA: u16 = 4;
        const COUNTER_PACKETS: u16 = 2;
        let request = Message::new(NFT_MSG_GETOBJ, &family(NFPROTO_INET))
            .with_text(1, TABLE)
            .with_text(2, COUNTER)
            .with(3, &NFT_OBJECT_COUNTER.to_be_bytes());
        let answers = self.0.query(request)?;
        answers
            .first()
            .and_then(|answer| answer.get(4..))
            .and_then(|attributes| Attributes::find(attributes, OBJ_DATA))
            .and_then(|counter| Attributes::find(counter, COUNTER_PACKETS))
            .and_then(|packets| packets.first_chunk())
            .map(|packets| u64::from_be_bytes(*packets))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the counter has no packets"))
    }
}

const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
const EOPNOTSUPP: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

/// `struct nfgenmsg`.
const fn family(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn transaction(rules: &Rules, table_flags: u32) -> Vec<Message> {
    let inet = family(NFPROTO_INET);
    let bracket = |kind| Message::new(kind, &[0, 0, 0, SUBSYSTEM.to_be_bytes()[1]]);
    let hook = [attribute(1, &HOOK_LOCAL_OUT.to_be_bytes()), attribute(2, &PRIORITY_DSTNAT.to_be_bytes())].concat();
    let mut messages = vec![
        bracket(BATCH_BEGIN),
        Message::new(NFT_MSG_NEWTABLE, &inet).flags(CREATE).with_text(1, TABLE).with(2, &table_flags.to_be_bytes()),
        Message::new(NFT_MSG_NEWOBJ, &inet)
            .flags(CREATE)
            .with_text(1, TABLE)
            .with_text(2, COUNTER)
            .with(3, &NFT_OBJECT_COUNTER.to_be_bytes())
            .with_nested(4, &[]),
        Message::new(NFT_MSG_NEWCHAIN, &inet)
            .flags(CREATE)
            .with_text(1, TABLE)
            .with_text(3, CHAIN)
            .with_nested(4, &hook)
            .with_text(7, "nat"),
    ];
    let rule = |expressions: Vec<u8>| {
        Message::new(NFT_MSG_NEWRULE, &inet)
            .flags(APPEND)
            .with_text(1, TABLE)
            .with_text(2, CHAIN)
            .with_nested(4, &expressions)
    };
    messages.push(rule([expression::meta_is(Meta::Mark, &EXEMPT_MARK.to_ne_bytes()), expression::accept()].concat()));
    messages.extend(version(NFPROTO_IPV4, rules.ipv4, &rules.own).into_iter().map(rule));
    if let Some(ports) = rules.ipv6 {
        messages.extend(version(NFPROTO_IPV6, ports, &rules.own).into_iter().map(rule));
    }
    messages.push(bracket(BATCH_END));
    messages
}

/// The rules of one IP version, each as its expressions.
fn version(nfproto: u8, ports: Ports, own: &[IpAddr]) -> Vec<Vec<u8>> {
    let of = |transport: u8| {
        [expression::meta_is(Meta::Family, &[nfproto]), expression::meta_is(Meta::Transport, &[transport])].concat()
    };
    let dns = expression::bytes_are(Header::Transport, DESTINATION_PORT, &DNS_PORT.to_be_bytes());
    let mut rules = vec![
        [of(TCP), expression::redirect_to(ports.tcp)].concat(),
        [of(UDP), dns, expression::redirect_to(ports.dns)].concat(),
        [of(UDP), loopback_destination(nfproto), expression::accept()].concat(),
    ];
    let own = own.iter().filter(|address| address.is_ipv4() == (nfproto == NFPROTO_IPV4));
    rules.extend(own.map(|address| [of(UDP), destination(*address), expression::accept()].concat()));
    rules.push([of(UDP), expression::count_in(COUNTER), expression::redirect_to(ports.closed)].concat());
    rules
}

fn loopback_destination(nfproto: u8) -> Vec<u8> {
    if nfproto == NFPROTO_IPV4 {
        let network = Ipv4Addr::LOCALHOST.octets()[0];
        expression::bytes_are(Header::Network, 16, &[network])
    } else {
        destination(IpAddr::V6(Ipv6Addr::LOCALHOST))
    }
}

fn destination(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => expression::bytes_are(Header::Network, 16, &address.octets()),
        IpAddr::V6(address) => expression::bytes_are(Header::Network, 24, &address.octets()),
    }
}
