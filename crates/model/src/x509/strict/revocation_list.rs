//! Revocation lists. In: DER. Out: [`RevocationList`]. Spec: RFC 5280 §5.

use super::der::{
    BIT_STRING, ENUMERATED, INTEGER, Malformed, Reader, Result, SEQUENCE, all, integer, number, only, whole_bits,
};
use super::key::SignatureAlgorithm;
use super::name::Name;
use super::time::{self, Moment};
use super::{ExtensionSeen, Signature, extension, oid};

/// Most entries that are read; the largest lists in use have some millions.
const MOST_ENTRIES: usize = 10_000_000;

/// One revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number as found.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Moment,
    /// The reason's number (RFC 5280 §5.3.1).
    pub reason: Option<u32>,
}

/// What a list is about (issuingDistributionPoint).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only certificates that are no CA's.
    pub only_leaves: bool,
    /// Only certificates of CAs.
    pub only_cas: bool,
    /// Only attribute certificates.
    pub only_attributes: bool,
    /// Certificates of other issuers as well.
    pub indirect: bool,
}

/// A revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// The whole list.
    pub der: Vec<u8>,
    /// Who issued it.
    pub issuer: Name,
    /// From when on it holds.
    pub this_update: Moment,
    /// When the next one comes.
    pub next_update: Option<Moment>,
    /// The issuer's signature.
    pub signature: Signature,
    /// Its extensions, in order.
    pub extensions: Vec<ExtensionSeen>,
    /// What it is about.
    pub scope: Scope,
    /// The revoked ones, sorted by serial number.
    pub revoked: Vec<Revoked>,
    /// A critical extension of an entry that is not known here.
    pub unknown_in_entry: Option<Vec<u8>>,
}

impl RevocationList {
    /// Reads a list.
    ///
    /// # Errors
    /// When the DER is not that of a revocation list.
    pub fn read(der: &[u8]) -> Result<Self> {
        let mut outer = Reader(only(der, SEQUENCE)?.content);
        let signed = outer.expect(SEQUENCE)?;
        let algorithm = outer.expect(SEQUENCE)?;
        let value = whole_bits(outer.expect(BIT_STRING)?.content)?;
        outer.end()?;
        let mut body = Reader(signed.content);
        body.optional(INTEGER)?;
        let inside = body.expect(SEQUENCE)?;
        let issuer = Name::read(body.expect(SEQUENCE)?.whole)?;
        let this_update = time::read(&body.any()?)?;
        let has_next = matches!(body.peek(), Some(super::der::UTC_TIME | super::der::GENERALIZED_TIME));
        let next_update = if has_next { Some(time::read(&body.any()?)?) } else { None };
        let entries = body.optional(SEQUENCE)?;
        let listed = body.optional(0xa0)?;
        body.end()?;
        let start = signed.whole.as_ptr() as usize - der.as_ptr() as usize;
        let mut list = Self {
            der: der.to_vec(),
            issuer,
            this_update,
            next_update,
            signature: Signature {
                algorithm: SignatureAlgorithm::read(algorithm.whole)?,
                same_inside: algorithm.whole == inside.whole,
                value: value.to_vec(),
                signed: start..start + signed.whole.len(),
            },
            extensions: Vec::new(),
            scope: Scope::default(),
            revoked: Vec::new(),
            unknown_in_entry: None,
        };
        if let Some(listed) = listed {
            list.read_extensions(only(listed.content, SEQUENCE)?.content)?;
        }
        if let Some(entries) = entries {
            list.read_entries(entries.content)?;
        }
        list.revoked.sort_by(|a, b| a.serial.cmp(&b.serial));
        Ok(list)
    }

    fn read_extensions(&mut self, content: &[u8]) -> Result<()> {
        for item in all(content, super::MOST_EXTENSIONS)? {
            let (mut seen, value) = extension(item.whole)?;
            seen.malformed = match seen.oid.as_slice() {
                oid::ISSUING_POINT => scope(value).map(|scope| self.scope = scope).err(),
                oid::CRL_NUMBER => only(value, INTEGER).and_then(|number| integer(number.content)).err(),
                _ => None,
            };
            self.extensions.push(seen);
        }
        Ok(())
    }

    fn read_entries(&mut self, content: &[u8]) -> Result<()> {
        let mut reader = Reader(content);
        while !reader.is_empty() {
            if self.revoked.len() == MOST_ENTRIES {
                return Err(Malformed("the list has too many entries"));
            }
            let mut entry = Reader(reader.expect(SEQUENCE)?.content);
            let serial = integer(entry.expect(INTEGER)?.content)?.to_vec();
            let at = time::read(&entry.any()?)?;
            let mut reason = None;
            let extensions = entry.optional(SEQUENCE)?.map_or(&[][..], |list| list.content);
            for item in all(extensions, super::MOST_EXTENSIONS)? {
                let (seen, value) = extension(item.whole)?;
                if seen.oid == oid::CRL_REASON {
                    reason = Some(number(only(value, ENUMERATED)?.content)?);
                } else if seen.critical && seen.oid != oid::INVALIDITY_DATE {
                    self.unknown_in_entry = Some(seen.oid);
                }
            }
            entry.end()?;
            self.revoked.push(Revoked { serial, at, reason });
        }
        Ok(())
    }

    /// What the list says of this serial number.
    pub fn entry(&self, serial: &[u8]) -> Option<&Revoked> {
        let index = self.revoked.binary_search_by(|entry| entry.serial.as_slice().cmp(serial)).ok()?;
        self.revoked.get(index)
    }

    /// The extension of this identifier.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&ExtensionSeen> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The part that is signed.
    pub(crate) fn signed_part(&self) -> &[u8] {
        self.der.get(self.signature.signed.clone()).unwrap_or_default()
    }
}

fn scope(value: &[u8]) -> Result<Scope> {
    let mut reader = Reader(only(value, SEQUENCE)?.content);
    reader.optional(0xa0)?;
    let mut flag = |tag| Ok::<bool, Malformed>(reader.optional(tag)?.is_some_and(|element| element.content == [0xff]));
    let (only_leaves, only_cas) = (flag(0x81)?, flag(0x82)?);
    flag(0x83)?;
    let (indirect, only_attributes) = (flag(0x84)?, flag(0x85)?);
    reader.end()?;
    Ok(Scope { only_leaves, only_cas, only_attributes, indirect })
}
