//! The packet filter's rules that bring one daemon's connections to us. In: ports of services, our listeners, the daemon's control
//! group where it has one of its own. Out: an nf_tables table in the network namespace of the calling thread, which goes with the
//! value or with this process. Spec: nft(8), `linux/netfilter/nf_tables.h`, `linux/netfilter/nft_socket.h`.
//!
//! As `nft list ruleset` shows it:
//! ```text
//! table inet sidelight-watch {
//!     flags owner
//!     chain output {
//!         type nat hook output priority -100; policy accept;
//!         meta mark 0x0051de11 accept
//!         socket cgroupv2 level 2 "system.slice/docker.service" meta nfproto ipv4 tcp dport 443 redirect to :OURS
//!     }
//! }
//! ```

use std::io;

use rustix::net::netlink::NETFILTER;

use super::expression::{self, Header, Meta};
use super::{
    APPEND, BATCH_BEGIN, BATCH_END, CHAIN, CREATE, DESTINATION_PORT, EINVAL, EOPNOTSUPP, EXEMPT_MARK, HOOK_LOCAL_OUT,
    Message, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE, Netlink,
    PRIORITY_DSTNAT, SUBSYSTEM, TABLE_F_OWNER, TCP, attribute, family,
};

/// The table's name.
pub(crate) const TABLE: &str = "sidelight-watch";

const NFT_MSG_DELTABLE: u16 = SUBSYSTEM << 8 | 2;
const EEXIST: i32 = rustix::io::Errno::EXIST.raw_os_error();
const ENOENT: i32 = rustix::io::Errno::NOENT.raw_os_error();

/// A control group of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Its number: the inode of its folder.
    pub id: u64,
    /// How deep it lies below the root.
    pub level: u32,
}

/// What is redirected.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Ports of services.
    pub(crate) ports: Vec<u16>,
    /// Our ports on 127.0.0.1 and, where there is IPv6, on ::1.
    pub(crate) listeners: (u16, Option<u16>),
    /// Only connections of processes in it.
    pub(crate) group: Option<ControlGroup>,
}

/// An installed table.
pub(crate) struct Table {
    netlink: Netlink,
    rules: Rules,
}

impl Table {
    /// Installs the rules in the network namespace of the calling thread.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN, or when another process owns the table; `EPROTONOSUPPORT`, `ENOENT`, `EOPNOTSUPP` when the kernel
    /// lacks a part.
    pub(crate) fn install(mut rules: Rules) -> io::Result<Self> {
        let mut netlink = Netlink::open(Some(NETFILTER))?;
        let mut flags = TABLE_F_OWNER;
        let mut again = 3;
        loop {
            let error = match netlink.transact(transaction(&rules, flags)) {
                Ok(()) => return Ok(Self { netlink, rules }),
                Err(error) => error,
            };
            let code = error.raw_os_error();
            if again == 0 {
                return Err(error);
            }
            again -= 1;
            if code == Some(EEXIST) {
                // Without an owner, so from a kernel before 5.12: what a killed one left.
                netlink.transact(bracketed(vec![delete()]))?;
            } else if rules.group.is_some() && matches!(code, Some(ENOENT | EOPNOTSUPP | EINVAL)) {
                // A kernel that cannot tell control groups: the connections of others are told apart later.
                rules.group = None;
            } else if flags != 0 && matches!(code, Some(EINVAL | EOPNOTSUPP)) {
                flags = 0;
            } else {
                return Err(error);
            }
        }
    }

    /// Whether the kernel tells the daemon's connections apart.
    pub(crate) const fn by_group(&self) -> bool {
        self.rules.group.is_some()
    }

    /// Redirects a further port.
    ///
    /// # Errors
    /// The kernel's errno.
    pub(crate) fn add_port(&mut self, port: u16) -> io::Result<()> {
        if self.rules.ports.contains(&port) {
            return Ok(());
        }
        self.netlink.transact(bracketed(of_port(&self.rules, port)))?;
        self.rules.ports.push(port);
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // At once, rather than when the kernel comes to it; one that is gone already is gone.
        let _ = self.netlink.transact(bracketed(vec![delete()]));
    }
}

fn bracketed(messages: Vec<Message>) -> Vec<Message> {
    let bracket = |kind| Message::new(kind, &[0, 0, 0, SUBSYSTEM.to_be_bytes()[1]]);
    std::iter::once(bracket(BATCH_BEGIN)).chain(messages).chain(std::iter::once(bracket(BATCH_END))).collect()
}

fn delete() -> Message {
    Message::new(NFT_MSG_DELTABLE, &family(NFPROTO_INET)).with_text(1, TABLE)
}

fn transaction(rules: &Rules, flags: u32) -> Vec<Message> {
    let inet = family(NFPROTO_INET);
    let hook = [attribute(1, &HOOK_LOCAL_OUT.to_be_bytes()), attribute(2, &PRIORITY_DSTNAT.to_be_bytes())].concat();
    let mut messages = vec![
        Message::new(NFT_MSG_NEWTABLE, &inet).flags(CREATE).with_text(1, TABLE).with(2, &flags.to_be_bytes()),
        Message::new(NFT_MSG_NEWCHAIN, &inet)
            .flags(CREATE)
            .with_text(1, TABLE)
            .with_text(3, CHAIN)
            .with_nested(4, &hook)
            .with_text(7, "nat"),
        rule(&[expression::meta_is(Meta::Mark, &EXEMPT_MARK.to_ne_bytes()), expression::accept()].concat()),
    ];
    messages.extend(rules.ports.iter().flat_map(|port| of_port(rules, *port)));
    bracketed(messages)
}

/// The rules of one port, for each IP version.
fn of_port(rules: &Rules, port: u16) -> Vec<Message> {
    let versions = [(NFPROTO_IPV4, Some(rules.listeners.0)), (NFPROTO_IPV6, rules.listeners.1)];
    let one = |(version, ours): (u8, Option<u16>)| {
        let group = rules.group.map(|it| expression::group_is(it.level, it.id)).unwrap_or_default();
        let expressions = [
            group,
            expression::meta_is(Meta::Family, &[version]),
            expression::meta_is(Meta::Transport, &[TCP]),
            expression::bytes_are(Header::Transport, DESTINATION_PORT, &port.to_be_bytes()),
            expression::redirect_to(ours?),
        ];
        Some(rule(&expressions.concat()))
    };
    versions.into_iter().filter_map(one).collect()
}

fn rule(expressions: &[u8]) -> Message {
    Message::new(NFT_MSG_NEWRULE, &family(NFPROTO_INET))
        .flags(APPEND)
        .with_text(1, TABLE)
        .with_text(2, CHAIN)
        .with_nested(4, expressions)
}
