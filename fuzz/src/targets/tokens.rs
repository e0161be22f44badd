//! Tokens, and files with keys. In: bytes. Out: broken promises.

use sidelight_model::time::Timestamp;
use sidelight_model::token::kid::{self, Form};
use sidelight_model::token::{Generation, Root, Setting, TokenKey, judge, read_log_line};
use sidelight_wire::{jwt as tokens, key_file};

/// Judged by every generation without panic, and let in by none: no key that is known here signed it. A refusal has its answer and its log.
pub fn jwt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let roots: Vec<Root> =
        known_key().into_iter().map(|key| Root { der: Vec::new(), key: Ok(key), place: "known".into() }).collect();
    for token in [tokens::read(text.trim()), tokens::read_authorization(&text)] {
        for generation in Generation::ALL {
            let setting = Setting {
                issuer: "auth.test",
                service: "registry.test",
                roots: Some(&roots),
                jwks: None,
                scope: &[],
                now: Timestamp::from_secs(1_795_372_833),
            };
            let verdict = judge(*generation, &token, &setting);
            assert!(!verdict.is_accepted() && verdict.status() == Some(401) && !verdict.log().is_empty());
        }
    }
    if let Some(told) = read_log_line(&text) {
        assert!(!told.generations.is_empty());
    }
    assert!(!kid::shape(&text).is_empty());
}

/// Read without panic; whatever key comes out reads back as the same from what is written of it, and is found by its own ID.
pub fn jwks(data: &[u8]) {
    let file = key_file::read(data);
    for found in file.keys.iter().take(16) {
        let Ok(key) = &found.key else { continue };
        let id = kid::libtrust(key);
        let written = sidelight_wire::jwks::write_set(&[(id.clone(), key.clone())]);
        let again = key_file::read(written.as_bytes());
        let ids: Vec<String> = again.keys.iter().filter_map(|it| it.key.as_ref().ok()).map(kid::libtrust).collect();
        // A key whose DER had more than it needs is written without that, and has another ID.
        assert_eq!(ids.len(), 1);
        assert!(kid::find(&id, key, &Form::of(key, found.certificate.as_deref())).is_some_and(|it| it.is_right));
    }
}

/// The example key of distribution's token specification.
fn known_key() -> Option<TokenKey> {
    let jwk = br#"{"kty":"EC","crv":"P-256","x":"m7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q","y":"dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc"}"#;
    key_file::read(jwk).keys.into_iter().next()?.key.ok()
}
