//! Options at the end of pcapng blocks. In: bytes. Out: code and value, and back. Spec: draft-ietf-opsawg-pcapng §3.5.

use std::borrow::Cow;

/// Ends a list of options.
const END: u16 = 0;
/// A comment, on any block.
pub(super) const COMMENT: u16 = 1;

/// The longest value that is written; the length has 16 bits, and the value is padded to 32.
const LONGEST: usize = 65_532;

/// Reads the options in `bytes`; stops at the end, or where they make no sense.
pub(super) fn read(bytes: &[u8], number: impl Fn([u8; 2]) -> u16) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let [a, b, c, d] = *head;
        let (code, length) = (number([a, b]), usize::from(number([c, d])));
        let value = after.get(..length)?;
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        (code != END).then_some((code, value))
    })
}

/// Text of an option, for people.
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// Appends an option; text that is too long is cut at a character.
pub(super) fn write(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let mut length = value.len().min(LONGEST);
    while length < value.len() && value.get(length).is_some_and(|byte| byte & 0xc0 == 0x80) {
        length -= 1;
    }
    let value = value.get(..length).unwrap_or_default();
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, length);
}

/// Appends what ends a list of options.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 4]);
}

/// Appends zeros after something of `length` bytes, up to the next multiple of four.
pub(super) fn pad(out: &mut Vec<u8>, length: usize) {
    out.resize(out.len() + (length.next_multiple_of(4) - length), 0);
}
