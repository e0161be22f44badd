//! Netlink messages and their attributes. In: a type, a fixed part and attributes. Out: the bytes of the message; and the
//! other way round, the attributes in an answer. Spec: `linux/netlink.h` (`nlmsghdr`, `nlattr`): host byte order, everything padded to 4.

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that are not flags (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// A request that is being put together.
pub(crate) struct Message {
    kind: u16,
    extra_flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A message of this type with the fixed part of its family.
    pub(crate) fn new(kind: u16, fixed: &[u8]) -> Self {
        let mut message = Self { kind, extra_flags: 0, body: fixed.to_vec() };
        pad(&mut message.body);
        message
    }

    /// Sets further flags, such as [`super::CREATE`].
    pub(crate) const fn flags(mut self, flags: u16) -> Self {
        self.extra_flags |= flags;
        self
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        append(&mut self.body, kind, value);
        self
    }

    /// Adds an attribute whose value is a NUL-terminated text.
    pub(crate) fn with_text(self, kind: u16, text: &str) -> Self {
        self.with(kind, &[text.as_bytes(), b"\0"].concat())
    }

    /// Adds an attribute that holds attributes.
    pub(crate) fn with_nested(self, kind: u16, inner: &[u8]) -> Self {
        self.with(kind | NESTED, inner)
    }

    /// The message with its header.
    pub(super) fn finish(self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(super::HEADER + self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(super::HEADER + self.body.len());
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | self.extra_flags).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// One attribute as bytes, to be put into another with [`attribute`] or [`Message::with_nested`].
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 8);
    append(&mut bytes, kind, value);
    bytes
}

/// An attribute that holds attributes, as bytes.
pub(crate) fn nested(kind: u16, inner: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, inner)
}

fn append(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Values are ours and short; one that does not fit is cut rather than its length wrapped.
    let value = &value[..value.len().min(usize::from(u16::MAX) - 4)];
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    to.extend_from_slice(&length.to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(value);
    pad(to);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Walks the attributes in an answer, until their end or the first that is cut short.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this type.
    pub(crate) fn find(bytes: &'a [u8], kind: u16) -> Option<&'a [u8]> {
        Attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; 4] = self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let bytes = [attribute(3, b"abc"), nested(4, &attribute(1, b"in")), attribute(5, b"")].concat();
        assert_eq!(bytes.len(), 8 + 12 + 4);
        assert_eq!(Attributes::find(&bytes, 3), Some(&b"abc"[..]));
        let inner = Attributes::find(&bytes, 4).unwrap();
        assert_eq!(Attributes::find(inner, 1), Some(&b"in"[..]));
        assert_eq!(Attributes::find(&bytes, 5), Some(&b""[..]));
        assert_eq!(Attributes::find(&bytes, 6), None);
    }

    #[test]
    fn a_cut_attribute_ends_the_walk() {
        let mut bytes = attribute(3, b"abcdef");
        bytes.truncate(8);
        assert_eq!(Attributes(&bytes).count(), 0);
        assert_eq!(Attributes(&[2, 0, 1, 0]).count(), 0, "a length below the header's");
    }
}
