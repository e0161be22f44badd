//! The store of podman, buildah and CRI-O. In: an image's name or identifier. Out: its layers as folders. Files (of
//! github.com/containers/storage): `overlay-images/images.json`, `overlay-layers/layers.json`, `overlay/ID/diff`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::Deserialize;
use sidelight_model::trust::Layer;

use crate::document::parse;
use crate::error::Error;
use crate::folder::Folder;
use crate::image::{check_platform, finish};
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::select::same_name;
use crate::store::{digest_parts, document, open_regular};

/// Additional stores that a settings file may name.
const MAX_STORES: usize = 16;

#[derive(Clone, Deserialize)]
struct Image {
    id: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: Option<String>,
}

#[derive(Clone, Deserialize)]
struct StoredLayer {
    id: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default, rename = "compressed-diff-digest")]
    digest: Option<String>,
}

/// The stores of this machine: those of the options, and those that storage.conf names.
pub(super) fn roots(options: &Options) -> Vec<PathBuf> {
    let mut roots = options.engines.storage_roots.clone();
    let named = options.engines.storage_conf.clone();
    let of_system = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"].map(PathBuf::from);
    for file in named.into_iter().chain(of_system) {
        let what = file.display().to_string();
        let Ok(bytes) = open_regular(&file).and_then(|opened| document(opened, &what, "", &options.limits)) else {
            continue;
        };
        for root in named_in(&String::from_utf8_lossy(&bytes)) {
            if !roots.contains(&root) && roots.len() < MAX_STORES {
                roots.push(root);
            }
        }
    }
    roots
}

/// The folders that storage.conf names: `graphroot` and `additionalimagestores`. Only these two lines of the TOML are looked at.
fn named_in(text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut in_list = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let (key, value) = line.split_once('=').map_or(("", line), |(key, value)| (key.trim(), value));
        in_list = in_list || key == "additionalimagestores";
        if key == "graphroot" || in_list {
            let quoted = value.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/'));
            found.extend(quoted.map(PathBuf::from));
        }
        in_list = in_list && !value.contains(']');
    }
    found
}

/// Opens an image of a containers-storage.
pub(crate) fn open(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    let roots = roots(options);
    for root in &roots {
        let mut known = Vec::new();
        let mut seen = false;
        for driver in ["overlay", "vfs"] {
            let store = Store { root, driver };
            let Some(images) = store.list::<Image>("images")? else { continue };
            seen = true;
            if let Some(image) = images.iter().find(|image| is_called(image, name)) {
                return open_image(&store, &roots, image, options);
            }
            known.extend(images.iter().flat_map(|image| image.names.clone().unwrap_or_default()));
        }
        known.truncate(20);
        let shown = root.display();
        let denied = || std::fs::read_dir(root).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        tried.push(match (seen, known.is_empty()) {
            (false, _) if denied() => format!("containers-storage {shown}: this user may not read it"),
            (false, _) => continue,
            (true, true) => format!("containers-storage {shown}: it holds no image"),
            (true, false) => format!("containers-storage {shown}: it holds {}", known.join(", ")),
        });
    }
    Err(Error::NotFound { what: name.to_owned(), tried })
}

fn is_called(image: &Image, name: &str) -> bool {
    let id = name.trim_start_matches("sha256:");
    let is_id = id.len() >= 4 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && image.id.starts_with(id);
    let names = image.names.iter().flatten();
    is_id
        || image.digest.as_deref() == Some(name)
        || names.clone().any(|known| same_name(known, name))
        // What was built here without a registry is called localhost/NAME.
        || names.clone().any(|known| same_name(known, &format!("localhost/{name}")))
}

fn open_image(store: &Store<'_>, roots: &[PathBuf], image: &Image, options: &Options) -> Result<Opened, Error> {
    let id = format!("sha256:{}", image.id);
    let (_, digits) = digest_parts(&id)?;
    let folder = store.root.join(format!("{}-images", store.driver)).join(digits);
    let config = big_data(&folder, &id, options)?;
    let manifest = big_data(&folder, "manifest", options).unwrap_or_default();
    let called = image.names.iter().flatten().next();
    let shown = called.cloned().unwrap_or_else(|| image.id.clone());
    let mut opened = Opened::new(format!("{shown} of {}", store.root.display()), options);
    opened.image = Some(match (called, &image.digest) {
        (Some(name), Some(digest)) => format!("{name}@{digest}"),
        (Some(name), None) => name.clone(),
        (None, _) => image.id.clone(),
    });
    let mut next = image.layer.clone().filter(|id| !id.is_empty());
    while let Some(id) = next {
        if opened.parts.len() == options.limits.layers {
            return Err(Error::limit(opened.what, format!("has more than {} layers", options.limits.layers)));
        }
        let (at, layer) = find_layer(store, roots, &id)?;
        let driver = store.driver;
        let path = match driver {
            "vfs" => at.join("vfs/dir").join(&layer.id),
            _ => at.join("overlay").join(&layer.id).join("diff"),
        };
        let overlay = driver == "overlay";
        let place = Place::Folder(Folder { path, only: None, spare: false, overlay, cross: false });
        let digest = layer.digest.clone();
        opened.parts.push(Part { layer: Layer { digest, ..Layer::default() }, place, size: None });
        next = layer.parent.filter(|id| !id.is_empty());
    }
    opened.parts.reverse();
    let mut opened = finish(opened, manifest, config, Vec::new())?;
    if store.driver == "vfs" {
        opened
            .notes
            .push("the driver vfs keeps no layers, so none is told apart and deleted files are not seen".to_owned());
        opened.documents = None;
        opened.parts.drain(..opened.parts.len().saturating_sub(1));
    }
    check_platform(&opened, options)?;
    Ok(opened)
}

/// A layer and the store that has it: additional stores may hold lower layers.
fn find_layer(store: &Store<'_>, roots: &[PathBuf], id: &str) -> Result<(PathBuf, StoredLayer), Error> {
    digest_parts(&format!("sha256:{id}"))?;
    let own = std::iter::once(store.root).chain(roots.iter().map(PathBuf::as_path));
    for root in own {
        let layers: Vec<StoredLayer> = Store { root, driver: store.driver }.list("layers")?.unwrap_or_default();
        if let Some(layer) = layers.into_iter().find(|layer| layer.id == id) {
            return Ok((root.to_owned(), layer));
        }
    }
    Err(Error::damaged(store.root.display().to_string(), format!("has no layer {id}")))
}

/// A document that belongs to an image. Keys that are no plain names are written in base64 behind `=`.
fn big_data(folder: &Path, key: &str, options: &Options) -> Result<Vec<u8>, Error> {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let name = if plain { key.to_owned() } else { format!("={}", BASE64.encode(key.as_bytes())) };
    let path = folder.join(name);
    let digest = if key.starts_with("sha256:") { key } else { "" };
    document(open_regular(&path)?, &path.display().to_string(), digest, &options.limits)
}

/// The part of a store that belongs to one driver.
struct Store<'a> {
    root: &'a Path,
    driver: &'a str,
}

impl Store<'_> {
    /// `DRIVER-KIND/KIND.json`, and what short-lived containers add beside it; `None`: there is none.
    fn list<T: serde::de::DeserializeOwned>(&self, kind: &str) -> Result<Option<Vec<T>>, Error> {
        let limits = crate::Limits { document: 32 << 20, ..crate::Limits::default() };
        let folder = self.root.join(format!("{}-{kind}", self.driver));
        let path = folder.join(format!("{kind}.json"));
        let Ok(opened) = open_regular(&path) else { return Ok(None) };
        let what = path.display().to_string();
        let bytes = document(opened, &what, "", &limits)?;
        parse(&what, &bytes, &limits).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_that_settings_name() {
        let text = "[storage]\n# graphroot = \"/no\"\ngraphroot = \"/data/store\"\n[storage.options]\n\
                    additionalimagestores = [\n  \"/usr/lib/one\",\n  \"/two\"\n]\nother = \"/three\"\n";
        let found: Vec<String> = named_in(text).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(found, ["/data/store", "/usr/lib/one", "/two"]);
    }
}
