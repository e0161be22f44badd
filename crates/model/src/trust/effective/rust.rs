//! Rust programs on rustls: with the system's roots, or with roots compiled in. In: the ground. Out: what they trust.

use super::gather::Gather;
use super::ground::{Ground, base, value};
use super::{Effective, SourceKind};
use crate::trust::{Program, Reader, Runtime, Store};

/// openssl-probe's files for Linux; the first that is there counts.
const FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/cacert.pem",
];

const FOLDERS: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/security/certificates"];

/// Fewer known keys than this are chance, or pins.
const FEWEST: usize = 20;

/// Whether a program takes the system's roots by rustls-native-certs or openssl-probe.
pub(super) fn is_native(program: &Program) -> bool {
    let has = |marker: &str| program.markers.contains(&marker);
    let is_go = value(program, "go").is_some() || has("x509usefallbackroots");
    !is_go && (has("rustls-native-certs") || has("/etc/pki/tls/cacert.pem") && has("SSL_CERT_FILE"))
}

/// Whether roots are compiled into a program as public keys, as webpki-roots does.
pub(super) fn is_webpki(program: &Program, store: Option<&Store>) -> bool {
    let is_text =
        store.is_some_and(|store| store.entries.iter().any(|entry| entry.label.as_deref() == Some("CERTIFICATE")));
    let is_go = value(program, "go").is_some();
    let other =
        is_go || program.markers.contains(&"NSS Builtin Object") || program.markers.contains(&"NODE_EXTRA_CA_CERTS");
    !other && !is_text && (program.markers.contains(&"webpki-roots") || program.known_keys.len() >= FEWEST)
}

/// rustls-native-certs: a variable that leads somewhere replaces file and folders alike.
pub(super) fn native(ground: &Ground<'_>) -> Vec<Effective> {
    let started = ground.started();
    let mut found: Vec<&str> =
        ground.programs().filter(|(_, program, _)| is_native(program)).map(|(file, ..)| file.path.as_str()).collect();
    found.sort_by_key(|path| started.as_deref() != Some(*path));
    let mut gather =
        Gather::new(ground, Runtime::RustNative, "Rust: rustls-native-certs").of(found.first().copied(), None);
    let (file, folder) = (ground.var("SSL_CERT_FILE"), ground.var("SSL_CERT_DIR"));
    if file.is_none() && folder.is_none() {
        let first = FILES.iter().find(|path| ground.survey.file(path).is_some());
        let why = if first.is_some() {
            "the first of openssl-probe's files that is there"
        } else {
            "none of openssl-probe's files is there"
        };
        gather.file(first.unwrap_or(&FILES[0]), Reader::Rustls, why);
        for path in FOLDERS {
            gather.folder(path, Reader::Rustls, "every file of openssl-probe's folders is read", false);
        }
    }
    if let Some(set) = file {
        gather.file(&set.value, Reader::Rustls, &set.origin);
    }
    for (set, path) in folder.iter().flat_map(|set| set.value.split(':').map(move |path| (set, path))) {
        gather.folder(path, Reader::Rustls, &set.origin, false);
    }
    gather.anchors();
    vec![gather.done()]
}

/// webpki-roots: one result for each program; nothing outside it counts.
pub(super) fn webpki(ground: &Ground<'_>) -> Vec<Effective> {
    let started = ground.started();
    let mut found: Vec<_> = ground.programs().filter(|(_, program, store)| is_webpki(program, *store)).collect();
    found.sort_by_key(|(file, ..)| started.as_deref() != Some(file.path.as_str()));
    let several = found.len() > 1;
    let mut results: Vec<Effective> = found
        .into_iter()
        .map(|(file, _, store)| {
            let label = if several { format!("Rust: {}", base(&file.path)) } else { "Rust: webpki-roots".to_owned() };
            let mut gather = Gather::new(ground, Runtime::RustWebpki, label).of(Some(&file.path), None);
            if let Some(store) = store {
                gather.entries(
                    file,
                    store,
                    SourceKind::CompiledIn,
                    "compiled in; no file and no variable changes them",
                );
            }
            gather.anchors();
            gather.done()
        })
        .collect();
    if results.is_empty() {
        let mut gather = Gather::new(ground, Runtime::RustWebpki, "Rust: webpki-roots");
        gather.note("no program with roots of webpki-roots was found: what one would trust is compiled into it, and is not known");
        results.push(gather.done());
    }
    results
}
