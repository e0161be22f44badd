//! What an audit finds. In: judgements of the checks. Out: [`Issue`], the same shape whatever found it.

use std::fmt;
use std::str::FromStr;

use super::super::CertId;
use crate::finding::{Evidence, Fix};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// It will break something, or weakens trust a little.
    Warn,
    /// It breaks something now, or trusts what should not be trusted.
    Error,
    /// Whoever has the image can impersonate services to it.
    Critical,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: &'static [Self] = &[Self::Info, Self::Warn, Self::Error, Self::Critical];

    /// The word for it on the command line and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// A kind of check; its code is what `--ignore` and SARIF call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A root has expired.
    T01,
    /// A root is not valid yet.
    T02,
    /// A root expires soon.
    T03,
    /// A certificate in a store is no authority, or not for servers.
    T04,
    /// A root does not pass strict verification.
    T05,
    /// A weak key.
    T06,
    /// Duplicates, and certificates that share a name or a key.
    T07,
    /// Roots that Mozilla removed or limits.
    T08,
    /// A root of no public program.
    T09,
    /// Roots of Mozilla's list that are missing.
    T10,
    /// A store that is damaged, empty, badly linked or writable.
    T11,
    /// Stores that disagree.
    T12,
    /// A private key in the image.
    T13,
    /// Roots that nobody reads, variables that point nowhere.
    T14,
    /// Verification that is switched off.
    T15,
    /// A private root without limits.
    T16,
    /// A set-uid helper that changes trust.
    T17,
    /// A certificate that the policy requires is missing.
    P01,
    /// A certificate that the policy does not allow.
    P02,
    /// A certificate that the policy forbids.
    P03,
}

impl Check {
    /// Every check.
    pub const ALL: &'static [Self] = &[
        Self::T01,
        Self::T02,
        Self::T03,
        Self::T04,
        Self::T05,
        Self::T06,
        Self::T07,
        Self::T08,
        Self::T09,
        Self::T10,
        Self::T11,
        Self::T12,
        Self::T13,
        Self::T14,
        Self::T15,
        Self::T16,
        Self::T17,
        Self::P01,
        Self::P02,
        Self::P03,
    ];

    /// Code, name and what it means, in this order.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::T01 => ["T01", "expired-root", "A trusted root has expired"],
            Self::T02 => ["T02", "future-root", "A trusted root is not valid yet"],
            Self::T03 => ["T03", "expiring-root", "A trusted root expires soon"],
            Self::T04 => ["T04", "no-authority", "A trusted certificate cannot issue certificates for servers"],
            Self::T05 => {
                ["T05", "unfit-for-strict", "A trusted root does not pass strict verification (Python 3.13 and later)"]
            }
            Self::T06 => ["T06", "weak-key", "A trusted root has a weak key"],
            Self::T07 => ["T07", "duplicate-root", "Trusted certificates are there twice, or share a name or a key"],
            Self::T08 => ["T08", "removed-root", "A trusted root was removed or limited by Mozilla"],
            Self::T09 => ["T09", "private-root", "A trusted root belongs to no public program"],
            Self::T10 => ["T10", "missing-root", "Roots of Mozilla's list are missing"],
            Self::T11 => {
                ["T11", "damaged-store", "A trust store is damaged, empty, badly linked or writable by others"]
            }
            Self::T12 => ["T12", "stores-disagree", "Programs of the image trust different roots"],
            Self::T13 => ["T13", "private-key", "A private key is in the image"],
            Self::T14 => ["T14", "unread-root", "A root or setting that no program of the image makes use of"],
            Self::T15 => ["T15", "verification-off", "Verification of certificates is switched off"],
            Self::T16 => ["T16", "unlimited-root", "A private root may issue for every name"],
            Self::T17 => ["T17", "setuid-helper", "A set-uid program lets anyone change what is trusted"],
            Self::P01 => ["P01", "policy-required", "A certificate that the policy requires is missing"],
            Self::P02 => ["P02", "policy-not-allowed", "A certificate that the policy does not allow"],
            Self::P03 => ["P03", "policy-forbidden", "A certificate that the policy forbids"],
        }
    }

    /// What it finds, as a heading: a few words in the plural.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::T01 => "expired roots",
            Self::T02 => "roots that are not valid yet",
            Self::T03 => "roots about to expire",
            Self::T04 => "certificates that are no authorities",
            Self::T05 => "roots that Python 3.13 refuses",
            Self::T06 => "weak keys",
            Self::T07 => "duplicates",
            Self::T08 => "roots that Mozilla removed",
            Self::T09 => "private authorities",
            Self::T10 => "old lists of public roots",
            Self::T11 => "damaged or writable stores",
            Self::T12 => "programs that disagree",
            Self::T13 => "private keys",
            Self::T14 => "roots and settings without effect",
            Self::T15 => "verification switched off",
            Self::T16 => "roots without limits",
            Self::T17 => "set-uid programs",
            Self::P01 | Self::P02 | Self::P03 => "breaches of the policy",
        }
    }

    /// Its code, as in `T05`.
    pub const fn code(self) -> &'static str {
        self.words()[0]
    }

    /// Its name, as in `private-key`.
    pub const fn name(self) -> &'static str {
        self.words()[1]
    }

    /// What it means, in one clause.
    pub const fn meaning(self) -> &'static str {
        self.words()[2]
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let same = |check: &&Self| check.code().eq_ignore_ascii_case(text) || check.name() == text;
        Self::ALL
            .iter()
            .find(same)
            .copied()
            .ok_or_else(|| format!("`{text}` is no check; they are T01 to T17 and P01 to P03"))
    }
}

/// Where something is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file in the image, or `config` for the image's configuration.
    pub path: String,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The index of the layer that brought it.
    pub layer: Option<usize>,
    /// Whether an upper layer removed or replaced it.
    pub hidden: bool,
}

impl Place {
    /// The file as a whole.
    pub fn file(path: impl Into<String>, layer: Option<usize>) -> Self {
        Self { path: path.into(), layer, ..Self::default() }
    }

    /// The image's configuration.
    pub fn config() -> Self {
        Self { path: CONFIG.to_owned(), ..Self::default() }
    }

    /// With a line.
    #[must_use]
    pub const fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }
}

/// What stands in place of a path for the image's configuration.
pub const CONFIG: &str = "config";

/// A program that it concerns, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    /// The program or runtime.
    pub who: String,
    /// What it does, as in `refuses it`.
    pub effect: String,
}

/// Something that the audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Which check found it.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, the same from one audit to the next: a path, a variable, a fingerprint, or a word for a group.
    pub about: String,
    /// One sentence for people.
    pub summary: String,
    /// The certificates that it is about.
    pub certs: Vec<CertId>,
    /// Where.
    pub places: Vec<Place>,
    /// Who is affected, and how.
    pub affected: Vec<Affected>,
    /// Facts that support it.
    pub evidence: Vec<Evidence>,
    /// What to do, the best first.
    pub fixes: Vec<Fix>,
}

impl Issue {
    /// An issue with nothing but its summary.
    pub fn new(check: Check, severity: Severity, about: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            check,
            severity,
            about: about.into(),
            summary: summary.into(),
            certs: Vec::new(),
            places: Vec::new(),
            affected: Vec::new(),
            evidence: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Adds certificates.
    #[must_use]
    pub fn with_certs(mut self, certs: impl IntoIterator<Item = CertId>) -> Self {
        self.certs.extend(certs);
        self
    }

    /// Adds places.
    #[must_use]
    pub fn with_places(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.places.extend(places);
        self
    }

    /// Adds those whom it concerns.
    #[must_use]
    pub fn with_affected(mut self, affected: impl IntoIterator<Item = Affected>) -> Self {
        self.affected.extend(affected);
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with_evidence(
        mut self,
        what: impl Into<String>,
        place: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.evidence.push(Evidence { what: what.into(), place: place.into(), value: value.into() });
        self
    }

    /// Adds a thing to do.
    #[must_use]
    pub fn with_fix(mut self, action: impl Into<String>, how: impl Into<String>) -> Self {
        self.fixes.push(Fix { action: action.into(), how: how.into() });
        self
    }

    /// A name that stays the same while the issue does: lower-case hexadecimal SHA-256.
    pub fn fingerprint(&self) -> String {
        crate::redact::sha256_hex(format!("{}|{}", self.check.code(), self.about).as_bytes())
    }
}

/// What is not to be told: a check as a whole, or what it says of one certificate or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// The check.
    pub check: Check,
    /// A lower-case SHA-256, a path, a variable, or `None` for all.
    pub only: Option<String>,
}

impl FromStr for Ignore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (check, only) = match text.split_once(':') {
            Some((check, only)) if !only.is_empty() => (check, Some(only)),
            Some((check, _)) => return Err(format!("after `{check}:` comes a SHA-256, a path or a variable")),
            None => (text, None),
        };
        let only = only.map(|only| {
            let digits: String = only.chars().filter(|c| *c != ':').collect();
            let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hash { digits.to_ascii_lowercase() } else { only.to_owned() }
        });
        Ok(Self { check: check.parse()?, only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_again() {
        for check in Check::ALL {
            assert_eq!(check.code().parse(), Ok(*check));
            assert_eq!(check.name().parse(), Ok(*check));
        }
        assert_eq!("t13".parse(), Ok(Check::T13));
        assert!("T99".parse::<Check>().is_err());
    }

    #[test]
    fn ignoring_takes_a_hash_in_any_dress() {
        let hash = "AB:".repeat(31) + "AB";
        assert_eq!(format!("T01:{hash}").parse(), Ok(Ignore { check: Check::T01, only: Some("ab".repeat(32)) }));
        assert_eq!("T11:/etc/x".parse(), Ok(Ignore { check: Check::T11, only: Some("/etc/x".to_owned()) }));
        assert_eq!("T12".parse(), Ok(Ignore { check: Check::T12, only: None }));
        assert!("T12:".parse::<Ignore>().is_err());
    }
}
