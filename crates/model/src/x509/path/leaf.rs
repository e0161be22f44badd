//! What only the leaf is asked: its purpose, its usage, and whether it speaks for the name. In: the leaf, what is asked. Out: faults.
//! Spec: RFC 5280 §4.2.1.6, RFC 9525 §6, RFC 6125 for the common name.

use std::net::IpAddr;

use super::super::name::dns_matches;
use super::super::strict::{GeneralName, Strict, usage};
use super::certificate::{Asking, purposes};
use super::fault::Fault;
use super::{Asked, constraints};

/// Names that are shown of a leaf at the most.
const MOST_SHOWN: usize = 100;

pub(super) fn check(leaf: &Strict, asking: Asking<'_>, found: &mut Vec<Fault>) {
    let rules = asking.rules;
    if !rules.leaf_may_be_ca && leaf.basic_constraints.is_some_and(|constraints| constraints.ca) {
        found.push(Fault::LeafIsCa);
    }
    let for_tls = usage::DIGITAL_SIGNATURE | usage::KEY_ENCIPHERMENT | usage::KEY_AGREEMENT;
    if rules.leaf_usage && leaf.key_usage.is_some_and(|bits| bits & for_tls == 0) {
        found.push(Fault::UsageNotForTls);
    }
    purposes(leaf, asking.purpose, rules.purposes.any_on_leaf, found);
    if let Some(asked) = asking.name {
        name(leaf, asked, rules.common_name, found);
    }
}

fn name(leaf: &Strict, asked: &Asked, common_name: bool, found: &mut Vec<Fault>) {
    let listed = leaf.names.as_deref().unwrap_or_default();
    if listed.iter().any(|name| speaks_for(name, asked)) {
        return;
    }
    let has_hosts = listed.iter().any(|name| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_)));
    let by_common_name = match asked {
        Asked::Dns(wanted) if common_name && !has_hosts => {
            leaf.subject.common_names.last().is_some_and(|pattern| dns_matches(pattern, wanted))
        }
        _ => false,
    };
    if by_common_name {
        return;
    }
    if leaf.names.is_none() {
        let common_name = leaf.subject.common_names.last().cloned();
        found.push(Fault::NoNames { asked: asked.to_string(), common_name });
        return;
    }
    let presented = listed.iter().take(MOST_SHOWN).map(GeneralName::text).collect();
    found.push(Fault::NameMismatch { asked: asked.to_string(), presented });
}

fn speaks_for(name: &GeneralName, asked: &Asked) -> bool {
    match (name, asked) {
        (GeneralName::Dns(pattern), Asked::Dns(wanted)) => dns_matches(pattern, wanted),
        (GeneralName::Ip(bytes), Asked::Ip(IpAddr::V4(wanted))) => bytes.as_slice() == wanted.octets(),
        (GeneralName::Ip(bytes), Asked::Ip(IpAddr::V6(wanted))) => bytes.as_slice() == wanted.octets(),
        (GeneralName::Email(mailbox), Asked::Email(wanted)) => constraints::same_mailbox(mailbox, wanted),
        _ => false,
    }
}
