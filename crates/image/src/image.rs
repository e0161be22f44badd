//! From a manifest to layers that can be read. In: a place of blobs and a chosen manifest, or `manifest.json`. Out: [`Opened`].

use std::sync::Arc;

use sidelight_model::trust::Layer;

use crate::document::{Descriptor, ImageConfig, Manifest, Saved, SavedList, parse};
use crate::error::Error;
use crate::opened::{Documents, Opened, Part, Place};
use crate::options::Options;
use crate::select::{Chosen, Wish, choose, full_name, same_name};
use crate::store::{Archive, Blobs, document, sha256};

/// Opens the image that is meant of an index.
pub(crate) fn of_index(
    mut blobs: Box<dyn Blobs>,
    index: &[u8],
    what: &str,
    name: Option<&str>,
    options: &Options,
) -> Result<Opened, Error> {
    let index: Manifest = parse(what, index, &options.limits)?;
    let wish = Wish {
        what,
        name: name.or(options.image.as_deref()),
        platform: options.platform.as_ref(),
        limits: options.limits,
    };
    let chosen = choose(&mut *blobs, index, wish)?;
    of_manifest(blobs, chosen, what, options)
}

/// Opens what a document describes: the image itself when it is a manifest, the one that is meant when it is an index.
pub(crate) fn of_document(
    blobs: Box<dyn Blobs>,
    bytes: Vec<u8>,
    name: Option<&str>,
    what: &str,
    options: &Options,
) -> Result<Opened, Error> {
    let manifest: Manifest = parse(what, &bytes, &options.limits)?;
    if manifest.manifests.is_some() {
        let unnamed = Options { image: None, ..options.clone() };
        let mut opened = of_index(blobs, &bytes, what, None, &unnamed)?;
        opened.image = named(name, opened.image.as_deref());
        return Ok(opened);
    }
    let digest = sha256(&bytes);
    let chosen = Chosen {
        digest,
        name: name.map(str::to_owned),
        bytes,
        manifest,
        note: None,
        others: Vec::new(),
        is_attested: false,
    };
    let opened = of_manifest(blobs, chosen, what, options)?;
    check_platform(&opened, options)?;
    Ok(opened)
}

/// Puts an image's own name before the digest of its manifest.
fn named(name: Option<&str>, image: Option<&str>) -> Option<String> {
    let digest = image.and_then(|image| image.rsplit_once('@')).map(|(_, digest)| digest).or(image);
    match (name, digest) {
        (Some(name), Some(digest)) if !name.contains('@') => Some(format!("{name}@{digest}")),
        (Some(name), _) => Some(name.to_owned()),
        (None, digest) => digest.map(str::to_owned),
    }
}

fn of_manifest(mut blobs: Box<dyn Blobs>, chosen: Chosen, what: &str, options: &Options) -> Result<Opened, Error> {
    let limits = &options.limits;
    let Some(config) = chosen.manifest.config else {
        let why = match chosen.manifest.schema_version {
            1 => "has a manifest of schema 1, which has no configuration and is no longer in use",
            _ => "has a manifest without configuration, so it is no image",
        };
        return Err(Error::damaged(what, why));
    };
    let config_bytes = document(blobs.blob(&config.digest)?, &config.digest, &config.digest, limits)?;
    let layers = chosen.manifest.layers.unwrap_or_default();
    if layers.len() > limits.layers {
        return Err(Error::limit(what, format!("has {} layers", layers.len())));
    }
    let mut opened = Opened::new(what.to_owned(), options);
    opened.image = named(chosen.name.as_deref(), Some(&chosen.digest));
    opened.notes.extend(chosen.note);
    opened.others = chosen.others;
    opened.is_attested = chosen.is_attested;
    opened.parts = layers.iter().map(|layer| part(layer, &mut *blobs)).collect();
    opened.blobs = Some(blobs);
    let triples = layers.into_iter().map(|layer| (layer.media_type, layer.digest, layer.size)).collect();
    finish(opened, chosen.bytes, config_bytes, triples)
}

fn part(layer: &Descriptor, blobs: &mut dyn Blobs) -> Part {
    let foreign = layer.media_type.contains("foreign") || layer.media_type.contains("nondistributable");
    let place = if foreign && !blobs.has(&layer.digest) { Place::Elsewhere } else { Place::Blob(layer.digest.clone()) };
    let digest = Some(layer.digest.clone());
    Part { layer: Layer { digest, ..Layer::default() }, place, size: layer.size }
}

/// Takes the configuration in: diff_ids and history lines to their layers.
pub(crate) fn finish(
    mut opened: Opened,
    manifest: Vec<u8>,
    config_bytes: Vec<u8>,
    layers: Vec<(String, String, Option<u64>)>,
) -> Result<Opened, Error> {
    let what = opened.what.clone();
    let config: ImageConfig = parse(&format!("the configuration of {what}"), &config_bytes, &opened.options.limits)?;
    let diff_ids = config.diff_ids();
    if !diff_ids.is_empty() && diff_ids.len() != opened.parts.len() {
        let why = format!("has {} layers, and its configuration names {}", opened.parts.len(), diff_ids.len());
        return Err(Error::damaged(what, why));
    }
    let lines: Vec<Option<String>> = config.created_by().collect();
    if lines.len() == opened.parts.len() {
        for (part, line) in opened.parts.iter_mut().zip(lines) {
            part.layer.created_by = line;
        }
    } else if !lines.is_empty() {
        opened.notes.push(format!(
            "{} history lines made {} layers, so none is named",
            lines.len(),
            opened.parts.len()
        ));
    }
    for (part, diff_id) in opened.parts.iter_mut().zip(diff_ids) {
        part.layer.diff_id = Some(diff_id);
    }
    opened.config = config.into_config();
    opened.documents = Some(Documents { manifest, config: config_bytes, layers });
    Ok(opened)
}

/// Refuses an image that is for another platform than the one that was asked for.
pub(crate) fn check_platform(opened: &Opened, options: &Options) -> Result<(), Error> {
    let Some(wanted) = &options.platform else { return Ok(()) };
    let offered = &opened.config.platform;
    let mut parts = offered.splitn(3, '/');
    let (os, architecture, variant) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
    if os.is_empty() || wanted.suits(os, architecture, variant) > 0 {
        return Ok(());
    }
    let (what, why) = (opened.what.clone(), format!("holds no image for {wanted}"));
    Err(Error::Choice { what, why, there: vec![offered.clone()], is_platform: true })
}

/// Opens the image that is meant of `manifest.json`, as docker save wrote it before it wrote OCI layouts.
pub(crate) fn of_docker_archive(
    archive: Archive,
    what: &str,
    name: Option<&str>,
    options: &Options,
) -> Result<Opened, Error> {
    let limits = &options.limits;
    let list: SavedList = parse("manifest.json", &archive.document("manifest.json", limits)?, limits)?;
    let name = name.or(options.image.as_deref());
    let saved = choose_saved(list.images, what, name, options, &archive)?;
    let config = archive.document(&saved.config, limits)?;
    let digits = saved.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if digits.len() == 64 {
        crate::store::check_digest(&saved.config, &config, &format!("sha256:{digits}"))?;
    }
    let mut opened = Opened::new(what.to_owned(), options);
    opened.image = match (name, saved.repo_tags.unwrap_or_default().into_iter().next()) {
        (Some(name), None) if !name.starts_with('@') => Some(name.to_owned()),
        (_, tag) => tag,
    };
    let names = saved.layers.unwrap_or_default();
    if names.len() > limits.layers {
        return Err(Error::limit(what, format!("has {} layers", names.len())));
    }
    for name in names {
        let slice = archive.member(&name)?;
        let digest = name.strip_prefix("blobs/sha256/").map(|digits| format!("sha256:{digits}"));
        let size = archive.size(&name);
        let place = Place::Slice { file: Arc::clone(&slice.file), at: slice.at, end: slice.end };
        opened.parts.push(Part { layer: Layer { digest, ..Layer::default() }, place, size });
    }
    let opened = finish(opened, Vec::new(), config, Vec::new())?;
    check_platform(&opened, options)?;
    Ok(opened)
}

/// The image of `manifest.json` that is meant: by name, by `@index`, by platform, or the only one.
fn choose_saved(
    images: Vec<Saved>,
    what: &str,
    name: Option<&str>,
    options: &Options,
    archive: &Archive,
) -> Result<Saved, Error> {
    let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
    let all: Vec<String> = images
        .iter()
        .enumerate()
        .map(|(index, saved)| tags(saved).into_iter().next().unwrap_or_else(|| format!("@{index}")))
        .collect();
    let choice = |why: String| Error::Choice { what: what.to_owned(), why, there: all.clone(), is_platform: false };
    let fits = |index: usize, saved: &Saved| match name {
        None => true,
        Some(name) => {
            name.strip_prefix('@').is_some_and(|number| number == index.to_string())
                || tags(saved)
                    .iter()
                    .any(|tag| same_name(tag, name) || tag.rsplit_once(':').is_some_and(|t| t.1 == name))
        }
    };
    let fitting: Vec<Saved> = images
        .iter()
        .enumerate()
        .filter(|(index, saved)| fits(*index, saved))
        .map(|(_, saved)| saved.clone())
        .collect();
    // Exactly that name goes before a tag that happens to be the same.
    let exact =
        fitting.iter().find(|saved| name.is_some_and(|name| tags(saved).iter().any(|tag| same_name(tag, name))));
    match (fitting.as_slice(), exact) {
        ([], _) if images.is_empty() => Err(choice("holds no image".to_owned())),
        ([], _) => Err(choice(format!("holds no image `{}`", name.unwrap_or_default()))),
        ([only], _) => Ok(only.clone()),
        (several, exact) => {
            let by_platform = several.iter().find(|saved| suits(saved, archive, options));
            let same_image = several.iter().all(|saved| full(saved) == full(&several[0]));
            match (by_platform, exact) {
                (Some(saved), _) if same_image => Ok(saved.clone()),
                (_, Some(saved)) => Ok(saved.clone()),
                _ => Err(choice("holds several images".to_owned())),
            }
        }
    }
}

/// The names of one entry, to see which entries are one image for several platforms.
fn full(saved: &Saved) -> Vec<String> {
    saved.repo_tags.iter().flatten().map(|tag| full_name(tag)).collect()
}

fn suits(saved: &Saved, archive: &Archive, options: &Options) -> bool {
    let here = crate::Platform::here();
    let wanted = options.platform.as_ref().unwrap_or(&here);
    let Ok(bytes) = archive.document(&saved.config, &options.limits) else { return false };
    let Ok(config) = parse::<ImageConfig>(&saved.config, &bytes, &options.limits) else { return false };
    let offered = config.platform();
    wanted.suits(&offered.os, &offered.architecture, offered.variant.as_deref()) > 0
}
