//! The expressions that nf_tables rules are made of. In: what to load, compare or do. Out: the bytes of an
//! `NFTA_LIST_ELEM`. Spec: `linux/netfilter/nf_tables.h`; numbers in attributes are big-endian, contents of registers are
//! as the packet or the kernel has them.

use crate::netlink::{attribute, nested};

const LIST_ELEM: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const NF_ACCEPT: u32 = 1;
const NFT_OBJECT_COUNTER: u32 = 1;
/// `NFT_REG_1`: 16 bytes, enough for an IPv6 address.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

/// Something about a packet that is not in its bytes.
#[derive(Clone, Copy)]
pub(super) enum Meta {
    /// The mark of the socket, 4 bytes in host order.
    Mark = 3,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, 1 byte.
    Family = 15,
    /// The transport protocol, also behind IPv6 extension headers, 1 byte.
    Transport = 16,
}

/// Where an offset into a packet counts from.
#[derive(Clone, Copy)]
pub(super) enum Header {
    /// The IP header.
    Network = 1,
    /// The TCP or UDP header.
    Transport = 2,
}

/// Goes on with the rule when the packet's property equals the value.
pub(super) fn meta_is(property: Meta, value: &[u8]) -> Vec<u8> {
    let load = [attribute(1, &be(REGISTER)), attribute(2, &be(property as u32))].concat();
    [element("meta", &load), equal(value)].concat()
}

/// Goes on with the rule when the packet's socket belongs to the control group (version 2) with this number, which lies so deep.
pub(super) fn group_is(level: u32, id: u64) -> Vec<u8> {
    const CGROUPV2: u32 = 3;
    let load = [attribute(1, &be(CGROUPV2)), attribute(2, &be(REGISTER)), attribute(3, &be(level))].concat();
    [element("socket", &load), equal(&id.to_ne_bytes())].concat()
}

/// Goes on with the rule when the packet has these bytes at this offset.
pub(super) fn bytes_are(header: Header, offset: u32, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let load = [
        attribute(1, &be(REGISTER)),
        attribute(2, &be(header as u32)),
        attribute(3, &be(offset)),
        attribute(4, &be(length)),
    ]
    .concat();
    [element("payload", &load), equal(value)].concat()
}

/// Changes the packet's destination to this port of the machine's own loopback address.
pub(super) fn redirect_to(port: u16) -> Vec<u8> {
    let load = [attribute(1, &be(REGISTER)), nested(2, &attribute(DATA_VALUE, &port.to_be_bytes()))].concat();
    [element("immediate", &load), element("redir", &attribute(1, &be(REGISTER)))].concat()
}

/// Lets the packet pass as it is.
pub(super) fn accept() -> Vec<u8> {
    let verdict = nested(DATA_VERDICT, &attribute(1, &be(NF_ACCEPT)));
    element("immediate", &[attribute(1, &be(VERDICT)), nested(2, &verdict)].concat())
}

/// Counts the packet in the named counter.
pub(super) fn count_in(counter: &str) -> Vec<u8> {
    let name = [counter.as_bytes(), b"\0"].concat();
    element("objref", &[attribute(1, &be(NFT_OBJECT_COUNTER)), attribute(2, &name)].concat())
}

fn equal(value: &[u8]) -> Vec<u8> {
    const EQ: u32 = 0;
    let data = nested(3, &attribute(DATA_VALUE, value));
    element("cmp", &[attribute(1, &be(REGISTER)), attribute(2, &be(EQ)), data].concat())
}

fn element(name: &str, data: &[u8]) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    nested(LIST_ELEM, &[attribute(EXPR_NAME, &name), nested(EXPR_DATA, data)].concat())
}

const fn be(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}
