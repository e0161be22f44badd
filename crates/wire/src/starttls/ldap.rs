//! LDAP. In: bytes of both directions. Out: the end of the response that agrees to StartTLS. Spec: RFC 4511 §4.12, §4.14, §5.1 (BER).

use super::{CLIENT_HELLO, Side, Step};

/// `1.3.6.1.4.1.1466.20037`, as text, as LDAP writes it.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Bytes of a message that are looked at; both messages of the upgrade are shorter.
const KEPT: usize = 128;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const REQUEST_NAME: u8 = 0x80;

#[derive(Debug, Default)]
pub(super) struct Conversation {
    client: Messages,
    server: Messages,
    /// Message number of the request for TLS.
    asked: Option<Vec<u8>>,
    early: bool,
}

impl Conversation {
    pub(super) fn step(&mut self, side: Side, byte: u8) -> Step {
        let messages = match side {
            Side::Server => &mut self.server,
            Side::Client if self.early => return Step::Going,
            Side::Client if byte == CLIENT_HELLO && self.client.seen == 0 && self.asked.is_some() => {
                self.early = true;
                return Step::Early;
            }
            Side::Client => &mut self.client,
        };
        let message = match messages.push(byte) {
            Ok(Some(message)) => message,
            Ok(None) => return Step::Going,
            Err(NotLdap) => return Step::Never,
        };
        let Some((number, kind, body)) = parse(&message) else { return Step::Never };
        match side {
            Side::Client => {
                if kind == EXTENDED_REQUEST
                    && element(body).is_some_and(|(tag, name, _)| (tag, name) == (REQUEST_NAME, START_TLS))
                {
                    self.asked = Some(number.to_vec());
                }
                Step::Going
            }
            Side::Server if kind == EXTENDED_RESPONSE && self.asked.as_deref() == Some(number) => {
                self.asked = None;
                let success = element(body).is_some_and(|(tag, code, _)| (tag, code) == (ENUMERATED, &[0]));
                match (success, self.early) {
                    (true, _) => Step::Upgrade("ldap"),
                    (false, true) => Step::Never,
                    (false, false) => Step::Going,
                }
            }
            Side::Server => Step::Going,
        }
    }
}

/// Number, operation, and the operation's content, as far as they were kept.
fn parse(message: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (_, content, _) = element(message)?;
    let (tag, number, rest) = element(content)?;
    let (kind, body, _) = element(rest)?;
    (tag == INTEGER).then_some((number, kind, body))
}

/// Tag, content and rest; a content that was not kept whole ends early.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, head, length) = head(bytes)?;
    let rest = bytes.get(head..)?;
    let (content, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    Some((tag, content, rest))
}

/// Tag, length of the head, and length of the content.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    match bytes {
        [tag, length @ 0..=0x7f, ..] => Some((*tag, 2, usize::from(*length))),
        [tag, count @ 0x81..=0x84, rest @ ..] => {
            let count = usize::from(count & 0x7f);
            let length = rest.get(..count)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            Some((*tag, 2 + count, length))
        }
        _ => None,
    }
}

/// The bytes are not LDAP.
struct NotLdap;

/// Cuts a direction into messages.
#[derive(Debug, Default)]
struct Messages {
    kept: Vec<u8>,
    seen: usize,
    total: Option<usize>,
}

impl Messages {
    /// The message that `byte` ends, no longer than [`KEPT`].
    fn push(&mut self, byte: u8) -> Result<Option<Vec<u8>>, NotLdap> {
        self.seen += 1;
        if self.kept.len() < KEPT {
            self.kept.push(byte);
        }
        if self.total.is_none() {
            match self.kept.as_slice() {
                [SEQUENCE] | [SEQUENCE, 0..=0x7f | 0x81..=0x84, ..] => {}
                _ => return Err(NotLdap),
            }
            self.total = head(&self.kept).map(|(_, head, length)| length.saturating_add(head));
        }
        // Every message begins with its number.
        let number = head(&self.kept).and_then(|(_, head, _)| self.kept.get(head));
        if number.is_some_and(|tag| *tag != INTEGER) {
            return Err(NotLdap);
        }
        if self.total != Some(self.seen) {
            return Ok(None);
        }
        *self = Self { kept: std::mem::take(&mut self.kept), ..Self::default() };
        Ok(Some(std::mem::take(&mut self.kept)))
    }
}
