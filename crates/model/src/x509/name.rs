//! Does a certificate speak for a name? In: SANs and the name asked for. Out: yes or no. Spec: RFC 9525 §6.3, RFC 5280 §4.2.1.6.

use super::San;
use crate::flow::Host;

/// Whether one of `sans` covers `host`. The common name is never looked at.
pub fn matches(sans: &[San], host: &Host) -> bool {
    sans.iter().any(|san| match (san, host) {
        (San::Dns(pattern), Host::Name(name)) => dns_matches(pattern, name),
        (San::Ip(listed), Host::Ip(address)) => listed == address,
        _ => false,
    })
}

/// A `*` may stand for the whole leftmost label and for nothing else.
pub(super) fn dns_matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    let name = name.strip_suffix('.').unwrap_or(name);
    if pattern.eq_ignore_ascii_case(name) {
        return !pattern.contains('*');
    }
    let (Some(suffix), Some((label, rest))) = (pattern.strip_prefix("*."), name.split_once('.')) else { return false };
    !label.is_empty() && suffix.contains('.') && !suffix.contains('*') && suffix.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_label() {
        for (pattern, name, expected) in [
            ("a.test", "A.test", true),
            ("*.a.test", "b.a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", "c.b.a.test", false),
            ("b*.a.test", "b1.a.test", false),
            ("*.test", "a.test", false),
            ("*", "test", false),
            ("*.a.test", "*.a.test", false),
        ] {
            assert_eq!(dns_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn addresses_need_an_address_entry() {
        let sans = [San::Dns("127.0.0.1".into()), San::Ip([192, 0, 2, 1].into())];
        assert!(!matches(&sans, &Host::Ip([127, 0, 0, 1].into())));
        assert!(matches(&sans, &Host::Ip([192, 0, 2, 1].into())));
    }
}
