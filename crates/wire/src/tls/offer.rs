//! A ClientHello made by hand, to learn what a server answers to it. In: what is offered. Out: the bytes of its records.
//!
//! Spec: RFC 8446 §4.1.2 (and §4.2 for extensions), RFC 5246 §7.4.1.2, RFC 6101 §5.6.1.2 (SSL 3.0 has no extensions), RFC 6066 §3,
//! RFC 7301. No handshake can be finished with it: nobody knows the private keys of its shares.

/// What is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The highest version that is offered: 0x0300 (SSL 3.0) to 0x0304 (TLS 1.3).
    pub version: u16,
    /// Cipher suites in order.
    pub ciphers: Vec<u16>,
    /// The server name; `None` sends none. Never sent with SSL 3.0.
    pub sni: Option<String>,
    /// Application protocols in order, each of 1 to 255 bytes; others are left out.
    pub alpn: Vec<Vec<u8>>,
    /// The client's random, and key share where one is sent.
    pub random: [u8; 32],
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;

const TLS10: u16 = 0x0301;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// Curves that any server knows one of, and the finite fields of RFC 7919.
const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101];
const X25519: u16 = 0x001d;

/// Everything that a certificate's key may sign with, the retired schemes last.
#[rustfmt::skip]
const SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0202, 0x0101,
];

impl Offer {
    /// The ClientHello in one record.
    pub fn encode(&self) -> Vec<u8> {
        let legacy = self.version.min(TLS12);
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend(self.random);
        // A session identifier makes TLS 1.3 look like a resumption to middleboxes (RFC 8446 appendix D.4).
        let session: &[u8] = if self.version >= TLS13 { &self.random } else { &[] };
        push8(&mut body, session);
        let ciphers: Vec<u8> = self.ciphers.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        push16(&mut body, &ciphers);
        push8(&mut body, &[0]);
        if self.version >= TLS10 {
            push16(&mut body, &self.extensions());
        }
        let mut message = vec![1];
        message.extend(&(u32::try_from(body.len()).unwrap_or(u32::MAX)).to_be_bytes()[1..]);
        message.extend(body);
        // The record says TLS 1.0 at the most: old servers and middleboxes want it so (RFC 8446 appendix D).
        let mut record = vec![22];
        record.extend(self.version.min(TLS10).to_be_bytes());
        push16(&mut record, &message);
        record
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = Vec::new();
        if let Some(name) = &self.sni {
            let mut entry = vec![0];
            push16(&mut entry, name.as_bytes());
            extension(&mut all, SERVER_NAME, |value| push16(value, &entry));
        }
        extension(&mut all, SUPPORTED_GROUPS, |value| push16(value, &numbers(GROUPS)));
        extension(&mut all, POINT_FORMATS, |value| push8(value, &[0]));
        extension(&mut all, EXTENDED_MASTER_SECRET, |_| {});
        extension(&mut all, RENEGOTIATION_INFO, |value| push8(value, &[]));
        if self.version >= TLS12 {
            extension(&mut all, SIGNATURE_ALGORITHMS, |value| push16(value, &numbers(SCHEMES)));
        }
        let mut protocols = Vec::new();
        for name in self.alpn.iter().filter(|name| (1..=255).contains(&name.len())) {
            push8(&mut protocols, name);
        }
        if !protocols.is_empty() {
            extension(&mut all, ALPN, |value| push16(value, &protocols));
        }
        if self.version >= TLS13 {
            extension(&mut all, SUPPORTED_VERSIONS, |value| push8(value, &TLS13.to_be_bytes()));
            let mut share = X25519.to_be_bytes().to_vec();
            push16(&mut share, &self.random);
            extension(&mut all, KEY_SHARE, |value| push16(value, &share));
        }
        all
    }
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn extension(all: &mut Vec<u8>, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    value(&mut content);
    all.extend(kind.to_be_bytes());
    push16(all, &content);
}

/// A vector with one byte of length; what is longer is cut.
fn push8(out: &mut Vec<u8>, content: &[u8]) {
    let content = &content[..content.len().min(usize::from(u8::MAX))];
    out.push(content.len() as u8);
    out.extend_from_slice(content);
}

/// A vector with two bytes of length; what is longer is cut.
fn push16(out: &mut Vec<u8>, content: &[u8]) {
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    out.extend((content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
}

/// Suites for a hello that offers all there ever was: modern ones, then finite-field Diffie-Hellman, RSA key exchange, and those
/// that nobody accepts today (3DES, RC4, export, NULL, anonymous).
#[rustfmt::skip]
pub const EVERY_SUITE: &[u16] = &[
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc023, 0xc027, 0xc009, 0xc013, 0xc024, 0xc028, 0xc00a, 0xc014,
    0x009e, 0x009f, 0xccaa, 0x0067, 0x006b, 0x0033, 0x0039, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035,
    0x00a2, 0x00a3, 0x0040, 0x006a, 0x0032, 0x0038, 0x0041, 0x0084, 0x0045, 0x0088, 0x0096, 0x009a,
    0xc008, 0xc012, 0x0016, 0x0013, 0x000a, 0xc007, 0xc011, 0x0005, 0x0004, 0x0015, 0x0012, 0x0009,
    0x0014, 0x0011, 0x0008, 0x0006, 0x0003, 0xc006, 0xc010, 0x003b, 0x0002, 0x0001,
    0x00a6, 0x00a7, 0x006c, 0x006d, 0x0034, 0x003a, 0xc018, 0xc019, 0xc017, 0xc016, 0xc015, 0x0018, 0x001b,
];

/// The suites of TLS 1.3.
pub const TLS13_SUITES: &[u16] = &[0x1301, 0x1302, 0x1303, 0x1304, 0x1305];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Scan, scan};

    #[test]
    fn hellos_are_read_back_as_they_were_meant() {
        for version in 0x0300..=0x0304 {
            let offer = Offer {
                version,
                ciphers: EVERY_SUITE.to_vec(),
                sni: Some("a.test".into()),
                alpn: vec![b"h2".to_vec()],
                random: [7; 32],
            };
            let Scan::Hello(hello) = scan(&offer.encode()) else { panic!("{version:x}: not a hello") };
            assert_eq!(hello.highest_version(), version);
            assert_eq!(hello.ciphers, EVERY_SUITE);
            assert_eq!(hello.sni.as_deref(), (version >= TLS10).then_some("a.test"));
            assert_eq!(hello.alpn.len(), usize::from(version >= TLS10));
            assert_eq!(hello.key_shares, if version == TLS13 { vec![(X25519, 32)] } else { vec![] });
        }
    }
}
