//! Programs on OpenSSL's default paths, and .NET, which reads the same places by itself. In: the ground. Out: what they trust.

use super::gather::Gather;
use super::ground::{Ground, base, value};
use super::{Effective, SourceKind};
use crate::trust::{Content, Reader, Runtime};

/// OpenSSL's default paths, once for each OPENSSLDIR that is compiled into a library or program of the image.
pub(super) fn openssl(ground: &Ground<'_>) -> Vec<Effective> {
    let found = folders(ground);
    let several = found.len() > 1;
    found
        .into_iter()
        .map(|found| {
            let label = if several { format!("OpenSSL with {}", found.folder) } else { "OpenSSL".to_owned() };
            let mut gather =
                Gather::new(ground, Runtime::OpenSsl, label).of(found.program.as_deref(), found.version.as_deref());
            default_paths(&mut gather, &found);
            gather.anchors();
            gather.done()
        })
        .collect()
}

/// An OPENSSLDIR, and who says so.
pub(super) struct Folder {
    pub(super) folder: String,
    pub(super) program: Option<String>,
    pub(super) version: Option<String>,
    /// As part of a sentence.
    pub(super) why: String,
    /// Whether `SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded.
    pub(super) heeds_variables: bool,
}

/// Every OPENSSLDIR of the image; the likely one when none is told.
pub(super) fn folders(ground: &Ground<'_>) -> Vec<Folder> {
    let mut found: Vec<Folder> = Vec::new();
    for (file, program, _) in ground.programs() {
        let name = base(&file.path);
        // Node brings its own OpenSSL, whose defaults matter to it alone.
        if program.markers.contains(&"NODE_EXTRA_CA_CERTS") {
            continue;
        }
        let Some(folder) = value(program, "openssldir") else { continue };
        if found.iter().any(|known| known.folder == folder) {
            continue;
        }
        let version = name.strip_prefix("libcrypto.so.").or_else(|| name.strip_prefix("libssl.so."));
        found.push(Folder {
            folder: folder.to_owned(),
            program: Some(file.path.clone()),
            version: version.map(str::to_owned),
            why: format!("the default of {}", file.path),
            heeds_variables: !program.markers.contains(&"LibreSSL"),
        });
    }
    // The system's library before those that packages bring along.
    found.sort_by_key(|folder| {
        let path = folder.program.as_deref().unwrap_or_default();
        !(path.starts_with("/usr/lib") || path.starts_with("/lib")) || path.contains("/python")
    });
    if found.is_empty() {
        let likely = ["/usr/lib/ssl", "/etc/pki/tls", "/etc/ssl"];
        let is_there = |folder: &&&str| {
            ["cert.pem", "certs"].iter().any(|name| {
                ground.survey.resolve(&format!("{folder}/{name}")).is_some_and(|real| {
                    ground.survey.files.contains_key(&real) || !ground.survey.folder(&real).is_empty()
                })
            })
        };
        let folder = likely.iter().find(is_there).copied().unwrap_or("/etc/ssl");
        found.push(Folder {
            folder: folder.to_owned(),
            program: None,
            version: None,
            why: "the likely default; no OpenSSL library was found that says so".to_owned(),
            heeds_variables: true,
        });
    }
    found
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR`, each else below OPENSSLDIR: setting one leaves the other's default.
pub(super) fn default_paths(gather: &mut Gather<'_>, found: &Folder) {
    let ground = gather.ground;
    let var = |name| ground.var(name).filter(|_| found.heeds_variables);
    match var("SSL_CERT_FILE") {
        Some(set) => drop(gather.file(&set.value, Reader::OpenSslDefault, &set.origin)),
        None => drop(gather.file(&format!("{}/cert.pem", found.folder), Reader::OpenSslDefault, &found.why)),
    }
    // OpenSSL 3 reads its default folder once more, by listing it: there, and for a folder that is set alone, gaps do not matter.
    let lists = !found.version.as_deref().is_some_and(|version| version.starts_with('1'));
    match var("SSL_CERT_DIR") {
        Some(set) => {
            let gaps = lists && !set.value.contains(':');
            for path in set.value.split(':').filter(|path| !path.is_empty()) {
                gather.hashed_folder(path, &set.origin, gaps);
            }
        }
        None => gather.hashed_folder(&format!("{}/certs", found.folder), &found.why, lists),
    }
    if !found.heeds_variables && ground.var("SSL_CERT_FILE").is_some() {
        gather.note("SSL_CERT_FILE is set, but LibreSSL does not look at it");
    }
}

/// .NET: the file and every file of the folder that OpenSSL would read, and the user's own store.
pub(super) fn dotnet(ground: &Ground<'_>) -> Vec<Effective> {
    let native = ground.library("libSystem.Security.Cryptography.Native");
    let path = native.map(|(file, _)| file.path.as_str());
    let version = path.and_then(|path| {
        let (_, rest) = path.split_once("/Microsoft.NETCore.App/")?;
        rest.split('/').next()
    });
    let mut gather = Gather::new(ground, Runtime::DotNet, ".NET").of(path, version);
    let openssl = folders(ground).remove(0);
    match ground.var("SSL_CERT_FILE") {
        Some(set) => drop(gather.file(&set.value, Reader::OpenSslHashed, &set.origin)),
        None => drop(gather.file(&format!("{}/cert.pem", openssl.folder), Reader::OpenSslHashed, &openssl.why)),
    }
    match ground.var("SSL_CERT_DIR") {
        Some(set) => {
            for path in set.value.split(':').filter(|path| !path.is_empty()) {
                gather.folder(path, Reader::OpenSslHashed, &set.origin, false);
            }
        }
        None => drop(gather.folder(&format!("{}/certs", openssl.folder), Reader::OpenSslHashed, &openssl.why, false)),
    }
    let own = format!("{}/.dotnet/corefx/cryptography/x509stores/root", ground.home());
    for (_, file) in ground.survey.folder(&own) {
        if let Content::Store(store) = &file.content {
            gather.entries(file, store, SourceKind::File, "the user's store of .NET");
        }
    }
    gather.anchors();
    vec![gather.done()]
}
