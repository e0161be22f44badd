//! The certificates of a root that a query means. In: a root, a SHA-256 or a part of a subject. Out: anchors, each once.

use super::places;
use super::root::{Root, file_at, folder_at, within};
use super::{Anchor, JavaStore, debian};
use crate::pem;

/// The fewest digits of a SHA-256 that are taken for one.
const DIGITS: usize = 8;

/// More answers than anybody wants to remove at once.
const MOST: usize = 200;

/// Looks in the bundles, folders and Java stores of a root.
pub fn matching(root: &dyn Root, query: &str) -> Vec<Anchor> {
    let digits: String = query.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    let is_hash = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wanted = query.to_lowercase();
    let mut found: Vec<Anchor> = Vec::new();
    for der in certificates(root) {
        let Ok(anchor) = Anchor::any(&der) else { continue };
        let matches = (is_hash && anchor.sha256.starts_with(&digits))
            || anchor.certificate.subject.to_lowercase().contains(&wanted);
        if matches && found.len() < MOST && !found.iter().any(|known| known.sha256 == anchor.sha256) {
            found.push(anchor);
        }
    }
    found
}

/// Every certificate of the stores that [`super::remove`] changes.
fn certificates(root: &dyn Root) -> Vec<Vec<u8>> {
    let carried = places::carried(root);
    let mut files = places::existing(root, places::BUNDLES.iter().copied());
    files.extend(debian::sources(root).iter().filter_map(|path| file_at(root, path)));
    files.extend(carried.bundles.into_iter().map(|(path, _)| path));
    for folder in [
        "/etc/ssl/certs",
        "/etc/pki/ca-trust/source/anchors",
        "/etc/pki/trust/anchors",
        "/etc/ca-certificates/trust-source/anchors",
    ] {
        let Some(real) = folder_at(root, folder) else { continue };
        let entries = root.list(&real).unwrap_or_default();
        files.extend(entries.iter().filter_map(|(name, _)| file_at(root, &within(&real, name))));
    }
    files.sort();
    files.dedup();
    let mut found = Vec::new();
    for file in files {
        let Ok(bytes) = root.read(&file) else { continue };
        found.extend(pem::read(&bytes).0.into_iter().filter(pem::Block::is_certificate).map(|block| block.data));
    }
    for store in places::existing(root, places::JAVA_STORES.iter().copied()).into_iter().chain(carried.java) {
        let Ok(bytes) = root.read(&store) else { continue };
        let held = [super::STOREPASS, ""].iter().find_map(|password| JavaStore::trusted(&bytes, password).ok());
        found.extend(held.unwrap_or_default().into_iter().map(|(_, der)| der));
    }
    found.sort();
    found.dedup();
    found
}
