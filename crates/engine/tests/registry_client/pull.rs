//! Manifests and blobs: digests, redirects, ranges, limits, errors.

use std::sync::atomic::{AtomicUsize, Ordering};

use sidelight_engine::registry_client::{Event, LARGEST_MANIFEST, RegistryError};

use crate::script::{Fields, MANIFEST, OCI, Script, answer, client, cut, digest, whole};

#[tokio::test]
async fn a_manifest_has_the_digest_that_it_is_asked_for_by() {
    let registry = Script::start(|_| answer(200, &[OCI], MANIFEST)).await;
    let (client, _) = client(registry.address, "a");
    let right = digest(MANIFEST.as_bytes());
    assert_eq!(client.manifest(&right).await.unwrap().digest, right);
    let wrong = digest(b"else");
    let error = client.manifest(&wrong).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Digest { expected, got, .. } if *expected == wrong && *got == right),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_lie_in_the_digest_field_is_noticed() {
    let lie = digest(b"else");
    let registry = Script::start(move |_| answer(200, &[OCI, ("docker-content-digest", &lie)], MANIFEST)).await;
    assert!(matches!(client(registry.address, "a").0.manifest("1").await.unwrap_err(), RegistryError::Digest { .. }));
}

#[tokio::test]
async fn the_media_type_is_found_whatever_the_field_says() {
    let table = [
        ("application/json", MANIFEST, "application/vnd.oci.image.manifest.v1+json"),
        (
            "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8",
            r#"{"layers":[],"config":{}}"#,
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
        ("text/plain", r#"{"manifests":[]}"#, "application/vnd.oci.image.index.v1+json"),
        ("text/plain", r#"{"config":{},"layers":[]}"#, "application/vnd.oci.image.manifest.v1+json"),
    ];
    for (said, body, expected) in table {
        let registry = Script::start(move |_| answer(200, &[("content-type", said)], body)).await;
        assert_eq!(client(registry.address, "a").0.manifest("1").await.unwrap().media_type, expected, "{said}");
    }
    let portal = Script::start(|_| answer(200, &[("content-type", "text/html")], "<html>\n Please  log in")).await;
    let error = client(portal.address, "a").0.manifest("1").await.unwrap_err().to_string();
    assert!(error.contains("no manifest: <html> Please log in"), "{error}");
}

#[tokio::test]
async fn a_manifest_without_end_is_refused() {
    let said = Script::start(|_| answer(200, &[OCI], vec![b' '; LARGEST_MANIFEST + 1])).await;
    let error = client(said.address, "a").0.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error:?}");
    // Without a length it is counted as it comes.
    let endless = Script::start(|_| {
        let mut response = answer(200, &[OCI], vec![b' '; LARGEST_MANIFEST + 1]);
        response.headers_mut().remove("content-length");
        response
    })
    .await;
    let error = client(endless.address, "a").0.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_to_storage_lose_the_login_and_those_within_keep_it() {
    let storage = Script::start(|_| answer(200, &[], "the bytes")).await;
    let signed = format!("http://{}/bucket/x?X-Amz-Signature=sig", storage.address);
    let registry = Script::start(move |asked| match (asked.field("authorization"), asked.target.as_str()) {
        (None, _) => answer(401, &[("www-authenticate", "Basic realm=x")], ""),
        (_, "/v2/a/blobs/moved") => answer(307, &[("location", &signed)], ""),
        _ => answer(308, &[("location", "/v2/a/blobs/moved")], ""),
    })
    .await;
    let (client, steps) = client(registry.address, "a");
    assert_eq!(whole(&client, "sha256:x").await.unwrap(), b"the bytes");
    let asked = &storage.asked()[0];
    assert_eq!(asked.target, "/bucket/x?X-Amz-Signature=sig");
    assert_eq!(asked.field("authorization"), None);
    assert!(registry.asked().last().unwrap().field("authorization").is_some());
    let steps = steps.lock().unwrap();
    let redirects: Vec<_> = steps
        .iter()
        .filter_map(|event| match event {
            Event::Redirected { with_login, .. } => Some(*with_login),
            _ => None,
        })
        .collect();
    assert_eq!(redirects, [true, false]);
    assert!(!format!("{steps:?}").contains("X-Amz-Signature=sig\" ") && !format!("{steps:?}").contains("hunter2"));
}

#[tokio::test]
async fn redirects_end_and_lead_to_no_other_scheme() {
    let circle = Script::start(|asked| answer(307, &[("location", &asked.target)], "")).await;
    let error = client(circle.address, "a").0.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }) && error.to_string().contains("number 6"), "{error}");
    assert_eq!(circle.lines().len(), 6);
    for location in ["file:///etc/shadow", "ftp://x/", "http://a b/", "javascript:x"] {
        let registry = Script::start(move |_| answer(302, &[("location", location)], "")).await;
        let error = client(registry.address, "a").0.manifest("1").await.unwrap_err();
        assert!(matches!(error, RegistryError::Redirect { .. }), "{location}: {error:?}");
    }
    let nowhere = Script::start(|_| answer(302, &[], "")).await;
    assert!(client(nowhere.address, "a").0.manifest("1").await.unwrap_err().to_string().contains("does not say where"));
}

#[tokio::test]
async fn a_broken_transfer_goes_on_by_a_range() {
    let all: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let served = all.clone();
    let registry = Script::start(move |asked| {
        let length = served.len();
        match asked.field("range") {
            None if asked.target == "/v2/" => answer(200, &[], ""),
            None => cut(200, &[], length, served[..150_000].to_vec()),
            Some(range) => {
                let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
                let head = format!("bytes {from}-{}/{length}", length - 1);
                let fields = [("content-range", head.as_str())];
                if from < 300_000 {
                    cut(206, &fields, length - from, served[from..from + 100_000].to_vec())
                } else {
                    answer(206, &fields, served[from..].to_vec())
                }
            }
        }
    })
    .await;
    let (client, steps) = client(registry.address, "a");
    assert!(whole(&client, "sha256:x").await.unwrap() == all);
    let resumed = steps.lock().unwrap().iter().filter(|event| matches!(event, Event::Resumed { .. })).count();
    assert_eq!(resumed, registry.lines().len() - 1);
    assert!(resumed >= 2);
}

#[tokio::test]
async fn a_server_without_ranges_is_read_again_and_passed_over() {
    let times = AtomicUsize::new(0);
    let registry = Script::start(move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0 => cut(200, &[], 12, "hello "),
        _ => answer(200, &[], "hello world!"),
    })
    .await;
    // The first look at /v2/ must not count.
    let (client, _) = client(registry.address, "a");
    let _ = client.find_scheme().await;
    assert_eq!(whole(&client, "sha256:x").await.unwrap(), b"hello world!");
}

#[tokio::test]
async fn a_transfer_that_never_goes_on_ends() {
    let registry = Script::start(|asked| match asked.target.as_str() {
        "/v2/" => answer(200, &[], ""),
        _ => cut(200, &[], 100, "abc"),
    })
    .await;
    let error = whole(&client(registry.address, "a").0, "sha256:x").await.unwrap_err();
    assert!(error.to_string().contains("broke off after 3 of 100 bytes"), "{error}");
    let wrong = Script::start(|asked| match asked.field("range") {
        None if asked.target == "/v2/" => answer(200, &[], ""),
        None => cut(200, &[], 100, "abc"),
        Some(_) => answer(206, &[("content-range", "bytes 50-99/100")], vec![0; 50]),
    })
    .await;
    let error = whole(&client(wrong.address, "a").0, "sha256:x").await.unwrap_err();
    assert!(error.to_string().contains("it sends others"), "{error}");
}

#[tokio::test]
async fn answers_are_told_as_what_they_are() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let table: [(u16, Fields, &str, &str); 4] = [
        (404, vec![], unknown, "not found (404 MANIFEST_UNKNOWN: manifest unknown)"),
        (429, vec![("retry-after", "120")], "", "may be asked again in 120 s"),
        (418, vec![], "<html><body>no\u{1b}[31m", "unexpected answer 418 (418): `<html><body>no\\u{1b}[31m`"),
        (403, vec![], r#"{"errors":[{"code":"DENIED"}]}"#, "(403 DENIED)"),
    ];
    for (status, fields, body, part) in table {
        let registry = Script::start(move |_| answer(status, &fields, body)).await;
        let error = client(registry.address, "a").0.manifest("1").await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(registry.lines().len(), 1, "{status} is not asked again");
    }
}

#[tokio::test]
async fn an_ill_server_is_asked_again_a_little() {
    let times = AtomicUsize::new(0);
    let registry = Script::start(move |asked| match asked.target.as_str() {
        "/v2/" => answer(200, &[], ""),
        _ if times.fetch_add(1, Ordering::Relaxed) < 2 => answer(503, &[], ""),
        _ => answer(200, &[OCI], MANIFEST),
    })
    .await;
    client(registry.address, "a").0.manifest("1").await.unwrap();
    let always = Script::start(|_| answer(502, &[], "")).await;
    let error = client(always.address, "a").0.manifest("1").await.unwrap_err();
    assert_eq!((error.status(), always.lines().len()), (Some(502), 3));
}
