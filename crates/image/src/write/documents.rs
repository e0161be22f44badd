//! The new image's configuration and manifest. In: the old ones, what is added. Out: JSON, in which everything that is not touched
//! stays as it was, members that are unknown here included. Spec: OCI image-spec 1.1, Docker image manifest v2 schema 2.

use serde_json::{Map, Value, json};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Edit;

use super::WriteError;

/// The most layers that engines take; dockerd stops at 127.
const MOST_LAYERS: usize = 127;

/// Whose media types a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// OCI's.
    Oci,
    /// Docker's.
    Docker,
}

/// A layer of the old image as its manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseLayer {
    /// Its media type; empty where there is no manifest.
    pub media_type: String,
    /// Its digest; `None` where there is no manifest.
    pub digest: Option<String>,
    /// Its size in bytes, where known.
    pub size: Option<u64>,
}

/// The old image.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its manifest; empty where its source has none.
    pub manifest: Vec<u8>,
    /// Its configuration.
    pub config: Vec<u8>,
    /// Its layers, the lowest first.
    pub layers: Vec<BaseLayer>,
}

impl Base {
    /// Whose media types its manifest has; OCI's where there is none.
    pub fn style(&self) -> Style {
        let value: Option<Value> = serde_json::from_slice(&self.manifest).ok();
        let text = value.as_ref().and_then(|value| value.get("mediaType")).and_then(Value::as_str);
        let config = value.as_ref().and_then(|value| value.pointer("/config/mediaType")).and_then(Value::as_str);
        let docker = [text, config].into_iter().flatten().any(|text| text.starts_with("application/vnd.docker."));
        if docker { Style::Docker } else { Style::Oci }
    }

    /// When it was made, as it says.
    pub fn created(&self) -> Option<Timestamp> {
        let value: Value = serde_json::from_slice(&self.config).ok()?;
        Timestamp::parse(value.get("created")?.as_str()?)
    }
}

/// Points to a blob.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

impl Pointer {
    pub(super) fn json(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

/// The configuration with one more layer.
pub(super) fn config(old: &[u8], edit: &Edit, diff_id: &str, created: Timestamp) -> Result<Vec<u8>, WriteError> {
    let wrong = |why: &str| WriteError::Base(format!("the image's configuration {why}"));
    let mut value: Value = serde_json::from_slice(old).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
    let root = value.as_object_mut().ok_or_else(|| wrong("is no JSON object"))?;
    let created = rfc3339(created);
    root.insert("created".to_owned(), created.clone().into());
    let layers = root
        .get_mut("rootfs")
        .and_then(|rootfs| rootfs.get_mut("diff_ids"))
        .and_then(Value::as_array_mut)
        .ok_or_else(|| wrong("names no layers (rootfs.diff_ids)"))?;
    if layers.len() >= MOST_LAYERS {
        return Err(wrong(&format!("names {} layers, and engines take no more than {MOST_LAYERS}", layers.len())));
    }
    let before = layers.len();
    layers.push(diff_id.into());
    let history = root.entry("history").or_insert_with(|| json!([]));
    if history.is_null() {
        *history = json!([]);
    }
    let history = history.as_array_mut().ok_or_else(|| wrong("has a history that is no list"))?;
    // Where history is kept at all, engines count its lines against the layers.
    let told = history.iter().filter(|line| line.get("empty_layer").and_then(Value::as_bool) != Some(true)).count();
    for _ in told..before {
        history.push(json!({"created": created.clone()}));
    }
    history.push(json!({"created": created, "created_by": edit.created_by}));
    if !edit.env.is_empty() {
        set_env(root, &edit.env).ok_or_else(|| wrong("has an environment that is no list"))?;
    }
    Ok(serde_json::to_vec(&value).unwrap_or_default())
}

/// Seconds are enough, and the form that every engine writes.
fn rfc3339(moment: Timestamp) -> String {
    let text = Timestamp::from_secs(moment.as_secs()).rfc3339();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}

fn set_env(root: &mut Map<String, Value>, env: &[(String, String)]) -> Option<()> {
    let run = root.entry("config").or_insert_with(|| json!({}));
    if run.is_null() {
        *run = json!({});
    }
    let list = run.as_object_mut()?.entry("Env").or_insert_with(|| json!([]));
    if list.is_null() {
        *list = json!([]);
    }
    let list = list.as_array_mut()?;
    for (name, value) in env {
        let line = Value::from(format!("{name}={value}"));
        let known = |known: &Value| {
            known.as_str().and_then(|text| text.split_once('=')).is_some_and(|(known, _)| known == name)
        };
        match list.iter_mut().rev().find(|line| known(line)) {
            Some(place) => *place = line,
            None => list.push(line),
        }
    }
    Some(())
}

/// The manifest: the old one with the new configuration and one more layer, its own media types turned into those of `style`.
pub(super) fn manifest(
    old: &[u8],
    style: Style,
    config: &Pointer,
    old_layers: &[Pointer],
    new: &Pointer,
) -> Result<(String, Vec<u8>), WriteError> {
    let mut value: Value = if old.is_empty() {
        json!({"schemaVersion": 2})
    } else {
        serde_json::from_slice(old)
            .map_err(|error| WriteError::Base(format!("the image's manifest is no JSON: {error}")))?
    };
    let root = value.as_object_mut().ok_or_else(|| WriteError::Base("the image's manifest is no object".to_owned()))?;
    let media_type = match style {
        Style::Oci => "application/vnd.oci.image.manifest.v1+json",
        Style::Docker => "application/vnd.docker.distribution.manifest.v2+json",
    };
    root.insert("mediaType".to_owned(), media_type.into());
    root.insert("config".to_owned(), turned(config, style).json());
    let known = root.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut layers: Vec<Value> = Vec::new();
    for (index, layer) in old_layers.iter().enumerate() {
        let turned = turned(layer, style);
        // Annotations and addresses of a layer stay, as long as it is the same blob.
        let same = known.get(index).filter(|known| known.get("digest").and_then(Value::as_str) == Some(&layer.digest));
        let mut entry = same.cloned().unwrap_or_else(|| json!({}));
        if let (Some(entry), Value::Object(members)) = (entry.as_object_mut(), turned.json()) {
            entry.extend(members);
        }
        layers.push(entry);
    }
    layers.push(turned(new, style).json());
    root.insert("layers".to_owned(), layers.into());
    Ok((media_type.to_owned(), serde_json::to_vec(&value).unwrap_or_default()))
}

/// Media types that mean the same in both worlds.
const SAME: &[(&str, &str)] = &[
    ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"),
    ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ("application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd"),
    ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"),
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
];

fn turned(pointer: &Pointer, style: Style) -> Pointer {
    let pair = SAME.iter().find(|(oci, docker)| *oci == pointer.media_type || *docker == pointer.media_type);
    let media_type = match (pair, style) {
        (Some((oci, _)), Style::Oci) => (*oci).to_owned(),
        (Some((_, docker)), Style::Docker) => (*docker).to_owned(),
        (None, _) => pointer.media_type.clone(),
    };
    Pointer { media_type, ..pointer.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Timestamp = Timestamp(1_600_000_000_500_000);

    fn edit(env: &[(&str, &str)]) -> Edit {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Edit { changes: Vec::new(), env, created_by: "sidelight trust add corp.pem".to_owned() }
    }

    fn read(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_configuration_keeps_what_is_not_touched() {
        let old = br#"{"architecture":"arm64","variant":"v8","config":{"Env":["A=1","B=2","A=3"],"Odd":{"x":1}},"created":"2020-01-01T00:00:00.123Z",
            "history":[{"created_by":"ADD x"},{"created_by":"ENV","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1"]},
            "moby.buildkit.x":"kept"}"#;
        let new = config(old, &edit(&[("A", "new"), ("C", "4")]), "sha256:2", MOMENT).unwrap();
        let expected = json!({"architecture":"arm64","variant":"v8","config":{"Env":["A=1","B=2","A=new","C=4"],"Odd":{"x":1}},
            "created":"2020-09-13T12:26:40Z",
            "history":[{"created_by":"ADD x"},{"created_by":"ENV","empty_layer":true},
                {"created":"2020-09-13T12:26:40Z","created_by":"sidelight trust add corp.pem"}],
            "os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1","sha256:2"]},"moby.buildkit.x":"kept"});
        assert_eq!(new, serde_json::to_vec(&expected).unwrap(), "the order of members stays too");
    }

    #[test]
    fn a_short_history_is_filled_up_and_nulls_are_lists() {
        let old = br#"{"config":null,"history":null,"rootfs":{"diff_ids":["sha256:1","sha256:2"]}}"#;
        let new = read(&config(old, &edit(&[("A", "1")]), "sha256:3", MOMENT).unwrap());
        assert_eq!(new["history"].as_array().unwrap().len(), 3);
        assert_eq!(new["config"]["Env"], json!(["A=1"]));
        let bare = br#"{"rootfs":{"diff_ids":[]}}"#;
        assert_eq!(read(&config(bare, &edit(&[]), "sha256:1", MOMENT).unwrap()).get("config"), None);
    }

    #[test]
    fn configurations_that_cannot_grow_are_named() {
        let full = json!({"rootfs": {"diff_ids": vec!["sha256:1"; MOST_LAYERS]}}).to_string();
        for (old, part) in
            [("[]", "no JSON object"), ("{", "no JSON"), ("{}", "names no layers"), (&full, "no more than 127")]
        {
            let error = config(old.as_bytes(), &edit(&[]), "sha256:1", MOMENT).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    fn pointer(media_type: &str, digest: &str) -> Pointer {
        Pointer { media_type: media_type.to_owned(), digest: digest.to_owned(), size: 5 }
    }

    #[test]
    fn a_manifest_speaks_one_language() {
        let old = br#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
            "config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:c","size":1},
            "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:l","size":5,"annotations":{"a":"b"}}],
            "annotations":{"kept":"yes"}}"#;
        let new_config = pointer("application/vnd.docker.container.image.v1+json", "sha256:d");
        let layers = [pointer("application/vnd.docker.image.rootfs.diff.tar.gzip", "sha256:l")];
        let new = pointer("application/vnd.oci.image.layer.v1.tar+gzip", "sha256:m");
        let (media_type, bytes) = manifest(old, Style::Oci, &new_config, &layers, &new).unwrap();
        assert_eq!(media_type, "application/vnd.oci.image.manifest.v1+json");
        let expected = json!({"schemaVersion":2,"mediaType":media_type,
            "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:d","size":5},
            "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:l","size":5,"annotations":{"a":"b"}},
                {"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:m","size":5}],
            "annotations":{"kept":"yes"}});
        assert_eq!(bytes, serde_json::to_vec(&expected).unwrap());
        let (_, docker) = manifest(old, Style::Docker, &new_config, &layers, &new).unwrap();
        let docker = read(&docker);
        assert_eq!(docker["layers"][1]["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
        let (_, fresh) = manifest(b"", Style::Oci, &new_config, &layers, &new).unwrap();
        assert_eq!(read(&fresh)["layers"].as_array().unwrap().len(), 2);
    }
}
