//! The JSON documents of images. In: bytes, bounded. Out: indexes, manifests, configurations. Spec: OCI image-spec (index,
//! manifest, config), Docker image manifest v2 schema 2, `manifest.json` of docker save.
//!
//! Lists are bounded while they are parsed, so that a small document cannot become a large value.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use sidelight_model::trust::Config;

use crate::error::Error;
use crate::limits::Limits;

/// Items of one list; images have at most some hundreds of layers and history lines.
const MAX_ITEMS: usize = 4096;

/// Points to a blob.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) size: Option<u64>,
    #[serde(default)]
    pub(crate) platform: Option<PlatformOf>,
    #[serde(default)]
    pub(crate) annotations: Option<Annotations>,
}

/// The platform of a descriptor or configuration.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct PlatformOf {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) variant: Option<String>,
}

/// The annotations that are looked at.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    pub(crate) ref_name: Option<String>,
    #[serde(rename = "io.containerd.image.name")]
    pub(crate) image_name: Option<String>,
    #[serde(rename = "vnd.docker.reference.type")]
    pub(crate) reference_type: Option<String>,
}

impl Descriptor {
    /// Whether it describes an image (or its build) rather than being one.
    pub(crate) fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| annotations.reference_type.is_some())
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }

    /// The names by which it is called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let annotations = self.annotations.as_ref();
        let full = annotations.and_then(|annotations| annotations.image_name.as_deref());
        full.into_iter().chain(annotations.and_then(|annotations| annotations.ref_name.as_deref()))
    }
}

/// An index or a manifest: which of them, its members tell.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Manifest {
    #[serde(default, deserialize_with = "bounded_option")]
    pub(crate) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(crate) config: Option<Descriptor>,
    #[serde(default, deserialize_with = "bounded_option")]
    pub(crate) layers: Option<Vec<Descriptor>>,
    #[serde(default, rename = "schemaVersion")]
    pub(crate) schema_version: u32,
}

/// One image of `manifest.json`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) config: String,
    #[serde(default, deserialize_with = "bounded_option")]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "bounded_option")]
    pub(crate) layers: Option<Vec<String>>,
}

/// `manifest.json`.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct SavedList {
    #[serde(deserialize_with = "bounded")]
    pub(crate) images: Vec<Saved>,
}

/// An image's configuration.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: Option<RunConfig>,
    #[serde(default)]
    pub(crate) rootfs: Option<RootFs>,
    #[serde(default, deserialize_with = "bounded_option")]
    history: Option<Vec<History>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunConfig {
    #[serde(default, deserialize_with = "bounded_option")]
    env: Option<Vec<String>>,
    #[serde(default, deserialize_with = "bounded_option")]
    entrypoint: Option<Vec<String>>,
    #[serde(default, deserialize_with = "bounded_option")]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// The layers as a configuration names them.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct RootFs {
    #[serde(default, deserialize_with = "bounded_option")]
    pub(crate) diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct History {
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    empty_layer: bool,
}

impl ImageConfig {
    /// `sha256:…` of each uncompressed layer.
    pub(crate) fn diff_ids(&self) -> Vec<String> {
        self.rootfs.as_ref().and_then(|rootfs| rootfs.diff_ids.clone()).unwrap_or_default()
    }

    /// The history lines that made layers, in order.
    pub(crate) fn created_by(&self) -> impl Iterator<Item = Option<String>> {
        let made = self.history.iter().flatten().filter(|line| !line.empty_layer);
        made.map(|line| line.created_by.clone().filter(|text| !text.is_empty()).or_else(|| line.comment.clone()))
    }

    /// The platform that it says.
    pub(crate) fn platform(&self) -> PlatformOf {
        PlatformOf { os: self.os.clone(), architecture: self.architecture.clone(), variant: self.variant.clone() }
    }

    /// What the model knows of it.
    pub(crate) fn into_config(self) -> Config {
        let platform = self.platform().to_string();
        let run = self.config.unwrap_or_default();
        let pair = |line: String| match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        };
        Config {
            env: run.env.unwrap_or_default().into_iter().map(pair).collect(),
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            user: run.user.unwrap_or_default(),
            working_dir: run.working_dir.unwrap_or_default(),
            platform,
            labels: run.labels.unwrap_or_default().into_iter().collect(),
        }
    }
}

impl std::fmt::Display for PlatformOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.os.is_empty() && self.architecture.is_empty() {
            return Ok(());
        }
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some("") | None => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

/// Parses a document.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, bytes: &[u8], limits: &Limits) -> Result<T, Error> {
    if bytes.len() as u64 > limits.document {
        return Err(Error::limit(what, format!("has {} bytes, and {} are read", bytes.len(), limits.document)));
    }
    serde_json::from_slice(bytes).map_err(|error| Error::damaged(what, format!("is not what it should be: {error}")))
}

fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(bounded_option(input)?.unwrap_or_default())
}

/// A list, `null` or nothing; longer lists are refused before they are held.
fn bounded_option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<Vec<T>>, D::Error> {
    struct List<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Option<Vec<T>>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MAX_ITEMS} items")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                if all.len() == MAX_ITEMS {
                    return Err(serde::de::Error::invalid_length(all.len() + 1, &self));
                }
                all.push(item);
            }
            Ok(Some(all))
        }
    }

    input.deserialize_any(List(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_lines_belong_to_layers_that_are_not_empty() {
        let text = br#"{"os":"linux","architecture":"arm64","variant":"v8","config":{"Env":["A=b","C"],"Cmd":null},
            "history":[{"created_by":"ADD"},{"created_by":"ENV","empty_layer":true},{"comment":"imported"}],
            "rootfs":{"type":"layers","diff_ids":["sha256:1","sha256:2"]}}"#;
        let config: ImageConfig = parse("it", text, &Limits::default()).unwrap();
        assert_eq!(config.created_by().collect::<Vec<_>>(), [Some("ADD".to_owned()), Some("imported".to_owned())]);
        let config = config.into_config();
        assert_eq!(config.platform, "linux/arm64/v8");
        assert_eq!(config.env, [("A".to_owned(), "b".to_owned()), ("C".to_owned(), String::new())]);
    }

    #[test]
    fn lists_are_bounded_while_they_are_parsed() {
        let many = format!("{{\"layers\":[{}]}}", vec!["{\"digest\":\"\"}"; MAX_ITEMS + 1].join(","));
        let error = parse::<Manifest>("it", many.as_bytes(), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("4096"), "{error}");
        let deep = "[".repeat(100_000);
        assert!(parse::<Manifest>("it", deep.as_bytes(), &Limits::default()).is_err());
    }
}
