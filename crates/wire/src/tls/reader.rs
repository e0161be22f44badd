//! A cursor over bytes that never reads past their end. In: a slice. Out: numbers and length-prefixed vectors (RFC 8446 §3.4).

/// A cursor; each read either gives the whole value or says at which byte the input ended.
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Position of `bytes[0]` in the enclosing message, for error texts.
    base: usize,
}

/// The input ended inside a value: what was being read, and at which byte of the message it began.
pub(super) struct Ended {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

impl<'b> Reader<'b> {
    /// A cursor over `bytes`, which begin at byte `base` of the message.
    pub(super) const fn new(bytes: &'b [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    /// The position in the message.
    pub(super) const fn position(&self) -> usize {
        self.base + self.at
    }

    /// Whether everything was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'b [u8], Ended> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Ended { what, at: self.position() })?;
        self.at += count;
        Ok(taken)
    }

    /// One byte.
    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Ended> {
        Ok(self.take(1, what)?.first().copied().unwrap_or_default())
    }

    /// Two bytes, big end first.
    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Ended> {
        Ok(self.take(2, what)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    /// A vector whose length is one byte.
    pub(super) fn vector8(&mut self, what: &'static str) -> Result<Self, Ended> {
        let length = usize::from(self.u8(what)?);
        self.inner(length, what)
    }

    /// A vector whose length is two bytes.
    pub(super) fn vector16(&mut self, what: &'static str) -> Result<Self, Ended> {
        let length = usize::from(self.u16(what)?);
        self.inner(length, what)
    }

    fn inner(&mut self, length: usize, what: &'static str) -> Result<Self, Ended> {
        let base = self.position();
        Ok(Self::new(self.take(length, what)?, base))
    }

    /// The rest, as bytes.
    pub(super) fn rest(&mut self) -> &'b [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// The rest, as numbers of two bytes each.
    pub(super) fn numbers(mut self, what: &'static str) -> Result<Vec<u16>, Ended> {
        let mut numbers = Vec::with_capacity((self.bytes.len() - self.at) / 2);
        while !self.is_empty() {
            numbers.push(self.u16(what)?);
        }
        Ok(numbers)
    }
}
