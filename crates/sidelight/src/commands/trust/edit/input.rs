//! The certificates that are to be trusted. In: files in any form. Out: anchors, each with what is odd about it.
//! Private keys are never taken: a file that holds one beside its certificate gives the certificate alone.

use std::path::{Path, PathBuf};

use sidelight_host::files::read_bounded;
use sidelight_host::trust_store::Anchor;
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Pool;
use sidelight_wire::trust_store;

use crate::exit::{Exit, Failure};
use crate::render::escape;
use crate::ui::Ui;

/// A bundle with all public roots is a quarter of a megabyte.
const LARGEST: u64 = 16 << 20;

/// More than anybody adds at once.
const MOST: usize = 500;

/// A certificate that is to be added.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) anchor: Anchor,
    pub(super) warnings: Vec<String>,
}

/// Reads the certificates of all files, each once.
pub(super) fn read(files: &[PathBuf], force_leaf: bool, now: Timestamp, ui: Ui) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in files {
        for anchor in one_file(file, ui)? {
            if wanted.iter().any(|known| known.anchor.sha256 == anchor.sha256) {
                continue;
            }
            check(&anchor, file, force_leaf)?;
            wanted.push(Wanted { warnings: warnings(&anchor, now), anchor });
        }
    }
    if wanted.len() > MOST {
        return Err(Failure::usage(format_args!("{} certificates at once are more than {MOST}", wanted.len())));
    }
    Ok(wanted)
}

/// All certificates of a file.
pub(super) fn one_file(file: &Path, ui: Ui) -> Result<Vec<Anchor>, Failure> {
    let name = escape::line(&file.display().to_string());
    let bytes = read_bounded(file, LARGEST).map_err(|error| Failure::new(error).exit(Exit::Unanswered))?;
    let mut pool = Pool::default();
    let store = trust_store::read_expected(&bytes, &mut pool);
    let keys = store.keys.len();
    if store.entries.is_empty() {
        let why = match (keys, store.faults.first()) {
            (1.., _) => "it holds a private key and no certificate".to_owned(),
            (0, Some(fault)) => fault.what.clone(),
            (0, None) => "there is no certificate in it".to_owned(),
        };
        let failure = Failure::new(format_args!("{name}: {}", escape::line(&why)));
        return Err(match why.contains("password") {
            true => failure.hint(format_args!(
                "take the certificates out of it: openssl pkcs12 -in {name} -nokeys -out roots.pem"
            )),
            false => failure,
        });
    }
    if let Some(fault) = store.faults.first() {
        let failure = Failure::usage(format_args!("{name} is damaged: {}", escape::line(&fault.what)));
        return Err(failure.hint("nothing was changed; mend the file, or give the certificate alone"));
    }
    if keys > 0 {
        ui.warning(&format!("{name} holds a private key too: it is not copied anywhere"));
    }
    let ders = store.entries.iter().map(|entry| &pool.get(entry.cert).der);
    ders.map(|der| Anchor::any(der).map_err(|error| Failure::usage(format_args!("{name}: {error}")))).collect()
}

/// Only what can issue certificates belongs among roots.
fn check(anchor: &Anchor, file: &Path, force_leaf: bool) -> Result<(), Failure> {
    let certificate = &anchor.certificate;
    // Version 1 knew no extensions; old roots are trusted without.
    let may_issue = certificate.is_ca == Some(true) || (certificate.is_ca.is_none() && certificate.is_self_signed());
    if may_issue || force_leaf {
        return Ok(());
    }
    let what = if certificate.sans.is_empty() { "no CA" } else { "the certificate of a server or client, not of a CA" };
    let (file, subject) = (escape::line(&file.display().to_string()), escape::line(&certificate.subject));
    let failure = Failure::usage(format_args!("{file}: {subject} is {what}: clients would not accept it as a root"));
    let issuer = escape::line(&certificate.issuer);
    Err(failure
        .hint(format_args!("add the certificate that issued it instead: {issuer}"))
        .hint("or give --force-leaf, for clients that accept a server's own certificate (Go, GnuTLS, Java, curl)"))
}

/// What will make some client refuse it.
fn warnings(anchor: &Anchor, now: Timestamp) -> Vec<String> {
    let certificate = &anchor.certificate;
    let name = certificate.short_name();
    let mut found = Vec::new();
    if certificate.not_after < now {
        let day = certificate.not_after.date();
        found.push(format!(
            "{name} expired on {day}: OpenSSL, curl, Go, Node and Python refuse it, Java and rustls do not"
        ));
    } else if certificate.not_before > now {
        found.push(format!(
            "{name} is not valid before {}: most clients refuse it until then",
            certificate.not_before.date()
        ));
    }
    if !certificate.is_self_signed() {
        let issuer = &certificate.issuer;
        found.push(format!(
            "{name} is not a root (issued by {issuer}): OpenSSL, Node and Python before 3.13 need that one as well"
        ));
    }
    found
}
