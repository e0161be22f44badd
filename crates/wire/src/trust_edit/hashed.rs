//! Folders that OpenSSL searches by hash. In: a folder and an anchor. Out: the file and the links that make it found, or unmade.
//! Spec: `openssl rehash` (c_rehash(1)): `HHHHHHHH.N`, N from 0 without gap; OpenSSL stops looking at the first that is missing.

use super::family::Style;
use super::root::{Found, Kind, Root, RootError, file_at, follow, name, within};
use super::{Anchor, p11kit};
use crate::pem;
use sidelight_model::trust::{Change, ChangeKind};

/// Roots of one hash; two are rare.
const SAME_HASH: usize = 100;

/// What is to be done to a folder.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The folders that were changed.
    pub folders: Vec<String>,
}

/// The file and links for an anchor; none when the folder leads to it already. `anchor_file` is where the family's tool has it.
pub(super) fn with(
    root: &dyn Root,
    folder: &str,
    style: Style,
    anchor: &Anchor,
    anchor_file: Option<&str>,
) -> Result<Links, RootError> {
    let mut links = Links::default();
    if holds(root, folder, anchor)? {
        return Ok(links);
    }
    let (uid, gid) = owner(root, folder)?;
    let file = |path: String, text: String, mode: u32| Change {
        path,
        kind: ChangeKind::File { bytes: text.into_bytes() },
        mode,
        uid,
        gid,
    };
    let named = match (style, anchor_file) {
        (Style::Linked { prefix }, Some(target)) => {
            let named = format!("{prefix}{}.pem", linked_name(target));
            links.changes.push(link(within(folder, &named), target, uid, gid));
            named
        }
        (Style::Linked { .. } | Style::Copied, _) => {
            let prefix = if let Style::Linked { prefix } = style { prefix } else { "" };
            let named = format!("{prefix}{}.pem", anchor.name);
            links.changes.push(file(within(folder, &named), anchor.pem(), 0o644));
            named
        }
        (Style::P11Kit | Style::P11KitTrusted, _) => {
            let named = free_name(root, folder, &p11kit::file_name(anchor))?;
            let text = if style == Style::P11Kit { anchor.pem() } else { p11kit::trusted_pem(anchor) };
            links.changes.push(file(within(folder, &named), text, 0o444));
            named
        }
    };
    let mut hashes = vec![anchor.subject_hash.clone()];
    if matches!(style, Style::P11Kit | Style::P11KitTrusted) {
        hashes.push(anchor.old_subject_hash());
    }
    let mut made = vec![named.clone()];
    for hash in hashes {
        let hashed = free_hash(root, folder, &hash)?;
        links.changes.push(link(within(folder, &hashed), &named, uid, gid));
        made.push(hashed);
    }
    links.folders.push(folder.to_owned());
    mirrored(root, folder, &made, &mut links)?;
    Ok(links)
}

/// The name that Debian's command gives the link to an anchor.
fn linked_name(anchor_file: &str) -> String {
    let base = name(anchor_file);
    let base = base.strip_suffix(".crt").unwrap_or(base);
    base.chars()
        .map(|c| match c {
            ' ' | ',' => '_',
            '(' | ')' => '=',
            other => other,
        })
        .collect()
}

fn link(path: String, target: &str, uid: u32, gid: u32) -> Change {
    Change { path, kind: ChangeKind::Symlink { target: target.to_owned() }, mode: 0o777, uid, gid }
}

fn owner(root: &dyn Root, folder: &str) -> Result<(u32, u32), RootError> {
    Ok(root.look(folder)?.map_or((0, 0), |found| (found.uid, found.gid)))
}

/// Whether a lookup by hash in this folder finds the anchor: the first certificate of a file counts.
pub(super) fn holds(root: &dyn Root, folder: &str, anchor: &Anchor) -> Result<bool, RootError> {
    for number in 0..SAME_HASH {
        let path = within(folder, &format!("{}.{number}", anchor.subject_hash));
        if root.look(&path)?.is_none() {
            return Ok(false);
        }
        if let Some(file) = file_at(root, &path)
            && leads(root, &file, anchor)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn leads(root: &dyn Root, file: &str, anchor: &Anchor) -> bool {
    let Ok(bytes) = root.read(file) else { return false };
    let (blocks, _) = pem::read(&bytes);
    blocks.iter().find(|block| block.is_certificate()).is_some_and(|block| block.data.starts_with(anchor.der()))
}

/// `NAME.pem`, or `NAME.1.pem` and so on.
fn free_name(root: &dyn Root, folder: &str, base: &str) -> Result<String, RootError> {
    for number in 0..SAME_HASH {
        let named = if number == 0 { format!("{base}.pem") } else { format!("{base}.{number}.pem") };
        if root.look(&within(folder, &named))?.is_none() {
            return Ok(named);
        }
    }
    Err(RootError(format!("{folder} has {SAME_HASH} files called {base}")))
}

/// `HASH.N` with the first N that is free.
fn free_hash(root: &dyn Root, folder: &str, hash: &str) -> Result<String, RootError> {
    for number in 0..SAME_HASH {
        let named = format!("{hash}.{number}");
        if root.look(&within(folder, &named))?.is_none() {
            return Ok(named);
        }
    }
    Err(RootError(format!("{folder} has {SAME_HASH} certificates of the hash {hash}")))
}

/// Folders that hold links into another: the same links for what was made there, written as the others are.
fn mirrored(root: &dyn Root, folder: &str, made: &[String], links: &mut Links) -> Result<(), RootError> {
    for mirror in ["/etc/pki/tls/certs", "/etc/ssl/certs"] {
        let real = follow(root, mirror)?;
        if real == folder || links.folders.contains(&real) {
            continue;
        }
        let (uid, gid) = owner(root, &real)?;
        for named in made {
            let like = |other: &str| is_hash(other) == is_hash(named);
            let Some(example) = example(root, &real, folder, &like)? else { continue };
            let path = within(&real, named);
            if root.look(&path)?.is_none() {
                links.changes.push(link(path, &format!("{example}/{named}"), uid, gid));
            }
        }
        links.folders.push(real);
    }
    Ok(())
}

/// How links from `mirror` into `folder` are written, without the last part; `None` when there are none of this kind.
fn example(
    root: &dyn Root,
    mirror: &str,
    folder: &str,
    like: &dyn Fn(&str) -> bool,
) -> Result<Option<String>, RootError> {
    for (name, kind) in root.list(mirror)? {
        let Kind::Link(target) = kind else { continue };
        let Some((above, last)) = target.rsplit_once('/') else { continue };
        let from = if above.starts_with('/') { above.to_owned() } else { within(mirror, above) };
        if last == name && like(&name) && follow(root, &from)? == folder {
            return Ok(Some(above.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a name is `HHHHHHHH.N`.
pub(super) fn is_hash(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Takes the anchor out of a folder: links to it, its own file, and no gap is left among links of one hash.
pub(super) fn without(root: &dyn Root, folder: &str, anchor: &Anchor) -> Result<Vec<Change>, RootError> {
    let mut gone: Vec<String> = Vec::new();
    let mut hashes: Vec<(String, String)> = Vec::new();
    for (name, kind) in root.list(folder)? {
        let path = within(folder, &name);
        let leads = match kind {
            Kind::File => alone(root, &path, anchor),
            Kind::Link(_) => file_at(root, &path).is_some_and(|file| alone(root, &file, anchor)),
            _ => false,
        };
        if leads {
            gone.push(name);
        } else if let (true, Kind::Link(target)) = (is_hash(&name), kind) {
            hashes.push((name, target));
        }
    }
    let mut changes: Vec<Change> = gone.iter().map(|name| removed(within(folder, name))).collect();
    let (uid, gid) = owner(root, folder)?;
    // Links behind a gap move up.
    let mut touched: Vec<&str> =
        gone.iter().filter(|name| is_hash(name)).filter_map(|name| name.split('.').next()).collect();
    touched.dedup();
    for hash in touched {
        let mut left: Vec<&(String, String)> = hashes.iter().filter(|(name, _)| name.starts_with(hash)).collect();
        left.sort_by_key(|(name, _)| name.rsplit('.').next().and_then(|number| number.parse::<usize>().ok()));
        for (number, (old, target)) in left.iter().enumerate() {
            let new = format!("{hash}.{number}");
            if *old != new {
                changes.retain(|change| change.path != within(folder, &new));
                changes.push(link(within(folder, &new), target, uid, gid));
                changes.push(removed(within(folder, old)));
            }
        }
    }
    Ok(changes)
}

/// Whether a file holds this certificate and no other.
fn alone(root: &dyn Root, file: &str, anchor: &Anchor) -> bool {
    let Ok(bytes) = root.read(file) else { return false };
    let (blocks, _) = pem::read(&bytes);
    matches!(&blocks[..], [block] if block.is_certificate() && block.data.starts_with(anchor.der()))
}

/// A path that is gone.
pub(super) fn removed(path: String) -> Change {
    Change { path, kind: ChangeKind::Remove, mode: 0, uid: 0, gid: 0 }
}

/// Whether a folder has links by hash at all.
pub(super) fn has_hashes(root: &dyn Root, folder: &str) -> bool {
    let entries = root.list(folder).unwrap_or_default();
    entries.iter().any(|(name, kind)| is_hash(name) && !matches!(kind, Kind::Folder | Kind::Other))
}

/// The mode and owner for a file that takes the place of what is there, or is new.
pub(super) fn like(root: &dyn Root, path: &str, mode: u32) -> (u32, u32, u32) {
    match root.look(path) {
        Ok(Some(Found { kind: Kind::File, mode, uid, gid })) => (mode, uid, gid),
        _ => (mode, 0, 0),
    }
}
