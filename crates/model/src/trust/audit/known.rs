//! How a certificate stands with the public. In: a certificate, a dated list of roots. Out: [`Standing`].

use super::super::reference::{Reference, Root};
use crate::x509::Certificate;

/// How a certificate stands with the public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// On the list now, perhaps with limits.
    Current(&'a Root),
    /// No longer on the list.
    Removed(&'a Root),
    /// Another certificate of a key that is or was on the list.
    SameKey,
    /// Of no public program that is known here.
    Unknown,
}

impl<'a> Standing<'a> {
    pub(super) fn of(reference: &'a Reference, cert: &Certificate) -> Self {
        match reference.root(&cert.sha256()) {
            Some(root) if root.is_current() => Self::Current(root),
            Some(root) => Self::Removed(root),
            None if reference.root_by_key(&cert.public_key).is_some() => Self::SameKey,
            None => Self::Unknown,
        }
    }
}

/// Whether it was removed as a verdict on its operator that also holds for certificates issued long before: not for its age, and not
/// with a date from which on new certificates are not trusted.
pub(super) fn is_verdict(root: &Root) -> bool {
    let harsh = ["distrusted in", "distrusted on", "distrusted from", "used to intercept"];
    root.removed.is_some() && harsh.iter().any(|words| root.note.contains(words))
}
