//! Keys of records. In: a cipher suite, secrets of the key log, randoms. Out: [`Opener`]s that open the records of one epoch.
//! Spec: RFC 8446 §5.2, §7.1–7.3; RFC 5246 §5, §6.2.3, §6.3; RFC 5288 (GCM), RFC 6655 (CCM), RFC 7905 (ChaCha20-Poly1305).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::legacy::{Cbc, Ccm};
use crate::tls::names;

/// How the records of a cipher suite are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bulk {
    Gcm,
    Chacha,
    /// With a tag of so many bytes.
    Ccm(usize),
    Cbc(hmac::Algorithm),
}

/// What must be known of a cipher suite to open its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    bulk: Bulk,
    key: usize,
    hash: hmac::Algorithm,
}

impl Suite {
    /// The suite of this number; `None` when its records cannot be opened here.
    pub(super) fn new(number: u16) -> Option<Self> {
        let name = names::cipher_suite(number);
        let hash = if name.ends_with("_SHA384") { hmac::HMAC_SHA384 } else { hmac::HMAC_SHA256 };
        if name.contains("_CHACHA20_POLY1305") {
            return Some(Self { bulk: Bulk::Chacha, key: 32, hash });
        }
        let (key, mode) = if let Some((_, mode)) = name.split_once("_AES_128_") {
            (16, mode)
        } else {
            (32, name.split_once("_AES_256_")?.1)
        };
        let bulk = match mode {
            "GCM_SHA256" | "GCM_SHA384" => Bulk::Gcm,
            "CCM" | "CCM_SHA256" => Bulk::Ccm(16),
            "CCM_8" | "CCM_8_SHA256" => Bulk::Ccm(8),
            "CBC_SHA" => Bulk::Cbc(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            "CBC_SHA256" => Bulk::Cbc(hmac::HMAC_SHA256),
            "CBC_SHA384" => Bulk::Cbc(hmac::HMAC_SHA384),
            _ => return None,
        };
        Some(Self { bulk, key, hash })
    }

    /// The opener of a TLS 1.3 epoch.
    pub(super) fn tls13(self, secret: &[u8]) -> Option<Opener> {
        let key = expand_label(self.hash, secret, "key", self.key);
        let iv = expand_label(self.hash, secret, "iv", 12);
        self.opener(&key, iv, &[], true, false)
    }

    /// The secret of the epoch after a KeyUpdate.
    pub(super) fn updated(self, secret: &[u8]) -> Vec<u8> {
        expand_label(self.hash, secret, "traffic upd", self.hash.tag_len())
    }

    /// The openers of a TLS 1.2 epoch: of the client's records and of the server's.
    pub(super) fn tls12(self, master: &[u8], client: &[u8], server: &[u8], etm: bool) -> [Option<Opener>; 2] {
        let (mac, iv) = match self.bulk {
            Bulk::Gcm | Bulk::Ccm(_) => (0, 4),
            Bulk::Chacha => (0, 12),
            Bulk::Cbc(hash) => (hash.tag_len(), 0),
        };
        let seed: Vec<u8> = [b"key expansion", server, client].concat();
        let block = prf(self.hash, master, &seed, 2 * (mac + self.key + iv));
        let mut rest = block.as_slice();
        let mut take = |length: usize| {
            let (taken, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            taken
        };
        let (macs, keys, ivs) = ([take(mac), take(mac)], [take(self.key), take(self.key)], [take(iv), take(iv)]);
        [0, 1].map(|side: usize| {
            let of = |parts: [&'_ [u8]; 2]| if side == 0 { parts[0].to_vec() } else { parts[1].to_vec() };
            self.opener(&of(keys), of(ivs), &of(macs), false, etm)
        })
    }

    fn opener(self, key: &[u8], iv: Vec<u8>, mac: &[u8], tls13: bool, etm: bool) -> Option<Opener> {
        let aead = |algorithm| UnboundKey::new(algorithm, key).ok().map(|key| Cipher::Aead(LessSafeKey::new(key)));
        let cipher = match (self.bulk, self.key) {
            (Bulk::Gcm, 16) => aead(&aead::AES_128_GCM)?,
            (Bulk::Gcm, _) => aead(&aead::AES_256_GCM)?,
            (Bulk::Chacha, _) => aead(&aead::CHACHA20_POLY1305)?,
            (Bulk::Ccm(tag), _) => Cipher::Ccm(Box::new(Ccm::new(key, tag)?)),
            (Bulk::Cbc(hash), _) => Cipher::Cbc(Box::new(Cbc::new(key, hmac::Key::new(hash, mac), etm)?)),
        };
        Some(Opener { cipher, iv, tls13 })
    }
}

/// HKDF-Expand-Label with an empty context. No output here is longer than one block of the hash.
pub(super) fn expand_label(hash: hmac::Algorithm, secret: &[u8], label: &str, length: usize) -> Vec<u8> {
    let mut info = Vec::with_capacity(32);
    info.extend_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
    info.push(u8::try_from(label.len() + 6).unwrap_or_default());
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.extend_from_slice(&[0, 1]);
    let tag = hmac::sign(&hmac::Key::new(hash, secret), &info);
    tag.as_ref().iter().copied().take(length).collect()
}

/// The pseudorandom function of TLS 1.2; `seed` has the label before it.
fn prf(hash: hmac::Algorithm, secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let key = hmac::Key::new(hash, secret);
    let mut out = Vec::with_capacity(length + 64);
    let mut a = hmac::sign(&key, seed);
    while out.len() < length {
        out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out.truncate(length);
    out
}

#[derive(Debug)]
enum Cipher {
    Aead(LessSafeKey),
    Ccm(Box<Ccm>),
    Cbc(Box<Cbc>),
}

/// Opens the records of one direction of one epoch.
#[derive(Debug)]
pub(super) struct Opener {
    cipher: Cipher,
    /// The whole nonce before it is mixed with the record's number; or its implicit part, of 4 bytes.
    iv: Vec<u8>,
    tls13: bool,
}

/// A record as it was sent: its head and its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed<'r> {
    pub(super) head: [u8; 5],
    pub(super) body: &'r [u8],
}

impl Opener {
    /// Opens the record with this number: its type and content. `None`: it is not this epoch's record of this number.
    pub(super) fn open(&self, number: u64, record: Sealed<'_>) -> Option<(u8, Vec<u8>)> {
        let plain = self.decrypt(number, record)?;
        if !self.tls13 {
            return Some((record.head[0], plain));
        }
        // The true type stands behind the content, before padding of zeros (RFC 8446 §5.4).
        let mut plain = plain;
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let kind = plain.get(end).copied()?;
        plain.truncate(end);
        Some((kind, plain))
    }

    /// Bytes that protection adds to a record's content, its head included, without padding.
    pub(super) const fn overhead(&self) -> u64 {
        match (&self.cipher, self.tls13) {
            (Cipher::Aead(_), true) => 22,
            (Cipher::Ccm(ccm), true) => 6 + ccm.tag() as u64,
            (Cipher::Aead(_), false) => 21 + if self.iv.len() == 4 { 8 } else { 0 },
            (Cipher::Ccm(ccm), false) => 13 + ccm.tag() as u64,
            (Cipher::Cbc(_), _) => 22,
        }
    }

    fn decrypt(&self, number: u64, record: Sealed<'_>) -> Option<Vec<u8>> {
        let Sealed { head, body } = record;
        let tag = match &self.cipher {
            Cipher::Cbc(cbc) => return cbc.open(number, head, body),
            Cipher::Aead(_) => 16,
            Cipher::Ccm(ccm) => ccm.tag(),
        };
        let (nonce, body) = self.nonce(number, body)?;
        let length = body.len().checked_sub(tag)?;
        let aad = if self.tls13 { head.to_vec() } else { additional_data(number, head, length) };
        match &self.cipher {
            Cipher::Aead(key) => {
                let mut bytes = body.to_vec();
                key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes).ok()?;
                bytes.truncate(length);
                Some(bytes)
            }
            Cipher::Ccm(ccm) => ccm.open(nonce, &aad, body),
            Cipher::Cbc(_) => None,
        }
    }

    /// The nonce of a record, and what follows the part of the nonce that is sent with it.
    fn nonce<'r>(&self, number: u64, body: &'r [u8]) -> Option<([u8; 12], &'r [u8])> {
        let mut nonce = [0; 12];
        if let Ok(implicit) = <[u8; 4]>::try_from(self.iv.as_slice()) {
            let (explicit, rest) = body.split_first_chunk::<8>()?;
            let parts = implicit.iter().chain(explicit);
            nonce.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
            return Some((nonce, rest));
        }
        let number = number.to_be_bytes();
        let padded = [0; 4].iter().chain(&number);
        nonce.iter_mut().zip(self.iv.iter().zip(padded)).for_each(|(to, (iv, number))| *to = iv ^ number);
        Some((nonce, body))
    }
}

/// What TLS 1.2 authenticates besides the content (RFC 5246 §6.2.3.3).
pub(super) fn additional_data(number: u64, head: [u8; 5], length: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(13);
    data.extend_from_slice(&number.to_be_bytes());
    data.extend_from_slice(head.get(..3).unwrap_or_default());
    data.extend_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_by_their_names() {
        for (number, bulk, key, hash) in [
            (0x1301, Bulk::Gcm, 16, hmac::HMAC_SHA256),
            (0x1302, Bulk::Gcm, 32, hmac::HMAC_SHA384),
            (0x1303, Bulk::Chacha, 32, hmac::HMAC_SHA256),
            (0x1304, Bulk::Ccm(16), 16, hmac::HMAC_SHA256),
            (0x1305, Bulk::Ccm(8), 16, hmac::HMAC_SHA256),
            (0xc030, Bulk::Gcm, 32, hmac::HMAC_SHA384),
            (0xcca8, Bulk::Chacha, 32, hmac::HMAC_SHA256),
            (0xc0ac, Bulk::Ccm(16), 16, hmac::HMAC_SHA256),
            (0xc014, Bulk::Cbc(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY), 32, hmac::HMAC_SHA256),
            (0xc028, Bulk::Cbc(hmac::HMAC_SHA384), 32, hmac::HMAC_SHA384),
        ] {
            assert_eq!(Suite::new(number), Some(Suite { bulk, key, hash }), "0x{number:04x}");
        }
        for number in [0x0005, 0x000a, 0x1399, 0xc07a] {
            assert_eq!(Suite::new(number), None, "0x{number:04x}");
        }
    }

    /// The server's handshake keys of RFC 8448 §3, and the first of its records.
    #[test]
    fn keys_of_the_published_example() {
        let secret = data_encoding::HEXLOWER
            .decode(b"b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
            .unwrap();
        let key = expand_label(hmac::HMAC_SHA256, &secret, "key", 16);
        assert_eq!(data_encoding::HEXLOWER.encode(&key), "3fce516009c21727d0f2e4e86ee403bc");
        let iv = expand_label(hmac::HMAC_SHA256, &secret, "iv", 12);
        assert_eq!(data_encoding::HEXLOWER.encode(&iv), "5d313eb2671276ee13000b30");
    }
}
