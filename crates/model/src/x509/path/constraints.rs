//! Name constraints: where the names below a CA may lie. In: a path and one issuer in it. Out: the names that break its constraints.
//! Spec: RFC 5280 §4.2.1.10 and §6.1.3 (b), (c); wildcards stand for every name that they could match.

use super::super::strict::{GeneralName, Name, NameConstraints, NameKind, Strict};
use super::fault::{Breach, Fault};
use super::rules::Rules;
use super::syntax;

/// Comparisons that are made for one path at the most; others have the same limit (Go, rustls-webpki).
pub(super) const MOST_COMPARISONS: usize = 250_000;

/// What the constraints of the certificate at `issuer` say of the names below it. `work` counts comparisons.
pub(super) fn check(path: &[&Strict], issuer: usize, rules: &Rules, work: &mut usize) -> Vec<(usize, Fault)> {
    let Some(constraints) = path.get(issuer).and_then(|issuer| issuer.name_constraints.as_ref()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (position, below) in path.iter().enumerate().take(issuer) {
        // A CA may issue to itself whatever its name (§6.1.3), the leaf is always looked at.
        if position > 0 && below.is_self_issued() && !rules.self_issued_count {
            continue;
        }
        for name in names_of(below, position, rules) {
            *work += constraints.permitted.len() + constraints.excluded.len();
            if *work > MOST_COMPARISONS {
                found.push((issuer, Fault::TooManyComparisons));
                return found;
            }
            if let Some(fault) = broken(constraints, &name, issuer, rules) {
                found.push((position, fault));
            }
        }
    }
    found
}

/// The constraints that nobody can apply, so that their CA is of no use.
pub(super) fn unusable(certificate: &Strict, rules: &Rules, found: &mut Vec<Fault>) {
    let Some(constraints) = &certificate.name_constraints else { return };
    let all = constraints.permitted.iter().chain(&constraints.excluded);
    for constraint in all.filter(|constraint| !is_usable(constraint, rules)) {
        found.push(Fault::BadConstraint { name: constraint.text(), kind: constraint.kind() });
    }
}

fn is_usable(constraint: &GeneralName, rules: &Rules) -> bool {
    match constraint {
        GeneralName::Dns(name) => {
            let bare = if rules.dotted_constraints { name.strip_prefix('.').unwrap_or(name) } else { name };
            bare.is_empty() || syntax::is_dns(bare) || (rules.dotted_constraints && !bare.contains('*'))
        }
        GeneralName::Ip(bytes) => matches!(bytes.len(), 8 | 32) && is_prefix(&bytes[bytes.len() / 2..]),
        GeneralName::Email(name) => match name.split_once('@') {
            Some((local, host)) => !local.is_empty() && syntax::is_dns(host),
            None => name.is_empty() || syntax::is_dns(name.strip_prefix('.').unwrap_or(name)),
        },
        GeneralName::Uri(name) => name.is_empty() || syntax::is_dns(name.strip_prefix('.').unwrap_or(name)),
        // Other kinds matter only where such a name occurs.
        GeneralName::Directory(_) | GeneralName::Other(_) | GeneralName::Unusual(_) | GeneralName::Registered(_) => {
            true
        }
    }
}

/// Ones, then zeros.
fn is_prefix(mask: &[u8]) -> bool {
    let ones: usize = mask.iter().map(|byte| byte.leading_ones() as usize).sum();
    let set: usize = mask.iter().map(|byte| byte.count_ones() as usize).sum();
    let whole = mask.iter().take_while(|byte| **byte == 0xff).count();
    ones == set && mask.iter().skip(whole + 1).all(|byte| *byte == 0)
}

/// Every name that constraints are about: alternative names, the subject, its e-mail address and, for those who take it for a
/// host, its common name.
fn names_of(certificate: &Strict, position: usize, rules: &Rules) -> Vec<GeneralName> {
    let mut names = certificate.names.clone().unwrap_or_default();
    let has = |names: &[GeneralName], kind| names.iter().any(|name| name.kind() == kind);
    if !has(&names, NameKind::Email) && !rules.as_webpki {
        names.extend(certificate.subject.emails.iter().cloned().map(GeneralName::Email));
    }
    if position == 0 && rules.common_name && !has(&names, NameKind::Dns) {
        let hosts = certificate.subject.common_names.iter().filter(|name| syntax::is_dns(name) && name.contains('.'));
        names.extend(hosts.cloned().map(GeneralName::Dns));
    }
    if !certificate.subject.is_empty() || rules.as_webpki {
        names.push(GeneralName::Directory(certificate.subject.clone()));
    }
    names
}

fn broken(constraints: &NameConstraints, name: &GeneralName, by: usize, rules: &Rules) -> Option<Fault> {
    let kind = name.kind();
    let same = |constraint: &&GeneralName| constraint.kind() == kind;
    let fault = |breach| Some(Fault::Constrained { name: name.text(), kind, breach, by });
    let all = constraints.permitted.iter().chain(&constraints.excluded);
    if rules.as_webpki && { all }.any(|constraint| same(&constraint)) {
        if matches!(kind, NameKind::Directory | NameKind::Email | NameKind::Uri) {
            return fault(Breach::Excluded);
        }
        if matches!(name, GeneralName::Dns(dns) if dns.split('.').any(str::is_empty)) {
            return Some(Fault::BadName { name: name.text(), kind });
        }
    }
    if kind == NameKind::Other {
        // What is constrained and not understood is refused (§4.2.1.10).
        let meant = |constraint: &GeneralName| std::mem::discriminant(constraint) == std::mem::discriminant(name);
        let mut all = constraints.permitted.iter().chain(&constraints.excluded);
        return if all.any(meant) { fault(Breach::Excluded) } else { None };
    }
    if constraints.excluded.iter().filter(same).any(|constraint| within(name, constraint, true)) {
        return fault(Breach::Excluded);
    }
    let mut permitted = constraints.permitted.iter().filter(same).peekable();
    if permitted.peek().is_some() && !permitted.any(|constraint| within(name, constraint, false)) {
        return fault(Breach::NotPermitted);
    }
    None
}

/// Whether a name lies within a constraint; `partly` when it is enough that one of the names for which a wildcard stands does.
fn within(name: &GeneralName, constraint: &GeneralName, partly: bool) -> bool {
    match (name, constraint) {
        (GeneralName::Dns(name), GeneralName::Dns(constraint)) => dns_within(name, constraint, partly),
        (GeneralName::Ip(address), GeneralName::Ip(range)) => ip_within(address, range),
        (GeneralName::Email(mailbox), GeneralName::Email(constraint)) => email_within(mailbox, constraint),
        (GeneralName::Uri(uri), GeneralName::Uri(constraint)) => uri_within(uri, constraint, partly),
        (GeneralName::Directory(name), GeneralName::Directory(constraint)) => directory_within(name, constraint),
        _ => false,
    }
}

fn directory_within(name: &Name, constraint: &Name) -> bool {
    name.is_within(constraint)
}

fn dns_within(name: &str, constraint: &str, partly: bool) -> bool {
    let name = name.to_ascii_lowercase();
    let constraint = constraint.to_ascii_lowercase();
    // A leading dot, where it is taken at all, asks for at least one label more.
    let (constraint, deeper) = match constraint.strip_prefix('.') {
        Some(rest) => (rest, true),
        None => (constraint.as_str(), false),
    };
    if constraint.is_empty() {
        return true;
    }
    let below = |name: &str| name.strip_suffix(constraint).is_some_and(|rest| rest.ends_with('.'));
    if let Some(base) = name.strip_prefix("*.") {
        let above = constraint.split_once('.').is_some_and(|(_, parent)| parent == base);
        return base == constraint || below(base) || (partly && !deeper && above);
    }
    (name == constraint && !deeper) || below(&name)
}

fn ip_within(address: &[u8], range: &[u8]) -> bool {
    if range.len() != 2 * address.len() {
        return false;
    }
    let (base, mask) = range.split_at(address.len());
    address.iter().zip(base).zip(mask).all(|((address, base), mask)| address & mask == base & mask)
}

/// The part before the `@` is compared exactly, the host without case (RFC 5280 §7.5).
pub(super) fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, host)), Some((wanted, at))) => local == wanted && host.eq_ignore_ascii_case(at),
        _ => false,
    }
}

fn email_within(mailbox: &str, constraint: &str) -> bool {
    let Some((_, host)) = mailbox.rsplit_once('@') else { return false };
    if constraint.contains('@') {
        return same_mailbox(mailbox, constraint);
    }
    host_within(host, constraint)
}

/// A leading dot means everything below it; without, the very host.
fn host_within(host: &str, constraint: &str) -> bool {
    let (host, constraint) = (host.to_ascii_lowercase(), constraint.to_ascii_lowercase());
    if constraint.is_empty() {
        return true;
    }
    if constraint.starts_with('.') {
        host.len() > constraint.len() && host.ends_with(&constraint)
    } else {
        host == constraint
    }
}

/// A URI without a host name cannot be shown to lie within: it breaks whatever is constrained (§4.2.1.10).
fn uri_within(uri: &str, constraint: &str, partly: bool) -> bool {
    let Some((_, rest)) = uri.split_once("://") else { return partly };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    if syntax::is_dns(host) { host_within(host, constraint) } else { partly }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_lie_within_whole_labels() {
        for (name, constraint, whole, partly) in [
            ("a.example", "example", true, true),
            ("example", "example", true, true),
            ("notexample", "example", false, false),
            ("A.EXAMPLE", "a.example", true, true),
            ("example", ".example", false, false),
            ("a.example", ".example", true, true),
            ("*.example", "example", true, true),
            ("*.example", "a.example", false, true),
            ("*.example", "b.a.example", false, false),
            ("*.a.example", "example", true, true),
            ("anything", "", true, true),
        ] {
            assert_eq!(dns_within(name, constraint, false), whole, "{name} in {constraint}");
            assert_eq!(dns_within(name, constraint, true), partly, "{name} partly in {constraint}");
        }
    }

    #[test]
    fn addresses_lie_within_their_mask() {
        assert!(ip_within(&[10, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert!(!ip_within(&[11, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert!(!ip_within(&[10; 16], &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert!(is_prefix(&[255, 240, 0, 0]) && is_prefix(&[0; 4]) && is_prefix(&[255; 4]));
        assert!(
            !is_prefix(&[255, 0, 255, 0]) && !is_prefix(&[240, 255]) && !is_prefix(&[0xa0, 0]) && !is_prefix(&[0, 255])
        );
    }

    #[test]
    fn mailboxes_and_hosts_of_uris() {
        for (mailbox, constraint, expected) in [
            ("a@example", "example", true),
            ("a@b.example", "example", false),
            ("a@b.example", ".example", true),
            ("a@EXAMPLE", "a@example", true),
            ("A@example", "a@example", false),
            ("*@example", "*@example", true),
            ("user@example", "*@example", false),
        ] {
            assert_eq!(email_within(mailbox, constraint), expected, "{mailbox} in {constraint}");
        }
        for (uri, constraint, expected) in [
            ("https://u@a.example:8443/x", "a.example", true),
            ("https://b.a.example", "a.example", false),
            ("https://b.a.example", ".a.example", true),
            ("https://192.0.2.1/", "192.0.2.1", false),
            ("urn:a", "a.example", false),
        ] {
            assert_eq!(uri_within(uri, constraint, false), expected, "{uri} in {constraint}");
        }
        assert!(uri_within("urn:a", "a.example", true), "what has no host may be what is excluded");
    }
}
