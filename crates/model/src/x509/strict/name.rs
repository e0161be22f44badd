//! Distinguished names, and when two are the same. In: DER of a Name. Out: [`Name`], with the form in which names are compared:
//! white space and case of text do not matter, nor does the type of string. Spec: RFC 5280 §4.1.2.4, §7.1, RFC 4518 (as far as ASCII).

use super::der::{Malformed, Reader, Result, SEQUENCE, SET, all, only};
use super::oid;

/// Most RDNs of a name; more is an attack.
const MOST: usize = 4096;

/// A distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As found.
    pub der: Vec<u8>,
    /// Each RDN in the form in which it is compared, outermost first.
    pub rdns: Vec<Vec<u8>>,
    /// Its common names, in order.
    pub common_names: Vec<String>,
    /// Its e-mail addresses (PKCS#9), in order.
    pub emails: Vec<String>,
}

impl Name {
    /// Reads a Name.
    ///
    /// # Errors
    /// When it is not one.
    pub(super) fn read(der: &[u8]) -> Result<Self> {
        let mut name = Self { der: der.to_vec(), rdns: Vec::new(), common_names: Vec::new(), emails: Vec::new() };
        for rdn in all(only(der, SEQUENCE)?.content, MOST)? {
            if rdn.tag != SET {
                return Err(Malformed("a name holds something else than sets"));
            }
            name.read_rdn(rdn.content)?;
        }
        Ok(name)
    }

    fn read_rdn(&mut self, content: &[u8]) -> Result<()> {
        let mut pairs = Vec::new();
        for pair in all(content, MOST)? {
            let mut reader = Reader(only(pair.whole, SEQUENCE)?.content);
            let kind = reader.expect(super::der::OID)?;
            let value = reader.any()?;
            reader.end()?;
            let text = text(value.tag, value.content);
            match (kind.content, &text) {
                (oid::COMMON_NAME, Some(text)) => self.common_names.push(text.clone()),
                (oid::EMAIL_ADDRESS, Some(text)) => self.emails.push(text.clone()),
                _ => {}
            }
            let compared = text.map_or_else(|| value.whole.to_vec(), |text| folded(&text).into_bytes());
            pairs.push((kind.whole.to_vec(), compared));
        }
        if pairs.is_empty() {
            return Err(Malformed("a name holds an empty set"));
        }
        pairs.sort();
        let mut rdn = Vec::new();
        for (kind, value) in pairs {
            rdn.extend(kind);
            rdn.extend((value.len() as u64).to_be_bytes());
            rdn.extend(value);
        }
        self.rdns.push(rdn);
        Ok(())
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Whether both mean the same.
    pub fn is(&self, other: &Self) -> bool {
        self.der == other.der || self.rdns == other.rdns
    }

    /// Whether it stands at or below `above` in the tree of names.
    pub fn is_within(&self, above: &Self) -> bool {
        self.rdns.starts_with(&above.rdns)
    }

    /// The form in which names are compared, as one key.
    pub(crate) fn key(&self) -> Vec<u8> {
        self.rdns.iter().flat_map(|rdn| [&(rdn.len() as u64).to_be_bytes()[..], rdn].concat()).collect()
    }
}

/// The text of a string of a directory; `None` for what is no text.
fn text(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, PrintableString, IA5String, VisibleString
        0x0c | 0x13 | 0x16 | 0x1a => String::from_utf8(content.to_vec()).ok(),
        // T61String is read as Latin-1 by everybody.
        0x14 => Some(content.iter().map(|byte| char::from(*byte)).collect()),
        0x1e => {
            let units: Vec<u16> = content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok().filter(|_| content.len().is_multiple_of(2))
        }
        0x1c => {
            let units = content.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            units.map(char::from_u32).collect::<Option<String>>().filter(|_| content.len().is_multiple_of(4))
        }
        _ => None,
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(tag: u8, text: &[u8]) -> Name {
        let mut value = vec![tag, text.len() as u8];
        value.extend(text);
        let pair = [&[0x06, 3, 0x55, 4, 3][..], &value].concat();
        let pair = [&[0x30, pair.len() as u8][..], &pair].concat();
        let set = [&[0x31, pair.len() as u8][..], &pair].concat();
        Name::read(&[&[0x30, set.len() as u8][..], &set].concat()).unwrap()
    }

    #[test]
    fn case_space_and_type_of_string_do_not_matter() {
        let name = named(0x0c, b"Example  Root");
        assert!(name.is(&named(0x13, b" example root ")));
        assert!(name.is(&named(0x1e, b"\0e\0x\0a\0m\0p\0l\0e\0 \0r\0o\0o\0t")));
        assert!(!name.is(&named(0x0c, b"ExampleRoot")));
        assert_eq!(name.common_names, ["Example  Root"]);
    }
}
