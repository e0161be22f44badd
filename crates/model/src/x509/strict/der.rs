//! DER read strictly. In: bytes. Out: elements, or what is not DER about them. Spec: ITU-T X.690 §8.1, §10.1 (one shortest definite
//! length), §11 (booleans, integers). Tags above 30 do not occur in certificates and are refused.

/// Why bytes are not what they should be, in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

pub(super) type Result<T> = std::result::Result<T, Malformed>;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;

/// One element: its identifier byte, its content, and all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// What has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The identifier byte of what comes next.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(super) fn any(&mut self) -> Result<Element<'a>> {
        let tag = *self.0.first().ok_or(Malformed("an element is missing"))?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("a tag has more than one byte"));
        }
        let (head, length) = length(&self.0[1..])?;
        let start = 1 + head;
        let end = start.checked_add(length).ok_or(Malformed("a length is too large"))?;
        let whole = self.0.get(..end).ok_or(Malformed("an element is longer than what holds it"))?;
        self.0 = &self.0[end..];
        Ok(Element { tag, content: &whole[start..], whole })
    }

    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(Malformed("an element is of another type than it must be")) }
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// A BOOLEAN that is left out when it is false, as DER has it.
    pub(super) fn default_false(&mut self) -> Result<bool> {
        match self.optional(BOOLEAN)?.map(|element| element.content) {
            None => Ok(false),
            Some([0xff]) => Ok(true),
            Some([0x00]) => Err(Malformed("a default value is written out")),
            Some(_) => Err(Malformed("a BOOLEAN is neither 00 nor FF")),
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Malformed("something follows where nothing may")) }
    }
}

/// How many bytes the length itself takes, and the length.
fn length(bytes: &[u8]) -> Result<(usize, usize)> {
    let first = usize::from(*bytes.first().ok_or(Malformed("a length is missing"))?);
    if first < 0x80 {
        return Ok((1, first));
    }
    let count = first & 0x7f;
    if count == 0 || count > 4 {
        return Err(Malformed("a length is indefinite or too large"));
    }
    let digits = bytes.get(1..=count).ok_or(Malformed("a length is cut off"))?;
    let value = digits.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    if digits[0] == 0 || value < 0x80 {
        return Err(Malformed("a length is not in its shortest form"));
    }
    Ok((1 + count, value))
}

/// The one element that `bytes` are.
pub(super) fn only(bytes: &[u8], tag: u8) -> Result<Element<'_>> {
    let mut reader = Reader(bytes);
    let element = reader.expect(tag)?;
    reader.end()?;
    Ok(element)
}

/// All elements of a content, at most `most`.
pub(super) fn all(content: &[u8], most: usize) -> Result<Vec<Element<'_>>> {
    let mut reader = Reader(content);
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() == most {
            return Err(Malformed("there are more elements than anybody needs"));
        }
        found.push(reader.any()?);
    }
    Ok(found)
}

/// Checks that an INTEGER's content is in its shortest form.
pub(super) fn integer(content: &[u8]) -> Result<&[u8]> {
    match content {
        [] => Err(Malformed("an INTEGER is empty")),
        [0, second, ..] if second & 0x80 == 0 => Err(Malformed("an INTEGER is not in its shortest form")),
        [0xff, second, ..] if second & 0x80 != 0 => Err(Malformed("an INTEGER is not in its shortest form")),
        _ => Ok(content),
    }
}

/// A non-negative INTEGER as a number; what does not fit is as large as a number can be.
pub(super) fn number(content: &[u8]) -> Result<u32> {
    let content = integer(content)?;
    if content[0] & 0x80 != 0 {
        return Err(Malformed("a number is negative"));
    }
    Ok(content.iter().fold(0u32, |sum, byte| sum.saturating_mul(256).saturating_add(u32::from(*byte))))
}

/// The bytes of a BIT STRING of whole bytes.
pub(super) fn whole_bits(content: &[u8]) -> Result<&[u8]> {
    match content.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => Err(Malformed("a BIT STRING is not of whole bytes")),
    }
}

/// A named-bit list: bit 0 is the most significant bit of the first byte.
pub(super) fn named_bits(content: &[u8]) -> Result<u16> {
    let (unused, bits) = content.split_first().ok_or(Malformed("a BIT STRING is empty"))?;
    if *unused > 7 || (bits.is_empty() && *unused != 0) || bits.len() > 2 {
        return Err(Malformed("a list of bits is not in its shortest form"));
    }
    let value = (0..16u8).filter(|bit| {
        let byte = bits.get(usize::from(bit / 8)).copied().unwrap_or(0);
        byte & (0x80 >> (bit % 8)) != 0
    });
    Ok(value.fold(0, |sum, bit| sum | 1 << bit))
}

/// `2.5.29.19` from an OID's content; what cannot be read so is shown as hexadecimal.
pub fn dotted(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for (index, byte) in oid.iter().enumerate() {
        if arc >> 56 != 0 || (index + 1 == oid.len() && byte & 0x80 != 0) {
            return data_encoding::HEXLOWER.encode(oid);
        }
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let Some(head) = arcs.first().copied() else { return String::new() };
    let first = (head / 40).min(2);
    let rest = arcs[1..].iter().map(|arc| format!(".{arc}"));
    format!("{first}.{}{}", head - first * 40, rest.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_is_der() {
        assert!(Reader(&[0x04, 0x01, 0x00]).any().is_ok());
        for wrong in
            [&[0x04, 0x81, 0x01, 0x00][..], &[0x04, 0x80, 0, 0], &[0x1f, 0x01, 0x00], &[0x04, 0x02, 0x00], &[4]]
        {
            assert!(Reader(wrong).any().is_err(), "{wrong:?}");
        }
        assert!(integer(&[0, 0x7f]).is_err() && integer(&[0, 0x80]).is_ok() && integer(&[0xff, 0x80]).is_err());
        assert_eq!(number(&[1, 0, 0, 0, 0]), Ok(u32::MAX));
    }

    #[test]
    fn object_identifiers_are_dotted() {
        assert_eq!(dotted(&[0x55, 0x1d, 0x13]), "2.5.29.19");
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]), "1.2.840.113549");
        assert_eq!(dotted(&[0x88, 0x37]), "2.999");
        assert_eq!(dotted(&[0x2a, 0x86]), "2a86");
    }

    #[test]
    fn bits_count_from_the_left() {
        assert_eq!(named_bits(&[1, 0x06]), Ok(1 << 5 | 1 << 6));
        assert_eq!(named_bits(&[7, 0x80, 0x80]), Ok(1 | 1 << 8));
        assert!(named_bits(&[]).is_err());
    }
}
