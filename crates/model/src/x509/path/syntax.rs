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

/// Whether a common name is meant as a host: an address, or something with a dot and without white space.
pub(super) fn looks_like_host(text: &str) -> bool {
    let dotted = text.contains('.') && !text.contains(|c: char| c.is_whitespace() || c == '@' || c == '/');
    let hex = text.len() > 2 && text.starts_with("0x") && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    dotted || hex || text.parse::<IpAddr>().is_ok() || (text.contains(':') && !text.contains(char::is_whitespace))
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
    fn common_names_of_people_are_no_hosts() {
        for (name, expected) in [
            ("registry.test", true),
            ("10.0.0.1", true),
            ("2001:DB8::1", true),
            ("0xC0000201", true),
            ("Example Root CA", false),
            ("J. Doe", false),
            ("localhost", false),
        ] {
            assert_eq!(looks_like_host(name), expected, "{name}");
        }
    }
}
