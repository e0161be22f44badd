//! gRPC's own framing inside HTTP bodies. In: content in pieces; fields. Out: messages by their length prefix; the call's status.
//! Spec: gRPC over HTTP/2 (Length-Prefixed-Message, Status, Status-Message), gRPC-Web (trailers in the body).

use sidelight_model::flow::{Grpc, Header};

use crate::body::{Budget, Kept};

/// Compressed flag and length.
const PREFIX: usize = 5;
/// gRPC-Web sets the top bit of the flag for the frame that holds the trailers.
const TRAILERS_BIT: u8 = 0x80;

/// One whole message (or gRPC-Web trailer frame).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) compressed: bool,
    pub(crate) trailers: bool,
    pub(crate) length: u64,
    pub(crate) kept: bytes::Bytes,
}

/// Puts messages together out of the pieces of one direction.
#[derive(Debug)]
pub(crate) struct MessageReader {
    prefix: [u8; PREFIX],
    have: usize,
    left: u64,
    kept: Kept,
    limit: usize,
    web: bool,
    failed: bool,
}

impl MessageReader {
    /// A reader that keeps `limit` bytes of each message; `web` allows gRPC-Web's trailer frames.
    pub(crate) const fn new(limit: usize, web: bool) -> Self {
        Self { prefix: [0; PREFIX], have: 0, left: 0, kept: Kept::new(0), limit, web, failed: false }
    }

    /// The next bytes of content.
    ///
    /// # Errors
    /// Once, in words, when a flag byte is none: what follows cannot be told apart any more.
    pub(crate) fn push(
        &mut self,
        mut content: &[u8],
        budget: &mut Budget,
        on_message: &mut impl FnMut(Message),
    ) -> Result<(), String> {
        while !content.is_empty() && !self.failed {
            if self.have < PREFIX {
                let piece = content.len().min(PREFIX - self.have);
                self.prefix[self.have..self.have + piece].copy_from_slice(&content[..piece]);
                self.have += piece;
                content = &content[piece..];
                let flag = self.prefix[0];
                if flag & !(1 | if self.web { TRAILERS_BIT } else { 0 }) != 0 {
                    self.failed = true;
                    return Err(format!("a gRPC message that begins with the flag byte 0x{flag:02x}"));
                }
                if self.have < PREFIX {
                    break;
                }
                let [_, a, b, c, d] = self.prefix;
                self.left = u64::from(u32::from_be_bytes([a, b, c, d]));
                self.kept = Kept::new(self.limit);
            } else {
                let piece = usize::try_from(self.left).unwrap_or(usize::MAX).min(content.len());
                self.kept.push(&content[..piece], budget);
                self.left -= piece as u64;
                content = &content[piece..];
            }
            if self.have == PREFIX && self.left == 0 {
                on_message(self.finish(budget));
            }
        }
        Ok(())
    }

    fn finish(&mut self, budget: &mut Budget) -> Message {
        let [flag, a, b, c, d] = self.prefix;
        self.have = 0;
        Message {
            compressed: flag & 1 != 0,
            trailers: flag & TRAILERS_BIT != 0,
            length: u64::from(u32::from_be_bytes([a, b, c, d])),
            kept: self.kept.finish(budget),
        }
    }

    /// Ends it; says how many bytes of an unfinished message are missing (0: none is unfinished; prefix bytes count).
    pub(crate) fn end(&mut self, budget: &mut Budget) -> u64 {
        let missing = match self.have {
            0 => 0,
            PREFIX => self.left,
            have => (PREFIX - have) as u64,
        };
        self.kept.finish(budget);
        self.have = 0;
        if self.failed { 0 } else { missing }
    }
}

/// What a content type says about gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Grpc,
    Web,
}

/// Whether a content type is gRPC's: `application/grpc`, `application/grpc+proto`, `application/grpc-web+proto` …
///
/// `application/grpc-web-text` is base64 over all and is not read.
pub(crate) fn kind_of(content_type: &str) -> Option<Kind> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let rest = essence.strip_prefix("application/grpc")?;
    let (kind, rest) = rest.strip_prefix("-web").map_or((Kind::Grpc, rest), |rest| (Kind::Web, rest));
    (rest.is_empty() || rest.starts_with('+')).then_some(kind)
}

/// Reads `grpc-status` and `grpc-message` out of trailers, or out of the head of a response that has nothing else.
pub(crate) fn read_status(fields: &[Header], call: &mut Grpc) {
    if let Some(status) = Header::find(fields, "grpc-status").and_then(|status| status.trim().parse().ok()) {
        call.status = Some(status);
        call.message = fields
            .iter()
            .find(|field| field.is("grpc-message"))
            .map(|field| percent_decoded(&field.value))
            .filter(|message| !message.is_empty());
    }
}

/// The trailers of gRPC-Web, which look like an HTTP/1 field block in lower case.
pub(crate) fn web_trailers(block: &[u8]) -> Vec<Header> {
    block
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some(Header::new(line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
        })
        .take(crate::http1::DEFAULT_HEAD_FIELDS)
        .collect()
}

fn percent_decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]], web: bool) -> (Vec<Message>, Result<(), String>, u64) {
        let (mut reader, mut budget) = (MessageReader::new(3, web), Budget::new(100));
        let mut messages = Vec::new();
        let result = pieces.iter().try_for_each(|piece| reader.push(piece, &mut budget, &mut |m| messages.push(m)));
        let missing = reader.end(&mut budget);
        assert_eq!(budget.take(1000), 100, "all given back");
        (messages, result, missing)
    }

    #[test]
    fn messages_in_any_pieces() {
        let wire = b"\0\0\0\0\x05hello\x01\0\0\0\0\0\0\0\0\x02hi\0\0\0\0\x09cut";
        let (whole, result, missing) = read(&[wire], false);
        assert_eq!((whole.len(), result, missing), (3, Ok(()), 6));
        assert_eq!((whole[0].length, &whole[0].kept[..], whole[0].compressed), (5, &b"hel"[..], false));
        assert_eq!((whole[1].length, whole[1].compressed), (0, true));
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(read(&bytes, false).0, whole);
    }

    #[test]
    fn a_flag_that_is_none_ends_it() {
        let (messages, result, _) = read(&[b"\0\0\0\0\x01x\x02\0\0\0\0"], false);
        assert_eq!(messages.len(), 1);
        assert!(result.is_err_and(|why| why.contains("0x02")));
        assert!(read(&[b"\x80\0\0\0\0"], false).1.is_err());
        assert!(read(&[b"\x80\0\0\0\0"], true).0[0].trailers);
    }

    #[test]
    fn content_types_and_status() {
        for (text, kind) in [
            ("application/grpc", Some(Kind::Grpc)),
            ("Application/gRPC+proto; charset=x", Some(Kind::Grpc)),
            ("application/grpc-web+proto", Some(Kind::Web)),
            ("application/grpc-web-text", None),
            ("application/grpcx", None),
            ("text/html", None),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
        let mut call = Grpc::default();
        read_status(&web_trailers(b"grpc-status: 5\r\ngrpc-message:no%20such%2\r\n"), &mut call);
        assert_eq!((call.status, call.message.as_deref()), (Some(5), Some("no such%2")));
    }
}
