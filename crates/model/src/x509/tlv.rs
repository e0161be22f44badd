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
