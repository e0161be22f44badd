//! Trust stores in whatever form. In: the bytes of a file, and a pool that takes its certificates. Out: a [`Store`] of `model`:
//! entries, private keys (of which only the public half is kept), faults. What a file is, is told by its bytes, not by its name.

mod binary;
mod bks;
mod edk2;
mod java;
mod key;
mod nss;
mod p11_kit;
mod pkcs7;
mod sealed;
mod text;
mod trusted;

#[cfg(test)]
mod tests;

use sidelight_model::trust::{CertId, Entry, Format, KeyFound, Pool, Store, StoreFault, TrustBits};
use sidelight_model::x509::tlv;

pub use key::{public_half, what_key};
pub(crate) use sealed::is as is_sealed;

/// Most entries that are kept of one store; Mozilla's list has some 120. What each of a dozen readers makes of each is kept, too.
pub const MAX_ENTRIES: usize = 5_000;

/// Most faults that are kept of one store.
const MAX_FAULTS: usize = 200;

/// Most certificates of a pool. Each takes some 4 kB in memory; the largest image measured holds some 400 different ones.
pub const MAX_CERTIFICATES: usize = 8_000;

/// Most bytes of all certificates of a pool in DER; parsed, they take three times that.
pub const MAX_CERTIFICATE_BYTES: usize = 12 << 20;

/// Reads a file that may be a trust store. `None` when it holds neither certificates nor private keys and does not look as if it
/// should.
pub fn read(bytes: &[u8], pool: &mut Pool) -> Option<Store> {
    let mut draft = Draft::new(pool);
    let format = match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => java::read(bytes, &mut draft)?,
        [0, 0, 0, 1 | 2, 0, 0, 0, ..] if bks::is(bytes) => bks::read(bytes, &mut draft),
        _ if nss::is(bytes) => nss::read(bytes, &mut draft)?,
        _ if edk2::is(bytes) => edk2::read(bytes, &mut draft),
        [0x30, ..] => binary::read(bytes, &mut draft)?,
        _ if p11_kit::is(bytes) => p11_kit::read(bytes, &mut draft),
        _ => text::read(bytes, &mut draft)?,
    };
    Some(draft.finish(format, bytes))
}

/// Reads a file that stands where a trust store is expected: if it is none, that is its fault.
pub fn read_expected(bytes: &[u8], pool: &mut Pool) -> Store {
    if let Some(store) = read(bytes, pool) {
        return store;
    }
    let mut draft = Draft::new(pool);
    let (_, faults) = crate::pem::read(bytes);
    for fault in faults {
        draft.fault(fault.kind.to_string(), Some(fault.line), Some(fault.offset));
    }
    if draft.store.faults.is_empty() {
        draft.fault("it holds no certificate".to_owned(), None, None);
    }
    draft.finish(Format::Pem, bytes)
}

/// Where a certificate stands in its store, and what stands beside it.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) alias: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) line: Option<usize>,
    pub(crate) offset: Option<usize>,
    pub(crate) bits: Option<TrustBits>,
    /// It belongs to the chain of a private key, or is kept without being trusted.
    pub(crate) no_anchor: bool,
}

/// A store in the making.
pub(crate) struct Draft<'p> {
    pool: &'p mut Pool,
    pub(crate) store: Store,
}

impl<'p> Draft<'p> {
    pub(crate) fn new(pool: &'p mut Pool) -> Self {
        let store = Store {
            format: Format::Pem,
            entries: Vec::new(),
            keys: Vec::new(),
            faults: Vec::new(),
            readings: Vec::new(),
            locked: false,
        };
        Self { pool, store }
    }

    pub(crate) fn fault(&mut self, what: String, line: Option<usize>, offset: Option<usize>) {
        match self.store.faults.len() {
            0..MAX_FAULTS => self.store.faults.push(StoreFault { what, line, offset }),
            MAX_FAULTS => {
                let what = format!("there are more than {MAX_FAULTS} faults; the others are left out");
                self.store.faults.push(StoreFault { what, line: None, offset: None });
            }
            _ => {}
        }
    }

    /// Takes a certificate in; what is none becomes a fault.
    pub(crate) fn certificate(&mut self, der: &[u8], place: Place) -> Option<CertId> {
        if self.store.entries.len() >= MAX_ENTRIES {
            let what = format!("it holds more than {MAX_ENTRIES} certificates; the others are left out");
            if self.store.faults.last().is_none_or(|fault| fault.what != what) {
                self.fault(what, None, None);
            }
            return None;
        }
        let whole = tlv::first(der).map_or(der, |(element, _)| element.whole);
        if self.is_full(whole) {
            let what = "more certificates were met than are kept; this one is left out".to_owned();
            self.fault(what, place.line, place.offset);
            return None;
        }
        match self.pool.add(whole) {
            Ok(cert) => {
                let Place { alias, label, line, offset, bits, no_anchor } = place;
                let distrusted = bits.as_ref().is_some_and(|bits| bits.distrusted);
                let is_anchor = !no_anchor && !distrusted;
                self.store.entries.push(Entry { cert, alias, label, line, offset, bits, is_anchor });
                Some(cert)
            }
            Err(why) => {
                let which = match (&place.alias, &place.label) {
                    (Some(alias), _) => format!("the entry `{alias}`"),
                    (None, Some(label)) => format!("the block `{label}`"),
                    (None, None) => "this".to_owned(),
                };
                self.fault(format!("{which} is no X.509 certificate: {why}"), place.line, place.offset);
                None
            }
        }
    }

    /// Whether the pool has no room for this certificate, which it does not have yet.
    fn is_full(&self, der: &[u8]) -> bool {
        let is_full =
            self.pool.all().len() >= MAX_CERTIFICATES || self.pool.bytes() + der.len() > MAX_CERTIFICATE_BYTES;
        is_full && self.pool.find(&sidelight_model::x509::fingerprint(der)).is_none()
    }

    pub(crate) fn key(&mut self, key: KeyFound) {
        if self.store.keys.len() < MAX_ENTRIES {
            self.store.keys.push(key);
        }
    }

    pub(crate) fn get(&self, cert: CertId) -> &std::sync::Arc<sidelight_model::x509::Certificate> {
        self.pool.get(cert)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.store.entries.is_empty() && self.store.keys.is_empty()
    }

    /// The finished store, with what each reader makes of it.
    pub(crate) fn finish(mut self, format: Format, bytes: &[u8]) -> Store {
        self.store.format = format;
        if matches!(format, Format::Pem | Format::Der) {
            self.add_unlisted(bytes);
        }
        self.store.readings = {
            let der = |entry: &Entry| self.pool.get(entry.cert).der.as_slice();
            let entries: Vec<_> = self.store.entries.iter().map(|entry| (entry, der(entry))).collect();
            crate::reader::readings(format, bytes, &entries)
        };
        self.store
    }

    /// Certificates that some reader gets although the lenient reading did not see them.
    fn add_unlisted(&mut self, bytes: &[u8]) {
        let known: Vec<_> = self.store.entries.iter().map(|entry| self.pool.get(entry.cert).der.as_slice()).collect();
        let unlisted = crate::reader::unlisted(bytes, &known);
        let some = !unlisted.is_empty();
        for (offset, der) in unlisted {
            let line = Some(memchr::memchr_iter(b'\n', bytes.get(..offset).unwrap_or_default()).count() + 1);
            self.certificate(&der, Place { line, offset: Some(offset), ..Place::default() });
        }
        if some {
            self.store.entries.sort_by_key(|entry| entry.offset);
        }
    }
}
