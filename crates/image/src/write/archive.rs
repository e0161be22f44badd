//! Archives. In: a [`NewImage`]. Out: an OCI archive; or one for `docker load` and `podman load`, which is an OCI layout with docker's
//! `manifest.json` beside it, as docker itself has written since version 25.

use std::path::Path;

use serde_json::{Value, json};
use sidelight_model::registry::Reference;

use super::documents::{Base, Style};
use super::staged::NewImage;
use super::tar_out::TarOut;
use super::{WriteError, sha256};

/// The layout's own name for an image.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Writes an OCI archive; `tag` names the image in it. Gives the manifest's digest.
///
/// # Errors
/// When it cannot be written, or a layer cannot be read; the file is then as it was before.
pub fn write_oci_archive(image: &mut NewImage<'_>, path: &Path, tag: Option<&str>) -> Result<String, WriteError> {
    let mut out = TarOut::create(path, time_of(image))?;
    let digest = layout(image, &mut out, &Names::of_tag(tag))?;
    out.finish()?;
    Ok(digest)
}

/// Writes an archive for `docker load`, `podman load` and all that read `docker save`'s; `name` (`NAME:TAG`) is what the image is
/// called once it is loaded. Gives the manifest's digest.
///
/// # Errors
/// As [`write_oci_archive`].
pub fn write_docker_archive(image: &mut NewImage<'_>, path: &Path, name: Option<&str>) -> Result<String, WriteError> {
    image.without_zstd()?;
    let mut out = TarOut::create(path, time_of(image))?;
    let names = Names::of_name(name)?;
    let digest = layout(image, &mut out, &names)?;
    let blobs = image.blobs();
    let layers: Vec<String> = blobs[..blobs.len() - 1].iter().map(|(digest, _)| place(digest)).collect();
    let saved =
        json!([{"Config": place(image.id()), "RepoTags": names.familiar.map(|name| vec![name]), "Layers": layers}]);
    document(&mut out, "manifest.json", &saved)?;
    out.finish()?;
    Ok(digest)
}

/// What an image is called by those who look into an index.
#[derive(Default)]
pub(super) struct Names {
    /// The layout's own name for it.
    tag: Option<String>,
    /// The whole name, by which containerd goes.
    whole: Option<String>,
    /// The name as docker shows it, with its tag.
    familiar: Option<String>,
}

impl Names {
    /// As `oci:DIR:TAG` has it: whatever TAG is, that is the name; it may be a whole one.
    pub(super) fn of_tag(tag: Option<&str>) -> Self {
        let whole = tag.filter(|tag| tag.contains([':', '/'])).and_then(|tag| tag.parse::<Reference>().ok());
        Self { tag: tag.map(str::to_owned), whole: whole.map(|whole| whole.to_string()), familiar: None }
    }

    /// As `docker load` has it.
    fn of_name(name: Option<&str>) -> Result<Self, WriteError> {
        let Some(name) = name else { return Ok(Self::default()) };
        let whole: Reference = name.parse().map_err(|error| WriteError::Base(format!("{error}")))?;
        let Some(tag) = whole.tag.clone() else {
            return Err(WriteError::Base(format!(
                "`{name}`: an image in an archive is called by a tag, not by a digest"
            )));
        };
        let known = whole.to_string();
        let familiar = known.strip_prefix("docker.io/library/").or_else(|| known.strip_prefix("docker.io/"));
        let familiar = Some(familiar.unwrap_or(&known).to_owned());
        Ok(Self { tag: Some(tag), familiar, whole: Some(known) })
    }
}

/// Blobs, manifest, `index.json` and `oci-layout`.
fn layout(image: &mut NewImage<'_>, out: &mut TarOut, names: &Names) -> Result<String, WriteError> {
    document(out, "oci-layout", &json!({"imageLayoutVersion": "1.0.0"}))?;
    for (index, (digest, size)) in image.blobs().into_iter().enumerate() {
        let name = place(&digest);
        // The same layer may stand in an image twice (an empty one, often).
        if !out.has(&name) {
            out.member(&name, size, image.open(index)?)?;
        }
    }
    let (media_type, manifest) = image.manifest(Style::Oci)?;
    let digest = sha256(&manifest);
    out.member(&place(&digest), manifest.len() as u64, &manifest[..])?;
    let entry = index_entry(image.config(), &media_type, &digest, manifest.len(), names);
    document(out, "index.json", &index(vec![entry]))?;
    Ok(digest)
}

/// An index of these images.
pub(super) fn index(manifests: Vec<Value>) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    })
}

/// What an index says of an image.
pub(super) fn index_entry(config: &[u8], media_type: &str, digest: &str, size: usize, names: &Names) -> Value {
    let mut entry = json!({"mediaType": media_type, "digest": digest, "size": size});
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let text = |name: &str| config.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let (Some(architecture), Some(os)) = (text("architecture"), text("os")) {
        entry["platform"] = json!({"architecture": architecture, "os": os});
        if let Some(variant) = text("variant") {
            entry["platform"]["variant"] = variant.into();
        }
    }
    if let Some(tag) = &names.tag {
        entry["annotations"] = json!({REF_NAME: tag});
    }
    if let Some(whole) = &names.whole {
        entry["annotations"]["io.containerd.image.name"] = whole.as_str().into();
    }
    entry
}

fn document(out: &mut TarOut, name: &str, value: &Value) -> Result<(), WriteError> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    out.member(name, bytes.len() as u64, &bytes[..])
}

/// Where a blob stands in a layout. Digests were read from documents: what is no plain name is kept out of the path.
pub(super) fn place(digest: &str) -> String {
    let sound = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '_' | '=' | '-');
    let (algorithm, digits) = digest.split_once(':').unwrap_or(("sha256", digest));
    let clean = |text: &str| text.chars().filter(|letter| sound(*letter)).collect::<String>();
    format!("blobs/{}/{}", clean(algorithm), clean(digits))
}

/// The moment that the image's own configuration says: members of an archive get it too.
fn time_of(image: &NewImage<'_>) -> u64 {
    let base = Base { manifest: Vec::new(), config: image.config().to_vec(), layers: Vec::new() };
    base.created().and_then(|created| u64::try_from(created.as_secs()).ok()).unwrap_or(0)
}
