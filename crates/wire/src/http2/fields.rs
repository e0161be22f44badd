//! Field blocks as heads. In: decoded fields of one block. Out: pseudo fields, ordinary fields, what is odd. Spec: RFC 9113 §8.2, §8.3.

use bytes::Bytes;
use sidelight_model::flow::{AnomalyKind, Header, RequestTarget};

use super::hpack::Field;
use crate::anomalies::{Anomalies, quote};

/// Bytes of the fields of one block that are kept.
const MOST_KEPT: usize = 256 * 1024;
/// What a field costs besides its bytes (RFC 9113 §10.5.1).
const OVERHEAD: usize = 32;
/// Fields that belong to an HTTP/1 connection and must not be here (RFC 9113 §8.2.2).
const CONNECTION_FIELDS: [&str; 5] = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];

/// The fields of one block.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) method: Option<Bytes>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    pub(super) protocol: Option<Bytes>,
    status: Option<Bytes>,
    pub(super) headers: Vec<Header>,
    pub(super) odd: Anomalies,
    /// It has fields from before decoding began.
    unknown: bool,
    pub(super) size: usize,
}

impl Block {
    /// Takes the next field of the block.
    pub(super) fn push(&mut self, field: Field) {
        let Field { name, value, unknown } = field;
        self.size += name.len() + value.len() + OVERHEAD;
        if self.size > MOST_KEPT {
            self.odd.note(AnomalyKind::HeadTooLarge, None, format!("fields of more than {MOST_KEPT} bytes"));
            return;
        }
        if unknown {
            let detail = format!("the field {} was named before decoding began", quote(&name));
            self.odd.note(AnomalyKind::BadHpack, None, detail);
            self.unknown = true;
        }
        if name.first() == Some(&b':') {
            return self.push_pseudo(&name, value);
        }
        if !unknown {
            self.check_name(&name);
        }
        self.headers.push(Header { name, value });
    }

    fn push_pseudo(&mut self, name: &[u8], value: Bytes) {
        if !self.headers.is_empty() && !self.unknown {
            self.odd.note(AnomalyKind::BadHead, None, format!("{} after ordinary fields", quote(name)));
        }
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" => &mut self.protocol,
            b":status" => &mut self.status,
            _ => return self.odd.note(AnomalyKind::BadHead, None, format!("the pseudo field {}", quote(name))),
        };
        if place.is_some() {
            self.odd.note(AnomalyKind::BadHead, None, format!("a second {}", quote(name)));
        } else {
            *place = Some(value);
        }
    }

    fn check_name(&mut self, name: &[u8]) {
        let odd =
            name.is_empty() || name.iter().any(|byte| byte.is_ascii_uppercase() || *byte <= b' ' || *byte >= 0x7f);
        if odd {
            self.odd.note(AnomalyKind::BadHead, None, format!("the field name {}", quote(name)));
        } else if CONNECTION_FIELDS.iter().any(|field| name == field.as_bytes()) {
            self.odd.note(AnomalyKind::BadHead, None, format!("{} in HTTP/2", quote(name)));
        }
    }

    /// Whether it is the head of a request (and not trailers), as far as can be told.
    pub(super) const fn is_request(&self) -> bool {
        self.method.is_some() || self.path.is_some() || self.scheme.is_some()
    }

    /// Whether it is the head of a response (and not trailers), as far as can be told.
    pub(super) const fn is_response(&self) -> bool {
        self.status.is_some()
    }

    /// The status code; 0 when it is not one.
    pub(super) fn status(&mut self) -> u16 {
        let text = self.status.as_deref().unwrap_or_default();
        let code =
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).filter(|code| (100..=999).contains(code));
        code.unwrap_or_else(|| {
            self.odd.note(
                AnomalyKind::BadHead,
                None,
                format!("the status {}", quote(self.status.as_deref().unwrap_or_default())),
            );
            0
        })
    }

    /// Where a request goes.
    pub(super) fn target(&mut self) -> RequestTarget {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let connects = self.method.as_deref() == Some(b"CONNECT") && self.protocol.is_none();
        let complete = if connects {
            self.authority.is_some() && self.path.is_none() && self.scheme.is_none()
        } else {
            self.method.is_some() && self.path.is_some() && self.scheme.is_some()
        };
        if !complete && !self.unknown {
            self.odd.note(AnomalyKind::BadHead, None, "a request with too few or too many pseudo fields");
        }
        let host = self.headers.iter().find(|header| header.is("host")).map(|header| &header.value);
        if let (Some(authority), Some(host)) = (&self.authority, host)
            && !authority.eq_ignore_ascii_case(host)
        {
            let detail = format!("Host {} but :authority {}", quote(host), quote(authority));
            self.odd.note(AnomalyKind::Host, None, detail);
        }
        let authority = self.authority.as_ref().or(host).map(text);
        let raw = if connects { self.authority.clone() } else { self.path.clone() };
        RequestTarget { raw: raw.unwrap_or_default(), scheme: self.scheme.as_ref().map(text), authority }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fields: &[(&'static str, &'static str)]) -> Block {
        let mut block = Block::default();
        for (name, value) in fields {
            let (name, value) = (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()));
            block.push(Field { name, value, unknown: false });
        }
        block
    }

    #[test]
    fn heads_and_their_faults() {
        let mut sound =
            block(&[(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/"), ("x", "y")]);
        let target = sound.target();
        assert_eq!((&target.raw[..], target.authority.as_deref()), (&b"/"[..], Some("a")));
        assert!(sound.odd.as_slice().is_empty() && sound.is_request() && !sound.is_response());
        let faulty: &[&[(&str, &str)]] = &[
            &[(":method", "GET"), (":scheme", "https"), ("x", "y"), (":path", "/")],
            &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":path", "/b")],
            &[(":method", "GET"), (":scheme", "https"), (":path", "/"), ("X", "y")],
            &[(":method", "GET"), (":scheme", "https"), (":path", "/"), ("connection", "close")],
            &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":odd", "1")],
            &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a"), ("host", "b")],
            &[(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")],
            &[(":method", "GET")],
        ];
        for fields in faulty {
            let mut block = block(fields);
            block.target();
            assert_eq!(block.odd.as_slice().len(), 1, "{fields:?}");
        }
        assert_eq!(block(&[(":status", "200")]).status(), 200);
        assert_eq!(block(&[(":status", "2 0")]).status(), 0);
    }

    #[test]
    fn a_list_without_end_is_not_kept() {
        let mut block = Block::default();
        let value = Bytes::from(vec![b'x'; 4000]);
        for _ in 0..1000 {
            block.push(Field { name: Bytes::from_static(b"a"), value: value.clone(), unknown: false });
        }
        assert!(block.headers.len() < 100);
        assert_eq!(block.odd.as_slice()[0].kind, AnomalyKind::HeadTooLarge);
    }
}
