//! What a server answers to a ClientHello, as far as it is in the clear. In: all bytes that came so far. Out: version, suite,
//! certificates (before TLS 1.3), key exchange, what it asks of the client, alerts.
//!
//! Spec: RFC 5246 §7.4, RFC 8446 §4.1.3, RFC 6066 §8 (CertificateStatus). Never waits: the flight is read again as it grows.

use super::alert::{AlertDescription, PlainAlert, parse_plain_alert};
use super::decrypt::messages as message;
use super::reader::{Ended, Reader};

/// Bytes of a flight that are read; clients accept less.
pub const MAX_FLIGHT: usize = 512 * 1024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const RECORD_HEAD: usize = 5;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_STATUS: u8 = 22;

/// A server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// The version that it chose.
    pub version: Option<u16>,
    /// The suite that it chose.
    pub suite: Option<u16>,
    /// The application protocol that it chose (before TLS 1.3; later it is encrypted).
    pub alpn: Option<Vec<u8>>,
    /// Whether it asks for another ClientHello with another key share.
    pub asks_again: bool,
    /// Its certificates, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Bits of the prime of an ephemeral finite-field Diffie-Hellman exchange.
    pub dh_bits: Option<usize>,
    /// The named curve of an elliptic one.
    pub curve: Option<u16>,
    /// Whether it asks for a client certificate.
    pub asks_for_certificate: bool,
    /// A stapled OCSP response.
    pub stapled: Option<Vec<u8>>,
    /// Whether the flight is complete: nothing more comes before the client speaks.
    pub complete: bool,
    /// The first alert in the clear.
    pub alert: Option<(u8, AlertDescription)>,
    /// Whether what came is no TLS at all.
    pub not_tls: bool,
}

/// Reads a flight.
pub fn read(bytes: &[u8]) -> Flight {
    let mut flight = Flight::default();
    let mut messages = Vec::new();
    let mut rest = &bytes[..bytes.len().min(MAX_FLIGHT)];
    while let Some(&kind) = rest.first() {
        if !(20..=24).contains(&kind) || rest.get(1).is_some_and(|major| *major != 3) {
            flight.not_tls = flight.version.is_none() && flight.alert.is_none();
            break;
        }
        let Some(&[_, _, _, high, low]) = rest.first_chunk::<RECORD_HEAD>() else { break };
        let end = RECORD_HEAD + usize::from(u16::from_be_bytes([high, low]));
        let Some(content) = rest.get(RECORD_HEAD..end) else { break };
        match kind {
            ALERT => {
                if let Some(PlainAlert { level, description, .. }) = parse_plain_alert(rest) {
                    flight.alert.get_or_insert((level, description));
                }
            }
            // From TLS 1.3's ServerHello on the rest is encrypted, in records of another kind.
            HANDSHAKE => messages.extend_from_slice(content),
            _ => {}
        }
        rest = &rest[end..];
    }
    read_messages(&messages, &mut flight);
    flight
}

fn read_messages(mut messages: &[u8], flight: &mut Flight) {
    while let Some(&[kind, a, b, c]) = messages.first_chunk::<4>() {
        let end = 4 + usize::from(a) * 65_536 + usize::from(u16::from_be_bytes([b, c]));
        let Some(body) = messages.get(4..end) else { return };
        read_message(kind, body, flight);
        messages = &messages[end..];
    }
}

fn read_message(kind: u8, body: &[u8], flight: &mut Flight) {
    match kind {
        message::SERVER_HELLO => {
            let Some(hello) = message::server_hello(body) else { return };
            flight.asks_again = hello.asks_again();
            flight.complete = hello.version >= 0x0304;
            flight.version = Some(hello.version);
            flight.suite = Some(hello.suite);
            flight.alpn = hello.alpn;
        }
        message::CERTIFICATE => flight.chain = message::certificates(body, false).unwrap_or_default(),
        message::SERVER_KEY_EXCHANGE => {
            let name = super::names::cipher_suite(flight.suite.unwrap_or_default());
            if name.starts_with("TLS_ECDH") {
                flight.curve = message::named_curve(body);
            } else if name.starts_with("TLS_DH") {
                flight.dh_bits = prime_bits(body).ok();
            }
        }
        message::CERTIFICATE_REQUEST => flight.asks_for_certificate = true,
        CERTIFICATE_STATUS => flight.stapled = body.get(4..).map(<[u8]>::to_vec),
        SERVER_HELLO_DONE => flight.complete = true,
        _ => {}
    }
}

/// Bits of the prime that ServerDHParams begins with.
fn prime_bits(body: &[u8]) -> Result<usize, Ended> {
    let prime = Reader::new(body, 4).vector16("the prime")?.rest();
    let zeros = prime.iter().take_while(|byte| **byte == 0).count();
    let first = prime.get(zeros).copied().unwrap_or_default();
    Ok((prime.len() - zeros) * 8 - if first == 0 { 0 } else { first.leading_zeros() as usize })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3], &length[..], content].concat()
    }

    fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    #[test]
    fn a_flight_of_tls12_is_read_across_records() {
        let hello = [&[3, 3], &[9; 32][..], &[0, 0x00, 0x9e, 0]].concat();
        let certificate = [0, 0, 5, 0, 0, 2, 0x30, 0];
        let mut prime = vec![0x00, 0x40, 0x80];
        prime.extend([1; 63]);
        let messages = [
            handshake(2, &hello),
            handshake(11, &certificate),
            handshake(12, &prime),
            handshake(13, &[0; 4]),
            handshake(14, &[]),
        ]
        .concat();
        let (one, two) = messages.split_at(60);
        let bytes = [record(22, one), record(22, two)].concat();
        let flight = read(&bytes);
        assert_eq!((flight.version, flight.suite, flight.dh_bits), (Some(0x0303), Some(0x009e), Some(512)));
        assert_eq!(flight.chain, [vec![0x30, 0]]);
        assert!(flight.asks_for_certificate && flight.complete && !flight.not_tls);
        for cut in 0..bytes.len() {
            assert!(!read(&bytes[..cut]).complete, "complete after {cut} bytes");
        }
    }

    #[test]
    fn alerts_and_other_protocols_are_told_apart() {
        assert_eq!(read(&[21, 3, 0, 0, 2, 2, 40]).alert, Some((2, AlertDescription(40))));
        assert!(read(b"HTTP/1.1 400 Bad Request\r\n").not_tls);
        assert!(read(b"220 mail ready\r\n").not_tls);
        assert_eq!(read(b""), Flight::default());
    }
}
