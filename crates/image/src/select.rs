//! Which image of an index is meant. In: an index and a wish. Out: one manifest. Spec: OCI image index; docker's attestation
//! manifests, which describe images and are none.

use std::collections::HashSet;

use crate::document::{Descriptor, ImageConfig, Manifest, parse};
use crate::error::Error;
use crate::limits::Limits;
use crate::platform::Platform;
use crate::store::{Blobs, document};

/// Manifests of one source that are looked at.
const MAX_MANIFESTS: usize = 1024;

/// What is wished for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Where is looked, for messages.
    pub(crate) what: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) platform: Option<&'a Platform>,
    pub(crate) limits: Limits,
}

/// A manifest that could be meant.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) descriptor: Descriptor,
    pub(crate) names: Vec<String>,
}

/// The chosen manifest.
pub(crate) struct Chosen {
    pub(crate) digest: String,
    pub(crate) name: Option<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) note: Option<String>,
    /// Platforms of the same image that were not chosen.
    pub(crate) others: Vec<String>,
    /// Whether its index holds attestations.
    pub(crate) is_attested: bool,
}

/// Chooses a manifest of an index.
pub(crate) fn choose(blobs: &mut dyn Blobs, index: Manifest, wish: Wish<'_>) -> Result<Chosen, Error> {
    let is_attested = index.manifests.iter().flatten().any(Descriptor::is_attestation);
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    expand(blobs, index, &[], wish, &mut all, &mut seen, 0)?;
    let named: Vec<Candidate> = match wish.name {
        None => all.clone(),
        Some(name) => all.iter().filter(|candidate| is_called(candidate, name)).cloned().collect(),
    };
    if named.is_empty() {
        let why = match wish.name {
            Some(name) => format!("holds no image `{name}`"),
            None => "holds no image".to_owned(),
        };
        return Err(Error::Choice { what: wish.what.to_owned(), why, there: names(&all), is_platform: false });
    }
    let platforms: Vec<(String, String)> = named
        .iter()
        .filter_map(|it| Some((it.descriptor.digest.clone(), it.descriptor.platform.as_ref()?.to_string())))
        .collect();
    let (candidate, note) = best(blobs, named, wish)?;
    let others = platforms.into_iter().filter(|(digest, _)| *digest != candidate.descriptor.digest);
    let others = others.map(|(_, platform)| platform).collect();
    let digest = candidate.descriptor.digest.clone();
    let bytes = blobs.manifest(&digest, &wish.limits)?;
    let manifest = parse(&digest, &bytes, &wish.limits)?;
    Ok(Chosen { digest, name: candidate.names.into_iter().next(), bytes, manifest, note, others, is_attested })
}

/// Gathers the manifests of an index and of the indexes in it, those whose blobs are there.
fn expand(
    blobs: &mut dyn Blobs,
    index: Manifest,
    inherited: &[String],
    wish: Wish<'_>,
    all: &mut Vec<Candidate>,
    seen: &mut HashSet<String>,
    depth: usize,
) -> Result<(), Error> {
    for descriptor in index.manifests.into_iter().flatten() {
        if descriptor.is_attestation() || !blobs.has(&descriptor.digest) {
            continue;
        }
        let mut names: Vec<String> = descriptor.names().map(str::to_owned).collect();
        names.extend(inherited.iter().cloned());
        let is_index = descriptor.media_type.contains("image.index") || descriptor.media_type.contains("manifest.list");
        if !is_index {
            add(all, descriptor, names, wish)?;
            continue;
        }
        if depth >= wish.limits.nesting {
            let why = format!("nests more than {} indexes in each other", wish.limits.nesting);
            return Err(Error::limit(wish.what, why));
        }
        // An index that was seen under another name is expanded for that name too, but never within itself.
        let visit = format!("{} {}", descriptor.digest, names.join(" "));
        if !seen.insert(visit) || seen.len() > MAX_MANIFESTS {
            continue;
        }
        let bytes = blobs.manifest(&descriptor.digest, &wish.limits)?;
        let inner = parse(&descriptor.digest, &bytes, &wish.limits)?;
        expand(blobs, inner, &names, wish, all, seen, depth + 1)?;
    }
    Ok(())
}

fn add(all: &mut Vec<Candidate>, descriptor: Descriptor, names: Vec<String>, wish: Wish<'_>) -> Result<(), Error> {
    if let Some(known) = all.iter_mut().find(|known| known.descriptor.digest == descriptor.digest) {
        known.names.extend(names);
        return Ok(());
    }
    if all.len() == MAX_MANIFESTS {
        return Err(Error::limit(wish.what, format!("holds more than {MAX_MANIFESTS} images")));
    }
    all.push(Candidate { descriptor, names });
    Ok(())
}

/// The candidate whose platform suits best; the note says where it is not what this machine would take.
fn best(
    blobs: &mut dyn Blobs,
    mut candidates: Vec<Candidate>,
    wish: Wish<'_>,
) -> Result<(Candidate, Option<String>), Error> {
    let here = Platform::here();
    let wanted = wish.platform.unwrap_or(&here);
    for candidate in &mut candidates {
        if candidate.descriptor.platform.is_none() {
            candidate.descriptor.platform = platform_of(blobs, &candidate.descriptor, &wish.limits);
        }
    }
    let score = |candidate: &Candidate| {
        let platform = candidate.descriptor.platform.as_ref();
        // Without any statement it may be what is wanted.
        platform.map_or(1, |offered| wanted.suits(&offered.os, &offered.architecture, offered.variant.as_deref()))
    };
    let top = candidates.iter().map(score).max().unwrap_or(0);
    let mut fitting = candidates.iter().filter(|candidate| score(candidate) == top);
    let (first, second) = (fitting.next(), fitting.next());
    match (first, second) {
        (Some(only), None) if top > 0 => Ok((only.clone(), None)),
        (Some(first), Some(_)) if top > 0 => {
            let names = names(&candidates);
            // One name for several equals: the first is what engines take.
            if names.len() <= 1 {
                return Ok((first.clone(), Some("several images suit this platform; the first was read".to_owned())));
            }
            let why = "holds several images".to_owned();
            Err(Error::Choice { what: wish.what.to_owned(), why, there: names, is_platform: false })
        }
        (Some(only), None) if wish.platform.is_none() && candidates.len() == 1 => {
            let platform = only.descriptor.platform.clone().unwrap_or_default();
            Ok((only.clone(), Some(format!("the image is for {platform}, not for this machine's {here}"))))
        }
        _ => {
            let there = candidates.iter().filter_map(|candidate| candidate.descriptor.platform.as_ref());
            let mut there: Vec<String> = there.map(ToString::to_string).collect();
            there.sort();
            there.dedup();
            let why = format!("holds no image for {wanted}");
            Err(Error::Choice { what: wish.what.to_owned(), why, there, is_platform: true })
        }
    }
}

/// The platform that a manifest's configuration says.
fn platform_of(blobs: &mut dyn Blobs, descriptor: &Descriptor, limits: &Limits) -> Option<crate::document::PlatformOf> {
    let bytes = blobs.manifest(&descriptor.digest, limits).ok()?;
    let manifest: Manifest = parse(&descriptor.digest, &bytes, limits).ok()?;
    let digest = manifest.config?.digest;
    let bytes = document(blobs.blob(&digest).ok()?, &digest, &digest, limits).ok()?;
    let platform = parse::<ImageConfig>(&digest, &bytes, limits).ok()?.platform();
    (!platform.os.is_empty()).then_some(platform)
}

/// Whether an image is called so: in full, without the default registry, or by the tag alone.
fn is_called(candidate: &Candidate, name: &str) -> bool {
    candidate.descriptor.digest == name || candidate.names.iter().any(|known| same_name(known, name))
}

/// Whether two names mean one image once Docker's defaults are filled in.
pub(crate) fn same_name(known: &str, asked: &str) -> bool {
    known == asked || full_name(known) == full_name(asked)
}

/// A name with registry, library and tag filled in as Docker does.
pub(crate) fn full_name(name: &str) -> String {
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let has_host = first.contains(['.', ':']) || first == "localhost";
    let mut full = match (has_host, first) {
        (true, _) => name.to_owned(),
        (false, "") => format!("docker.io/library/{rest}"),
        (false, _) => format!("docker.io/{name}"),
    };
    let after_host = full.rsplit('/').next().unwrap_or_default();
    if !after_host.contains([':', '@']) {
        full.push_str(":latest");
    }
    full
}

fn names(candidates: &[Candidate]) -> Vec<String> {
    let mut names: Vec<String> = candidates
        .iter()
        .map(|candidate| candidate.names.first().unwrap_or(&candidate.descriptor.digest).clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_when_docker_would_say_so() {
        assert!(same_name("docker.io/library/app:latest", "app"));
        assert!(same_name("app:1", "docker.io/library/app:1"));
        assert!(same_name("localhost/app:1", "localhost/app:1"));
        assert!(same_name("registry.example:5000/a/b:latest", "registry.example:5000/a/b"));
        assert!(!same_name("app:1", "app:2"));
        assert!(!same_name("team/app:1", "app:1"));
    }
}
