//! Python: its `ssl`, and the packages beside it that bring bundles of their own. In: the ground. Out: one result for each of them.

use super::Effective;
use super::gather::Gather;
use super::ground::{Ground, Value, base};
use super::openssl::{default_paths, folders};
use crate::trust::{Reader, Runtime};

/// A package with a bundle: the end of its path, who uses it, and the variables that replace it, the first that is set.
struct Package {
    end: &'static str,
    who: &'static str,
    variables: &'static [&'static str],
}

const PACKAGES: &[Package] = &[
    Package {
        end: "/pip/_vendor/certifi/cacert.pem",
        who: "pip",
        variables: &["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
    },
    Package { end: "/botocore/cacert.pem", who: "boto (AWS)", variables: &["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"] },
    Package {
        end: "/grpc/_cython/_credentials/roots.pem",
        who: "grpc",
        variables: &["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"],
    },
    Package { end: "/httplib2/cacerts.txt", who: "httplib2", variables: &["HTTPLIB2_CA_CERTS"] },
    Package { end: "/certifi/cacert.pem", who: "requests", variables: &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] },
];

/// `ssl` of each Python, then each package with a bundle.
pub(super) fn python(ground: &Ground<'_>) -> Vec<Effective> {
    let mut pythons: Vec<(String, Option<String>)> = Vec::new();
    for (file, ..) in ground.programs() {
        let Some(version) = version(base(&file.path)) else { continue };
        if !pythons.iter().any(|(_, known)| known.as_deref() == Some(version)) {
            pythons.push((file.path.clone(), Some(version.to_owned())));
        }
    }
    pythons.sort_by(|a, b| number(b.1.as_deref()).cmp(&number(a.1.as_deref())));
    let mut results: Vec<Effective> =
        pythons.iter().map(|(path, version)| ssl(ground, Some(path), version.as_deref())).collect();
    if results.is_empty() {
        results.push(ssl(ground, None, None));
    }
    for file in ground.survey.files.values() {
        // Vendored copies of other packages (`…/_vendor/certifi`) are those packages' own affair, pip's apart.
        let package = PACKAGES.iter().find(|package| file.path.ends_with(package.end));
        let Some(package) = package.filter(|package| package.who == "pip" || !file.path.contains("/_vendor/")) else {
            continue;
        };
        results.push(bundle(ground, package, &file.path));
    }
    results
}

/// `3.12` of `python3.12` and `libpython3.12.so.1.0`.
pub(super) fn version(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("libpython").or_else(|| name.strip_prefix("python"))?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    (version.contains('.') && rest.len() == end || rest[end..].starts_with("so")).then_some(version)
}

fn number(version: Option<&str>) -> (u32, u32) {
    let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn ssl(ground: &Ground<'_>, path: Option<&str>, version: Option<&str>) -> Effective {
    let label = version.map_or_else(|| "Python: ssl".to_owned(), |version| format!("Python {version}: ssl"));
    let mut gather = Gather::new(ground, Runtime::Python, label).of(path, version);
    if let Some(found) = folders(ground).first() {
        default_paths(&mut gather, found);
    }
    if number(version) >= (3, 13) {
        gather.note("since 3.13 certificates are checked strictly, and any certificate in the store is an anchor");
    }
    if let Some(set) = ground.var("REQUESTS_CA_BUNDLE") {
        gather.note(format!("{}: requests looks at it, ssl does not", set.origin));
    }
    gather.anchors();
    gather.done()
}

fn bundle(ground: &Ground<'_>, package: &Package, path: &str) -> Effective {
    let version = path.split("/lib/python").nth(1).and_then(|rest| rest.split('/').next()).filter(|v| v.contains('.'));
    let label = match version {
        Some(version) => format!("Python {version}: {}", package.who),
        None => format!("Python: {}", package.who),
    };
    let mut gather = Gather::new(ground, Runtime::Python, label).of(Some(path), version);
    let mut set: Option<Value> = package.variables.iter().find_map(|name| ground.var(name));
    if package.who == "pip" && ground.var("PIP_CERT").is_none() {
        let home = ground.home();
        let files =
            ["/etc/pip.conf".to_owned(), format!("{home}/.pip/pip.conf"), format!("{home}/.config/pip/pip.conf")];
        set = ground.setting(&files, &["cert"]).or(set);
    }
    match &set {
        // requests takes a folder, too.
        Some(set)
            if ground.survey.file(&ground.absolute(&set.value)).is_none()
                && !ground.survey.folder(&ground.absolute(&set.value)).is_empty() =>
        {
            gather.hashed_folder(&set.value, &set.origin);
        }
        Some(set) => {
            if !gather.file(&set.value, Reader::OpenSslFile, &set.origin) {
                gather.out.fails =
                    Some(format!("{} is not there: {} raises an error ({})", set.value, package.who, set.origin));
            }
        }
        None => drop(gather.file(path, Reader::OpenSslFile, &format!("{} brings it along", package.who))),
    }
    if package.who == "pip" && set.is_none() && uses_truststore(ground, path) {
        gather.note("pip since 24.2 asks the system's trust first (truststore); its own bundle counts besides");
        if let Some(found) = folders(ground).first() {
            default_paths(&mut gather, found);
        }
    }
    if set.is_none()
        && let Some(file) = ground.var("SSL_CERT_FILE")
    {
        gather.note(format!("{}: {} does not look at it", file.origin, package.who));
    }
    gather.anchors();
    gather.done()
}

/// Whether pip is of a version that uses truststore: the folder of its metadata says which it is.
fn uses_truststore(ground: &Ground<'_>, path: &str) -> bool {
    let Some((packages, _)) = path.split_once("/pip/_vendor/") else { return false };
    let start = format!("{packages}/pip-");
    let metadata =
        ground.survey.files.range(start.clone()..).map(|(path, _)| path).find(|path| path.starts_with(&start));
    metadata
        .and_then(|path| path[start.len()..].split(".dist-info").next())
        .is_some_and(|version| number(Some(version)) >= (24, 2))
}
