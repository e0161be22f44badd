//! T14: roots that no program of the image reads, and settings that point nowhere. In: files, environment, entrypoint. Out: issues.

use std::collections::BTreeSet;

use super::ground::{Ground, store_of};
use super::issue::{Check, Issue, Place, Severity};
use super::role::{ANCHORS, Role};
use super::settings::{self, Setting};
use super::words::{listed, name};
use crate::trust::{CertId, Format, Runtime};

/// A variable that names roots, what it is for, and what happens when nothing is there.
struct Variable {
    name: &'static str,
    /// Whether it is a list of folders.
    folders: bool,
    /// What its reader does when it finds nothing.
    then: &'static str,
    runtimes: &'static [Runtime],
}

const fn file(name: &'static str, runtimes: &'static [Runtime], then: &'static str) -> Variable {
    Variable { name, folders: false, then, runtimes }
}

const VARIABLES: &[Variable] = &[
    file(
        "SSL_CERT_FILE",
        &[Runtime::OpenSsl, Runtime::Python, Runtime::Go, Runtime::RustNative, Runtime::DotNet, Runtime::Curl],
        "OpenSSL and Python load nothing from it without a word, Go reads its folders alone, Rust has no root at all, curl fails with error 77",
    ),
    Variable {
        name: "SSL_CERT_DIR",
        folders: true,
        then: "OpenSSL and Go find nothing there, without a word",
        runtimes: &[Runtime::OpenSsl, Runtime::Python, Runtime::Go, Runtime::RustNative, Runtime::DotNet],
    },
    file(
        "CURL_CA_BUNDLE",
        &[Runtime::Curl, Runtime::Python],
        "curl fails with error 77, Python's requests with OSError",
    ),
    file(
        "REQUESTS_CA_BUNDLE",
        &[Runtime::Python],
        "Python's requests fails with OSError: Could not find a suitable TLS CA certificate bundle",
    ),
    file("NODE_EXTRA_CA_CERTS", &[Runtime::Node], "Node warns once and goes on without it"),
    file("GIT_SSL_CAINFO", &[Runtime::Git], "git cannot fetch anything by HTTPS"),
    file("AWS_CA_BUNDLE", &[Runtime::Python], "the AWS command line and SDKs fail"),
    file("PIP_CERT", &[Runtime::Python], "pip fails"),
    file("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", &[Runtime::Python], "gRPC falls back to its own roots"),
    file("CARGO_HTTP_CAINFO", &[], "cargo fails"),
    file("NIX_SSL_CERT_FILE", &[], "programs from Nix have no root"),
    file("BUNDLE_SSL_CA_CERT", &[], "Ruby's bundler fails"),
    file("COMPOSER_CAFILE", &[], "composer fails"),
    file("PERL_LWP_SSL_CA_FILE", &[], "Perl's LWP fails"),
    file("HTTPLIB2_CA_CERTS", &[Runtime::Python], "Python's httplib2 fails"),
    file("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", &[Runtime::Python], "gcloud fails"),
    file("DENO_CERT", &[], "Deno fails"),
];

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for setting in settings::all(ground.question.survey) {
        issues.extend(nowhere(ground, &setting));
        issues.extend(java(ground, &setting));
    }
    issues.extend(anchors(ground));
    issues.extend(super::loose::check(ground));
    issues
}

/// A path of a setting, made absolute.
fn absolute(ground: &Ground<'_>, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", ground.question.survey.config.working_dir)
    }
}

/// How many certificates there are behind a path.
fn certificates(ground: &Ground<'_>, path: &str, folder: bool) -> usize {
    let survey = ground.question.survey;
    if folder {
        return survey
            .folder(path)
            .iter()
            .filter_map(|(_, file)| store_of(file))
            .map(|store| store.entries.len())
            .sum();
    }
    let Some(store) = survey.file(path).and_then(store_of) else { return 0 };
    if store.locked { 1 } else { store.entries.len() }
}

fn nowhere(ground: &Ground<'_>, setting: &Setting) -> Option<Issue> {
    let variable = VARIABLES.iter().find(|variable| variable.name == setting.name)?;
    let value = setting.value.trim();
    if value.is_empty() || value.contains('$') {
        return None;
    }
    let paths: Vec<String> = if variable.folders {
        value.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    } else {
        vec![value.to_owned()]
    };
    let found: usize = paths.iter().map(|path| certificates(ground, &absolute(ground, path), variable.folders)).sum();
    if found > 0 {
        return None;
    }
    let readers = ground.question.readers;
    let rootless: Vec<String> = readers
        .iter()
        .filter(|reader| variable.runtimes.contains(&reader.runtime) && reader.roots.is_empty())
        .map(|reader| reader.name.clone())
        .collect();
    let there = paths.iter().any(|path| ground.question.survey.file(&absolute(ground, path)).is_some());
    let what = match (variable.folders, there) {
        (true, _) => "where there is no certificate",
        (false, true) => "which holds no certificate",
        (false, false) => "which is not there",
    };
    let (severity, who) = if rootless.is_empty() {
        (Severity::Warn, String::new())
    } else {
        (
            Severity::Error,
            format!(
                "; {} left without any root",
                if rootless.len() == 1 { format!("{} is", rootless[0]) } else { format!("{} are", listed(&rootless)) }
            ),
        )
    };
    let summary = format!("{} points to {value}, {what}{who}", setting.name);
    Some(
        Issue::new(Check::T14, severity, &setting.name, summary)
            .with_places([setting.place.clone()])
            .with_evidence("setting", settings::at(&setting.place), &setting.text)
            .with_evidence("then", variable.name, variable.then)
            .with_fix("Put the file there, or mount it", format!("COPY roots.pem {value}"))
            .with_fix("Or drop the setting", format!("ENV {}=", setting.name)),
    )
}

/// The trust store that a JVM is told to use.
fn java(ground: &Ground<'_>, setting: &Setting) -> Option<Issue> {
    const OPTION: &str = "-Djavax.net.ssl.trustStore=";
    let path = setting.value.split_whitespace().find_map(|word| word.trim_matches(['"', '\'']).strip_prefix(OPTION))?;
    if path.contains('$') || path == "NONE" || certificates(ground, &absolute(ground, path), false) > 0 {
        return None;
    }
    let there = ground.question.survey.file(&absolute(ground, path)).is_some();
    let what = if there { "which holds no certificate that Java takes for a root" } else { "which is not there" };
    let summary = format!("{} makes Java trust {path}, {what}: every TLS connection fails", setting.name);
    Some(
        Issue::new(Check::T14, Severity::Error, &setting.name, summary)
            .with_places([setting.place.clone()])
            .with_evidence("setting", settings::at(&setting.place), &setting.text)
            .with_evidence(
                "then",
                "Java",
                "InvalidAlgorithmParameterException: the trustAnchors parameter must be non-empty",
            )
            .with_fix(
                "Put a store there",
                format!("sidelight trust export host --format jks -o trust.jks\nCOPY trust.jks {path}"),
            )
            .with_fix("Or let Java use its own", format!("ENV {}=", setting.name)),
    )
}

/// Roots in the administrator's folder that never got into the bundle.
fn anchors(ground: &Ground<'_>) -> Vec<Issue> {
    let in_bundle: BTreeSet<CertId> = ground
        .stores()
        .filter(|(_, _, role)| *role == Role::System)
        .flat_map(|(_, store, _)| store.entries.iter().map(|entry| entry.cert))
        .collect();
    let alpine = super::family(ground) == super::Family::Alpine;
    let mut issues = Vec::new();
    for (file, store, _) in ground.stores().filter(|(_, _, role)| *role == Role::Anchors) {
        let missing: Vec<&CertId> =
            store.entries.iter().map(|entry| &entry.cert).filter(|id| !in_bundle.contains(id)).collect();
        let told = missing.iter().any(|id| !ground.is_ignored(Check::T14, ground.question.survey.pool.get(**id)));
        let debian = ANCHORS.iter().any(|(folder, crt)| *crt && file.path.starts_with(folder)) && !alpine;
        if missing.is_empty() || !told {
            continue;
        }
        let names: Vec<String> = missing.iter().map(|id| name(ground.question.survey.pool.get(**id))).collect();
        let base = file.path.rsplit_once('/').map_or("", |(_, base)| base);
        let (why, fix) = if debian && !base.ends_with(".crt") {
            let to = format!("{}.crt", file.path.rsplit_once('.').map_or(file.path.as_str(), |(stem, _)| stem));
            (
                "update-ca-certificates takes only names that end in .crt",
                format!("RUN mv {} {to} && update-ca-certificates", file.path),
            )
        } else if debian && store.format != Format::Pem {
            (
                "update-ca-certificates takes only PEM",
                format!(
                    "RUN openssl x509 -inform DER -in {0} -out {0}.pem && mv {0}.pem {0} && update-ca-certificates",
                    file.path
                ),
            )
        } else {
            ("the distribution's command has not run since it was put there", super::rebuild_command(ground))
        };
        issues.push(
            Issue::new(
                Check::T14,
                Severity::Warn,
                &file.path,
                format!("{} ({}) is not in the bundle: {why}", file.path, listed(&names)),
            )
            .with_certs(missing.into_iter().copied())
            .with_places([Place::file(&file.path, file.layer)])
            .with_evidence("bundle", &file.path, "no bundle of the image holds it")
            .with_fix("Collect it", fix)
            .with_fix("Or without running the image", ground.add_command(base)),
        );
    }
    issues
}
