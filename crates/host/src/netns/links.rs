//! The addresses and routes of a network namespace. In: what the machine has. Out: a namespace with nothing but a loopback
//! device that looks the same to programs. Spec: rtnetlink(7).
//!
//! The loopback device gets the machine's own addresses, and routes to wherever the machine has routes to: so `getaddrinfo`
//! offers the same IP versions, `connect` picks the same source address, and what is out of reach outside fails at once inside
//! too. Nothing ever leaves by these routes: TCP and DNS are redirected, all else is turned away.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::netlink::{Attributes, CREATE, Message, Netlink};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// The first device of every network namespace.
const LOOPBACK: u32 = 1;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_TABLE_MAIN: u8 = 254;
const RT_TABLE_LOCAL: u8 = 255;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;

/// A machine with more addresses than this of one IP version (a node of a cluster) is copied in part.
const MAX_ADDRESSES: usize = 64;
/// A machine without default route and with more routes than this is copied in part.
const MAX_ROUTES: usize = 512;
/// Stands in as source address where the machine has IPv4 routes but no address (RFC 7600 §4.8).
const DUMMY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

/// Settings of a network namespace that programs notice: which ports anybody may listen on, which ports `connect` picks,
/// who may send pings.
const SETTINGS: [&str; 3] = ["ip_unprivileged_port_start", "ip_local_port_range", "ping_group_range"];

/// Addresses, routes and settings, as far as they matter to programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// Addresses that are not loopback and not link-local.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Destinations: network and length of its prefix.
    routes: BTreeSet<(IpAddr, u8)>,
    /// The values of [`SETTINGS`] that can be read.
    settings: Vec<(&'static str, String)>,
}

impl Links {
    /// Looks at the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's errno.
    pub(super) fn read() -> io::Result<Self> {
        let mut netlink = Netlink::open(None)?;
        let settings = SETTINGS.iter().filter_map(|name| Some((*name, fs::read_to_string(setting(name)).ok()?)));
        let mut links = Self { settings: settings.collect(), ..Self::default() };
        for family in [AF_INET, AF_INET6] {
            let addresses = netlink.dump(Message::new(RTM_GETADDR, &[family, 0, 0, 0, 0, 0, 0, 0]))?;
            links.addresses.extend(addresses.iter().filter_map(|answer| address_of(answer)).take(MAX_ADDRESSES));
            let mut request = [0; 12];
            request[0] = family;
            let routes = netlink.dump(Message::new(RTM_GETROUTE, &request))?;
            links.routes.extend(reachable(routes.iter().filter_map(|answer| route_of(answer)).collect()));
        }
        if links.routes.iter().any(|(to, _)| to.is_ipv4()) && !links.addresses.iter().any(IpAddr::is_ipv4) {
            links.addresses.insert(DUMMY);
        }
        Ok(links)
    }

    /// Gives the loopback device of the calling thread's network namespace these addresses and routes.
    /// Without IPv6 in the kernel, or with it switched off, the IPv6 ones are left out.
    ///
    /// # Errors
    /// The kernel's errno: `EPERM` without CAP_NET_ADMIN.
    pub(super) fn write(&self) -> io::Result<()> {
        for (name, value) in &self.settings {
            let _ = fs::write(setting(name), value); // a group that is not mapped cannot be named; nothing depends on it
        }
        let mut netlink = Netlink::open(None)?;
        let mut up = [0; 16];
        up[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
        up[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        up[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
        netlink.change(Message::new(RTM_NEWLINK, &up))?;
        for address in &self.addresses {
            let mut fixed = [family(*address), bits(*address), IFA_F_NODAD, RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
            fixed[4..].copy_from_slice(&LOOPBACK.to_ne_bytes());
            let octets = octets(*address);
            let add = Message::new(RTM_NEWADDR, &fixed).flags(CREATE);
            settled(*address, netlink.change(add.with(IFA_LOCAL, &octets).with(IFA_ADDRESS, &octets)))?;
        }
        // The kernel makes the route by which an IPv6 address receives some time after the address: until then answers
        // to the first packets would be lost.
        for address in self.addresses.iter().filter(|address| address.is_ipv6()) {
            settled(*address, netlink.change(new_route(*address, 128, RT_TABLE_LOCAL, RTN_LOCAL)))?;
        }
        for (network, length) in &self.routes {
            settled(*network, netlink.change(new_route(*network, *length, RT_TABLE_MAIN, RTN_UNICAST)))?;
        }
        Ok(())
    }
}

/// An `RTM_NEWROUTE` by way of the loopback device.
fn new_route(network: IpAddr, length: u8, table: u8, kind: u8) -> Message {
    let scope = if network.is_ipv4() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
    let fixed = [family(network), length, 0, 0, table, RTPROT_STATIC, scope, kind, 0, 0, 0, 0];
    let route = Message::new(RTM_NEWROUTE, &fixed).flags(CREATE).with(RTA_OIF, &LOOPBACK.to_ne_bytes());
    if length == 0 { route } else { route.with(RTA_DST, &octets(network)) }
}

fn setting(name: &str) -> String {
    format!("/proc/sys/net/ipv4/{name}")
}

/// What is there already is fine; so is IPv6 that cannot be had.
fn settled(about: IpAddr, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists || about.is_ipv6() => Ok(()),
        other => other,
    }
}

/// Reads an `RTM_NEWADDR`.
fn address_of(answer: &[u8]) -> Option<IpAddr> {
    let (fixed, attributes) = answer.split_at_checked(8)?;
    let scope = fixed[3];
    let value = Attributes::find(attributes, IFA_LOCAL).or_else(|| Attributes::find(attributes, IFA_ADDRESS))?;
    let address = address(fixed[0], value)?;
    (scope < RT_SCOPE_LINK && !address.is_loopback()).then_some(address)
}

/// Reads an `RTM_NEWROUTE`: the destination, when the route leads anywhere.
fn route_of(answer: &[u8]) -> Option<(IpAddr, u8)> {
    let (fixed, attributes) = answer.split_at_checked(12)?;
    let (family, length, table, kind) = (fixed[0], fixed[1], fixed[4], fixed[7]);
    let unspecified = if family == AF_INET { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let network = match Attributes::find(attributes, RTA_DST) {
        Some(value) => address(family, value)?,
        None => unspecified,
    };
    let link_local = matches!(network, IpAddr::V6(network) if network.is_unicast_link_local());
    let leads = kind == RTN_UNICAST && table != RT_TABLE_LOCAL && !network.is_loopback() && !link_local;
    leads.then_some((network, length))
}

/// A default route makes all the others superfluous.
fn reachable(routes: BTreeSet<(IpAddr, u8)>) -> BTreeSet<(IpAddr, u8)> {
    match routes.iter().find(|(_, length)| *length == 0) {
        Some(default) => BTreeSet::from([*default]),
        None => routes.into_iter().take(MAX_ROUTES).collect(),
    }
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attribute;

    fn route(family: u8, length: u8, table: u8, kind: u8, to: &[u8]) -> Vec<u8> {
        let mut answer = vec![family, length, 0, 0, table, 0, 0, kind, 0, 0, 0, 0];
        if !to.is_empty() {
            answer.extend(attribute(RTA_DST, to));
        }
        answer
    }

    #[test]
    fn routes_that_lead_nowhere_are_left_out() {
        const RTN_UNREACHABLE: u8 = 7;
        let to = |text: &str, length| Some((text.parse().unwrap(), length));
        assert_eq!(route_of(&route(AF_INET, 0, RT_TABLE_MAIN, RTN_UNICAST, &[])), to("0.0.0.0", 0));
        assert_eq!(route_of(&route(AF_INET6, 0, RT_TABLE_MAIN, RTN_UNICAST, &[])), to("::", 0));
        assert_eq!(route_of(&route(AF_INET, 8, 100, RTN_UNICAST, &[10, 0, 0, 0])), to("10.0.0.0", 8));
        assert_eq!(route_of(&route(AF_INET, 0, RT_TABLE_MAIN, RTN_UNREACHABLE, &[])), None);
        assert_eq!(route_of(&route(AF_INET, 32, RT_TABLE_LOCAL, RTN_UNICAST, &[10, 0, 0, 1])), None);
        assert_eq!(route_of(&route(AF_INET, 8, RT_TABLE_MAIN, RTN_UNICAST, &[10, 0])), None, "too short");
        assert_eq!(route_of(&[AF_INET, 0]), None);
    }

    #[test]
    fn a_default_route_swallows_the_others() {
        let all = BTreeSet::from([("10.0.0.0".parse().unwrap(), 8), ("0.0.0.0".parse().unwrap(), 0)]);
        assert_eq!(reachable(all), BTreeSet::from([("0.0.0.0".parse().unwrap(), 0)]));
        let narrow = BTreeSet::from([("10.0.0.0".parse().unwrap(), 8), ("192.168.0.0".parse().unwrap(), 16)]);
        assert_eq!(reachable(narrow.clone()), narrow);
    }

    #[test]
    fn reads_this_machine() {
        let links = Links::read().unwrap();
        assert!(links.addresses.iter().all(|address| !address.is_loopback()));
    }
}
