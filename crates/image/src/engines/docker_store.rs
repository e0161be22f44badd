//! Docker's store on disk, without its daemon. In: an image's name or identifier. Out: its layers as the folders of the storage
//! driver. Files: `image/DRIVER/{repositories.json,imagedb,layerdb}`, `overlay2/CACHE/diff`, `vfs/dir/CACHE`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sidelight_model::trust::Layer;

use super::absent;
use crate::document::{ImageConfig, parse};
use crate::error::Error;
use crate::folder::Folder;
use crate::image::{check_platform, finish};
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::select::{full_name, same_name};
use crate::store::{document, open_regular};

/// Storage drivers whose layers are folders.
const OVERLAY: &[&str] = &["overlay2", "fuse-overlayfs"];

/// `repositories.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    #[serde(default)]
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

/// `/etc/docker/daemon.json`.
#[derive(Deserialize)]
struct Daemon {
    #[serde(rename = "data-root")]
    data_root: Option<PathBuf>,
}

/// Docker's folders of data: those of the options, then the one that its settings name.
pub(super) fn roots(options: &Options) -> Vec<PathBuf> {
    let mut roots = options.engines.docker_roots.clone();
    let settings = Path::new("/etc/docker/daemon.json");
    let data_root = open_regular(settings)
        .and_then(|file| document(file, "daemon.json", "", &options.limits))
        .and_then(|bytes| parse::<Daemon>("daemon.json", &bytes, &options.limits));
    roots.extend(
        data_root.ok().and_then(|daemon| daemon.data_root).filter(|root| !options.engines.docker_roots.contains(root)),
    );
    roots
}

/// Opens an image of Docker's store.
pub(crate) fn open(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    for root in roots(options) {
        let shown = root.display();
        let images = root.join("image");
        let drivers = match std::fs::read_dir(&images) {
            Ok(drivers) => drivers,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                tried.push(format!("Docker's store {shown}: {error}"));
                continue;
            }
        };
        let mut known = Vec::new();
        for driver in drivers.flatten() {
            let driver = driver.file_name().to_string_lossy().into_owned();
            let store = Store { root: root.clone(), images: images.join(&driver), driver };
            match store.find(name, options, &mut known)? {
                Some((id, tag)) => return store.open(&id, tag, options),
                None => continue,
            }
        }
        known.truncate(20);
        let there =
            if known.is_empty() { "it holds no image".to_owned() } else { format!("it holds {}", known.join(", ")) };
        tried.push(format!("Docker's store {shown}: {there}"));
    }
    Err(Error::NotFound { what: name.to_owned(), tried })
}

/// The part of the store that belongs to one storage driver.
struct Store {
    root: PathBuf,
    images: PathBuf,
    driver: String,
}

impl Store {
    /// The identifier behind a name, and the name as Docker has it.
    fn find(
        &self,
        name: &str,
        options: &Options,
        known: &mut Vec<String>,
    ) -> Result<Option<(String, Option<String>)>, Error> {
        let file = self.images.join("repositories.json");
        let Ok(opened) = open_regular(&file) else { return Ok(None) };
        let what = file.display().to_string();
        let bytes = document(opened, &what, "", &options.limits)?;
        let list: Repositories = parse(&what, &bytes, &options.limits)?;
        let names = || list.repositories.values().flatten();
        let bare_id = name.trim_start_matches("sha256:");
        // A digest's name goes before a tag that looks like one, then identifiers and their beginnings.
        if let Some((tag, id)) = names().find(|(tag, _)| same_name(tag, name)) {
            return Ok(Some((id.clone(), Some(tag.clone()))));
        }
        let is_hex = bare_id.len() >= 4 && bare_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex {
            let folder = self.images.join("imagedb/content/sha256");
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut ids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            if let Some(id) = ids.find(|id| id.starts_with(bare_id)) {
                return Ok(Some((format!("sha256:{id}"), None)));
            }
        }
        known.extend(names().map(|(tag, _)| tag.clone()).filter(|tag| !tag.contains('@')));
        Ok(None)
    }

    fn open(&self, id: &str, tag: Option<String>, options: &Options) -> Result<Opened, Error> {
        let (_, digits) = crate::store::digest_parts(id)?;
        let file = self.images.join("imagedb/content/sha256").join(digits);
        let what = file.display().to_string();
        let config = document(open_regular(&file)?, &what, id, &options.limits)?;
        let parsed: ImageConfig = parse(&what, &config, &options.limits)?;
        let mut opened = Opened::new(format!("{} of {}", tag.as_deref().unwrap_or(id), self.root.display()), options);
        opened.image = Some(tag.map_or_else(|| id.to_owned(), |tag| full_name(&tag)));
        let mut chain = String::new();
        for diff_id in parsed.diff_ids() {
            chain = chain_id(&chain, &diff_id);
            opened.parts.push(Part { layer: Layer::default(), place: self.layer(&chain)?, size: None });
        }
        let mut opened = finish(opened, Vec::new(), config, Vec::new())?;
        if !OVERLAY.contains(&self.driver.as_str()) {
            // Each folder of this driver holds all layers below it too: the top one is the image.
            opened.notes.push(format!(
                "the driver {} keeps no layers, so none is told apart and deleted files are not seen",
                self.driver
            ));
            opened.documents = None;
            opened.parts.drain(..opened.parts.len().saturating_sub(1));
        }
        check_platform(&opened, options)?;
        Ok(opened)
    }

    /// The folder of the layer with this chain identifier.
    fn layer(&self, chain: &str) -> Result<Place, Error> {
        let (_, digits) = crate::store::digest_parts(chain)?;
        let file = self.images.join("layerdb/sha256").join(digits).join("cache-id");
        let what = file.display().to_string();
        let bytes =
            document(open_regular(&file)?, &what, "", &crate::Limits { document: 256, ..crate::Limits::default() })?;
        let cache = String::from_utf8_lossy(&bytes).trim().to_owned();
        if cache.is_empty() || !cache.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Error::damaged(what, "names no folder"));
        }
        let overlay = OVERLAY.contains(&self.driver.as_str());
        let path = match self.driver.as_str() {
            "vfs" => self.root.join("vfs/dir").join(&cache),
            driver if overlay => self.root.join(driver).join(&cache).join("diff"),
            driver => {
                let why = format!("keeps this image by the driver `{driver}`, whose layers are no folders");
                return Err(absent(&cache, format!("Docker's store {} {why}", self.root.display())));
            }
        };
        Ok(Place::Folder(Folder { path, only: None, spare: false, overlay, cross: false }))
    }
}

/// A layer with all below it, as OCI names it: the digest of the lower chain and the layer's own diff_id.
fn chain_id(lower: &str, diff_id: &str) -> String {
    if lower.is_empty() {
        return diff_id.to_owned();
    }
    let hash = Sha256::digest(format!("{lower} {diff_id}").as_bytes());
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash))
}
