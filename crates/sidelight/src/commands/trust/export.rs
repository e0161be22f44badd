//! `sidelight trust export`. In: a source and which of its roots. Out: a bundle in a file or on standard output.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use serde_json::json;
use sidelight_host::trust_store::JavaStore;
use sidelight_model::trust::catalog::{Shelf, shelves};
use sidelight_model::trust::{CertId, Survey};
use sidelight_model::x509::Certificate;
use sidelight_wire::{pem, pkcs12};

use crate::cli::{AsRuntime, CertificateFormat, GlobalOptions, TrustExport};
use crate::commands::survey::survey;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Where distributions keep the bundle that most programs read, in the order in which they are tried.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/mozilla",
];

/// Most stores that a failure lists.
const MOST: usize = 8;

pub(super) fn run(options: &TrustExport, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let survey = survey(&options.source, &options.image, ui)?;
    let (from, chosen) = chosen(options, &survey)?;
    if chosen.is_empty() {
        return Err(Failure::new(format_args!("{from} has no roots")).exit(Exit::No));
    }
    let certificates: Vec<&Certificate> = chosen.iter().map(|id| survey.pool.get(*id).as_ref()).collect();
    let bytes = encoded(options, &certificates)?;
    let form = match options.format {
        CertificateFormat::Pem => "pem",
        CertificateFormat::Der => "der",
        CertificateFormat::P12 => "p12",
        CertificateFormat::Jks => "jks",
    };
    let Some(path) = &options.output else { return to_stdout(&bytes, form, &from, &certificates, global.json) };
    crate::commands::ca::write_file(path, &bytes, false)?;
    let count = certificates.len();
    if global.json {
        let document = json!({ "v": 1, "type": "trust-export", "source": survey.source, "from": from, "file": path,
            "format": form, "count": count });
        super::print("", || Ok(document), global)?;
    } else {
        let from = if from == "/mozilla" { "Mozilla's list" } else { &from };
        ui.note(&format!("wrote {count} roots of {from} to {}", path.display()));
    }
    Ok(Exit::Done)
}

/// The roots that are asked for, and what they are of.
fn chosen(options: &TrustExport, survey: &Survey) -> Result<(String, Vec<CertId>), Failure> {
    match options.runtime {
        Some(AsRuntime::Auto) => {
            return Err(Failure::usage("`--as auto` may mean several runtimes; name one")
                .hint(format_args!("`sidelight trust list {} --as auto` says which run there", options.source)));
        }
        Some(AsRuntime::One(runtime)) => {
            let roots = super::effective::roots(survey, runtime, &options.env)?;
            return Ok((format!("{runtime} in {}", survey.source), roots));
        }
        None => {}
    }
    let paths = if options.store.is_empty() { system(options, survey)? } else { options.store.clone() };
    let mut seen = BTreeSet::new();
    let mut chosen = Vec::new();
    for path in &paths {
        let file = survey.file(path).or_else(|| survey.files.get(path));
        let Some(shelf) = file.and_then(|file| Shelf::of(file, false)) else {
            return Err(no_store(survey, format_args!("{path}: there is no trust store in {}", survey.source)));
        };
        chosen.extend(shelf.anchors().map(|entry| entry.cert).filter(|cert| seen.insert(*cert)));
    }
    Ok((paths.join(", "), chosen))
}

fn system(options: &TrustExport, survey: &Survey) -> Result<Vec<String>, Failure> {
    let found = SYSTEM.iter().find(|path| survey.store(path).is_some_and(|store| !store.entries.is_empty()));
    found
        .map(|path| vec![(*path).to_owned()])
        .ok_or_else(|| no_store(survey, format_args!("{} has no bundle of a distribution", options.source)))
}

fn no_store(survey: &Survey, what: impl std::fmt::Display) -> Failure {
    let failure = Failure::new(what).exit(Exit::No);
    let all = shelves(survey);
    let paths: Vec<&str> =
        all.iter().filter(|it| !it.hidden && it.is_bundle()).map(|it| it.file.path.as_str()).collect();
    match paths.len() {
        0 => failure.hint("there is no other store in it either; `sidelight trust list` shows what was found"),
        more if more > MOST => failure.hint(format_args!("--store takes one of {}, …", paths[..MOST].join(", "))),
        _ => failure.hint(format_args!("--store takes one of {}", paths.join(", "))),
    }
}

fn encoded(options: &TrustExport, certificates: &[&Certificate]) -> Result<Vec<u8>, Failure> {
    let names = aliases(certificates);
    Ok(match options.format {
        CertificateFormat::Pem => {
            let block = |(name, certificate): (&String, &&Certificate)| {
                // The name stands in a comment, as Mozilla's own bundles have it.
                let name: String = name.chars().filter(|c| !c.is_control()).collect();
                format!("# {name}\n{}", pem::write("CERTIFICATE", &certificate.der))
            };
            let text: Vec<String> = names.iter().zip(certificates).map(block).collect();
            text.concat().into_bytes()
        }
        CertificateFormat::Der => match certificates {
            [one] => one.der.clone(),
            more => {
                return Err(Failure::usage(format_args!(
                    "--format der holds one certificate, and there are {}",
                    more.len()
                ))
                .hint("--format pem, p12 and jks hold many"));
            }
        },
        CertificateFormat::P12 => {
            let entries: Vec<(&str, &[u8])> =
                names.iter().map(String::as_str).zip(certificates.iter().map(|it| it.der.as_slice())).collect();
            pkcs12::write_trust_store(&entries, Some(&options.storepass)).map_err(Failure::new)?
        }
        CertificateFormat::Jks => {
            let mut store = JavaStore::Jks(Vec::new());
            for (name, certificate) in names.iter().zip(certificates) {
                store.add(name, &certificate.der, std::time::SystemTime::now().into());
            }
            store.write(&options.storepass).map_err(Failure::new)?
        }
    })
}

/// A name for each, none twice: Java does not tell upper from lower case.
fn aliases(certificates: &[&Certificate]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let name = |certificate: &&Certificate| {
        // PKCS#12 has no characters beyond U+FFFF.
        let name: String =
            certificate.short_name().chars().filter(|c| u32::from(*c) <= 0xffff && !c.is_control()).collect();
        let name = name.to_lowercase();
        if seen.insert(name.clone()) {
            return name;
        }
        let name = format!("{name} {}", certificate.sha256().get(..8).unwrap_or_default());
        seen.insert(name.clone());
        name
    };
    certificates.iter().map(name).collect()
}

fn to_stdout(bytes: &[u8], form: &str, from: &str, certificates: &[&Certificate], json: bool) -> Result<Exit, Failure> {
    let is_text = form == "pem";
    if json {
        let (encoding, content) = match std::str::from_utf8(bytes) {
            Ok(text) if is_text => ("text", text.to_owned()),
            _ => ("base64", data_encoding::BASE64.encode(bytes)),
        };
        let document = json!({ "v": 1, "type": "trust-export", "from": from, "format": form, "count": certificates.len(),
            "encoding": encoding, "content": content });
        super::print_json(&document)?;
        return Ok(Exit::Done);
    }
    if !is_text && std::io::stdout().is_terminal() {
        return Err(Failure::usage(format_args!("--format {form} is binary and standard output is a terminal"))
            .hint(format_args!("write it to a file: -o roots.{form}")));
    }
    super::show(bytes)?;
    Ok(Exit::Done)
}
