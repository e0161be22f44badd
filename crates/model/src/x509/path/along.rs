//! What certificates of a path tell about each other: path lengths, name constraints, policies, depth. In: a path from the leaf up.
//! Out: faults with the position of the certificate that they are about. Spec: RFC 5280 §6.1.

use std::collections::BTreeSet;

use super::super::strict::{Strict, oid};
use super::constraints;
use super::fault::Fault;
use super::rules::Rules;

/// What the certificate at `issuer` says of those below it.
pub(super) fn issuer(
    path: &[&Strict],
    issuer: usize,
    is_anchor: bool,
    rules: &Rules,
    work: &mut usize,
) -> Vec<(usize, Fault)> {
    let mut found = Vec::new();
    if !is_anchor || rules.anchor.path_length {
        let allowed = path[issuer].basic_constraints.and_then(|constraints| constraints.path_length);
        let between = intermediates(path, issuer, rules.self_issued_count);
        if let Some(allowed) = allowed.filter(|allowed| between > *allowed) {
            found.push((issuer, Fault::PathLength { allowed, found: between }));
        }
    }
    if !is_anchor || rules.anchor.name_constraints {
        found.extend(constraints::check(path, issuer, rules, work));
    }
    found
}

/// Intermediates between the leaf and `top`, neither of them counted.
fn intermediates(path: &[&Strict], top: usize, self_issued_count: bool) -> u32 {
    let between =
        path.iter().take(top).skip(1).filter(|certificate| self_issued_count || !certificate.is_self_issued());
    u32::try_from(between.count()).unwrap_or(u32::MAX)
}

/// Whether there are more intermediates below `top` than asked for, or than the rules allow.
pub(super) fn depth(path: &[&Strict], top: usize, asked: Option<u32>, rules: &Rules) -> Option<Fault> {
    let logical = intermediates(path, top, false);
    let all = intermediates(path, top, true);
    match asked {
        Some(allowed) if logical > allowed => Some(Fault::TooDeep { allowed, found: logical }),
        _ if all > rules.intermediates => Some(Fault::TooDeep { allowed: rules.intermediates, found: all }),
        _ => None,
    }
}

/// Policies along a whole path (RFC 5280 §6.1 with any initial policy; sets instead of a tree, as RFC 9618 advises).
pub(super) fn policies(path: &[&Strict], is_anchored: bool) -> Option<(usize, Fault)> {
    let below = if is_anchored && path.len() > 1 { &path[..path.len() - 1] } else { path };
    let count = u32::try_from(below.len()).unwrap_or(u32::MAX);
    let mut state = Policies {
        valid: BTreeSet::from([oid::ANY_POLICY.to_vec()]),
        explicit: count + 1,
        mapping: count + 1,
        any: count + 1,
    };
    for (position, certificate) in below.iter().enumerate().rev() {
        let fails = state.step(certificate, position == 0);
        if fails {
            return Some((position, Fault::NoValidPolicy));
        }
    }
    None
}

/// What RFC 5280 §6.1.2 calls the state variables, as far as they are about policies.
struct Policies {
    valid: BTreeSet<Vec<u8>>,
    explicit: u32,
    mapping: u32,
    any: u32,
}

impl Policies {
    /// Takes one certificate more. True when a policy is needed and none is left.
    fn step(&mut self, certificate: &Strict, is_leaf: bool) -> bool {
        let any_counts = self.any > 0 || (!is_leaf && certificate.is_self_issued());
        self.valid = match &certificate.policies {
            None => BTreeSet::new(),
            Some(listed) => self.narrowed(listed, any_counts),
        };
        if self.explicit == 0 && self.valid.is_empty() {
            return true;
        }
        if !is_leaf {
            return self.prepare(certificate);
        }
        self.explicit = self.explicit.saturating_sub(1);
        if certificate.policy_constraints.and_then(|constraints| constraints.require_explicit) == Some(0) {
            self.explicit = 0;
        }
        self.explicit == 0 && self.valid.is_empty()
    }

    fn narrowed(&self, listed: &[Vec<u8>], any_counts: bool) -> BTreeSet<Vec<u8>> {
        let all = self.valid.contains(oid::ANY_POLICY);
        let named = listed.iter().filter(|policy| *policy != oid::ANY_POLICY);
        let mut left: BTreeSet<Vec<u8>> = named.filter(|policy| all || self.valid.contains(*policy)).cloned().collect();
        if any_counts && listed.iter().any(|policy| policy == oid::ANY_POLICY) {
            left.extend(self.valid.iter().cloned());
        }
        left
    }

    /// §6.1.4: what the next certificate will find.
    fn prepare(&mut self, certificate: &Strict) -> bool {
        let is_any = |policy: &Vec<u8>| policy == oid::ANY_POLICY;
        if certificate.policy_mappings.iter().any(|(from, to)| is_any(from) || is_any(to)) {
            return true;
        }
        let before = self.valid.clone();
        for (from, _) in &certificate.policy_mappings {
            self.valid.remove(from);
        }
        for (from, to) in certificate.policy_mappings.iter().filter(|_| self.mapping > 0) {
            if before.contains(from) || before.contains(oid::ANY_POLICY) {
                self.valid.insert(to.clone());
            }
        }
        if !certificate.is_self_issued() {
            self.explicit = self.explicit.saturating_sub(1);
            self.mapping = self.mapping.saturating_sub(1);
            self.any = self.any.saturating_sub(1);
        }
        let constraints = certificate.policy_constraints.unwrap_or_default();
        self.explicit = constraints.require_explicit.map_or(self.explicit, |skip| self.explicit.min(skip));
        self.mapping = constraints.inhibit_mapping.map_or(self.mapping, |skip| self.mapping.min(skip));
        self.any = certificate.inhibit_any_policy.map_or(self.any, |skip| self.any.min(skip));
        false
    }
}
