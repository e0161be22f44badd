//! The roots that are judged by, and where the connection is made from. In: `--roots`, `--from`, or nothing. Out: [`Found`].

mod source;

use std::os::fd::OwnedFd;

use sidelight_engine::tls::Trusted;
use sidelight_model::diagnose::Roots;
use sidelight_model::trust::Runtime;
use sidelight_model::trust::reference::Reference;
use sidelight_model::x509::Anchors;
use sidelight_model::x509::path::{Profile, Stack};

use crate::cli::DiagnoseTrust;
use crate::commands::source_roots;
use crate::exit::Failure;
use crate::ui::Ui;

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
    let trusted =
        if options.roots.is_empty() { Trusted::of_host() } else { source_roots::of_option(&options.roots, ui)? };
    let rules = Profile::Stack(Stack::Of(Runtime::Curl));
    Ok(Found { roots: roots(&trusted), trusted, rules, others: Vec::new(), place: None })
}

/// The roots for judging.
fn roots(trusted: &Trusted) -> Roots {
    Roots::new(trusted.source.clone(), trusted.roots.iter().map(AsRef::as_ref), trusted.warnings.clone())
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
