//! Walking DER without interpreting it. In: bytes. Out: elements. Spec: X.690 §8.1; lengths over four bytes are refused.

/// One element: its identifier byte, its content, and all of it.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The identifier byte; tags of more than one byte are not told apart.
    pub tag: u8,
    /// What stands behind the length.
    pub content: &'a [u8],
    /// Identifier, length and content.
    pub whole: &'a [u8],
}

/// The element at the start of `bytes`, and what follows it.
pub fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let tag = *bytes.first()?;
    let short = usize::from(*bytes.get(1)?);
    let (head, length) = if short < 0x80 {
        (2, short)
    } else {
        let count = short & 0x7f;
        if count == 0 || count > 4 {
            return None;
        }
        let length = bytes.get(2..2 + count)?.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (2 + count, length)
    };
    let end = head.checked_add(length)?;
    let whole = bytes.get(..end)?;
    Some((Element { tag, content: &whole[head..], whole }, &bytes[end..]))
}

/// The elements of a constructed one's content; stops at the first that cannot be read.
pub fn children(mut content: &[u8]) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    while let Some((element, rest)) = first(content) {
        found.push(element);
        content = rest;
    }
    found
}

/// An object identifier's content in dotted form. `None` when it is empty, cut off, or has an arc beyond 64 bits.
pub fn dotted(content: &[u8]) -> Option<String> {
    if content.last()? & 0x80 != 0 {
        return None;
    }
    let mut text = String::new();
    let mut arc = 0u64;
    for byte in content {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            // X.690 §8.19.4: the first two arcs share a number.
            let head = (arc / 40).min(2);
            text = format!("{head}.{}", arc - head * 40);
        } else {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        arc = 0;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_in_dots() {
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]).as_deref(), Some("1.2.840.113549"));
        assert_eq!(dotted(&[0x55, 29, 37, 0]).as_deref(), Some("2.5.29.37.0"));
        assert_eq!(dotted(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0x2a, 0x86]), None);
        assert_eq!(dotted(&[0xff; 20]), None);
    }
}
