//! Words that several checks use. In: values. Out: pieces of sentences. Nothing is judged here.

use crate::time::Timestamp;
use crate::x509::Certificate;

/// Names that a sentence lists at the most; the rest is counted.
const MOST: usize = 3;

/// A certificate's name: its common name, else its unit or organisation, else its subject.
pub fn name(cert: &Certificate) -> String {
    let name = match (&cert.common_name, cert.organizations.first()) {
        (Some(name), _) => name.clone(),
        (None, Some(organization)) => unit(&cert.subject).unwrap_or_else(|| organization.clone()),
        (None, None) => cert.subject.clone(),
    };
    if name.trim().is_empty() { format!("certificate {}", &cert.sha256()[..16]) } else { name }
}

/// The organisational unit in a subject for people.
fn unit(subject: &str) -> Option<String> {
    let part = subject.split(", ").find_map(|part| part.strip_prefix("OU="))?;
    Some(part.to_owned())
}

/// `A, B and C`, or `A, B, C and 5 more`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        all if all.len() <= MOST + 1 => {
            let (last, rest) = (&all[all.len() - 1], &all[..all.len() - 1]);
            format!("{} and {last}", rest.join(", "))
        }
        all => format!("{} and {} more", all[..MOST].join(", "), all.len() - MOST),
    }
}

/// `1 root`, `2 roots`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Whole days from `from` to `to`.
pub(super) fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_secs() - from.as_secs()).div_euclid(86_400)
}

pub(super) use crate::trust::command::quoted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_short() {
        let names: Vec<String> = "abcdefg".chars().map(String::from).collect();
        assert_eq!(listed(&names), "a, b, c and 4 more");
        assert_eq!(listed(&names[..4]), "a, b, c and d");
        assert_eq!(listed(&names[..2]), "a and b");
        assert_eq!(quoted("app:1"), "app:1");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
