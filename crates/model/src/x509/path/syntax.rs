//! Whether names are well formed. In: a name. Out: yes or no. Spec: RFC 5280 §4.2.1.6 (names as in RFC 1034 §3.5 and RFC 1123 §2.1),
//! RFC 9525 §6.3 (wildcards), CA/Browser Forum §3.2.2.6 (wildcards below public suffixes).

use std::net::IpAddr;

use super::super::strict::GeneralName;

/// Second levels below which countries' registries register: the common part of the Public Suffix List, where `*.` would speak for
/// strangers. The list as a whole has ten thousand entries, changes daily, and is under a licence of its own.
const SECOND_LEVELS: &[(&str, &[&str])] = &[
    ("co", &["uk", "jp", "kr", "nz", "za", "in", "id", "il", "th", "ke", "at", "hu"]),
    (
        "com",
        &["au", "br", "cn", "mx", "tr", "tw", "sg", "hk", "ar", "my", "pl", "ua", "co", "pe", "ph", "vn", "sa", "eg"],
    ),
    ("org", &["uk", "au", "br", "nz", "za", "in", "il", "cn", "tw", "hk", "tr"]),
    ("net", &["uk", "au", "br", "nz", "in", "cn", "tw", "hk", "tr"]),
    ("ac", &["uk", "jp", "kr", "nz", "za", "in", "il", "at", "cn"]),
    ("gov", &["uk", "au", "br", "cn", "in", "sg", "hk", "tr", "il"]),
    ("edu", &["au", "br", "cn", "sg", "hk", "tr", "tw", "my", "pl"]),
    ("or", &["jp", "kr", "at", "th", "id"]),
    ("ne", &["jp", "kr"]),
    ("go", &["jp", "kr", "th", "id"]),
];

/// Whether a name in subjectAltName is what its kind must look like.
pub(super) fn is_well_formed(name: &GeneralName) -> bool {
    match name {
        GeneralName::Dns(dns) => is_dns(dns.strip_prefix("*.").unwrap_or(dns)),
        GeneralName::Ip(bytes) => matches!(bytes.len(), 4 | 16),
        GeneralName::Email(mailbox) => is_mailbox(mailbox),
        GeneralName::Uri(uri) => {
            uri.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
        }
        GeneralName::Other(_) | GeneralName::Unusual(_) | GeneralName::Directory(_) | GeneralName::Registered(_) => {
            true
        }
    }
}

/// A host name in preferred syntax that is no address.
pub(super) fn is_dns(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

/// One `@` with a host behind it; what stands before it is any text without white space.
pub(super) fn is_mailbox(mailbox: &str) -> bool {
    let Some((local, host)) = mailbox.split_once('@') else { return false };
    !local.is_empty() && !local.contains(char::is_whitespace) && is_dns(host)
}

/// Whether it is `*.com` or the like.
pub(super) fn is_wildcard_of_public_suffix(name: &str) -> bool {
    let Some(suffix) = name.strip_prefix("*.") else { return name == "*" };
    let suffix = suffix.to_ascii_lowercase();
    match suffix.split_once('.') {
        None => true,
        Some((second, top)) => SECOND_LEVELS.iter().any(|(known, below)| *known == second && below.contains(&top)),
    }
}

/// Whether a common name is an alternative name written otherwise (CA/B 7.1.4.3 wants it character for character): in another case or
/// script, an address in another form; or a host beside those that the certificate speaks for, which it then does not speak for.
/// The rule as it stands forbids every other common name too, but old ones that name no host there do no harm.
pub(super) fn is_miswritten(common_name: &str, names: &[GeneralName]) -> bool {
    let mut found = false;
    for name in names {
        match name {
            GeneralName::Dns(dns) if dns == common_name => return false,
            GeneralName::Dns(dns) => found |= is_near(common_name, dns),
            GeneralName::Ip(_) if name.text() == common_name => return false,
            GeneralName::Ip(bytes) => found |= any_address(common_name).is_some_and(|address| address == *bytes),
            _ => {}
        }
    }
    found
}

fn is_near(common_name: &str, dns: &str) -> bool {
    let same = |text: &str| text.eq_ignore_ascii_case(dns);
    // A host in another script cannot be a copy: alternative names are ASCII.
    let host = common_name.contains('.') && !common_name.contains(char::is_whitespace);
    let other_script = !common_name.is_ascii() && host && idna::domain_to_ascii(common_name).is_ok();
    let parents = common_name.split_once('.').zip(dns.split_once('.'));
    let siblings = parents.is_some_and(|((host, parent), (label, other))| {
        label != "*" && host != "*" && parent.eq_ignore_ascii_case(other) && is_dns(common_name)
    });
    same(common_name) || other_script || siblings
}

/// An address in whatever form: hexadecimal, with leading zeros, in full.
fn any_address(text: &str) -> Option<Vec<u8>> {
    if let Ok(IpAddr::V6(address)) = text.parse() {
        return Some(address.octets().to_vec());
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok().map(|number| number.to_be_bytes().to_vec());
    }
    let parts: Vec<u8> = text.split('.').map(|part| part.parse::<u8>().ok()).collect::<Option<_>>()?;
    (parts.len() == 4).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_have_letters_digits_and_hyphens() {
        for (name, expected) in [
            ("a.example", true),
            ("xn--bcher-kva.example", true),
            ("a_b.example", false),
            (".example", false),
            ("a..b", false),
            ("a.example.", false),
            ("-a.example", false),
            ("192.0.2.1", false),
            ("", false),
        ] {
            assert_eq!(is_dns(name), expected, "{name}");
        }
        assert!(!is_dns(&"a".repeat(64)) && !is_dns(&"a.".repeat(130)));
    }

    #[test]
    fn public_suffixes_are_not_for_wildcards() {
        for (name, expected) in [
            ("*.com", true),
            ("*", true),
            ("*.co.uk", true),
            ("*.example.com", false),
            ("*.co.example", false),
            ("com", false),
        ] {
            assert_eq!(is_wildcard_of_public_suffix(name), expected, "{name}");
        }
    }

    #[test]
    fn common_names_are_copies_of_alternative_names() {
        let names = [GeneralName::Dns("a.example".into()), GeneralName::Dns("xn--bcher-kva.test".into())];
        for (name, expected) in [
            ("a.example", false),
            ("A.example", true),
            ("b.example", true),
            ("Example Root CA", false),
            ("elsewhere.invalid", false),
            ("b\u{fc}cher.test", true),
        ] {
            assert_eq!(is_miswritten(name, &names), expected, "{name}");
        }
        let names = [GeneralName::Ip(vec![192, 0, 2, 1])];
        for (name, expected) in
            [("192.0.2.1", false), ("192.000.002.001", true), ("0xC0000201", true), ("192.0.2.2", false)]
        {
            assert_eq!(is_miswritten(name, &names), expected, "{name}");
        }
    }
}
