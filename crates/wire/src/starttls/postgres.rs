//! PostgreSQL. In: bytes of both directions. Out: the byte with which the server agrees to TLS.
//! Spec: PostgreSQL manual, "Frontend/Backend Protocol", SSL Session Encryption and GSSAPI Session Encryption.

use super::{CLIENT_HELLO, Side, Step};

/// Length 8, and the code of SSLRequest; GSSENCRequest has a code higher by one.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

#[derive(Debug, Default)]
pub(super) struct Conversation {
    request: Vec<u8>,
    early: bool,
}

impl Conversation {
    pub(super) fn step(&mut self, side: Side, byte: u8) -> Step {
        match (side, self.request == SSL_REQUEST) {
            (Side::Client, true) if self.early => Step::Going,
            (Side::Client, true) if byte == CLIENT_HELLO => {
                self.early = true;
                Step::Early
            }
            (Side::Client, _) => {
                self.request.push(byte);
                let fits = SSL_REQUEST.starts_with(&self.request) || GSS_REQUEST.starts_with(&self.request);
                if fits { Step::Going } else { Step::Never }
            }
            (Side::Server, true) if byte == b'S' => Step::Upgrade("postgres"),
            // Refused: the client may ask for the other kind of encryption, or begin without any.
            (Side::Server, ssl) if byte == b'N' && !self.early && (ssl || self.request == GSS_REQUEST) => {
                self.request.clear();
                Step::Going
            }
            (Side::Server, _) => Step::Never,
        }
    }
}
