//! MySQL and MariaDB. In: bytes of both directions. Out: the end of the client's SSLRequest.
//! Spec: MySQL internals manual, "Connection Phase": HandshakeV10 and SSLRequest.

use super::{Side, Step};

/// Longest greeting that is read; real ones have some 100 bytes.
const MAX_GREETING: usize = 1024;

const PACKET_HEAD: usize = 4;
/// Head and payload of an SSLRequest.
const SSL_REQUEST: usize = PACKET_HEAD + 32;
/// Its head: 32 bytes, second packet of the conversation.
const SSL_REQUEST_HEAD: [u8; PACKET_HEAD] = [32, 0, 0, 1];
/// `CLIENT_SSL`, in the second byte of the capabilities.
const CLIENT_SSL: u8 = 0x08;

#[derive(Debug, Default)]
pub(super) struct Conversation {
    greeting: Vec<u8>,
    request: Vec<u8>,
    /// The greeting is complete and offers TLS.
    offered: bool,
}

impl Conversation {
    pub(super) fn step(&mut self, side: Side, byte: u8) -> Step {
        match side {
            Side::Server if self.offered => Step::Never,
            Side::Server => {
                self.greeting.push(byte);
                let [low, high, ..] = self.greeting.as_slice() else { return Step::Going };
                let total = PACKET_HEAD + (usize::from(*high) << 8 | usize::from(*low));
                if total > MAX_GREETING {
                    return Step::Never;
                }
                if self.greeting.len() < total {
                    return Step::Going;
                }
                self.offered = offers_tls(self.greeting.get(PACKET_HEAD..).unwrap_or_default());
                if self.offered { Step::Going } else { Step::Never }
            }
            Side::Client if !self.offered => Step::Never,
            Side::Client => {
                self.request.push(byte);
                let head = self.request.get(..PACKET_HEAD).unwrap_or(&self.request);
                if !SSL_REQUEST_HEAD.starts_with(head) {
                    return Step::Never;
                }
                match self.request.get(PACKET_HEAD + 1) {
                    Some(capabilities) if capabilities & CLIENT_SSL == 0 => Step::Never,
                    _ if self.request.len() == SSL_REQUEST => Step::Upgrade("mysql"),
                    _ => Step::Going,
                }
            }
        }
    }
}

/// Whether a greeting has the capability: protocol 10, version up to a zero byte, then 13 bytes that do not matter here.
fn offers_tls(payload: &[u8]) -> bool {
    let version = payload.iter().position(|byte| *byte == 0);
    let capabilities = version.and_then(|end| payload.get(end + 1 + 13 + 1));
    capabilities.is_some_and(|high| high & CLIENT_SSL != 0)
}
