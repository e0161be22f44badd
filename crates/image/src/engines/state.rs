//! Containers by name. In: the files in which Docker and Podman keep their containers. Out: names, identifiers, images, processes.

use std::path::Path;

use serde::Deserialize;

use crate::document::parse;
use crate::options::Options;
use crate::store::{document, open_regular};

/// Containers of one engine that are looked at.
const MAX_CONTAINERS: usize = 10_000;

/// A container that an engine knows, running or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The image that it was made of, as the engine calls it.
    pub(crate) image: Option<String>,
    /// Its first process, where the engine writes that down.
    pub(crate) pid: Option<u32>,
}

/// All containers that can be seen; what cannot be read counts as not there.
pub(crate) fn containers(options: &Options) -> Vec<Container> {
    let mut all = Vec::new();
    for root in super::docker_store::roots(options) {
        docker(&root, options, &mut all);
    }
    for root in super::containers_storage::roots(options) {
        podman(&root, options, &mut all);
    }
    all
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerContainer {
    // `ID` in its files, `Id` in its answers.
    #[serde(rename = "ID", alias = "Id")]
    id: String,
    name: String,
    config: Option<DockerConfig>,
    state: Option<DockerState>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerState {
    #[serde(default)]
    pid: u32,
}

/// `containers/ID/config.v2.json`.
fn docker(root: &Path, options: &Options, all: &mut Vec<Container>) {
    let entries = std::fs::read_dir(root.join("containers")).into_iter().flatten().flatten();
    for entry in entries.take(MAX_CONTAINERS) {
        let found = read::<DockerContainer>(&entry.path().join("config.v2.json"), options);
        all.extend(found.map(Container::from));
    }
}

impl From<DockerContainer> for Container {
    fn from(found: DockerContainer) -> Self {
        Self {
            id: found.id,
            name: found.name.trim_start_matches('/').to_owned(),
            image: found.config.and_then(|config| config.image),
            pid: found.state.map(|state| state.pid).filter(|pid| *pid != 0),
        }
    }
}

/// What `docker inspect` says of a container.
pub(super) fn inspected(answer: &[u8], options: &Options) -> Option<Container> {
    parse::<DockerContainer>("Docker's answer", answer, &options.limits).ok().map(Container::from)
}

#[derive(Deserialize)]
struct PodmanContainer {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    metadata: Option<String>,
}

#[derive(Deserialize)]
struct PodmanMetadata {
    #[serde(rename = "image-name")]
    image: Option<String>,
}

/// `overlay-containers/containers.json`.
fn podman(root: &Path, options: &Options, all: &mut Vec<Container>) {
    for driver in ["overlay", "vfs"] {
        let file = root.join(format!("{driver}-containers/containers.json"));
        let found: Vec<PodmanContainer> = read(&file, options).unwrap_or_default();
        for container in found.into_iter().take(MAX_CONTAINERS) {
            let metadata =
                container.metadata.as_deref().and_then(|text| serde_json::from_str::<PodmanMetadata>(text).ok());
            let image = metadata.and_then(|metadata| metadata.image);
            for name in container.names.unwrap_or_default() {
                all.push(Container { id: container.id.clone(), name, image: image.clone(), pid: None });
            }
        }
    }
}

/// A JSON file, if it is there and is one.
fn read<T: serde::de::DeserializeOwned>(path: &Path, options: &Options) -> Option<T> {
    let what = path.display().to_string();
    let bytes = document(open_regular(path).ok()?, &what, "", &options.limits).ok()?;
    parse(&what, &bytes, &options.limits).ok()
}
