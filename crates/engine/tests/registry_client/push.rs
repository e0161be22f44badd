//! Pushing: what is there is not sent, mounts, whole and in chunks, places of uploads that are put right or refused.

use std::io::{self, Cursor, Read};

use bytes::Bytes;
use sidelight_engine::registry_client::{BlobSource, RegistryError};

use crate::script::{Asked, Script, Told, answer, client, digest};

struct Bytewise(String, Vec<u8>);

impl Bytewise {
    fn new(bytes: &[u8]) -> Self {
        Self(digest(bytes), bytes.to_vec())
    }
}

impl BlobSource for Bytewise {
    fn digest(&self) -> &str {
        &self.0
    }

    fn length(&self) -> u64 {
        self.1.len() as u64
    }

    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.1[usize::try_from(from).unwrap()..].to_vec())))
    }
}

/// A registry that takes uploads at the place that `location` says.
fn takes(location: &'static str) -> impl Fn(&Asked) -> hyper::Response<Told> + Send + Sync {
    move |asked| match asked.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        "POST" | "PATCH" => answer(202, &[("location", location)], ""),
        _ => answer(201, &[], ""),
    }
}

#[tokio::test]
async fn a_blob_is_asked_for_and_sent_whole() {
    let registry = Script::start(takes("/v2/a/blobs/uploads/1?_state=s")).await;
    let blob = Bytewise::new(&vec![7; 300_000]);
    let (client, _) = client(registry.address, "a");
    assert!(!client.has_blob(blob.digest()).await.unwrap());
    client.push_blob(&blob).await.unwrap();
    let name = blob.digest().replace(':', "%3A");
    assert_eq!(
        registry.lines(),
        [
            format!("HEAD /v2/a/blobs/{}", blob.digest()),
            "POST /v2/a/blobs/uploads/".to_owned(),
            format!("PUT /v2/a/blobs/uploads/1?_state=s&digest={name}"),
        ]
    );
    let put = &registry.asked()[2];
    assert!(put.body == blob.1 && put.field("content-length") == Some("300000"));
}

#[tokio::test]
async fn what_is_there_is_not_sent_and_what_is_elsewhere_is_mounted() {
    let registry = Script::start(|_| answer(200, &[], "")).await;
    assert!(client(registry.address, "a").0.has_blob("sha256:x").await.unwrap());
    let registry =
        Script::start(|asked| if asked.method == "HEAD" { answer(404, &[], "") } else { answer(201, &[], "") }).await;
    let blob = Bytewise::new(b"x");
    assert!(client(registry.address, "a").0.mount_blob(blob.digest(), "b/c").await.unwrap());
    let name = blob.digest().replace(':', "%3A");
    assert_eq!(registry.lines(), [format!("POST /v2/a/blobs/uploads/?mount={name}&from=b%2Fc")]);
    for status in [202, 403] {
        let registry = Script::start(move |_| answer(status, &[("location", "/x")], "")).await;
        assert!(!client(registry.address, "a").0.mount_blob(blob.digest(), "b/c").await.unwrap());
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_on_the_way_go_in_chunks() {
    let registry = Script::start(|asked| match (asked.method.as_str(), asked.body.len()) {
        ("PUT", 1..) => answer(413, &[], "<html>nginx"),
        ("PATCH", _) => answer(202, &[("location", "/v2/a/blobs/uploads/2")], ""),
        _ => takes("/v2/a/blobs/uploads/1")(asked),
    })
    .await;
    let bytes: Vec<u8> = (0..(9 << 20)).map(|n: u32| n.to_le_bytes()[0]).collect();
    client(registry.address, "a").0.push_blob(&Bytewise::new(&bytes)).await.unwrap();
    let patches: Vec<_> = registry.asked().into_iter().filter(|asked| asked.method == "PATCH").collect();
    let ranges: Vec<_> = patches.iter().map(|patch| patch.field("content-range").unwrap()).collect();
    assert_eq!(ranges, ["0-8388607", "8388608-9437183"]);
    assert!(patches.iter().flat_map(|patch| patch.body.to_vec()).eq(bytes));
    assert!(registry.lines().last().unwrap().starts_with("PUT /v2/a/blobs/uploads/2?digest="));
}

#[tokio::test]
async fn uploads_stay_at_the_registry() {
    // A proxy that ends TLS leaves the registry thinking that it speaks plain HTTP on another port: the host is what counts.
    let registry = Script::start(takes("https://127.0.0.1/v2/a/blobs/uploads/1")).await;
    client(registry.address, "a").0.push_blob(&Bytewise::new(b"x")).await.unwrap();
    let elsewhere = Script::start(takes("https://evil.test/steal")).await;
    let error = client(elsewhere.address, "a").0.push_blob(&Bytewise::new(b"x")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }), "{error:?}");
    assert_eq!(elsewhere.lines().len(), 1);
}

#[tokio::test]
async fn a_source_that_is_shorter_than_said_is_no_upload() {
    struct Short;
    impl BlobSource for Short {
        fn digest(&self) -> &str {
            "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        }

        fn length(&self) -> u64 {
            10
        }

        fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(&b"abc"[..]))
        }
    }
    let registry = Script::start(takes("/v2/a/blobs/uploads/1")).await;
    let error = client(registry.address, "a").0.push_blob(&Short).await.unwrap_err();
    assert!(error.to_string().contains("7 bytes too early"), "{error}");
}

#[tokio::test]
async fn a_manifest_is_put_with_its_type() {
    let registry = Script::start(|_| answer(201, &[("docker-content-digest", "sha256:x")], "")).await;
    let (client, _) = client(registry.address, "a");
    let named = client.push_manifest("1", "application/x", Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(named.as_deref(), Some("sha256:x"));
    let put = &registry.asked()[0];
    assert_eq!(
        (put.line().as_str(), put.field("content-type"), &put.body[..]),
        ("PUT /v2/a/manifests/1", Some("application/x"), &b"{}"[..])
    );
}
