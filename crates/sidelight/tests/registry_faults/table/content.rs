//! What registries and storage serve: manifests, blobs, redirections, pages.

use sidelight_testkit::registry::{CONFIG, IMAGE, LAYER, Reply, digest, good, manifest, refusal, reply, serve};

use super::html;
use crate::ground::Ground;
use crate::row::{Row, Tool};

/// Good but for paths that hold `part`.
fn at(ground: &Ground, name: &'static str, cause: &'static str, part: &str, answer: Reply) -> Row {
    let part = part.to_owned();
    Row::answering(
        ground,
        name,
        cause,
        move |asked| {
            if asked.path.contains(&part) { answer.clone() } else { good(asked) }
        },
    )
}

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let mut rows = absent(ground);
    rows.extend(refusing(ground));
    rows.extend(manifests(ground));
    rows.extend(blobs(ground));
    rows.extend(redirected(ground));
    rows
}

fn absent(ground: &Ground) -> Vec<Row> {
    let unknown = || refusal(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let not_found = reply(404, &[("content-type", "text/plain")], "404 page not found\n");
    let elsewhere = not_found.clone();
    let plain = serve(None, move |asked| match asked.path.contains("/manifests/") {
        true => refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        false => good(asked),
    });
    let plain_image = format!("registry.test:{}/team/app:1", plain.address.port());
    vec![
        Row::of("no such tag, plain HTTP", "manifest_unknown", plain_image).in_plain().beside(plain),
        at(ground, "no such tag", "manifest_unknown", "/manifests/", unknown()),
        at(ground, "no such tag, podman", "manifest_unknown", "/manifests/", unknown()).by(Tool::Podman),
        at(
            ground,
            "no such repository",
            "repository_unknown",
            "/manifests/",
            refusal(404, "NAME_UNKNOWN", "repository name not known to registry"),
        ),
        Row::answering(ground, "no registry", "not_a_registry", move |_| not_found.clone()),
        at(ground, "no registry behind /v2/", "not_a_registry", "/manifests/", elsewhere),
    ]
}

fn refusing(ground: &Ground) -> Vec<Row> {
    let limited = refusal(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "0");
    vec![
        Row::answering(ground, "a page for all", "web_page_instead", |_| html(200)),
        at(ground, "a page for the manifest", "web_page_instead", "/manifests/", html(200)),
        at(ground, "blocked with a page", "request_blocked", "/manifests/", html(403)),
        at(ground, "denied", "access_denied", "/manifests/", refusal(403, "DENIED", "blocked by policy")),
        at(ground, "limit of rate", "rate_limited", "/manifests/", limited.with("ratelimit-remaining", "0;w=21600")),
        at(ground, "503 of a balancer", "registry_failed", "/manifests/", html(503)),
        at(ground, "500 of the registry", "registry_failed", "/manifests/", refusal(500, "UNKNOWN", "unknown error")),
        Row::answering(ground, "502 for /v2/", "registry_failed", |_| html(502)),
    ]
}

fn manifests(ground: &Ground) -> Vec<Row> {
    let as_type = |kind: &str, body: String| reply(200, &[("content-type", kind)], body);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"{IMAGE}","digest":"{}","size":3,"platform":{{"os":"linux","architecture":"s390x"}}}}]}}"#,
        digest("x")
    );
    let schema1 = r#"{"schemaVersion":1,"name":"team/app","tag":"1","fsLayers":[],"history":[]}"#.to_owned();
    let altered = as_type(IMAGE, manifest() + " ");
    let by_digest = format!("@{}", digest(&manifest()));
    vec![
        at(
            ground,
            "another platform",
            "platform_missing",
            "/manifests/",
            as_type("application/vnd.oci.image.index.v1+json", index),
        ),
        at(ground, "one blank more", "manifest_altered", "/manifests/", altered).asking(&by_digest),
        at(ground, "manifest as text", "media_type_wrong", "/manifests/", as_type("text/plain", manifest())),
        at(
            ground,
            "first schema",
            "manifest_schema_old",
            "/manifests/",
            as_type("application/vnd.docker.distribution.manifest.v1+prettyjws", schema1),
        ),
    ]
}

fn blobs(ground: &Ground) -> Vec<Row> {
    let layer = digest(LAYER);
    let row = |name, cause, answer: Reply| at(ground, name, cause, &layer, answer);
    let cut = || reply(200, &[], &LAYER[..9]).cut(LAYER.len() - 9);
    let lost = refusal(404, "BLOB_UNKNOWN", "blob unknown to registry");
    let config = reply(200, &[], CONFIG.replace("amd64", "mmd64"));
    vec![
        at(ground, "no such blob", "blob_unknown", "/blobs/", lost.clone()),
        row("no such layer", "blob_unknown", lost),
        row("layer altered", "blob_altered", reply(200, &[], "y".repeat(LAYER.len()))),
        at(ground, "configuration altered", "blob_altered", &digest(CONFIG), config),
        row("a page for a layer", "blob_altered", reply(200, &[], "<html>scanned</html>")),
        row("layer cut off", "transfer_cut", cut()),
        row("layer cut off, podman", "transfer_cut", cut()).by(Tool::Podman),
    ]
}

fn redirected(ground: &Ground) -> Vec<Row> {
    let denied =
        r#"<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"#;
    let storage = serve(Some(ground.tls.clone()), move |_| reply(403, &[("content-type", "application/xml")], denied));
    let to = format!("https://storage.test:{}/bucket/blob?X-Amz-Signature=s3cret", storage.address.port());
    vec![
        Row::answering(ground, "storage refuses", "storage_refused", move |asked| {
            if asked.path.contains("/blobs/") { reply(307, &[("location", &to)], "") } else { good(asked) }
        })
        .beside(storage),
        at(ground, "no Location", "location_wrong", "/manifests/", reply(307, &[], "")),
        at(
            ground,
            "Location cannot be read",
            "location_wrong",
            "/manifests/",
            reply(307, &[("location", "https://%zz/")], ""),
        ),
        Row::answering(ground, "round and round", "redirect_loop", |asked| {
            if asked.path.contains("/manifests/") { reply(307, &[("location", &asked.path)], "") } else { good(asked) }
        }),
    ]
}
