//! Two runtimes side by side: "works with curl, not with the Go service". In: two [`Effective`]. Out: what only one of them accepts, and why.

use std::collections::HashSet;

use super::Effective;
use crate::trust::CertId;

/// What two runtimes of one survey do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Accepted by the first alone, with the reason why the second does not accept it.
    pub only_first: Vec<(CertId, String)>,
    /// Accepted by the second alone, likewise.
    pub only_second: Vec<(CertId, String)>,
    /// How many both accept.
    pub shared: usize,
}

/// Compares what two runtimes of the same survey accept.
pub fn compare(first: &Effective, second: &Effective) -> Comparison {
    let accepted = |of: &Effective| of.accepted().collect::<HashSet<_>>();
    let (ours, theirs) = (accepted(first), accepted(second));
    let only = |from: &Effective, other: &Effective, has: &HashSet<CertId>| {
        from.accepted().filter(|cert| !has.contains(cert)).map(|cert| (cert, why_not(other, cert))).collect()
    };
    Comparison {
        only_first: only(first, second, &theirs),
        only_second: only(second, first, &ours),
        shared: ours.intersection(&theirs).count(),
    }
}

/// Why a runtime does not accept a certificate.
fn why_not(of: &Effective, cert: CertId) -> String {
    if let Some(why) = of.root(cert).and_then(|root| root.refused.as_ref()) {
        return format!("it has it, but {why}");
    }
    if let Some(lost) = of.loss(cert) {
        return format!("{}: {}", lost.file, lost.why);
    }
    if let Some(fails) = &of.fails {
        return fails.clone();
    }
    let read: Vec<&str> = of.sources.iter().map(|source| source.path.as_str()).collect();
    match read.as_slice() {
        [] => "it reads no file".to_owned(),
        [one] => format!("it reads {one} alone"),
        several => format!("it reads {}", several.join(", ")),
    }
}
