//! Challenges: tokens by GET and POST, Basic, nobody; loops that end; token servers that answer nonsense.

use std::sync::Arc;

use sidelight_engine::registry_client::{Event, FoundLogins, RegistryError};
use sidelight_engine::tls::Trusted;
use sidelight_model::redact::Secret;
use sidelight_wire::registry::Login;

use crate::script::{Fields, MANIFEST, OCI, Script, answer, client, client_with};

fn challenge(realm: &str) -> String {
    format!(r#"Bearer realm="{realm}",service="the registry",scope="repository:team/app:pull""#)
}

/// A token server on a place of its own, and a registry that takes its token.
async fn with_token(grant: &'static str) -> (Script, Script) {
    let tokens = Script::start(move |_| answer(200, &[], grant)).await;
    let realm = challenge(&format!("http://{}/token?x=1", tokens.address));
    let registry = Script::start(move |asked| match asked.field("authorization") {
        Some("Bearer abc") => answer(200, &[OCI], MANIFEST),
        _ => answer(401, &[("www-authenticate", &realm)], ""),
    })
    .await;
    (registry, tokens)
}

#[tokio::test]
async fn a_token_is_got_once_with_the_login_and_used_for_all() {
    let (registry, tokens) = with_token(r#"{"token":"abc","expires_in":300}"#).await;
    let (client, steps) = client(registry.address, "team/app");
    let manifest = client.manifest("1").await.unwrap();
    assert_eq!(manifest.media_type, OCI.1);
    client.manifest("2").await.unwrap();
    assert_eq!(
        tokens.lines(),
        ["GET /token?x=1&service=the%20registry&scope=repository%3Ateam%2Fapp%3Apull&account=joe"]
    );
    assert_eq!(tokens.asked()[0].field("authorization"), Some("Basic am9lOmh1bnRlcjI="));
    let lines = registry.lines();
    assert_eq!(lines, ["GET /v2/team/app/manifests/1", "GET /v2/team/app/manifests/1", "GET /v2/team/app/manifests/2"]);
    assert!(registry.asked()[0].field("accept").unwrap().contains("manifest.list.v2+json"));
    let told = format!("{:?}", steps.lock().unwrap());
    assert!(told.contains("Challenged") && told.contains("Granted") && told.contains("TokenServer"), "{told}");
    for secret in ["hunter2", "am9lOmh1bnRlcjI", "abc"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let (registry, tokens) = with_token(r#"{"access_token":"abc"}"#).await;
    let name = format!("{}/team/app", registry.address);
    let (client, _) = client_with(&name, Trusted::default(), Vec::new(), |options| {
        let login = Login::Identity(Secret::new("r/t+".to_owned()));
        options.logins = Some(Arc::new(move |_, _| FoundLogins { logins: vec![login.clone()], problems: Vec::new() }));
    });
    client.manifest("1").await.unwrap();
    let asked = &tokens.asked()[0];
    assert_eq!(asked.line(), "POST /token?x=1");
    assert_eq!(
        std::str::from_utf8(&asked.body).unwrap(),
        "grant_type=refresh_token&service=the%20registry&client_id=sidelight&scope=repository%3Ateam%2Fapp%3Apull&refresh_token=r%2Ft%2B"
    );
    assert_eq!(asked.field("authorization"), None);
}

#[tokio::test]
async fn nobody_gets_a_token_too() {
    let (registry, tokens) = with_token(r#"{"token":"abc"}"#).await;
    let name = format!("{}/team/app", registry.address);
    let (client, _) = client_with(&name, Trusted::default(), Vec::new(), |options| options.logins = None);
    client.manifest("1").await.unwrap();
    let asked = &tokens.asked()[0];
    assert!(!asked.target.contains("account") && asked.field("authorization").is_none());
}

#[tokio::test]
async fn basic_is_given_where_it_is_demanded() {
    let registry = Script::start(|asked| match asked.field("authorization") {
        Some("Basic am9lOmh1bnRlcjI=") => answer(200, &[OCI], MANIFEST),
        _ => answer(401, &[("www-authenticate", r#"Basic realm="r""#)], ""),
    })
    .await;
    client(registry.address, "a").0.manifest("1").await.unwrap();
}

#[tokio::test]
async fn a_second_refusal_is_final() {
    let tokens = Script::start(|_| answer(200, &[], r#"{"token":"abc"}"#)).await;
    let realm = challenge(&format!("http://{}/token", tokens.address));
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let registry = Script::start(move |_| answer(401, &[("www-authenticate", &realm)], body)).await;
    let (client, _) = client(registry.address, "team/app");
    let error = client.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { with_login: true, status: 401, .. }), "{error:?}");
    assert!(error.to_string().contains("UNAUTHORIZED: authentication required"), "{error}");
    assert_eq!((registry.lines().len(), tokens.lines().len()), (2, 1));
    // A wrong password for Basic is told the same way, and not tried for ever.
    let basic = Script::start(|_| answer(401, &[("www-authenticate", "Basic realm=x")], "")).await;
    let (client, _) = crate::script::client(basic.address, "a");
    assert!(matches!(client.manifest("1").await.unwrap_err(), RegistryError::Denied { with_login: true, .. }));
    assert_eq!(basic.lines().len(), 2);
}

#[tokio::test]
async fn without_a_login_basic_is_denied() {
    let registry = Script::start(|_| answer(401, &[("www-authenticate", "Basic realm=x")], "")).await;
    let name = format!("{}/a", registry.address);
    let (client, _) = client_with(&name, Trusted::default(), Vec::new(), |options| {
        let problems = vec!["the helper failed".to_owned()];
        options.logins = Some(Arc::new(move |_, _| FoundLogins { logins: Vec::new(), problems: problems.clone() }));
    });
    let error = client.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { with_login: false, .. }), "{error:?}");
    assert_eq!(client.login_problems(), ["the helper failed"]);
    let odd = Script::start(|_| answer(401, &[("www-authenticate", "Negotiate")], "")).await;
    let error = crate::script::client(odd.address, "a").0.manifest("1").await.unwrap_err();
    assert!(matches!(&error, RegistryError::NoScheme { schemes, .. } if schemes == "negotiate"), "{error:?}");
}

#[tokio::test]
async fn nonsense_of_token_servers_is_named() {
    let huge = "x".repeat(2 << 20);
    let table: Vec<(u16, Fields, String, &str)> = vec![
        (200, vec![], "<html>please log in".into(), "web page"),
        (200, vec![], "{}".into(), "neither"),
        (
            401,
            vec![],
            r#"{"details":"incorrect username or password"}"#.into(),
            "refuses the login of `joe` (401 incorrect",
        ),
        (
            302,
            vec![("location", "https://sso.test/login?secret=s")],
            String::new(),
            "it leads to `https://sso.test/login`",
        ),
        (200, vec![], huge, "larger than"),
        (503, vec![], "down".into(), "503"),
    ];
    for (status, fields, body, part) in table {
        let tokens = Script::start(move |_| answer(status, &fields, body.clone())).await;
        let realm = challenge(&format!("http://{}/token", tokens.address));
        let registry = Script::start(move |_| answer(401, &[("www-authenticate", &realm)], "")).await;
        let error = client(registry.address, "team/app").0.manifest("1").await.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("secret="), "{part}: {error}");
    }
}

#[tokio::test]
async fn realms_that_are_no_place_are_not_asked() {
    for (realm, part) in [
        ("file:///etc/passwd", "not followed"),
        ("", "no absolute URL"),
        ("http://u:p@t.test/", "login stands"),
        // The registry is on loopback and speaks plain HTTP; a login still does not cross the network so.
        ("http://192.0.2.1/token", "without TLS"),
    ] {
        let value = challenge(realm);
        let registry = Script::start(move |_| answer(401, &[("www-authenticate", &value)], "")).await;
        let error = client(registry.address, "a").0.manifest("1").await.unwrap_err();
        assert!(matches!(error, RegistryError::Realm { .. }) && error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn the_kinds_of_proof_are_told() {
    let (registry, _tokens) = with_token(r#"{"token":"abc"}"#).await;
    let (client, steps) = client(registry.address, "team/app");
    client.manifest("1").await.unwrap();
    let steps = steps.lock().unwrap();
    let proofs: Vec<_> = steps
        .iter()
        .filter_map(|event| match event {
            Event::Asked { party, proof, .. } => Some(format!("{party:?} {proof:?}")),
            _ => None,
        })
        .collect();
    let expected = ["Registry Nobody", "Registry Nobody", "Registry Nobody", "TokenServer Basic", "Registry Bearer"];
    // The very first is the look whether TLS is spoken, which a plain server does not get to answer.
    assert_eq!(proofs[proofs.len() - 4..], expected[1..]);
}
