//! Manifests and indexes of images. In: bodies. Out: `model::registry::seen::Manifest`, bounded. Spec: OCI image-spec 1.1 (manifest,
//! index), docker's image manifest version 2, schema 2 and schema 1 (whose layers alone are read).

use serde_json::Value;
use sidelight_model::registry::seen::{Descriptor, Manifest};

/// The most layers or manifests that are read.
const MOST_PARTS: usize = 1024;
/// The most bytes of a manifest that are read: registries take 4 MiB.
const MOST_BYTES: usize = 4 << 20;
/// The most characters of a text.
const LONGEST: usize = 256;

/// Reads a manifest or an index.
///
/// # Errors
/// Why it is none: one clause for people.
pub fn parse_manifest(media_type: &str, body: &[u8]) -> Result<Manifest, String> {
    if body.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| match body.iter().find(|it| !it.is_ascii_whitespace()) {
            Some(b'<') => "it is a web page".to_owned(),
            None => "it is empty".to_owned(),
            _ => format!("it is no JSON ({error})"),
        })?;
    let own_type = value.get("mediaType").and_then(Value::as_str).unwrap_or(media_type);
    let list = |name: &str| value.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let descriptors = |name: &str| list(name).iter().take(MOST_PARTS).filter_map(descriptor).collect::<Vec<_>>();
    let mut layers = descriptors("layers");
    if layers.is_empty() {
        // Schema 1 names the top layer first.
        let blobs = list("fsLayers").iter().take(MOST_PARTS);
        layers = blobs
            .rev()
            .filter_map(|it| Some(Descriptor { digest: text(it, "blobSum")?, ..Descriptor::default() }))
            .collect();
    }
    let manifest = Manifest {
        media_type: own_type.chars().take(LONGEST).collect(),
        config: value.get("config").and_then(descriptor),
        layers,
        manifests: descriptors("manifests"),
        subject: value.get("subject").and_then(|it| text(it, "digest")),
    };
    let is_shaped = value.get("schemaVersion").is_some_and(Value::is_u64);
    if !is_shaped {
        return Err("it is JSON, but no manifest: it has no schemaVersion".to_owned());
    }
    Ok(manifest)
}

fn text(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.chars().take(LONGEST).collect())
}

fn descriptor(value: &Value) -> Option<Descriptor> {
    let platform = value.get("platform").and_then(|it| {
        let parts = [text(it, "os"), text(it, "architecture"), text(it, "variant")];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|it| !it.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    });
    Some(Descriptor {
        digest: text(value, "digest")?,
        size: value.get("size").and_then(Value::as_u64).unwrap_or(0),
        platform,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_every_kind() {
        let body = br#"{"schemaVersion":2,"mediaType":"m","config":{"digest":"sha256:c","size":3},"layers":[{"digest":"sha256:1","size":10},{"digest":"sha256:2"}],"subject":{"digest":"sha256:s"}}"#;
        let image = parse_manifest("x", body).unwrap();
        assert_eq!((image.media_type.as_str(), image.layers.len(), image.layers[0].size), ("m", 2, 10));
        assert_eq!((image.config.unwrap().digest, image.subject), ("sha256:c".to_owned(), Some("sha256:s".to_owned())));
        let body = br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:a","size":5,"platform":{"os":"linux","architecture":"arm","variant":"v7"}},{"size":1}]}"#;
        let index = parse_manifest("index", body).unwrap();
        assert_eq!((index.manifests.len(), index.manifests[0].platform.as_deref()), (1, Some("linux/arm/v7")));
        let old = parse_manifest(
            "",
            br#"{"schemaVersion":1,"fsLayers":[{"blobSum":"sha256:top"},{"blobSum":"sha256:base"}]}"#,
        )
        .unwrap();
        assert_eq!(old.layers[0].digest, "sha256:base");
    }

    #[test]
    fn what_is_none_is_said() {
        for (body, part) in
            [("<html>", "web page"), ("", "empty"), ("{", "no JSON"), ("{}", "schemaVersion"), ("[]", "schemaVersion")]
        {
            let why = parse_manifest("", body.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let many = format!("{{\"schemaVersion\":2,\"layers\":[{}{{}}]}}", r#"{"digest":"d"},"#.repeat(5000));
        assert_eq!(parse_manifest("", many.as_bytes()).unwrap().layers.len(), MOST_PARTS);
    }
}
