//! p11-kit's own files of trust. In: text. Out: certificates with what is said beside them. Spec: p11-kit's "persistence format".

use sidelight_model::trust::{Format, TrustBits};
use sidelight_model::x509::tlv::{self, dotted};

use super::{Draft, Place};
use crate::der::tag;
use crate::pem;

const HEAD: &[u8] = b"[p11-kit-object-v1]";

/// 2.5.29.37, the extension that limits purposes.
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

pub(super) fn is(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes.get(..4096).unwrap_or(bytes), HEAD).is_some()
}

/// One object: its first byte, its fields and its blocks.
struct Object<'b> {
    start: usize,
    text: &'b [u8],
}

impl Object<'_> {
    fn field(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(self.text);
        let value = text.lines().find_map(|line| {
            line.trim().strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim).map(str::to_owned)
        })?;
        Some(value.trim_matches('"').to_owned())
    }

    fn says(&self, name: &str) -> bool {
        self.field(name).as_deref() == Some("true")
    }
}

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Format {
    let starts: Vec<usize> = memchr::memmem::find_iter(bytes, HEAD).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let mut purposes = None;
    for (start, end) in starts.iter().copied().zip(ends) {
        let object = Object { start, text: bytes.get(start..end).unwrap_or_default() };
        if object.field("object-id").as_deref() == Some(EXTENDED_KEY_USAGE) {
            purposes = object.field("value").map(|value| purposes_of(&unescape(&value)));
        }
        certificates(&object, bytes, draft);
    }
    // Purposes are an object of their own, which belongs to the certificate with the same public key: files have one certificate.
    if let (Some(purposes), [entry]) = (purposes, draft.store.entries.as_mut_slice()) {
        entry.bits.get_or_insert_default().trusted = Some(purposes);
    }
    Format::P11Kit
}

fn certificates(object: &Object<'_>, bytes: &[u8], draft: &mut Draft<'_>) {
    let (blocks, faults) = pem::read(object.text);
    let lines_before = memchr::memchr_iter(b'\n', bytes.get(..object.start).unwrap_or_default()).count();
    for block in blocks.iter().filter(|block| block.is_certificate()) {
        let distrusted = object.says("x-distrusted");
        let place = Place {
            alias: object.field("label"),
            label: Some(block.label.clone()),
            line: Some(lines_before + block.lines.0),
            offset: Some(object.start + block.bytes.0),
            bits: Some(TrustBits { trusted: None, rejected: Vec::new(), distrusted }),
            no_anchor: !object.says("trusted"),
        };
        draft.certificate(&block.data, place);
    }
    for fault in faults.into_iter().filter(|fault| !matches!(fault.kind, pem::FaultKind::Empty(_))) {
        draft.fault(fault.kind.to_string(), Some(lines_before + fault.line), Some(object.start + fault.offset));
    }
}

fn purposes_of(extension: &[u8]) -> Vec<String> {
    // Either the value alone, or the whole Extension around it.
    let Some((first, _)) = tlv::first(extension) else { return Vec::new() };
    let parts = tlv::children(first.content);
    let inner = parts.iter().find(|part| part.tag == tag::OCTET_STRING).and_then(|octets| tlv::first(octets.content));
    let parts = inner.map_or(parts.clone(), |(inner, _)| tlv::children(inner.content));
    parts.iter().filter(|part| part.tag == tag::OID).filter_map(|part| dotted(part.content)).collect()
}

/// `%30` is the byte 0x30; everything else stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len() / 3);
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next(), bytes.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        if let [Some(high), Some(low)] = digits {
            out.push((high << 4 | low).to_le_bytes()[0]);
        }
    }
    out
}
