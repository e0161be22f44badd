//! `sidelight ca export`. In: the CA, a form. Out: the certificate in that form, on standard output or in a file; with its key only when
//! asked, and then in a file that nobody else reads.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde_json::json;
use sidelight_host::files::{Meta, read_bounded, replace_file};
use sidelight_host::trust_store::{Anchor, JavaStore};
use sidelight_model::redact::Secret;
use sidelight_wire::{pem, pkcs12};

use super::{LARGEST, SHAPE, certificate, denied_or, folder, no_ca, now, print};
use crate::cli::{CaExport, CertificateFormat};
use crate::exit::{Exit, Failure};

/// The name of the certificate in stores.
const ALIAS: &str = "sidelight";

pub(super) fn run(export: &CaExport, json: bool) -> Result<Exit, Failure> {
    if export.with_key && export.format != CertificateFormat::P12 {
        return Err(Failure::usage("--with-key needs --format p12: no other form holds a key under a password"));
    }
    let folder = folder(&export.folder)?;
    let Some(anchor) = certificate(&folder)? else { return Err(no_ca(&folder)) };
    let bytes = encoded(export, &anchor, &folder)?;
    let form = match export.format {
        CertificateFormat::Pem => "pem",
        CertificateFormat::Der => "der",
        CertificateFormat::P12 => "p12",
        CertificateFormat::Jks => "jks",
    };
    let Some(path) = &export.output else { return to_stdout(&bytes, form, &anchor, json) };
    write_file(path, &bytes, export.with_key)?;
    if json {
        let with_key = export.with_key;
        let written =
            json!({ "v": SHAPE, "file": path, "format": form, "sha256": anchor.sha256, "with_key": with_key });
        print(&format!("{written:#}\n"))?;
    }
    Ok(Exit::Done)
}

fn encoded(export: &CaExport, anchor: &Anchor, folder: &Path) -> Result<Vec<u8>, Failure> {
    let password = &export.storepass;
    Ok(match export.format {
        CertificateFormat::Pem => anchor.pem().into_bytes(),
        CertificateFormat::Der => anchor.der().to_vec(),
        CertificateFormat::P12 if export.with_key => {
            let key = key(folder)?;
            pkcs12::write_identity(ALIAS, &[anchor.der()], key.reveal(), password).map_err(Failure::new)?
        }
        CertificateFormat::P12 => {
            pkcs12::write_trust_store(&[(ALIAS, anchor.der())], Some(password)).map_err(Failure::new)?
        }
        CertificateFormat::Jks => {
            let mut store = JavaStore::Jks(Vec::new());
            store.add(ALIAS, anchor.der(), now());
            store.write(password).map_err(Failure::new)?
        }
    })
}

/// The CA's key, PKCS#8.
fn key(folder: &Path) -> Result<Secret<Vec<u8>>, Failure> {
    let path = folder.join("ca.key");
    let bytes = read_bounded(&path, LARGEST).map_err(denied_or)?;
    let key = pem::read(&bytes).0.into_iter().find(|block| block.label == "PRIVATE KEY");
    let key = key.ok_or_else(|| anyhow!("{}: there is no PRIVATE KEY block (PKCS#8) in it", path.display()))?;
    Ok(Secret::new(key.data))
}

fn to_stdout(bytes: &[u8], form: &str, anchor: &Anchor, json: bool) -> Result<Exit, Failure> {
    let is_text = form == "pem";
    if json {
        let content = if is_text { anchor.pem() } else { data_encoding::BASE64.encode(bytes) };
        let encoding = if is_text { "text" } else { "base64" };
        let sha256 = &anchor.sha256;
        let shown = json!({ "v": SHAPE, "format": form, "sha256": sha256, "encoding": encoding, "content": content });
        print(&format!("{shown:#}\n"))?;
        return Ok(Exit::Done);
    }
    if !is_text && std::io::stdout().is_terminal() {
        return Err(Failure::usage(format_args!("--format {form} is binary and standard output is a terminal"))
            .hint(format_args!("write it to a file: -o sidelight.{form}")));
    }
    std::io::stdout().lock().write_all(bytes)?;
    Ok(Exit::Done)
}

/// Writes a file whole or not at all; a device or pipe, such as /dev/stdout, is written to as it is. `secret`: for its owner alone.
///
/// # Errors
/// When it cannot be written; the failure says what helps.
pub(crate) fn write_file(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let mut open = OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())?;
        open.write_all(bytes).with_context(|| path.display().to_string())?;
        return Ok(());
    }
    let meta = if secret { Meta::new(0o600) } else { Meta::of_or_new(path, 0o644).map_err(denied_or)? };
    replace_file(path, bytes, &meta).map_err(|error| {
        let folder = path.parent().filter(|_| error.is_absent()).map(Path::to_owned);
        let failure = denied_or(error);
        match folder {
            Some(folder) => failure.hint(format_args!("make its folder first: mkdir -p {}", folder.display())),
            None => failure,
        }
    })
}
