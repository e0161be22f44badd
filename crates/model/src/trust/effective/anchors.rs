//! Anchors of a distribution's folders that did not arrive where a runtime reads. In: a gathering. Out: what it lost by that, with the
//! command that takes anchors into the bundle.

use super::gather::Gather;
use crate::trust::{CertId, Content, File, Survey};

/// Folders of anchors, and the command that takes them into the bundle.
const ANCHORS: &[(&str, &str)] = &[
    ("/usr/local/share/ca-certificates/", "update-ca-certificates"),
    ("/etc/pki/ca-trust/source/anchors/", "update-ca-trust"),
    ("/usr/share/pki/ca-trust-source/anchors/", "update-ca-trust"),
    ("/etc/ca-certificates/trust-source/anchors/", "update-ca-trust"),
    ("/etc/pki/trust/anchors/", "update-ca-certificates"),
    ("/usr/share/pki/trust/anchors/", "update-ca-certificates"),
];

/// Bundles that those commands write.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
];

impl Gather<'_> {
    /// For runtimes that are meant to share the system's trust, and for those of which one might think so.
    pub(super) fn anchors(&mut self) {
        for (folder, command) in ANCHORS {
            let survey = self.survey();
            let files = survey.files.range((*folder).to_owned()..).take_while(|(path, _)| path.starts_with(folder));
            for (_, file) in files {
                self.missed(file, folder, command);
            }
        }
    }

    fn missed(&mut self, file: &File, folder: &str, command: &str) {
        let Content::Store(store) = &file.content else { return };
        for entry in store.entries.iter().filter(|entry| entry.is_anchor) {
            if self.out.roots.iter().any(|root| root.cert == entry.cert) {
                continue;
            }
            let (why, fix) = match elsewhere(self.survey(), entry.cert, &file.path) {
                Some(bundle) => (format!("it is in {bundle}, which {} does not read", self.out.label), None),
                None => (format!("it lies in {folder}, but is in no bundle yet"), Some(command.to_owned())),
            };
            self.lose(entry.cert, file, entry.line, why, fix);
        }
    }
}

/// A bundle of the distribution that holds a certificate.
fn elsewhere(survey: &Survey, cert: CertId, not: &str) -> Option<String> {
    BUNDLES.iter().filter_map(|path| survey.resolve(path)).find(|path| {
        path != not && survey.store(path).is_some_and(|store| store.entries.iter().any(|entry| entry.cert == cert))
    })
}
