//! How key IDs and verdicts look, as text and as JSON. In: the example key of distribution's token specification, tokens by hand, a fixed
//! time. Out: snapshots.

use data_encoding::BASE64URL_NOPAD;
use sidelight_model::time::Timestamp;
use sidelight_model::token::kid::{self, Spelling};
use sidelight_model::token::{Generation, Hints, Presented, Root, Setting, finding, judge};
use sidelight_wire::{jwt, key_file};

use super::{Paint, key_id, token};
use crate::schema::key_id::{Answer, Shown, document};
use crate::schema::token::{Judged, decoded, verdict};

const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"own","x":"m7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q","y":"dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc"}"#;

fn key() -> key_file::FoundKey {
    key_file::read(KEY.as_bytes()).keys.remove(0)
}

fn answer(wanted: Option<String>) -> Answer {
    let found = key();
    let public = found.key.clone().unwrap();
    let matched = wanted.as_deref().and_then(|id| kid::find(id, &public, &found.all_forms()));
    let shape = wanted.as_deref().map(kid::shape).unwrap_or_default();
    Answer { keys: vec![Shown { file: "token.jwk".into(), found, matched }], wanted, shape }
}

#[test]
fn ids_of_a_key() {
    insta::assert_snapshot!(key_id::render(Paint::default(), &answer(None)));
}

#[test]
fn an_id_made_by_mistake() {
    let spki = key().key.unwrap().spki;
    let answer = answer(Some(kid::spell(&spki, Spelling::BrokenBase32)));
    insta::assert_snapshot!(key_id::render(Paint::default(), &answer));
    insta::assert_snapshot!("an_id_made_by_mistake_json", format!("{:#}", document(&answer)));
}

#[test]
fn an_id_of_another_key() {
    let answer = answer(Some("\u{1b}[31m6fbb2a1e-60b1-4b52".into()));
    insta::assert_snapshot!(key_id::render(Paint::default(), &answer));
}

fn wrong_token() -> Presented {
    let id = kid::libtrust(&key().key.unwrap()).to_ascii_lowercase();
    let header = format!(r#"{{"typ":"JWT","alg":"ES256","kid":"{id}"}}"#);
    let claims = r#"{"iss":"auth.test","aud":"other.test","exp":1795372000,"nbf":1795371700,"iat":1795371700,"access":[{"type":"repository","name":"team/app","actions":["pull"]}]}"#;
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    jwt::read(&format!("{}.{}.{}", part(&header), part(claims), BASE64URL_NOPAD.encode(&[7; 64])))
}

fn judged() -> Vec<Judged> {
    let roots = [Root { der: Vec::new(), key: key().key, place: "token.pem:1".into() }];
    let scope = ["repository:team/app:pull,push".parse().unwrap()];
    let setting = Setting {
        issuer: "auth.test",
        service: "registry.test",
        roots: Some(&roots),
        jwks: None,
        scope: &scope,
        now: Timestamp::from_secs(1_795_372_833),
    };
    let hints = Hints { token: "the argument", roots: Some("token.pem"), jwks: None, forms: &[] };
    let token = wrong_token();
    let one = |generation: &Generation| {
        let verdict = judge(*generation, &token, &setting);
        let finding = finding(&verdict, &token, &setting, &hints);
        Judged { verdict, finding }
    };
    Generation::ALL.iter().map(one).collect()
}

#[test]
fn verdicts_of_three_generations() {
    let all = judged();
    insta::assert_snapshot!(token::verdicts(Paint::default(), &all));
    insta::assert_snapshot!("a_verdict_as_json", format!("{:#}", verdict(&all[2]).unwrap()));
}

#[test]
fn a_token_decoded() {
    let token = wrong_token();
    insta::assert_snapshot!(token::decoded(Paint::default(), &token, Timestamp::from_secs(1_795_372_833)));
    insta::assert_snapshot!("a_token_decoded_json", format!("{:#}", decoded(&token)));
}

#[test]
fn a_private_key_in_a_header_is_told_and_not_shown() {
    let header = r#"{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","d":"c2VjcmV0LXNjYWxhcg"}}"#;
    let token = jwt::read(&format!("{}.e30.c2ln", BASE64URL_NOPAD.encode(header.as_bytes())));
    let text = token::decoded(Paint::default(), &token, Timestamp::default());
    let json = decoded(&token).to_string();
    assert!(
        text.contains("is a private key") && !text.contains("c2VjcmV0") && !json.contains("c2VjcmV0"),
        "{text}{json}"
    );
}
