//! NSS, and p11-kit's trust, which takes the place of NSS's own roots on Fedora and its kin. In: the ground. Out: what they trust.

use super::gather::Gather;
use super::ground::{Ground, base};
use super::{Effective, SourceKind, accept};
use crate::trust::{Content, Format, Reader, Runtime};

/// Folders that p11-kit's trust module reads, by distribution.
const FOLDERS: &[&str] = &[
    "/usr/share/pki/ca-trust-source/",
    "/etc/pki/ca-trust/source/",
    "/usr/share/ca-certificates/trust-source/",
    "/etc/ca-certificates/trust-source/",
    "/usr/share/pki/trust/",
    "/etc/pki/trust/",
];

/// NSS: the library of roots, and each database with it.
pub(super) fn nss(ground: &Ground<'_>) -> Vec<Effective> {
    let library = ground.library("libnssckbi");
    let databases: Vec<_> = ground
        .survey
        .files
        .values()
        .filter(|file| matches!(&file.content, Content::Store(store) if store.format == Format::NssDb))
        .collect();
    let program = library
        .map(|(file, _)| file.path.as_str())
        .or_else(|| ground.library("libnss3").map(|(file, _)| file.path.as_str()));
    let builtins = |gather: &mut Gather<'_>| match library {
        Some((file, _)) => match &file.content {
            Content::Program(_, Some(store)) => gather.entries(file, store, SourceKind::CompiledIn, "NSS's own roots"),
            _ => gather.note(format!("{} holds no roots of its own", file.path)),
        },
        None if ground.library("p11-kit-trust").is_some() => p11_kit(gather, "p11-kit-trust stands in for NSS's roots"),
        None => gather.note("libnssckbi is not there, so that only databases count"),
    };
    if databases.is_empty() {
        let mut gather = Gather::new(ground, Runtime::Nss, "NSS").of(program, None);
        builtins(&mut gather);
        gather.anchors();
        return vec![gather.done()];
    }
    let one = |file: &&crate::trust::File| {
        let folder = file.path.strip_suffix(base(&file.path)).unwrap_or_default().trim_end_matches('/').to_owned();
        let mut gather = Gather::new(ground, Runtime::Nss, format!("NSS with {folder}")).of(program, None);
        builtins(&mut gather);
        gather.file(&file.path, Reader::Nss, "the database of a profile");
        gather.anchors();
        gather.done()
    };
    databases.iter().map(one).collect()
}

/// p11-kit's trust: anchors of its folders, without those that are refused.
pub(super) fn p11_kit(gather: &mut Gather<'_>, why: &str) {
    let survey = gather.ground.survey;
    for folder in FOLDERS {
        let files = survey.files.range((*folder).to_owned()..).take_while(|(path, _)| path.starts_with(folder));
        for (path, file) in files {
            let Content::Store(store) = &file.content else { continue };
            if path.contains("/blocklist/") || path.contains("/blacklist/") {
                continue;
            }
            for entry in store.entries.iter().filter(|entry| entry.is_anchor && !accept::refused_by_bits(entry)) {
                gather.root(entry.cert, path);
            }
        }
    }
    gather.gathered(FOLDERS, why);
}
