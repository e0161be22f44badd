//! What stands before a header about the entry that follows. In: PAX records. Out: [`Extended`]. Spec: pax(1), "pax Extended
//! Header"; GNU tar manual, "PAX Format, Version 0.0" to "1.0".

use super::sparse::Map;

/// The records of a sparse map that are taken; more make the file unreadable, not the archive.
pub(super) const MAX_SEGMENTS: usize = 16_384;

/// What was said of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// The size of a sparse file with its holes.
    pub(super) real_size: Option<u64>,
    pub(super) map: Option<Map>,
    /// The map stands at the beginning of the data (PAX sparse 1.0).
    pub(super) map_in_data: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl Extended {
    /// Takes the records of an `x` header in.
    ///
    /// # Errors
    /// One clause on what is wrong.
    pub(super) fn pax(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() && bytes[0] != 0 {
            let space = bytes.iter().take(20).position(|byte| *byte == b' ').ok_or("a PAX record without length")?;
            let length = number(&bytes[..space]).ok_or("a PAX record whose length is no number")?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let record = bytes.get(space + 1..length).ok_or("a PAX record that is longer than its header")?;
            let record = record.strip_suffix(b"\n").ok_or("a PAX record without end")?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or("a PAX record without `=`")?;
            self.record(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[length..];
        }
        if !self.offsets.is_empty() {
            let pairs = self.offsets.drain(..).zip(self.lengths.drain(..));
            self.map = Some(Map::new(pairs.collect()));
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" if self.name.is_none() => self.name = Some(value.to_owned()),
            b"GNU.sparse.name" => self.name = Some(value.to_owned()),
            b"linkpath" => self.target = Some(value.to_owned()),
            b"size" => self.size = Some(number(value).ok_or("a PAX record with a size that is none")?),
            b"uid" => self.uid = number(value),
            b"gid" => self.gid = number(value),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.real_size = number(value),
            b"GNU.sparse.major" => self.map_in_data = value == b"1",
            b"GNU.sparse.offset" if self.offsets.len() < MAX_SEGMENTS => {
                self.offsets.push(number(value).ok_or("a sparse map with a number that is none")?);
            }
            b"GNU.sparse.numbytes" if self.lengths.len() < MAX_SEGMENTS => {
                self.lengths.push(number(value).ok_or("a sparse map with a number that is none")?);
            }
            b"GNU.sparse.map" => {
                let numbers: Option<Vec<u64>> =
                    value.split(|byte| *byte == b',').take(2 * MAX_SEGMENTS).map(number).collect();
                let numbers = numbers.ok_or("a sparse map with a number that is none")?;
                self.map = Some(Map::new(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A number in decimal digits, nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_nonsense_is_refused() {
        let mut said = Extended::default();
        said.pax(b"20 path=long/name/x\n11 size=42\n").unwrap();
        assert_eq!(said.name.as_deref(), Some(&b"long/name/x"[..]));
        assert_eq!(said.size, Some(42));
        for wrong in ["9 size=-1\n", "999 path=x\n", "x path=x\n", "0 \n", "7 path\n", "11 path=xyz1", "1 "] {
            assert!(Extended::default().pax(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
