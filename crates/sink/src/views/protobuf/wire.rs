//! The wire format of Protocol Buffers. In: bytes of a message. Out: fields by number, with their bytes; scalars by their type.
//! Spec: Protocol Buffers encoding (tags, varints, wire types 0 to 5, packed fields).

use prost_reflect::Kind;

/// Deepest groups in groups that are followed.
const MOST_GROUPS: usize = 16;

/// One field as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field<'b> {
    pub(super) number: u32,
    pub(super) value: Raw<'b>,
}

/// A value by its wire type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw<'b> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'b [u8]),
    /// What is between the tags of a group.
    Group(&'b [u8]),
    /// Bytes that end before their length is reached, and that length.
    Cut(&'b [u8], u64),
}

impl Raw<'_> {
    /// What a fingerprint is made of.
    pub(super) fn secret(&self) -> Vec<u8> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => number.to_string().into_bytes(),
            Self::Fixed32(number) => number.to_string().into_bytes(),
            Self::Bytes(bytes) | Self::Group(bytes) | Self::Cut(bytes, _) => bytes.to_vec(),
        }
    }
}

/// Why there is no further field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The bytes end inside of a field.
    Cut,
    /// What stands at this byte is no field.
    Bad(usize),
}

/// The fields of a message in the order of the wire; ends at the first flaw.
pub(super) struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Going,
    /// The last value was cut, which is to be told yet.
    Cut,
    Ended,
}

impl<'b> Fields<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, state: State::Going }
    }

    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn varint(&mut self) -> Result<u64, Flaw> {
        let rest = self.rest();
        match varint(rest) {
            Some((number, after)) => {
                self.at += rest.len() - after.len();
                Ok(number)
            }
            None if rest.len() < 10 && rest.iter().all(|byte| byte & 0x80 != 0) => Err(Flaw::Cut),
            None => Err(Flaw::Bad(self.at)),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Flaw> {
        let taken = self.rest().get(..count).ok_or(Flaw::Cut)?;
        self.at += count;
        Ok(taken)
    }

    fn field(&mut self, groups: usize) -> Result<(u32, Option<Raw<'b>>), Flaw> {
        let start = self.at;
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number)).ok_or(Flaw::Bad(start))?;
        let value = match tag & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(self.take(8)?.iter().rfold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            2 => self.bytes_of(start)?,
            3 if groups < MOST_GROUPS => Raw::Group(self.group(number, groups)?),
            4 => return Ok((number, None)),
            5 => Raw::Fixed32(self.take(4)?.iter().rfold(0, |sum, byte| sum << 8 | u32::from(*byte))),
            _ => return Err(Flaw::Bad(start)),
        };
        Ok((number, Some(value)))
    }

    fn bytes_of(&mut self, start: usize) -> Result<Raw<'b>, Flaw> {
        let length = self.varint()?;
        // A message has less than 2 GiB; nothing else has a length like that.
        if length > i32::MAX as u64 {
            return Err(Flaw::Bad(start));
        }
        let rest = self.rest();
        match rest.get(..length as usize) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(Raw::Bytes(bytes))
            }
            None => {
                self.at = self.bytes.len();
                Ok(Raw::Cut(rest, length))
            }
        }
    }

    /// What stands before the end tag of the group that has just begun.
    fn group(&mut self, number: u32, groups: usize) -> Result<&'b [u8], Flaw> {
        let start = self.at;
        loop {
            let end = self.at;
            if self.rest().is_empty() {
                return Err(Flaw::Cut);
            }
            match self.field(groups + 1)? {
                (ended, None) if ended == number => return Ok(&self.bytes[start..end]),
                (_, None) => return Err(Flaw::Bad(end)),
                (_, Some(Raw::Cut(..))) => return Err(Flaw::Cut),
                (_, Some(_)) => {}
            }
        }
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<Field<'b>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.state {
            State::Going if self.rest().is_empty() => return None,
            State::Going => {}
            State::Cut => {
                self.state = State::Ended;
                return Some(Err(Flaw::Cut));
            }
            State::Ended => return None,
        }
        let start = self.at;
        let result = match self.field(0) {
            Ok((number, Some(value))) => Ok(Field { number, value }),
            Ok((_, None)) => Err(Flaw::Bad(start)),
            Err(flaw) => Err(flaw),
        };
        match &result {
            Ok(Field { value: Raw::Cut(..), .. }) => self.state = State::Cut,
            Ok(_) => {}
            Err(_) => self.state = State::Ended,
        }
        Some(result)
    }
}

/// A varint of at most ten bytes, and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

/// A scalar of this type in words; `None` when its wire type is not that of the type.
pub(super) fn unpack(kind: &Kind, value: &Raw<'_>) -> Option<String> {
    Some(match (kind, value) {
        (Kind::Int32 | Kind::Int64, Raw::Varint(number)) => number.cast_signed().to_string(),
        (Kind::Uint32 | Kind::Uint64, Raw::Varint(number)) => number.to_string(),
        (Kind::Sint32 | Kind::Sint64, Raw::Varint(number)) => {
            ((number >> 1).cast_signed() ^ -(number & 1).cast_signed()).to_string()
        }
        (Kind::Bool, Raw::Varint(number)) => (*number != 0).to_string(),
        (Kind::Enum(of), Raw::Varint(number)) => {
            let number = number.cast_signed();
            let known = i32::try_from(number).ok().and_then(|number| of.get_value(number));
            known.map_or_else(|| number.to_string(), |known| known.name().to_owned())
        }
        (Kind::Fixed32, Raw::Fixed32(bits)) => bits.to_string(),
        (Kind::Sfixed32, Raw::Fixed32(bits)) => bits.cast_signed().to_string(),
        (Kind::Float, Raw::Fixed32(bits)) => format!("{:?}", f32::from_bits(*bits)),
        (Kind::Fixed64, Raw::Fixed64(bits)) => bits.to_string(),
        (Kind::Sfixed64, Raw::Fixed64(bits)) => bits.cast_signed().to_string(),
        (Kind::Double, Raw::Fixed64(bits)) => format!("{:?}", f64::from_bits(*bits)),
        _ => return None,
    })
}

/// The elements of a packed field of this type; `None` when the bytes are none.
pub(super) fn packed<'b>(kind: &Kind, bytes: &'b [u8]) -> Option<Vec<Raw<'b>>> {
    match kind {
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => {
            let (all, rest) = bytes.as_chunks();
            rest.is_empty().then(|| all.iter().map(|four| Raw::Fixed32(u32::from_le_bytes(*four))).collect())
        }
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            let (all, rest) = bytes.as_chunks();
            rest.is_empty().then(|| all.iter().map(|eight| Raw::Fixed64(u64::from_le_bytes(*eight))).collect())
        }
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        _ => {
            let mut rest = bytes;
            let mut all = Vec::new();
            while !rest.is_empty() {
                let (number, after) = varint(rest)?;
                all.push(Raw::Varint(number));
                rest = after;
            }
            Some(all)
        }
    }
}
