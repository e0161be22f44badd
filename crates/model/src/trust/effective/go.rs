//! Go's crypto/x509. In: the ground. Out: what Go programs trust: the first file that is there, every file of the folders, fallback roots.

use super::gather::Gather;
use super::ground::{Ground, base, value};
use super::{Effective, SourceKind};
use crate::trust::{File, Program, Reader, Runtime, Store};

/// In Go's order; only the first that can be read counts.
const FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

const FOLDERS: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Modules that bring roots along.
const FALLBACKS: &[&str] = &["golang.org/x/crypto/x509roots/fallback", "github.com/breml/rootcerts"];

/// A Go program and the fallback roots in it.
struct Found<'s> {
    file: &'s File,
    program: &'s Program,
    fallback: Option<(String, Option<&'s Store>)>,
}

/// Go programs without fallback roots share one result; each with them has its own.
pub(super) fn go(ground: &Ground<'_>) -> Vec<Effective> {
    let started = ground.started();
    let mut programs: Vec<Found<'_>> = ground
        .programs()
        .filter(|(_, program, _)| value(program, "go").is_some())
        .map(|(file, program, store)| Found { file, program, fallback: fallback(program, store) })
        .collect();
    // The program that the image starts stands for its kind.
    programs.sort_by_key(|found| started.as_deref() != Some(found.file.path.as_str()));
    let mut results = Vec::new();
    if let Some(plain) = programs.iter().find(|found| found.fallback.is_none()) {
        results.push((started.as_deref() != Some(plain.file.path.as_str()), one(ground, Some(plain))));
    }
    for found in programs.iter().filter(|found| found.fallback.is_some()) {
        results.push((started.as_deref() != Some(found.file.path.as_str()), one(ground, Some(found))));
    }
    if results.is_empty() {
        results.push((true, one(ground, None)));
    }
    results.sort_by_key(|(later, _)| *later);
    results.into_iter().map(|(_, result)| result).collect()
}

fn fallback<'s>(program: &Program, store: Option<&'s Store>) -> Option<(String, Option<&'s Store>)> {
    let module = program.go_modules.iter().find(|(path, _)| FALLBACKS.contains(&path.as_str()))?;
    Some((format!("{} {}", module.0, module.1), store))
}

fn one(ground: &Ground<'_>, found: Option<&Found<'_>>) -> Effective {
    let path = found.map(|found| found.file.path.as_str());
    let version = found.and_then(|found| value(found.program, "go"));
    let fallback = found.and_then(|found| Some((found, found.fallback.as_ref()?)));
    let label = match (fallback, path) {
        (Some(_), Some(path)) => format!("Go: {} (with fallback roots)", base(path)),
        _ => "Go".to_owned(),
    };
    let mut gather = Gather::new(ground, Runtime::Go, label).of(path, version);
    let forced = ground.var("GODEBUG").is_some_and(|set| set.value.contains("x509usefallbackroots=1"));
    if !(forced && fallback.is_some()) {
        system(&mut gather);
    }
    if let Some((found, (module, store))) = fallback {
        if gather.out.roots.is_empty() {
            let why = if forced {
                "GODEBUG=x509usefallbackroots=1 takes these alone"
            } else {
                "fallback roots, because the system gives none"
            };
            let why = format!("{module}: {why}");
            store.iter().for_each(|store| gather.entries(found.file, store, SourceKind::CompiledIn, &why));
        } else {
            gather.note(format!("{module} is compiled in, and is not used because the system has roots"));
        }
    }
    gather.anchors();
    gather.done()
}

/// Go's system pool. `SSL_CERT_FILE` alone leaves the folders, `SSL_CERT_DIR` alone leaves the file.
fn system(gather: &mut Gather<'_>) {
    let ground = gather.ground;
    match ground.var("SSL_CERT_FILE") {
        Some(set) => drop(gather.file(&set.value, Reader::Go, &set.origin)),
        None => {
            let first = FILES.iter().position(|path| ground.survey.file(path).is_some());
            match first {
                Some(index) => {
                    let why = format!("the first of Go's files that is there (place {} of {})", index + 1, FILES.len());
                    gather.file(FILES[index], Reader::Go, &why);
                }
                None => drop(gather.file(FILES[0], Reader::Go, "the first of Go's files; none of them is there")),
            }
        }
    }
    match ground.var("SSL_CERT_DIR") {
        Some(set) => {
            for path in set.value.split(':') {
                gather.folder(path, Reader::Go, &set.origin, true);
            }
        }
        None => {
            for path in FOLDERS {
                gather.folder(path, Reader::Go, "every file of Go's folders is read, whatever its name", true);
            }
        }
    }
}
