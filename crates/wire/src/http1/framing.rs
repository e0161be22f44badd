//! Where a body ends. In: the head of a message, then the bytes after it in any pieces. Out: content in place, the end, trailers.
//! Spec: RFC 9112 §6.3 (message body length), §7 (transfer codings), §11.2 (request smuggling).
//!
//! Who keeps only one of two lengths cannot show that a second reader may see another message. So both are kept as anomalies, and
//! [`BodyFraming::is_ambiguous`] tells a proxy not to trust that the next byte begins a request.

use sidelight_model::flow::{Anomaly, AnomalyKind, Header, HttpVersion};

use super::chunked::Chunked;
use super::head::{RequestHead, ResponseHead, list_members};
use crate::anomalies::{Anomalies, quote};

/// How far [`BodyFraming::advance`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Bytes of the slice that belong to the body. Less than all of them only when it is done or broken.
    pub consumed: usize,
    /// Whether it goes on.
    pub state: BodyState,
}

impl Advance {
    /// Whether the body is whole.
    pub fn is_done(self) -> bool {
        self.state == BodyState::Done
    }
}

/// Whether a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// More of it is to come.
    Going,
    /// It is whole; the next byte belongs to another message.
    Done,
    /// Its chunks are not chunks: where it ends cannot be known, and nothing more is consumed.
    Broken,
}

#[derive(Clone, Debug)]
enum Kind {
    Length(u64),
    Chunked(Box<Chunked>),
    UntilClose,
}

/// Tells where the body of one message ends.
#[derive(Clone, Debug)]
pub struct BodyFraming {
    kind: Kind,
    ambiguous: bool,
    odd: Anomalies,
    seen: u64,
}

impl BodyFraming {
    /// The framing of a request's body.
    pub fn for_request(head: &RequestHead) -> Self {
        let mut framing = Self::from_fields(&head.headers, head.version, Kind::Length(0));
        if head.method.as_ref() == b"CONNECT" && !framing.is_empty() {
            framing.doubt(AnomalyKind::BadHead, "a CONNECT request with a body".to_owned());
            framing.kind = Kind::Length(0);
        }
        framing.ambiguous |= reads_differently(&head.anomalies);
        framing
    }

    /// The framing of the body of a response to a request with this method (`GET` when it is not known).
    pub fn for_response(head: &ResponseHead, method: &[u8]) -> Self {
        let mut framing = Self::from_fields(&head.headers, head.version, Kind::UntilClose);
        let tunnel = method == b"CONNECT" && (200..300).contains(&head.status);
        let empty = matches!(head.status, 100..=199 | 204 | 304) || method == b"HEAD" || tunnel;
        let declares = head.headers.iter().any(|header| header.is("transfer-encoding"));
        if declares && (matches!(head.status, 100..=199 | 204) || tunnel) {
            framing.doubt(AnomalyKind::OddTransferEncoding, format!("Transfer-Encoding with status {}", head.status));
        } else if head.status == 204 && matches!(framing.kind, Kind::Length(1..)) {
            framing.doubt(AnomalyKind::BadContentLength, "a Content-Length other than 0 with status 204".to_owned());
        }
        if empty {
            framing.kind = Kind::Length(0);
        }
        framing.ambiguous |= reads_differently(&head.anomalies);
        framing
    }

    fn from_fields(headers: &[Header], version: HttpVersion, otherwise: Kind) -> Self {
        let mut framing = Self { kind: otherwise, ambiguous: false, odd: Anomalies::default(), seen: 0 };
        let until_close = matches!(framing.kind, Kind::UntilClose);
        let length = framing.content_length(headers);
        if !headers.iter().any(|header| header.is("transfer-encoding")) {
            if let Some(length) = length {
                framing.kind = Kind::Length(length);
            }
            return framing;
        }
        if headers.iter().any(|header| header.is("content-length")) {
            framing.doubt(AnomalyKind::LengthAndChunked, "Content-Length and Transfer-Encoding in one head".to_owned());
        }
        if version == HttpVersion::Http10 {
            framing.doubt(AnomalyKind::OddTransferEncoding, "Transfer-Encoding in an HTTP/1.0 message".to_owned());
        }
        if framing.ends_with_chunked(headers) {
            framing.kind = Kind::Chunked(Box::new(Chunked::new()));
        } else if let Some(length) = length.filter(|_| !until_close) {
            framing.kind = Kind::Length(length);
        }
        framing
    }

    /// Reads all Content-Length values as one; the first counts when they differ.
    fn content_length(&mut self, headers: &[Header]) -> Option<u64> {
        let mut length = None;
        for header in headers.iter().filter(|header| header.is("content-length")) {
            for value in header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                let read = decimal(value);
                if read.is_none() {
                    self.doubt(AnomalyKind::BadContentLength, format!("Content-Length {}", quote(value)));
                }
                match (length, read) {
                    (Some(first), Some(read)) if first != read => {
                        self.doubt(AnomalyKind::ConflictingLengths, format!("Content-Length {first} and {read}"));
                    }
                    (Some(first), Some(_)) => {
                        let detail = format!("Content-Length {first} more than once");
                        self.odd.note(AnomalyKind::BadContentLength, None, detail);
                    }
                    (first, read) => length = first.or(read),
                }
            }
        }
        length
    }

    /// Whether the last transfer coding is `chunked`, and notes whatever is not that plain word alone.
    fn ends_with_chunked(&mut self, headers: &[Header]) -> bool {
        let codings: Vec<&[u8]> = list_members(headers, "transfer-encoding").collect();
        let known =
            |coding: &&[u8]| [&b"gzip"[..], b"deflate", b"compress"].iter().any(|k| coding.eq_ignore_ascii_case(k));
        let (last, before) = match codings.split_last() {
            Some((last, before)) => (*last, before),
            None => (&b""[..], &[][..]),
        };
        let chunked = last.eq_ignore_ascii_case(b"chunked");
        if !chunked || !before.iter().all(known) {
            let all = codings.join(&b", "[..]);
            self.doubt(AnomalyKind::OddTransferEncoding, format!("Transfer-Encoding {}", quote(&all)));
        }
        chunked
    }

    fn doubt(&mut self, kind: AnomalyKind, detail: String) {
        self.ambiguous = true;
        self.odd.note(kind, None, detail);
    }

    /// Whether another reader may see another end of this message: two lengths, or a head that can be read in two ways.
    pub const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether there is no body, so that the next byte belongs to another message.
    pub const fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Length(0)) && self.seen == 0
    }

    /// Whether only the end of the connection ends the body.
    pub const fn is_until_close(&self) -> bool {
        matches!(self.kind, Kind::UntilClose)
    }

    /// Bytes on the wire so far: content with its chunk framing and trailers.
    pub const fn wire_length(&self) -> u64 {
        self.seen
    }

    /// How many bytes of content are still to come, when the framing tells that beforehand.
    pub const fn remaining(&self) -> Option<u64> {
        match self.kind {
            Kind::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Whether the body goes on.
    pub const fn state(&self) -> BodyState {
        match &self.kind {
            Kind::Length(0) => BodyState::Done,
            Kind::Chunked(chunked) if chunked.is_done() => BodyState::Done,
            Kind::Chunked(chunked) if chunked.is_broken() => BodyState::Broken,
            Kind::Length(_) | Kind::UntilClose | Kind::Chunked(_) => BodyState::Going,
        }
    }

    /// Takes bytes up to the end of the body, and hands the content among them, in place, to `on_content`.
    pub fn advance(&mut self, bytes: &[u8], on_content: &mut impl FnMut(&[u8])) -> Advance {
        let consumed = match &mut self.kind {
            Kind::Length(left) => {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= piece as u64;
                if piece > 0 {
                    on_content(&bytes[..piece]);
                }
                piece
            }
            Kind::UntilClose => {
                on_content(bytes);
                bytes.len()
            }
            Kind::Chunked(chunked) => chunked.advance(bytes, self.seen, &mut self.odd, on_content),
        };
        self.seen = self.seen.saturating_add(consumed as u64);
        self.ambiguous |= self.odd.as_slice().iter().any(|anomaly| anomaly.kind == AnomalyKind::BadChunk);
        Advance { consumed, state: self.state() }
    }

    /// Steps over `bytes` of content that were not seen. False when the framing is lost by that: the body may have ended among them.
    #[must_use]
    pub fn skip(&mut self, bytes: u64) -> bool {
        let sure = match &mut self.kind {
            Kind::UntilClose => true,
            Kind::Length(left) if *left >= bytes => {
                *left -= bytes;
                true
            }
            Kind::Chunked(chunked) if chunked.data_left() >= bytes => {
                chunked.skip(bytes);
                true
            }
            Kind::Length(_) | Kind::Chunked(_) => false,
        };
        if sure {
            self.seen = self.seen.saturating_add(bytes);
        }
        sure
    }

    /// The fields after the last chunk; to be asked once, when the body is done.
    pub fn take_trailers(&mut self) -> Vec<Header> {
        match &mut self.kind {
            Kind::Chunked(chunked) if chunked.is_done() => chunked.trailers(&mut self.odd),
            _ => Vec::new(),
        }
    }

    /// What is odd about the framing so far; places count from the first byte of the body. They are handed out once: ask after
    /// [`Self::take_trailers`], which may find more.
    pub fn take_anomalies(&mut self) -> Vec<Anomaly> {
        self.odd.take()
    }
}

/// Digits alone, within 64 bits.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Whether a head has faults over which readers differ, so that one sees a length where another sees none.
fn reads_differently(anomalies: &[Anomaly]) -> bool {
    use AnomalyKind::{BadHead, BareCr, BareLf, Folding, SpaceBeforeColon};
    anomalies.iter().any(|anomaly| matches!(anomaly.kind, BadHead | BareCr | BareLf | Folding | SpaceBeforeColon))
}
