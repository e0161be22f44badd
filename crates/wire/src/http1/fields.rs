//! Header and trailer lines. In: the bytes between a start line (or last chunk) and the empty line. Out: fields in order.
//! Spec: RFC 9112 §5 (field syntax), §2.2 (line ends), §5.2 (obsolete folding).

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;
use sidelight_model::flow::{AnomalyKind, Header};

use super::start_line::is_token;
use crate::anomalies::{Anomalies, quote};

/// One field and the place of its line, or lines where it is folded, with their ends.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) header: Header,
    pub(super) line: Range<usize>,
}

/// Too many fields: more than the limit that was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The line that begins at `start`: its content without its end, and the place after it. A last line may lack its end.
pub(crate) fn line_at(bytes: &[u8], start: usize) -> (Range<usize>, usize) {
    let rest = &bytes[start..];
    match memchr(b'\n', rest) {
        None => (start..bytes.len(), bytes.len()),
        Some(lf) if lf > 0 && rest[lf - 1] == b'\r' => (start..start + lf - 1, start + lf + 1),
        Some(lf) => (start..start + lf, start + lf + 1),
    }
}

/// Notes the oddities that any line can have: an end of LF alone, a CR inside.
pub(super) fn check_line(bytes: &[u8], content: &Range<usize>, end: usize, odd: &mut Anomalies) {
    let text = &bytes[content.clone()];
    if content.end + 1 == end {
        odd.note(AnomalyKind::BareLf, Some(content.end as u64), format!("{} ends with LF alone", quote(text)));
    }
    if let Some(cr) = memchr(b'\r', text) {
        odd.note(AnomalyKind::BareCr, Some((content.start + cr) as u64), format!("CR inside {}", quote(text)));
    }
}

/// Reads the lines from `start` up to the empty line or the end of `raw`; at most `most` fields.
pub(super) fn parse_fields(raw: &Bytes, start: usize, most: usize, odd: &mut Anomalies) -> Result<Vec<Field>, TooMany> {
    let mut fields: Vec<Field> = Vec::new();
    let mut at = start;
    while at < raw.len() {
        let (content, end) = line_at(raw, at);
        check_line(raw, &content, end, odd);
        if content.is_empty() {
            break;
        }
        let line = &raw[content.clone()];
        let folded = matches!(line[0], b' ' | b'\t');
        if folded {
            odd.note(
                AnomalyKind::Folding,
                Some(at as u64),
                format!("a line that begins with white space: {}", quote(line)),
            );
        }
        if let Some(before) = fields.last_mut().filter(|_| folded) {
            before.header.value = joined(&before.header.value, line.trim_ascii());
            before.line.end = end;
        } else if fields.len() == most {
            return Err(TooMany);
        } else {
            fields.push(Field { header: parse_line(raw, content, odd), line: at..end });
        }
        at = end;
    }
    Ok(fields)
}

/// A folded value: RFC 9112 §5.2 has the fold read as a space.
fn joined(before: &[u8], more: &[u8]) -> Bytes {
    let mut value = Vec::with_capacity(before.len() + 1 + more.len());
    value.extend_from_slice(before);
    value.push(b' ');
    value.extend_from_slice(more);
    value.into()
}

/// Reads one line as a field; what has no colon becomes a name without value.
fn parse_line(raw: &Bytes, content: Range<usize>, odd: &mut Anomalies) -> Header {
    let line = &raw[content.clone()];
    let place = Some(content.start as u64);
    let Some(colon) = memchr(b':', line) else {
        odd.note(AnomalyKind::BadHead, place, format!("a header line without colon: {}", quote(line)));
        return Header { name: raw.slice_ref(line.trim_ascii()), value: Bytes::new() };
    };
    let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
    if line[..colon].trim_ascii_end().len() != colon {
        odd.note(AnomalyKind::SpaceBeforeColon, place, format!("white space before the colon of {}", quote(line)));
    }
    if !is_token(name) {
        odd.note(AnomalyKind::BadHead, place, format!("bytes that no field name can have: {}", quote(&line[..colon])));
    }
    // All are looked at, without a way out, so that the compiler can take many at a time; there is one to find in next to no field.
    let is_bad = |byte: &u8| byte.is_ascii_control() & (*byte != b'\t') & (*byte != b'\r');
    if value.iter().fold(false, |any, byte| any | is_bad(byte))
        && let Some(bad) = value.iter().find(|byte| is_bad(byte))
    {
        odd.note(AnomalyKind::BadHead, place, format!("the byte 0x{bad:02x} in the value of {}", quote(name)));
    }
    Header { name: raw.slice_ref(name), value: raw.slice_ref(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static [u8]) -> (Vec<(String, String)>, Vec<AnomalyKind>) {
        let mut odd = Anomalies::default();
        let fields = parse_fields(&Bytes::from_static(text), 0, 100, &mut odd).unwrap();
        let shown = |bytes: &Bytes| bytes.escape_ascii().to_string();
        (
            fields.iter().map(|field| (shown(&field.header.name), shown(&field.header.value))).collect(),
            odd.take().into_iter().map(|anomaly| anomaly.kind).collect(),
        )
    }

    #[test]
    fn fields_with_their_oddities() {
        use AnomalyKind::{BadHead, BareCr, BareLf, Folding, SpaceBeforeColon};
        type Case = (&'static [u8], &'static [(&'static str, &'static str)], &'static [AnomalyKind]);
        let cases: &[Case] = &[
            (b"A: b\r\nCookie:c\r\ncookie:\t d \r\n\r\n", &[("A", "b"), ("Cookie", "c"), ("cookie", "d")], &[]),
            (b"A:\r\n\r\nB: not of this head\r\n", &[("A", "")], &[]),
            (b"A: b\nC: d\r\n", &[("A", "b"), ("C", "d")], &[BareLf]),
            (b"A: b\rC: d\r\n", &[("A", "b\\rC: d")], &[BareCr]),
            (b"A: b\r\n \tc\r\n", &[("A", "b c")], &[Folding]),
            (b" A: b\r\n", &[("A", "b")], &[Folding]),
            (b"A : b\r\n", &[("A", "b")], &[SpaceBeforeColon]),
            (b"no colon\r\n", &[("no colon", "")], &[BadHead]),
            (b": b\r\n", &[("", "b")], &[BadHead]),
            (b"A(: b\r\n", &[("A(", "b")], &[BadHead]),
            (b"A: b\0c\r\n", &[("A", "b\\x00c")], &[BadHead]),
            (b"A: \xff\xfe\r\n", &[("A", "\\xff\\xfe")], &[]),
        ];
        for (text, fields, odd) in cases {
            let (got, kinds) = read(text);
            let got: Vec<_> = got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(&got[..], *fields, "{}", text.escape_ascii());
            assert_eq!(&kinds[..], *odd, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn stops_at_the_limit() {
        let text = Bytes::from("a: b\r\n".repeat(11));
        assert_eq!(parse_fields(&text, 0, 10, &mut Anomalies::default()).err(), Some(TooMany));
        assert_eq!(parse_fields(&text, 0, 11, &mut Anomalies::default()).map(|fields| fields.len()).ok(), Some(11));
    }
}
