//! Key IDs and what they tell. In: constants that can be computed, IDs as they were seen. Out: nothing, or a failed assertion.

use super::kid::{self, Form, Spelling};
use super::{Curve, Generation, TokenKey};

/// SubjectPublicKeyInfo of a P-256 key whose point is the curve's base point.
fn base_point() -> TokenKey {
    let hex = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
        6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
        4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    TokenKey::from_spki(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()).unwrap()
}

#[test]
fn the_constant_of_3_0_is_the_thumbprint_of_the_base_point() {
    let key = base_point();
    assert_eq!(kid::rfc7638(&key), kid::BASE_POINT_IDS[0].1);
    assert_eq!(kid::of(Generation::V3_0, &key).as_deref(), Some(kid::BASE_POINT_IDS[0].1));
    assert_eq!(kid::BASE_POINT_IDS[0].0, Curve::P256);
    assert!(kid::shape(kid::BASE_POINT_IDS[2].1)[0].contains("P-521's base point"));
}

#[test]
fn each_mistake_is_named() {
    let key = base_point();
    let certificate = b"a certificate's DER, for all that is hashed".to_vec();
    let forms = Form::of(&key, Some(&certificate));
    let is = |id: &str| kid::find(id, &key, &forms).unwrap_or_else(|| panic!("{id}"));
    let of_certificate = is(&kid::spell(&certificate, Spelling::Right));
    assert!(of_certificate.words.contains("the certificate's DER") && !of_certificate.is_right);
    let cases = [
        (kid::spell(&key.spki, Spelling::Uncut), "not cut to 240 bits"),
        (kid::spell(&key.spki, Spelling::Padded), "padded"),
        (kid::spell(&key.spki, Spelling::BrokenBase32), "base32 is broken"),
        (kid::spell(&key.spki, Spelling::Sha1), "SHA-1 instead of SHA-256"),
        (kid::spell(&key.spki, Spelling::HexText), "hex text"),
        (kid::spell(&key.bits(), Spelling::Right), "the bare point"),
        (kid::libtrust(&key).to_ascii_lowercase(), "in lower case"),
        (kid::libtrust(&key).replace(':', ""), "without colons"),
        (kid::libtrust(&key)[..20].to_owned(), "cut off"),
        (kid::spell(&certificate, Spelling::BrokenBase32), "of the certificate's DER: its base32 is broken"),
    ];
    for (id, words) in cases {
        let found = is(&id);
        assert!(found.words.contains(words) && found.found_by.is_empty(), "{id}: {}", found.words);
    }
    let right = is(&kid::libtrust(&key));
    assert_eq!((right.is_right, right.found_by.as_slice()), (true, &[Generation::V2][..]));
    assert_eq!(kid::find(&kid::spell(b"another", Spelling::Right), &key, &forms), None);
}

#[test]
fn an_id_tells_by_itself() {
    let key = base_point();
    let told = |id: &str| kid::shape(id).join("; ");
    assert!(told(&kid::libtrust(&key)).starts_with("12 groups of 4"));
    // Of 128 right IDs none is taken for a broken one.
    for number in 0..128u8 {
        let (right, broken) = (kid::spell(&[number], Spelling::Right), kid::spell(&[number], Spelling::BrokenBase32));
        assert!(!told(&right).contains("broken"), "{right}");
        assert!(told(&broken).contains("repeat 12 bits"), "{broken}");
    }
    // The beginning of an ID that was seen in the field (distribution#813).
    assert!(kid::shape("34GP:OUVV:34GP:OUVV:34GP:OUVV:34GP:OUVV:34GP:OUVV:34GP:OUVV")[0].contains("broken"));
    for (id, words) in [
        ("a".repeat(40).as_str(), "SHA-1 fingerprint"),
        ("0123456789abcdef", "first 8 bytes"),
        ("8qjioA3ZA7ti2JIE7c-U8smBFuZolQZvhSHDPU3hhB8", "RFC 7638"),
        ("6fbb2a1e-60b1-4b52-8a2f-0e1d5e6f7a8b", "UUID"),
        ("my-key", "identity provider"),
    ] {
        assert!(told(id).contains(words), "{id}: {}", told(id));
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    for bytes in [&b""[..], b"\x30", b"\x30\x00", &[0x30; 200]] {
        assert!(TokenKey::from_spki(bytes).is_err());
    }
}
