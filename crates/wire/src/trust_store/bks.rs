//! BouncyCastle's BKS. In: bytes. Out: its certificates, which are in the clear; keys are told of, not read.
//!
//! Spec: none was published; the layout is that of `org.bouncycastle.jcajce.provider.keystore.bc`: version, salt, iterations, then
//! entries (kind, alias, date, chain, content) up to the kind 0, and a code over all that only the password can check.

use sidelight_model::trust::{Format, KeyFound};

use super::{Draft, MAX_ENTRIES, Place};

const CERTIFICATE: u8 = 1;
const KEY: u8 = 2;
const SECRET: u8 = 3;
const SEALED: u8 = 4;

/// Most certificates of a chain; more is damage.
const MAX_CHAIN: u32 = 100;

/// Whether the bytes begin as a BKS of version 1 or 2: salt and iterations have plausible sizes.
pub(super) fn is(bytes: &[u8]) -> bool {
    let mut reader = Reader { bytes, at: 4 };
    let Some(salt) = reader.u32().filter(|length| (8..=64).contains(length)) else { return false };
    let iterations = reader.take(salt as usize).and_then(|_| reader.u32());
    iterations.is_some_and(|count| (1..10_000_000).contains(&count)) && matches!(reader.u8(), Some(0..=SEALED))
}

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Format {
    let mut reader = Reader { bytes, at: 4 };
    let salt = reader.u32().unwrap_or(0) as usize;
    reader.take(salt);
    reader.u32();
    for number in 1..=MAX_ENTRIES {
        let start = reader.at;
        match reader.entry(draft) {
            Some(true) => {}
            Some(false) => return Format::Bks,
            None => {
                draft.fault(format!("entry {number} is damaged; nothing behind it could be read"), None, Some(start));
                return Format::Bks;
            }
        }
    }
    Format::Bks
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(self.take(4)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.take(2)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn block(&mut self) -> Option<&'b [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// A certificate: its type, then its DER.
    fn certificate(&mut self) -> Option<&'b [u8]> {
        self.text()?;
        self.block()
    }

    /// Takes one entry; `Some(false)` at the end, `None` when it cannot be read.
    fn entry(&mut self, draft: &mut Draft<'_>) -> Option<bool> {
        let kind = self.u8()?;
        if kind == 0 {
            return Some(false);
        }
        let alias = Some(self.text()?);
        self.take(8)?; // the date
        let length = self.u32().filter(|length| *length <= MAX_CHAIN)?;
        for _ in 0..length {
            let der = self.certificate()?;
            draft.certificate(der, Place { alias: alias.clone(), no_anchor: true, ..Place::default() });
        }
        match kind {
            CERTIFICATE => {
                let der = self.certificate()?;
                draft.certificate(der, Place { alias, ..Place::default() });
            }
            KEY => {
                let public_or_secret = self.u8()?;
                self.text()?;
                self.text()?;
                self.block()?;
                // 0 is a private key, 1 a public one, 2 a secret.
                if public_or_secret == 0 {
                    draft.key(KeyFound {
                        form: "BKS key entry".into(),
                        encrypted: false,
                        public_key: None,
                        line: None,
                        alias,
                    });
                }
            }
            SECRET | SEALED => {
                self.block()?;
                draft.key(KeyFound {
                    form: "BKS sealed entry".into(),
                    encrypted: true,
                    public_key: None,
                    line: None,
                    alias,
                });
            }
            _ => return None,
        }
        Some(true)
    }
}
