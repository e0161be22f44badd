//! Handshake messages of the server. In: their bodies. Out: what was agreed, and certificates.
//! Spec: RFC 8446 §4, RFC 5246 §7.4, RFC 8422 §5.4 (named curves), RFC 8879 (compressed certificates).

use std::io::Read;

use sidelight_model::flow::PeerChain;

use crate::tls::reader::{Ended, Reader};

pub(super) const CLIENT_HELLO: u8 = 1;
pub(in crate::tls) const SERVER_HELLO: u8 = 2;
pub(super) const END_OF_EARLY_DATA: u8 = 5;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(in crate::tls) const CERTIFICATE: u8 = 11;
pub(in crate::tls) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(in crate::tls) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const FINISHED: u8 = 20;
pub(super) const KEY_UPDATE: u8 = 24;
pub(super) const COMPRESSED_CERTIFICATE: u8 = 25;

/// The random of a ServerHello that asks for another ClientHello (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Certificates of a chain, and bytes of one message, that are kept.
const MOST_CERTIFICATES: usize = 100;
const MOST_UNPACKED: u64 = 1 << 20;

/// A ServerHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tls) struct ServerHello {
    pub(in crate::tls) version: u16,
    pub(in crate::tls) random: [u8; 32],
    pub(in crate::tls) suite: u16,
    pub(in crate::tls) group: Option<u16>,
    pub(in crate::tls) alpn: Option<Vec<u8>>,
    pub(in crate::tls) resumes_psk: bool,
    pub(in crate::tls) encrypt_then_mac: bool,
}

impl ServerHello {
    pub(in crate::tls) fn asks_again(&self) -> bool {
        self.random == RETRY
    }
}

pub(in crate::tls) fn server_hello(body: &[u8]) -> Option<ServerHello> {
    read_server_hello(&mut Reader::new(body, 4)).ok()
}

fn read_server_hello(body: &mut Reader<'_>) -> Result<ServerHello, Ended> {
    let mut hello = ServerHello { version: body.u16("the version")?, ..ServerHello::default() };
    let random = body.take(32, "the random")?;
    hello.random = random.try_into().unwrap_or_default();
    body.vector8("the session")?;
    hello.suite = body.u16("the cipher suite")?;
    body.u8("the compression")?;
    if body.is_empty() {
        return Ok(hello);
    }
    let mut extensions = body.vector16("the extensions")?;
    while !extensions.is_empty() {
        let kind = extensions.u16("an extension")?;
        let mut value = extensions.vector16("an extension")?;
        match kind {
            16 => hello.alpn = first_protocol(value)?,
            22 => hello.encrypt_then_mac = true,
            41 => hello.resumes_psk = true,
            43 => hello.version = value.u16("the version")?,
            51 => hello.group = Some(value.u16("the group")?),
            _ => {}
        }
    }
    Ok(hello)
}

fn first_protocol(mut value: Reader<'_>) -> Result<Option<Vec<u8>>, Ended> {
    let mut list = value.vector16("the protocols")?;
    if list.is_empty() { Ok(None) } else { Ok(Some(list.vector8("a protocol")?.rest().to_vec())) }
}

/// EncryptedExtensions: the protocol by ALPN, and whether early data was accepted.
pub(super) fn encrypted_extensions(body: &[u8]) -> Option<(Option<Vec<u8>>, bool)> {
    let read = || -> Result<_, Ended> {
        let (mut alpn, mut early) = (None, false);
        let mut extensions = Reader::new(body, 4).vector16("the extensions")?;
        while !extensions.is_empty() {
            let kind = extensions.u16("an extension")?;
            let value = extensions.vector16("an extension")?;
            match kind {
                16 => alpn = first_protocol(value)?,
                42 => early = true,
                _ => {}
            }
        }
        Ok((alpn, early))
    };
    read().ok()
}

/// The certificates of a Certificate message, leaf first.
pub(in crate::tls) fn certificates(body: &[u8], tls13: bool) -> Option<PeerChain> {
    let read = || -> Result<_, Ended> {
        let mut body = Reader::new(body, 4);
        if tls13 {
            body.vector8("the context")?;
        }
        let mut list = vector24(&mut body)?;
        let mut chain = Vec::new();
        while !list.is_empty() && chain.len() < MOST_CERTIFICATES {
            chain.push(vector24(&mut list)?.rest().to_vec());
            if tls13 {
                list.vector16("the extensions of a certificate")?;
            }
        }
        Ok(chain)
    };
    read().ok()
}

/// A vector whose length is three bytes.
fn vector24<'b>(reader: &mut Reader<'b>) -> Result<Reader<'b>, Ended> {
    let high = usize::from(reader.u8("a length")?);
    let length = high << 16 | usize::from(reader.u16("a length")?);
    let base = reader.position();
    Ok(Reader::new(reader.take(length, "certificates")?, base))
}

/// What a CompressedCertificate message holds: the body of a Certificate message.
pub(super) fn uncompressed(body: &[u8]) -> Option<Vec<u8>> {
    let (algorithm, rest) = body.split_first_chunk::<2>()?;
    let packed = rest.get(6..)?;
    let mut unpacked = Vec::new();
    let read = match u16::from_be_bytes(*algorithm) {
        1 => flate2::read::ZlibDecoder::new(packed).take(MOST_UNPACKED).read_to_end(&mut unpacked),
        2 => brotli_decompressor::Decompressor::new(packed, 4096).take(MOST_UNPACKED).read_to_end(&mut unpacked),
        3 => zstd::Decoder::new(packed).ok()?.take(MOST_UNPACKED).read_to_end(&mut unpacked),
        _ => return None,
    };
    read.ok().map(|_| unpacked)
}

/// The named curve of a ServerKeyExchange of an ECDHE suite.
pub(in crate::tls) fn named_curve(body: &[u8]) -> Option<u16> {
    match body {
        [3, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}
