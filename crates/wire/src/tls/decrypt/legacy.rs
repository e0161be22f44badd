//! Protection of records that the TLS library does not offer by itself. In: keys, records. Out: their content.
//! Spec: RFC 3610 and RFC 6655 (CCM), RFC 5246 §6.2.3.2 (CBC), RFC 7366 (encrypt-then-MAC).

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::keys::additional_data;

const BLOCK: usize = 16;

fn aes(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm: &'static Algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    UnboundCipherKey::new(algorithm, key).ok()
}

/// AES in counter mode with CBC-MAC.
#[derive(Debug)]
pub(super) struct Ccm {
    counter: EncryptingKey,
    mac: EncryptingKey,
    tag: usize,
}

impl Ccm {
    pub(super) fn new(key: &[u8], tag: usize) -> Option<Self> {
        Some(Self { counter: EncryptingKey::ctr(aes(key)?).ok()?, mac: EncryptingKey::cbc(aes(key)?).ok()?, tag })
    }

    /// Bytes of a tag.
    pub(super) const fn tag(&self) -> usize {
        self.tag
    }

    /// Opens a record; the nonce of 12 bytes leaves 3 for the length.
    pub(super) fn open(&self, nonce: [u8; 12], aad: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let length = body.len().checked_sub(self.tag)?;
        let (content, tag) = body.split_at_checked(length)?;
        // The first block of the key stream covers the tag, the others the content.
        let mut stream = vec![0; BLOCK];
        stream.extend_from_slice(content);
        let context = EncryptionContext::Iv128(FixedLength::from(flagged(2, nonce, 0)));
        self.counter.less_safe_encrypt(&mut stream, context).ok()?;
        let (mask, plain) = stream.split_at_checked(BLOCK)?;
        let expected = self.authenticate(nonce, aad, plain)?;
        let is_genuine = expected.iter().zip(mask).zip(tag).all(|((mac, mask), tag)| mac ^ mask == *tag);
        is_genuine.then(|| plain.to_vec())
    }

    fn authenticate(&self, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let flags = 0x42 | u8::try_from((self.tag - 2) / 2).ok()? << 3;
        let mut text = flagged(flags, nonce, u32::try_from(plain.len()).ok()?).to_vec();
        text.extend_from_slice(&u16::try_from(aad.len()).ok()?.to_be_bytes());
        text.extend_from_slice(aad);
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        text.extend_from_slice(plain);
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let context = EncryptionContext::Iv128(FixedLength::from([0; BLOCK]));
        self.mac.less_safe_encrypt(&mut text, context).ok()?;
        Some(text.split_off(text.len() - BLOCK))
    }
}

/// A block of flags, nonce, and a number of 3 bytes.
fn flagged(flags: u8, nonce: [u8; 12], number: u32) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let parts = [flags].into_iter().chain(nonce).chain(number.to_be_bytes().into_iter().skip(1));
    block.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    block
}

/// AES-CBC with a MAC, of TLS 1.2: each record brings its initialisation vector.
#[derive(Debug)]
pub(super) struct Cbc {
    key: DecryptingKey,
    mac: hmac::Key,
    encrypt_then_mac: bool,
}

impl Cbc {
    pub(super) fn new(key: &[u8], mac: hmac::Key, encrypt_then_mac: bool) -> Option<Self> {
        Some(Self { key: DecryptingKey::cbc(aes(key)?).ok()?, mac, encrypt_then_mac })
    }

    pub(super) fn open(&self, number: u64, head: [u8; 5], body: &[u8]) -> Option<Vec<u8>> {
        let size = self.mac.algorithm().tag_len();
        if self.encrypt_then_mac {
            let (sealed, tag) = body.split_at_checked(body.len().checked_sub(size)?)?;
            self.check(number, head, sealed, tag)?;
            return self.decrypt(sealed);
        }
        let mut plain = self.decrypt(body)?;
        let tag = plain.split_off(plain.len().checked_sub(size)?);
        self.check(number, head, &plain, &tag)?;
        Some(plain)
    }

    fn check(&self, number: u64, head: [u8; 5], bytes: &[u8], tag: &[u8]) -> Option<()> {
        let mut text = additional_data(number, head, bytes.len());
        text.extend_from_slice(bytes);
        hmac::verify(&self.mac, &text, tag).ok()
    }

    /// Decrypts, and takes the padding off.
    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (iv, blocks) = sealed.split_first_chunk::<BLOCK>()?;
        if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
            return None;
        }
        let mut plain = blocks.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        self.key.decrypt(&mut plain, context).ok()?;
        let padding = *plain.last()?;
        let length = plain.len().checked_sub(usize::from(padding) + 1)?;
        let is_sound = plain.get(length..)?.iter().all(|byte| *byte == padding);
        plain.truncate(length);
        is_sound.then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sealed by OpenSSL: key of sevens, nonce of nines.
    #[test]
    fn ccm_authenticates() {
        let ccm = Ccm::new(&[7; 16], 16).unwrap();
        let sealed = data_encoding::HEXLOWER.decode(CCM_SEALED.as_bytes()).unwrap();
        assert_eq!(ccm.open([9; 12], b"additional", &sealed).as_deref(), Some(&b"hello, hello, hello"[..]));
        let mut wrong = sealed.clone();
        wrong[3] ^= 1;
        assert_eq!(ccm.open([9; 12], b"additional", &wrong), None);
        assert_eq!(ccm.open([9; 12], b"Additional", &sealed), None);
        assert_eq!(ccm.open([9; 12], b"additional", &sealed[..15]), None);
    }

    const CCM_SEALED: &str = "e12b179687652d1d9fb14a2d4c75a78633f62f0fd759d909da0ff27b9852d185a88bc9";
}
