//! What a key ID tells by itself, without any key. In: the ID. Out: sentences. Source: measurements; the broken base32 is that of an
//! encoder in a language where shifts bind closer than `&`: of every 40 bits that it writes, 12 are told twice.

use super::BASE_POINT_IDS;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// base32 as an encoder writes it that says `b & 0x07 << 2 | c & 0xC0 >> 6` and means `(b & 0x07) << 2 | (c & 0xC0) >> 6`.
pub fn broken_base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut b = [0u8; 5];
        b.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        let letters = [
            b[0] >> 3,
            (b[0] & 0x1c) | (b[1] & 0x03),
            (b[1] >> 1) & 0x1f,
            (b[1] & 0x10) | (b[2] & 0x0f),
            (b[2] & 0x1e) | (b[3] & 0x01),
            (b[3] >> 2) & 0x1f,
            (b[3] & 0x18) | (b[4] & 0x07),
            b[4] & 0x1f,
        ];
        let length = (chunk.len() * 8).div_ceil(5);
        text.extend(letters.iter().take(length).map(|letter| char::from(ALPHABET[usize::from(*letter)])));
    }
    text
}

/// Whether the bits that [`broken_base32`] repeats are repeated in every whole group of eight letters.
fn is_broken(letters: &[u8]) -> bool {
    let value = |letter: &u8| ALPHABET.iter().position(|known| known == letter).and_then(|it| u8::try_from(it).ok());
    letters.chunks_exact(8).all(|group| {
        let Some(c) = group.iter().map(value).collect::<Option<Vec<u8>>>() else { return false };
        (c[0] & 3) == (c[1] >> 3)
            && ((c[1] >> 1) & 1) == (c[2] & 1)
            && ((c[2] >> 3) & 1) == (c[3] >> 4)
            && ((c[3] >> 1) & 7) == ((c[4] >> 1) & 7)
            && ((c[5] >> 1) & 3) == (c[6] >> 3)
            && (c[6] & 7) == (c[7] & 7)
    })
}

/// What can be said of an ID alone; the most telling first.
pub fn shape(id: &str) -> Vec<String> {
    if let Some((curve, _)) = BASE_POINT_IDS.iter().find(|(_, known)| *known == id) {
        return vec![format!(
            "it is the thumbprint of {}'s base point: whoever made it hashes the curve instead of the key (distribution#4683); only registry 3.0 looks keys up by it",
            curve.name()
        )];
    }
    let letters: Vec<u8> = id.bytes().filter(|byte| !matches!(byte, b':' | b'=')).collect();
    let groups: Vec<&str> = id.split(':').collect();
    let is_base32 = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| ALPHABET.contains(byte));
    let mut told = Vec::new();
    if is_base32(&letters) && (letters.len() >= 24 || (letters.len() >= 8 && groups.len() > 1)) {
        if letters.len() < 24 && is_broken(&letters) {
            told.push(
                "its base32 looks broken: its first letters repeat bits; give the whole ID to be sure".to_owned(),
            );
        } else if is_broken(&letters) {
            told.push("its base32 is broken: every eight letters repeat 12 bits, as an encoder writes them that says `b & 0x07 << 2` and means `(b & 0x07) << 2`; no correct ID looks so".to_owned());
        }
        told.push(base32_shape(&letters, &groups));
    } else if id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') && id.len() >= 16 {
        told.push(hex_shape(letters.len()));
    } else if id.bytes().any(|byte| byte.is_ascii_lowercase())
        && is_base32(&letters.to_ascii_uppercase())
        && groups.len() > 1
    {
        told.push("it looks like a libtrust ID in lower case: registries compare letter by letter".to_owned());
    } else if id.len() == 43 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        told.push("43 letters of base64url: an RFC 7638 thumbprint (registry 3), SHA-256 of a public key (Keycloak's OIDC), or `x5t#S256` of a certificate".to_owned());
    } else if id.len() == 27 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        told.push("27 letters of base64url: `x5t`, the SHA-1 of a certificate".to_owned());
    } else if id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4 {
        told.push("a UUID: an identity provider's own name for its key; only a JWKS file tells a registry 3 which key it means".to_owned());
    } else {
        told.push("an identity provider's own name for its key, or no key ID at all: only a JWKS file tells a registry 3 which key it means".to_owned());
    }
    told
}

fn base32_shape(letters: &[u8], groups: &[&str]) -> String {
    let in_fours = groups.iter().all(|group| group.len() == 4);
    match (letters.len(), groups.len()) {
        (48, 12) if in_fours => "12 groups of 4 letters of base32: a libtrust ID, which registry 2 looks up".to_owned(),
        (48, 1) => "48 letters of base32 without colons: a libtrust ID lacks its 11 colons".to_owned(),
        (51..=56, _) => {
            "more than 48 letters of base32: the digest was not cut to 240 bits before it was encoded".to_owned()
        }
        (32, _) => "32 letters of base32: made from a SHA-1, not from a SHA-256".to_owned(),
        (number, _) => format!("{number} letters of base32; a libtrust ID has 48, in 12 groups of 4"),
    }
}

fn hex_shape(digits: usize) -> String {
    match digits {
        16 => "16 digits of hex: the first 8 bytes of a digest, as some Harbor forks have it".to_owned(),
        40 => "40 digits of hex: a SHA-1 fingerprint of a certificate, or a subject key identifier".to_owned(),
        64 => "64 digits of hex: a SHA-256 fingerprint".to_owned(),
        number => format!("{number} digits of hex: no registry makes such an ID"),
    }
}
