//! What a manifest or index points to. In: its JSON, from a registry. Out: [`Parts`]. Spec: OCI image-spec (index, manifest), Docker
//! image manifest v2 schema 2.

use serde_json::Value;

/// The most parts of one document that are read.
const MOST: usize = 4096;

/// A part: a blob, or the manifest for one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes, where it is said.
    pub size: Option<u64>,
    /// System, processor and variant, each empty where it is not said.
    pub platform: [String; 3],
    /// Whether it may not be in the registry: it is fetched from elsewhere.
    pub is_foreign: bool,
}

/// What a document points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// `schemaVersion`; 0 where it is not said.
    pub schema: u64,
    /// The manifests of an index; `None`: it is none.
    pub manifests: Option<Vec<Blob>>,
    /// The image's configuration.
    pub config: Option<Blob>,
    /// Its layers.
    pub layers: Vec<Blob>,
}

/// Reads a manifest or index.
///
/// # Errors
/// When it is no JSON object.
pub fn parse_parts(bytes: &[u8]) -> Result<Parts, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON ({error})"))?;
    if !value.is_object() {
        return Err("it is JSON, but no object".to_owned());
    }
    let list = |name: &str| value.get(name)?.as_array().map(|all| all.iter().take(MOST).filter_map(blob).collect());
    Ok(Parts {
        schema: value.get("schemaVersion").and_then(Value::as_u64).unwrap_or(0),
        manifests: list("manifests"),
        config: value.get("config").and_then(blob),
        layers: list("layers").unwrap_or_default(),
    })
}

fn blob(value: &Value) -> Option<Blob> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let platform = value.get("platform").cloned().unwrap_or_default();
    let media_type = text(value, "mediaType");
    Some(Blob {
        digest: Some(text(value, "digest")).filter(|digest| sidelight_model::registry::is_digest(digest))?,
        size: value.get("size").and_then(Value::as_u64),
        platform: ["os", "architecture", "variant"].map(|name| text(&platform, name)),
        is_foreign: media_type.contains("foreign") || media_type.contains("nondistributable"),
        media_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_and_manifests_are_told_apart_and_garbage_is_left_out() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","size":3,"platform":{{"os":"linux","architecture":"arm64"}}}},{{"digest":"x"}},7]}}"#
        );
        let parts = parse_parts(index.as_bytes()).unwrap();
        let manifests = parts.manifests.unwrap();
        assert_eq!((manifests.len(), manifests[0].platform[1].as_str(), manifests[0].size), (1, "arm64", Some(3)));
        let manifest = format!(
            r#"{{"config":{{"digest":"{digest}"}},"layers":[{{"digest":"{digest}","mediaType":"a.foreign.b"}}]}}"#
        );
        let parts = parse_parts(manifest.as_bytes()).unwrap();
        assert!(parts.manifests.is_none() && parts.config.is_some() && parts.layers[0].is_foreign);
        assert!(parse_parts(b"[]").is_err() && parse_parts(b"<html>").is_err());
    }
}
