//! The roots that are judged by, and where the connection is made from. In: `--roots`, `--from`, or nothing. Out: [`Found`].

mod source;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sidelight_engine::tls::{RootsError, Trusted};
use sidelight_model::diagnose::Roots;
use sidelight_model::trust::Runtime;
use sidelight_model::trust::reference::Reference;
use sidelight_model::x509::Anchors;
use sidelight_model::x509::path::{Profile, Stack};
use sidelight_wire::{jks, pkcs12};

use crate::cli::DiagnoseTrust;
use crate::exit::Failure;
use crate::ui::Ui;

/// Bytes of a key store that are read.
const LARGEST: u64 = 64 << 20;

/// Roots, in both of their forms, and the place that the connection is made from.
pub(super) struct Found {
    /// For judging.
    pub(super) roots: Roots,
    /// For the library.
    pub(super) trusted: Trusted,
    /// By whose rules chains are judged: the runtime's, or such as most clients have.
    pub(super) rules: Profile,
    /// What other runtimes of the same source trust, by their names.
    pub(super) others: Vec<(String, Anchors)>,
    /// The network, names and environment of a source that runs.
    pub(super) place: Option<Place>,
}

/// Where a running source lives.
pub(super) struct Place {
    /// The source as the user named it.
    pub(super) name: String,
    /// Its network namespace, when it is another than ours.
    pub(super) namespace: Option<OwnedFd>,
    /// Its /etc/hosts.
    pub(super) hosts: String,
    /// Its /etc/resolv.conf.
    pub(super) resolv_conf: String,
    /// Its environment.
    pub(super) env: Vec<(String, String)>,
}

/// Finds them.
///
/// # Errors
/// When a file or the source cannot be read.
pub(super) fn find(options: &DiagnoseTrust, ui: Ui) -> Result<Found, Failure> {
    if let Some(source) = &options.from {
        return source::find(source, options, ui);
    }
    let trusted = if options.roots.is_empty() { Trusted::of_host() } else { of_files(&options.roots)? };
    let rules = Profile::Stack(Stack::Of(Runtime::Curl));
    Ok(Found { roots: roots(&trusted), trusted, rules, others: Vec::new(), place: None })
}

/// The roots for judging.
fn roots(trusted: &Trusted) -> Roots {
    Roots::new(trusted.source.clone(), trusted.roots.iter().map(AsRef::as_ref), trusted.warnings.clone())
}

/// The roots in files. One without any is an answer, not an error: nothing is trusted then.
fn of_files(files: &[PathBuf]) -> Result<Trusted, Failure> {
    let mut all = Trusted { source: list(files), ..Trusted::default() };
    for file in files {
        let read = match Trusted::from_paths(std::slice::from_ref(file)) {
            Ok(read) => read,
            Err(RootsError::Empty { .. }) => of_key_store(file)?,
            Err(error) => return Err(Failure::new(format!("--roots: {error}"))),
        };
        all.roots.extend(read.roots);
        all.warnings.extend(read.warnings);
    }
    Ok(all)
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The certificates of a JKS or PKCS#12 file; none when it is neither.
fn of_key_store(file: &Path) -> Result<Trusted, Failure> {
    let nothing = |why: String| Trusted { warnings: vec![format!("{}: {why}", file.display())], ..Trusted::default() };
    if file.is_dir() {
        return Ok(nothing("no certificate in any of its files".to_owned()));
    }
    let bytes = sidelight_host::files::read_bounded(file, LARGEST)
        .map_err(|error| Failure::new(format!("--roots: {error}")))?;
    let from_jks = jks::read(&bytes, None).ok().map(|(entries, _)| {
        let trusted = entries.into_iter().filter_map(|entry| match entry.kind {
            jks::EntryKind::Certificate(certificate) => Some(certificate.der),
            jks::EntryKind::PrivateKey { .. } => None,
        });
        trusted.collect::<Vec<_>>()
    });
    let from_pkcs12 = || {
        let contents = ["", "changeit"].iter().find_map(|password| pkcs12::read(&bytes, password).ok())?;
        Some(contents.certificates.into_iter().map(|cert| cert.der).collect::<Vec<_>>())
    };
    let Some(found) = from_jks.or_else(from_pkcs12) else {
        return Ok(nothing("no certificate that can be read".to_owned()));
    };
    Ok(Trusted { roots: found.into_iter().map(Into::into).collect(), ..Trusted::default() })
}

/// Roots for comparison: those of other runtimes of the source, this host's, and Mozilla's list.
pub(super) fn others(found: &Found) -> Vec<(String, Anchors)> {
    let reference = Reference::builtin();
    let current = reference.current().filter_map(|root| root.certificate.as_ref());
    let mozilla = Anchors::new(current.map(|cert| cert.der.as_slice()));
    let mut others = found.others.clone();
    others.push((format!("Mozilla's list of {}", reference.as_of), mozilla));
    let host = Trusted::of_host();
    if host.source != found.roots.source {
        others.push((host.source.clone(), roots(&host).anchors));
    }
    others
}
