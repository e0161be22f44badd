//! What revocation lists say of a path. In: a path, lists. Out: faults. Spec: RFC 5280 §6.3.3, for complete lists of the issuer itself.
//! A certificate of whose issuer there is no list is neither good nor bad: whoever asks gives the lists that they want looked at.

use super::super::strict::{Malformed, RevocationList, Strict, oid, usage};
use super::fault::{Fault, ListFault};
use super::rules::Forms;
use super::signatures::verify;
use crate::time::Timestamp;

/// A list, or why it cannot be read.
pub(super) type Lists = [Result<RevocationList, Malformed>];

/// What the lists say of each certificate below the anchor.
pub(super) fn check(path: &[&Strict], lists: &Lists, forms: Forms, now: Timestamp) -> Vec<(usize, Fault)> {
    let unreadable = lists.iter().filter_map(|list| list.as_ref().err());
    let mut found: Vec<_> = unreadable.map(|what| (0, Fault::RevocationList(ListFault::Unreadable(*what)))).collect();
    for (position, pair) in path.windows(2).enumerate() {
        let [certificate, issuer] = pair else { continue };
        found.extend(of_one(certificate, issuer, position == 0, lists, forms, now).map(|fault| (position, fault)));
    }
    found
}

fn of_one(
    certificate: &Strict,
    issuer: &Strict,
    is_leaf: bool,
    lists: &Lists,
    forms: Forms,
    now: Timestamp,
) -> Option<Fault> {
    let mut usable = false;
    let mut first_fault = None;
    for list in lists.iter().flatten().filter(|list| list.issuer.is(&issuer.subject) && covers(list, is_leaf)) {
        if let Some(fault) = unusable(list, issuer, forms, now) {
            first_fault.get_or_insert(Fault::RevocationList(fault));
            continue;
        }
        usable = true;
        if let Some(entry) = list.entry(&certificate.serial) {
            return Some(Fault::Revoked { at: entry.at.at, reason: entry.reason });
        }
    }
    first_fault.filter(|_| !usable)
}

fn covers(list: &RevocationList, is_leaf: bool) -> bool {
    let elsewhere = if is_leaf { list.scope.only_cas } else { list.scope.only_leaves };
    !list.scope.only_attributes && !elsewhere
}

fn unusable(list: &RevocationList, issuer: &Strict, forms: Forms, now: Timestamp) -> Option<ListFault> {
    if !verify(list.signed_part(), &list.signature, &issuer.key) {
        return Some(ListFault::BadSignature);
    }
    if issuer.key_usage.is_some_and(|bits| bits & usage::CRL_SIGN == 0) {
        return Some(ListFault::NoCrlSign);
    }
    let number = list.extension(oid::CRL_NUMBER);
    if forms == Forms::Web && number.is_none_or(|number| number.critical || number.malformed.is_some()) {
        return Some(ListFault::Number);
    }
    let known = |oid: &[u8]| oid == oid::CRL_NUMBER || (oid == oid::ISSUING_POINT && !list.scope.indirect);
    let unknown = list.extensions.iter().find(|extension| extension.critical && !known(&extension.oid));
    if let Some(oid) = unknown.map(|extension| &extension.oid).or(list.unknown_in_entry.as_ref()) {
        return Some(ListFault::UnknownCritical(oid.clone()));
    }
    if now.as_secs() < list.this_update.at.as_secs() {
        return Some(ListFault::NotYetValid(list.this_update.at));
    }
    list.next_update.filter(|next| now.as_secs() > next.at.as_secs()).map(|next| ListFault::Stale(next.at))
}
