//! Which mistake made a key ID. In: the ID, a key, what might have been hashed. Out: what it is, in words; tried are the right IDs, then
//! every form with every digest in every spelling that was seen in the field.

use aws_lc_rs::digest;
use data_encoding::{BASE32, BASE32_NOPAD, BASE32HEX_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use md5::{Digest as _, Md5};

use super::shape::broken_base32;
use super::{BASE_POINT_IDS, Form, grouped, libtrust, libtrust_of, rfc7638, thumbprint, unpadded};
use crate::redact::Secret;
use crate::token::{Generation, Material, TokenKey};

/// What a key ID turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What it is, as in `the libtrust ID of the certificate's DER, not of its public key`.
    pub words: String,
    /// The generations that find this key by exactly this ID.
    pub found_by: Vec<Generation>,
    /// Whether it is right for some registry, or a known scheme; otherwise a mistake.
    pub is_right: bool,
}

/// What `id` is of this key. `forms` is tried in its order; `None` when nothing gives it.
pub fn find(id: &str, key: &TokenKey, forms: &[Form]) -> Option<Match> {
    right(id, key).or_else(|| known_scheme(id, key, forms)).or_else(|| mistake(id, forms)).or_else(|| spelling(id, key))
}

fn right(id: &str, key: &TokenKey) -> Option<Match> {
    let found_by: Vec<Generation> = Generation::ALL
        .iter()
        .copied()
        .filter(|generation| super::of(*generation, key).is_some_and(|known| known == id))
        .collect();
    let is_ec = matches!(key.material, Material::Ec { .. });
    let words = if id == libtrust(key) {
        "the libtrust ID of this key".to_owned()
    } else if id == rfc7638(key) {
        "the RFC 7638 thumbprint of this key".to_owned()
    } else if id == unpadded(key) {
        "the thumbprint of this key as registry 3.1 computes it: coordinates without their leading zeros, not RFC 7638"
            .to_owned()
    } else if let Some((curve, _)) = BASE_POINT_IDS.iter().find(|(_, known)| *known == id).filter(|_| is_ec) {
        format!("the thumbprint of {}'s base point, which registry 3.0 takes for every key of that curve", curve.name())
    } else {
        return None;
    };
    Some(Match { words, found_by, is_right: true })
}

/// IDs of other schemes, each right for its own purpose.
fn known_scheme(id: &str, key: &TokenKey, forms: &[Form]) -> Option<Match> {
    let certificate = forms.iter().find(|form| form.name == "the certificate's DER");
    let spki = hashes(&key.spki);
    let mut known = vec![
        (BASE64URL_NOPAD.encode(&spki.sha256), "SHA-256 of the public key in base64url, as Keycloak's OIDC has it"),
        (HEXLOWER.encode(&spki.sha256), "SHA-256 of the public key in hex"),
        (
            HEXLOWER.encode(&spki.sha256[..8]),
            "the first 8 bytes of the public key's SHA-256 in hex, as some Harbor forks have it",
        ),
        (HEXLOWER.encode(&hashes(&key.bits()).sha1), "the subject key identifier (SHA-1) in hex"),
    ];
    if let Some(der) = certificate {
        let sums = hashes(der.bytes.reveal());
        known.push((BASE64URL_NOPAD.encode(&sums.sha256), "`x5t#S256`: SHA-256 of the certificate in base64url"));
        known.push((BASE64URL_NOPAD.encode(&sums.sha1), "`x5t`: SHA-1 of the certificate in base64url"));
        known.push((HEXLOWER.encode(&sums.sha256), "the certificate's SHA-256 fingerprint"));
        known.push((HEXLOWER.encode(&sums.sha1), "the certificate's SHA-1 fingerprint"));
    }
    let plain = id.replace(':', "").to_ascii_lowercase();
    let is = |known: &str| known == id || (known.bytes().all(|byte| byte.is_ascii_hexdigit()) && known == plain);
    let (_, words) = known.into_iter().find(|(known, _)| is(known))?;
    Some(Match {
        words: format!("{words}: no registry looks up keys of its certificate bundle by that"),
        found_by: Vec::new(),
        is_right: false,
    })
}

struct Hashes {
    sha256: Vec<u8>,
    sha1: Vec<u8>,
}

fn hashes(bytes: &[u8]) -> Hashes {
    let sum = |algorithm| digest::digest(algorithm, bytes).as_ref().to_vec();
    Hashes { sha256: sum(&digest::SHA256), sha1: sum(&digest::SHA1_FOR_LEGACY_USE_ONLY) }
}

/// Every form, digest and spelling.
fn mistake(id: &str, forms: &[Form]) -> Option<Match> {
    for form in forms {
        let bytes = form.bytes.reveal();
        if libtrust_of(bytes) == id {
            return Some(wrong(format!(
                "the libtrust ID of {}, not of the public key (SubjectPublicKeyInfo)",
                form.name
            )));
        }
        if form.name.contains("JWK") && std::str::from_utf8(bytes).is_ok_and(|json| thumbprint(json) == id) {
            return Some(wrong(format!(
                "SHA-256 of {}: RFC 7638 wants the public members alone, sorted, without blanks",
                form.name
            )));
        }
        for (name, sum) in digests(bytes) {
            if let Some(how) = spelled(id, &sum) {
                let of = if form.name.starts_with("the public key (") {
                    String::new()
                } else {
                    format!(" of {}", form.name)
                };
                let with = if name == "SHA-256" { String::new() } else { format!(" with {name} instead of SHA-256") };
                let subject = if of.is_empty() && with.is_empty() {
                    "of the right bytes".to_owned()
                } else {
                    (of + &with).trim().to_owned()
                };
                return Some(wrong(format!("a libtrust ID gone wrong, {subject}: {how}")));
            }
        }
    }
    None
}

fn wrong(words: String) -> Match {
    Match { words, found_by: Vec::new(), is_right: false }
}

fn digests(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let sum = |algorithm| digest::digest(algorithm, bytes).as_ref().to_vec();
    vec![
        ("SHA-256", sum(&digest::SHA256)),
        ("SHA-1", sum(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
        ("SHA-512", sum(&digest::SHA512)),
        ("SHA-384", sum(&digest::SHA384)),
        ("SHA-512/256", sum(&digest::SHA512_256)),
        ("MD5", Md5::digest(bytes).to_vec()),
        ("no digest", bytes.iter().copied().take(64).collect()),
    ]
}

/// How `id` spells this digest, if it does. The spelling that is right is told as that: the digest is then what is wrong.
fn spelled(id: &str, sum: &[u8]) -> Option<&'static str> {
    let cut = sum.get(..30).unwrap_or(sum);
    let hex = HEXLOWER.encode(sum);
    let right = BASE32_NOPAD.encode(cut);
    let candidates = [
        (grouped(&right), "base32 in groups of four, as it should be"),
        (right.clone(), "without colons"),
        (grouped(&right.to_ascii_lowercase()), "in lower case"),
        (right.to_ascii_lowercase(), "in lower case and without colons"),
        (grouped(&BASE32_NOPAD.encode(sum)), "the digest was not cut to 240 bits"),
        (grouped(&BASE32.encode(sum)), "the digest was not cut to 240 bits, and is padded"),
        (BASE32_NOPAD.encode(sum), "the digest was not cut to 240 bits, and has no colons"),
        (BASE32.encode(sum), "the digest was not cut to 240 bits, is padded and has no colons"),
        (grouped(&BASE32HEX_NOPAD.encode(cut)), "in base32hex, not in base32"),
        (grouped(&broken_base32(cut)), "its base32 is broken: shifts bind closer than `&` there, so bits are repeated"),
        (
            grouped(&BASE32_NOPAD.encode(hex.get(..30).unwrap_or(&hex).as_bytes())),
            "base32 of the digest's hex text, not of its bytes",
        ),
        (
            grouped(&BASE32_NOPAD.encode(hex.get(..60).unwrap_or(&hex).as_bytes())),
            "base32 of the digest's hex text, not of its bytes",
        ),
        (grouped(&BASE32_NOPAD.encode(hex.as_bytes())), "base32 of the digest's hex text, not of its bytes"),
        (
            grouped(&BASE32_NOPAD.encode(BASE64.encode(sum).as_bytes()).chars().take(48).collect::<String>()),
            "base32 of the digest's base64 text, not of its bytes",
        ),
        (BASE64URL_NOPAD.encode(sum), "in base64url, not base32"),
        (BASE64.encode(sum), "in base64, not base32"),
        (hex.clone(), "in hex, not base32"),
        (hex.to_ascii_uppercase(), "in hex, not base32"),
        (grouped(&hex), "in hex, not base32"),
    ];
    candidates.into_iter().find(|(candidate, _)| !candidate.is_empty() && candidate == id).map(|(_, how)| how)
}

/// Ways in which libtrust's ID is spelled, right and wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As libtrust does.
    Right,
    /// Not cut to 240 bits.
    Uncut,
    /// Not cut, and padded.
    Padded,
    /// By [`broken_base32`].
    BrokenBase32,
    /// Of a SHA-1.
    Sha1,
    /// base32 of the digest's hex text.
    HexText,
}

/// The ID of `bytes` in this spelling: how wrong ones are made, for trying.
pub fn spell(bytes: &[u8], spelling: Spelling) -> String {
    let sums = hashes(bytes);
    let cut = &sums.sha256[..30];
    match spelling {
        Spelling::Right => libtrust_of(bytes),
        Spelling::Uncut => grouped(&BASE32_NOPAD.encode(&sums.sha256)),
        Spelling::Padded => grouped(&BASE32.encode(&sums.sha256)),
        Spelling::BrokenBase32 => grouped(&broken_base32(cut)),
        Spelling::Sha1 => grouped(&BASE32_NOPAD.encode(&sums.sha1)),
        Spelling::HexText => grouped(&BASE32_NOPAD.encode(&HEXLOWER.encode(&sums.sha256).as_bytes()[..30])),
    }
}

/// The right ID but for blanks, quotes, case, colons, padding.
fn spelling(id: &str, key: &TokenKey) -> Option<Match> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let wanted = plain(id);
    let known = [(libtrust(key), "libtrust ID"), (rfc7638(key), "RFC 7638 thumbprint")];
    let (right, scheme) = known
        .iter()
        .find(|(known, _)| plain(known) == wanted || (wanted.len() >= 12 && plain(known).starts_with(&wanted)))?;
    let cut =
        if plain(right).len() > wanted.len() { "cut off" } else { "spelled wrongly (blanks, case, or separators)" };
    Some(wrong(format!("the {scheme} of this key, {cut}")))
}

impl Form {
    /// The same bytes under another name.
    #[must_use]
    pub fn renamed(&self, name: &'static str) -> Self {
        Self { name, bytes: Secret::new(self.bytes.reveal().clone()) }
    }
}
