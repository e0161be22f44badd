//! permessage-deflate, for reading. In: what the handshake agreed on; payloads. Out: inflated bytes, bounded.
//! Spec: RFC 7692 §7.

use flate2::{Decompress, FlushDecompress, Status};
use sidelight_model::flow::{Direction, Header};

use crate::http1::list_members;

/// Longest message after inflating that is followed to its end: a few hundred KiB on the wire can claim this much.
const MOST_INFLATED: u64 = 256 << 20;
/// What RFC 7692 §7.2.2 has put back at the end of a message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What the two sides agreed on. Window sizes do not matter to a reader that always has the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// Each message of the client is deflated on its own.
    client_no_context_takeover: bool,
    /// Each message of the service is deflated on its own.
    server_no_context_takeover: bool,
}

impl Deflate {
    /// Reads the Sec-WebSocket-Extensions of the service's answer.
    pub(crate) fn agreed(headers: &[Header]) -> Option<Self> {
        let extension = list_members(headers, "sec-websocket-extensions").find_map(|member| {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            parts.next().filter(|name| name.eq_ignore_ascii_case(b"permessage-deflate")).map(|_| parts)
        })?;
        let mut agreed = Self::default();
        for parameter in extension {
            agreed.client_no_context_takeover |= parameter.eq_ignore_ascii_case(b"client_no_context_takeover");
            agreed.server_no_context_takeover |= parameter.eq_ignore_ascii_case(b"server_no_context_takeover");
        }
        Some(agreed)
    }

    /// The reader for one direction.
    pub(super) fn inflater(self, direction: Direction) -> Inflater {
        let fresh = match direction {
            Direction::ToServer => self.client_no_context_takeover,
            Direction::ToClient => self.server_no_context_takeover,
        };
        Inflater { state: Box::new(Decompress::new(false)), fresh, given: 0 }
    }
}

/// Inflates the messages of one direction.
#[derive(Debug)]
pub(super) struct Inflater {
    state: Box<Decompress>,
    /// Each message begins without the ones before it.
    fresh: bool,
    /// Bytes that the present message gave so far.
    given: u64,
}

impl Inflater {
    /// The next bytes of the payload of a message.
    ///
    /// # Errors
    /// In words, when they are not deflated, or give too much.
    pub(super) fn push(&mut self, mut input: &[u8], on_content: &mut impl FnMut(&[u8])) -> Result<(), String> {
        let mut buffer = [0; 8192];
        loop {
            let (taken, given) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, &mut buffer, FlushDecompress::Sync);
            let taken = usize::try_from(self.state.total_in() - taken).unwrap_or(input.len());
            let given = usize::try_from(self.state.total_out() - given).unwrap_or(0);
            on_content(&buffer[..given]);
            input = &input[taken..];
            self.given += given as u64;
            if self.given > MOST_INFLATED {
                return Err(format!("a message of more than {MOST_INFLATED} bytes after inflating"));
            }
            match status {
                Err(error) => return Err(format!("a message that cannot be inflated: {error}")),
                // A final block ends a deflate stream, and a message may go on with another (RFC 7692 §7.2.3.4).
                Ok(Status::StreamEnd) => self.state.reset(false),
                Ok(Status::Ok | Status::BufError) if taken == 0 && given == 0 => {
                    return if input.is_empty() { Ok(()) } else { Err("a message that cannot be inflated".to_owned()) };
                }
                Ok(Status::Ok | Status::BufError) => {}
            }
            if input.is_empty() && given < buffer.len() {
                return Ok(());
            }
        }
    }

    /// The message is whole.
    ///
    /// # Errors
    /// As [`Inflater::push`].
    pub(super) fn end(&mut self, on_content: &mut impl FnMut(&[u8])) -> Result<(), String> {
        let result = self.push(&TAIL, on_content);
        self.given = 0;
        if self.fresh {
            self.state.reset(false);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inflater: &mut Inflater, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        inflater.push(payload, &mut |bytes| content.extend_from_slice(bytes))?;
        inflater.end(&mut |bytes| content.extend_from_slice(bytes))?;
        Ok(content)
    }

    #[test]
    fn examples_of_the_specification() {
        // RFC 7692 §7.2.3.1, §7.2.3.2 (shared window), §7.2.3.3 (no compression), §7.2.3.4 (BFINAL).
        let mut inflater = Deflate::default().inflater(Direction::ToServer);
        let first = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(read(&mut inflater, &first).as_deref(), Ok(&b"Hello"[..]));
        assert_eq!(read(&mut inflater, &[0xf2, 0x00, 0x11, 0x00, 0x00]).as_deref(), Ok(&b"Hello"[..]));
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        assert_eq!(read(&mut inflater, &stored).as_deref(), Ok(&b"Hello"[..]));
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        assert_eq!(read(&mut inflater, &last).as_deref(), Ok(&b"Hello"[..]));
        let fresh = Deflate { client_no_context_takeover: true, server_no_context_takeover: false };
        let mut inflater = fresh.inflater(Direction::ToServer);
        assert!(read(&mut inflater, &first).is_ok());
        assert_ne!(read(&mut inflater, &[0xf2, 0x00, 0x11, 0x00, 0x00]).as_deref(), Ok(&b"Hello"[..]));
    }

    #[test]
    fn what_is_not_deflated_is_an_error() {
        let mut inflater = Deflate::default().inflater(Direction::ToClient);
        assert!(read(&mut inflater, &[0xff; 20]).is_err());
    }

    #[test]
    fn the_answer_decides() {
        let headers = [
            Header::new("Sec-WebSocket-Extensions", "x-other; a=b"),
            Header::new(
                "sec-websocket-extensions",
                "permessage-deflate; Server_No_Context_Takeover; client_max_window_bits=10",
            ),
        ];
        let agreed = Deflate { client_no_context_takeover: false, server_no_context_takeover: true };
        assert_eq!(Deflate::agreed(&headers), Some(agreed));
        assert_eq!(Deflate::agreed(&headers[..1]), None);
    }
}
