//! The chunked transfer coding, watched. In: bytes of a body in any pieces. Out: its content in place, its trailers, its end.
//! Spec: RFC 9112 §7.1.

use bytes::Bytes;
use sidelight_model::flow::{AnomalyKind, Header};

use super::fields::parse_fields;
use super::head::{DEFAULT_HEAD_BYTES, DEFAULT_HEAD_FIELDS};
use crate::anomalies::{Anomalies, quote};

/// Hexadecimal digits of the largest size that is believed: 2^60 bytes.
const MOST_DIGITS: u32 = 15;

/// Where in the coding the next byte stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the digits of a size; so many have been read.
    Size {
        digits: u32,
        value: u64,
    },
    /// After the digits, up to the LF; whether the byte before was CR, and whether an extension has begun.
    AfterSize {
        value: u64,
        cr: bool,
        extension: bool,
    },
    /// In the data.
    Data {
        left: u64,
    },
    /// After the data; whether its CR has been read.
    DataEnd {
        cr: bool,
    },
    /// In the lines after the last chunk; where in the buffer the present line begins.
    Trailers {
        line: usize,
    },
    Done,
    Broken,
}

/// The state of one chunked body.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    place: Place,
    /// Trailer lines so far.
    buffer: Vec<u8>,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self { place: Place::Size { digits: 0, value: 0 }, buffer: Vec::new() }
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.place, Place::Done)
    }

    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.place, Place::Broken)
    }

    /// Bytes of the present chunk's data that are still to come.
    pub(super) const fn data_left(&self) -> u64 {
        match self.place {
            Place::Data { left } => left,
            _ => 0,
        }
    }

    /// Steps over data that was not seen; it must all belong to the present chunk.
    pub(super) const fn skip(&mut self, bytes: u64) {
        if let Place::Data { left } = &mut self.place {
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                self.place = Place::DataEnd { cr: false };
            }
        }
    }

    /// The fields after the last chunk.
    pub(super) fn trailers(&mut self, odd: &mut Anomalies) -> Vec<Header> {
        let raw = Bytes::from(std::mem::take(&mut self.buffer));
        match parse_fields(&raw, 0, DEFAULT_HEAD_FIELDS, odd) {
            Ok(fields) => fields.into_iter().map(|field| field.header).collect(),
            Err(_) => {
                odd.note(AnomalyKind::HeadTooLarge, None, format!("more than {DEFAULT_HEAD_FIELDS} trailer fields"));
                Vec::new()
            }
        }
    }

    /// Takes bytes up to the end of the body; says how many. `at` is the place of the first in the body, for anomalies.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        at: u64,
        odd: &mut Anomalies,
        on_content: &mut impl FnMut(&[u8]),
    ) -> usize {
        let mut used = 0;
        while used < bytes.len() && !self.is_done() && !self.is_broken() {
            let rest = &bytes[used..];
            if let Place::Data { left } = self.place {
                let piece = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                on_content(&rest[..piece]);
                self.skip(piece as u64);
                used += piece;
            } else if let Place::Trailers { line } = self.place {
                used += self.trailer_bytes(rest, line, odd);
            } else {
                self.framing_byte(rest[0], at + used as u64, odd);
                used += usize::from(!self.is_broken());
            }
        }
        used
    }

    /// One byte of a size line, or of the end of the data.
    fn framing_byte(&mut self, byte: u8, at: u64, odd: &mut Anomalies) {
        self.place = match self.place {
            Place::Size { digits, value } => Self::size_byte(byte, digits, value, at, odd),
            Place::AfterSize { value, cr, extension } => Self::after_size(byte, value, cr, extension, at, odd),
            Place::DataEnd { cr } => match (byte, cr) {
                (b'\r', false) => Place::DataEnd { cr: true },
                (b'\n', _) => {
                    if !cr {
                        odd.note(AnomalyKind::BadChunk, Some(at), "chunk data that ends with LF alone");
                    }
                    Place::Size { digits: 0, value: 0 }
                }
                _ => broken(odd, at, format!("{} where the CRLF after the chunk's data belongs", quote(&[byte]))),
            },
            Place::Data { .. } | Place::Trailers { .. } | Place::Done | Place::Broken => return,
        };
    }

    fn size_byte(byte: u8, digits: u32, value: u64, at: u64, odd: &mut Anomalies) -> Place {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // Leading zeros are allowed without end by the grammar, but nobody means well with more than these.
            return match digits {
                MOST_DIGITS.. => broken(odd, at, format!("a chunk size of more than {MOST_DIGITS} digits")),
                _ => Place::Size { digits: digits + 1, value: (value << 4) | u64::from(digit) },
            };
        }
        match byte {
            _ if digits == 0 => broken(odd, at, format!("{} where a chunk size belongs", quote(&[byte]))),
            b'\r' | b'\n' | b';' | b' ' | b'\t' => Self::after_size(byte, value, false, false, at, odd),
            _ => broken(odd, at, format!("{} in a chunk size", quote(&[byte]))),
        }
    }

    fn after_size(byte: u8, value: u64, cr: bool, extension: bool, at: u64, odd: &mut Anomalies) -> Place {
        match byte {
            b'\n' => {
                if !cr {
                    odd.note(AnomalyKind::BadChunk, Some(at), "a chunk size line that ends with LF alone");
                }
                return if value == 0 { Place::Trailers { line: 0 } } else { Place::Data { left: value } };
            }
            _ if cr => {
                odd.note(
                    AnomalyKind::BadChunk,
                    Some(at),
                    format!("CR and then {} in a chunk size line", quote(&[byte])),
                );
                if !extension && byte != b'\r' {
                    return Place::Broken;
                }
            }
            b' ' | b'\t' if !extension => {
                odd.note(AnomalyKind::BadChunk, Some(at), "white space after a chunk size");
            }
            b'\r' | b';' => {}
            _ if !extension => return broken(odd, at, format!("{} after a chunk size", quote(&[byte]))),
            _ => {}
        }
        Place::AfterSize { value, cr: byte == b'\r', extension: extension || byte == b';' }
    }

    /// Takes (a part of) one trailer line; an empty one ends the body.
    fn trailer_bytes(&mut self, rest: &[u8], line: usize, odd: &mut Anomalies) -> usize {
        let lf = rest.iter().position(|byte| *byte == b'\n');
        let piece = lf.map_or(rest.len(), |lf| lf + 1);
        let room = DEFAULT_HEAD_BYTES - self.buffer.len();
        self.buffer.extend_from_slice(&rest[..piece.min(room)]);
        if piece > room {
            odd.note(AnomalyKind::HeadTooLarge, None, format!("trailers of more than {DEFAULT_HEAD_BYTES} bytes"));
            self.place = Place::Broken;
            return room;
        }
        if lf.is_some() {
            let whole = matches!(self.buffer[line..], [b'\n'] | [b'\r', b'\n']);
            self.place = if whole { Place::Done } else { Place::Trailers { line: self.buffer.len() } };
        }
        piece
    }
}

fn broken(odd: &mut Anomalies, at: u64, detail: String) -> Place {
    odd.note(AnomalyKind::BadChunk, Some(at), detail);
    Place::Broken
}
