//! Tokens, keys, files of keys. In: what was seen and what is made up. Out: nothing, or a failed assertion.

use proptest::prelude::*;
use serde_json::json;
use sidelight_model::time::Timestamp;
use sidelight_model::token::{CheckName, Generation, Root, Setting, TokenKey, judge, kid};

use super::{encode, read, read_authorization};
use crate::{jwks, key_file, pem};

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(b"signature"))
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

/// The example key of distribution's token specification.
fn example() -> TokenKey {
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "m7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q", "y": "dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc"});
    jwks::public_key(&jwk).unwrap()
}

#[test]
fn the_public_vector_has_its_ids() {
    let key = example();
    assert_eq!(kid::libtrust(&key), "PYYO:TEWU:V7JH:26JV:AQTZ:LJC3:SXVJ:XGHA:34F2:2LAQ:ZRMK:Z7Q6");
    assert_eq!(kid::rfc7638(&key), "8qjioA3ZA7ti2JIE7c-U8smBFuZolQZvhSHDPU3hhB8");
    // The vector of RFC 7638 §3.1 itself.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = jwks::public_key(&json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"})).unwrap();
    assert_eq!(kid::rfc7638(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // That of RFC 8037 §A.3.
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let ed = jwks::public_key(&ed).unwrap();
    assert_eq!(kid::of(Generation::V3_1, &ed).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!((kid::of(Generation::V2, &ed), kid::of(Generation::V3_0, &ed)), (None, None));
}

#[test]
fn registry_2_says_what_it_says() {
    let cases = [
        (token("hello", "{}"), "invalid character 'h' looking for beginning of value"),
        (
            token(HEADER, r#"{"aud":["a"]}"#),
            "json: cannot unmarshal array into Go struct field ClaimSet.aud of type string",
        ),
        (
            token(HEADER, r#"{"exp":"1"}"#),
            "json: cannot unmarshal string into Go struct field ClaimSet.exp of type int64",
        ),
        (
            token(HEADER, r#"{"exp":4070908800.5}"#),
            "json: cannot unmarshal number 4070908800.5 into Go struct field ClaimSet.exp of type int64",
        ),
        (
            token(r#"{"x5c":"a"}"#, "{}"),
            "json: cannot unmarshal string into Go struct field Header.x5c of type []string",
        ),
        (token(HEADER, "{"), "unexpected end of JSON input"),
        (token(HEADER, "{'a':1}"), r"invalid character '\'' looking for beginning of object key string"),
        (token(HEADER, r#"{"a":1} x"#), "invalid character 'x' after top-level value"),
        (token(HEADER, r#"{"a":01}"#), "invalid character '1' after object key:value pair"),
        (token(HEADER, "[]"), "json: cannot unmarshal array into Go value of type token.ClaimSet"),
        (
            token(HEADER, r#"{"access":[{"actions":"pull"}]}"#),
            "json: cannot unmarshal string into Go struct field ResourceActions.access.actions of type []string",
        ),
        ("a.b.c".to_owned(), "unable to decode header: illegal base64url string"),
        ("!!!!.b.c".to_owned(), "unable to decode header: illegal base64 data at input byte 0"),
    ];
    for (token, said) in cases {
        assert_eq!(read(&token).unread_by_2.as_deref(), Some(said), "{token}");
    }
    for fits in [r#"{"aud":null,"exp":1,"access":null}"#, r#"{"access":[null,{"type":"repository"}]}"#, "null"] {
        assert_eq!(read(&token(HEADER, fits)).unread_by_2, None, "{fits}");
    }
    assert_eq!(read("opaque").unread_by_2.as_deref(), Some(""));
}

#[test]
fn registry_3_reads_lists_and_words_types_otherwise() {
    let list = read(&token(HEADER, r#"{"aud":["a","b"]}"#));
    assert_eq!((list.claims_unread_by_3, list.claims.audience.len()), (None, 2));
    let text = read(&token(HEADER, r#"{"exp":"1"}"#));
    assert_eq!(text.claims_unread_by_3.as_deref(), Some("json: cannot unmarshal string into Go value of type int64"));
    assert!(read(&format!("{}=.e30.c2ln", encode(b"{}"))).unread_by_3.is_some());
}

fn setting<'a>(roots: &'a [Root]) -> Setting<'a> {
    Setting {
        issuer: "auth",
        service: "reg",
        roots: Some(roots),
        jwks: None,
        scope: &[],
        now: Timestamp::from_secs(1_800_000_000),
    }
}

#[test]
fn the_order_of_checks_is_each_releases_own() {
    let roots = [Root { der: Vec::new(), key: Ok(example()), place: "token.pem:1".to_owned() }];
    let wrong = token(HEADER, r#"{"iss":"x","aud":"y","exp":1,"nbf":9999999999}"#);
    let first = |generation| judge(generation, &read(&wrong), &setting(&roots)).decisive().map(|check| check.name);
    assert_eq!(first(Generation::V2), Some(CheckName::Issuer));
    assert_eq!(first(Generation::V3_0), Some(CheckName::Key));
    let verdict = judge(Generation::V2, &read(&wrong), &setting(&roots));
    let others: Vec<&str> = verdict.others().map(|check| check.name.name()).collect();
    assert_eq!(others, ["audience", "expiry", "not_before", "key"]);
    assert_eq!(
        verdict.log().iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            r#"level=info msg="token from untrusted issuer: \"x\"""#,
            r#"level=warning msg="error authorizing context: invalid token""#
        ]
    );
    let id = kid::BASE_POINT_IDS[0].1;
    let header = format!(r#"{{"alg":"ES256","kid":"{id}"}}"#);
    let three = judge(Generation::V3_0, &read(&token(&header, r#"{"iss":"auth"}"#)), &setting(&roots));
    assert_eq!((three.status(), three.error()), (Some(401), None), "3.x answers a bad signature without error=");
    assert_eq!(three.log().len(), 1);
    let basic = judge(Generation::V2, &read_authorization("Basic a"), &setting(&roots));
    assert_eq!((basic.error(), basic.log().len()), (None, 1));
}

#[test]
fn leading_zeros_of_coordinates_are_told_apart() {
    let x = [vec![0], vec![7; 31]].concat();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&x), "y": encode(&[9; 32])});
    let key = jwks::public_key(&jwk).unwrap();
    assert_ne!(kid::of(Generation::V3_1, &key), Some(kid::rfc7638(&key)));
    // A writer that left the zero out means the same key; registry 2 refuses it in a header.
    let short = json!({"kty": "EC", "crv": "P-256", "x": encode(&x[1..]), "y": encode(&[9; 32])});
    assert_eq!(jwks::public_key(&short).unwrap(), key);
    assert_eq!(
        jwks::problem_of_2(&short).as_deref(),
        Some("JWK EC Public Key x-coordinate: invalid number of octets: got 31, should be 32")
    );
}

/// Every form of one key that can be written without a library of keys.
fn forms(key: &TokenKey) -> Vec<Vec<u8>> {
    let jwk = jwks::write_key(key, "own");
    vec![
        key.spki.clone(),
        pem::write("PUBLIC KEY", &key.spki).into_bytes(),
        pem::write("PUBLIC KEY", &key.spki).replace('\n', "\r\n").into_bytes(),
        jwk.to_string().into_bytes(),
        jwks::write_set(&[("own".to_owned(), key.clone())]).into_bytes(),
    ]
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        for token in [text.clone(), lossy.clone(), token(&text, &lossy), format!("{text}.{lossy}.")] {
            let read = read(&token);
            for generation in Generation::ALL {
                let verdict = judge(*generation, &read, &setting(&[]));
                prop_assert!(!verdict.is_accepted());
            }
        }
        read_authorization(&lossy);
        key_file::read(&bytes);
        key_file::read(text.as_bytes());
        kid::shape(&text);
    }

    #[test]
    fn every_form_of_a_key_has_the_same_ids(x in proptest::collection::vec(any::<u8>(), 32), y in proptest::collection::vec(any::<u8>(), 32), n in proptest::collection::vec(any::<u8>(), 256), kind in 0..3) {
        let jwk = match kind {
            0 => json!({"kty": "EC", "crv": "P-256", "x": encode(&x), "y": encode(&y)}),
            1 => json!({"kty": "RSA", "n": encode(&[vec![0x80], n].concat()), "e": "AQAB"}),
            _ => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&x)}),
        };
        let key = jwks::public_key(&jwk).unwrap();
        for form in forms(&key) {
            let file = key_file::read(&form);
            prop_assert_eq!(file.keys.len(), 1);
            let read = file.keys[0].key.as_ref().unwrap();
            prop_assert_eq!(kid::libtrust(read), kid::libtrust(&key));
            prop_assert_eq!(kid::rfc7638(read), kid::rfc7638(&key));
        }
    }
}
