//! HPACK, for reading. In: whole field blocks of one direction, in order. Out: their fields. Spec: RFC 7541.

mod huffman;
mod table;

use bytes::Bytes;

use self::table::Table;

/// A field of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Bytes,
    pub(crate) value: Bytes,
    /// Name, or name and value, are placeholders: the field refers to an entry from before decoding began.
    pub(crate) unknown: bool,
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: Table,
    midway: bool,
}

impl Decoder {
    /// Decoding begins in the middle of a conversation: entries may exist that were not seen.
    ///
    /// The table's size is not known either, so the largest is taken: what the encoder still refers to is then never dropped.
    pub(crate) fn join_midway(&mut self) {
        self.midway = true;
        // The largest is allowed.
        let _ = self.table.resize(table::LARGEST);
    }

    /// Decodes a block.
    ///
    /// # Errors
    /// In words. The tables of the two sides differ from then on, so the direction cannot be decoded any more.
    pub(crate) fn decode(&mut self, block: &[u8], on_field: &mut impl FnMut(Field)) -> Result<(), String> {
        let mut rest = Reader(block);
        while let Some(first) = rest.0.first().copied() {
            match first {
                0x80.. => {
                    let index = rest.integer(7)?;
                    on_field(self.indexed(index)?);
                }
                0x40..=0x7f => {
                    let field = self.literal(&mut rest, 6)?;
                    self.table.insert(field.name.clone(), field.value.clone());
                    on_field(field);
                }
                0x20..=0x3f => {
                    let most = rest.integer(5)?;
                    // A size that was agreed on before decoding began may be any.
                    self.table.resize(most)?;
                }
                // Without indexing, or never indexed.
                _ => on_field(self.literal(&mut rest, 4)?),
            }
        }
        Ok(())
    }

    fn indexed(&self, index: usize) -> Result<Field, String> {
        match self.table.get(index) {
            Some((name, value)) => Ok(Field { name, value, unknown: false }),
            None if self.midway && index > 0 => {
                Ok(Field { name: placeholder(index), value: Bytes::from_static(b"?"), unknown: true })
            }
            None => Err(format!("HPACK refers to entry {index}, which does not exist")),
        }
    }

    fn literal(&self, rest: &mut Reader<'_>, prefix: u32) -> Result<Field, String> {
        let index = rest.integer(prefix)?;
        let (name, unknown) = match index {
            0 => (rest.string()?, false),
            _ => self.indexed(index).map(|field| (field.name, field.unknown))?,
        };
        Ok(Field { name, value: rest.string()?, unknown })
    }
}

/// The name of a field that was put into the table before decoding began. `?` cannot stand in a real one.
fn placeholder(index: usize) -> Bytes {
    Bytes::from(format!("?{index}"))
}

/// The rest of a block.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn octet(&mut self) -> Result<u8, String> {
        let (first, rest) = self.0.split_first().ok_or("HPACK that is cut")?;
        self.0 = rest;
        Ok(*first)
    }

    /// An integer whose first `prefix` bits stand in the first octet (RFC 7541 §5.1), below 2^28.
    fn integer(&mut self, prefix: u32) -> Result<usize, String> {
        let most = (1_usize << prefix) - 1;
        let mut value = usize::from(self.octet()?) & most;
        if value < most {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let octet = self.octet()?;
            value += usize::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an HPACK integer of more than 28 bits".to_owned())
    }

    /// A string, Huffman coded or not (RFC 7541 §5.2).
    fn string(&mut self) -> Result<Bytes, String> {
        let huffman = self.0.first().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let taken: Option<(&'b [u8], &'b [u8])> = self.0.split_at_checked(length);
        let (text, rest) = taken.ok_or("an HPACK string that is longer than its block")?;
        self.0 = rest;
        if huffman { huffman::decode(text).map(Bytes::from) } else { Ok(Bytes::copy_from_slice(text)) }
    }
}

#[cfg(test)]
mod tests;
