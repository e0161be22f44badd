//! Blocks of a pcapng file, appended to a buffer. In: values. Out: bytes, little-endian, times in microseconds.
//! Spec: draft-ietf-opsawg-pcapng §4.

use std::net::IpAddr;

use sidelight_model::time::Timestamp;

use super::{BYTE_ORDER, TLS_KEY_LOG, block, options};
use crate::packet::LinkType;

/// Begins a file: who wrote it, and a comment.
pub fn section(out: &mut Vec<u8>, application: &str, comment: Option<&str>) {
    const USER_APPLICATION: u16 = 4;
    framed(out, block::SECTION, |out| {
        out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&(-1_i64).to_le_bytes());
        if let Some(comment) = comment {
            options::write(out, options::COMMENT, comment.as_bytes());
        }
        options::write(out, USER_APPLICATION, application.as_bytes());
        options::end(out);
    });
}

/// Describes an interface; the first one of a section is number 0.
pub fn interface(out: &mut Vec<u8>, link: LinkType, name: &str, description: &str) {
    const NAME: u16 = 2;
    const DESCRIPTION: u16 = 3;
    const RESOLUTION: u16 = 9;
    framed(out, block::INTERFACE, |out| {
        let link = u16::try_from(link.0).unwrap_or(u16::MAX);
        out.extend_from_slice(&link.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&0_u32.to_le_bytes());
        options::write(out, NAME, name.as_bytes());
        options::write(out, DESCRIPTION, description.as_bytes());
        options::write(out, RESOLUTION, &[6]);
        options::end(out);
    });
}

/// A packet on interface number `interface`, whole, with a comment.
pub fn packet(out: &mut Vec<u8>, interface: u32, at: Timestamp, bytes: &[u8], comment: Option<&str>) {
    framed(out, block::PACKET, |out| {
        let units = u64::try_from(at.0).unwrap_or(0);
        out.extend_from_slice(&interface.to_le_bytes());
        out.extend_from_slice(&((units >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(units as u32).to_le_bytes());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(bytes);
        options::pad(out, bytes.len());
        if let Some(comment) = comment {
            options::write(out, options::COMMENT, comment.as_bytes());
            options::end(out);
        }
    });
}

/// A key log in the NSS format, with a comment. It must stand before the packets that it decrypts.
pub fn secrets(out: &mut Vec<u8>, key_log: &[u8], comment: Option<&str>) {
    framed(out, block::SECRETS, |out| {
        out.extend_from_slice(&TLS_KEY_LOG.to_le_bytes());
        out.extend_from_slice(&u32::try_from(key_log.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(key_log);
        options::pad(out, key_log.len());
        if let Some(comment) = comment {
            options::write(out, options::COMMENT, comment.as_bytes());
            options::end(out);
        }
    });
}

/// Names of addresses. Names of more than 255 bytes, which are none, are left out.
pub fn names(out: &mut Vec<u8>, names: &[(IpAddr, &str)]) {
    const IPV4: u16 = 1;
    const IPV6: u16 = 2;
    framed(out, block::NAMES, |out| {
        for (address, name) in names.iter().filter(|(_, name)| (1..=255).contains(&name.len())) {
            let mut value = Vec::with_capacity(17 + name.len());
            let kind = match address {
                IpAddr::V4(address) => {
                    value.extend_from_slice(&address.octets());
                    IPV4
                }
                IpAddr::V6(address) => {
                    value.extend_from_slice(&address.octets());
                    IPV6
                }
            };
            value.extend_from_slice(name.as_bytes());
            value.push(0);
            options::write(out, kind, &value);
        }
        // The end of the records; there are no options.
        out.extend_from_slice(&[0; 4]);
    });
}

/// How many packets an interface has seen, and how many of them are not in the file.
pub fn statistics(out: &mut Vec<u8>, interface: u32, at: Timestamp, received: u64, dropped: u64) {
    const RECEIVED: u16 = 4;
    const DROPPED: u16 = 5;
    framed(out, block::STATISTICS, |out| {
        let units = u64::try_from(at.0).unwrap_or(0);
        out.extend_from_slice(&interface.to_le_bytes());
        out.extend_from_slice(&((units >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(units as u32).to_le_bytes());
        options::write(out, RECEIVED, &received.to_le_bytes());
        options::write(out, DROPPED, &dropped.to_le_bytes());
        options::end(out);
    });
}

/// A block: its type and its length, before and behind.
fn framed(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&length);
    }
    out.extend_from_slice(&length);
}
