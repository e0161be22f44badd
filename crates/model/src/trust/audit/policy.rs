//! A policy of roots, as the file `.paranoia.yaml` has it. In: what is required, allowed and forbidden. Out: issues P01 to P03.

use sha1::{Digest, Sha1};

use super::ground::{Ground, Held};
use super::issue::{Check, Issue, Severity};
use super::words;
use crate::x509::Certificate;

/// One entry of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What its author said of it.
    pub comment: Option<String>,
    /// Lower-case hexadecimal SHA-256 of the certificate.
    pub sha256: Option<String>,
    /// Lower-case hexadecimal SHA-1 of the certificate.
    pub sha1: Option<String>,
    /// Its line in the policy's file, counted from 1, where known.
    pub line: Option<usize>,
}

/// What must, may and must not be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its file, for people.
    pub file: String,
    /// These must be there; they are allowed too.
    pub require: Vec<Rule>,
    /// These may be there. When the list is empty, everything may that is not forbidden.
    pub allow: Vec<Rule>,
    /// These must not be there.
    pub forbid: Vec<Rule>,
}

impl Rule {
    /// Whether it means this certificate.
    pub fn fits(&self, cert: &Certificate) -> bool {
        match (&self.sha256, &self.sha1) {
            (Some(sha256), _) => *sha256 == cert.sha256(),
            (None, Some(sha1)) => *sha1 == data_encoding::HEXLOWER.encode(&Sha1::digest(&cert.der)),
            (None, None) => false,
        }
    }

    fn name(&self) -> String {
        let hash = self.sha256.as_deref().or(self.sha1.as_deref()).unwrap_or("no fingerprint");
        self.comment.as_ref().map_or_else(|| hash.to_owned(), |comment| format!("{comment} ({hash})"))
    }
}

impl Policy {
    /// Whether the policy knows this certificate and lets it be.
    pub fn accepts(&self, cert: &Certificate) -> bool {
        let named = self.require.iter().chain(&self.allow).any(|rule| rule.fits(cert));
        named && !self.forbid.iter().any(|rule| rule.fits(cert))
    }
}

/// Where the image breaks the policy.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let Some(policy) = ground.question.policy else { return Vec::new() };
    let mut issues = Vec::new();
    for rule in &policy.require {
        if !ground.held.iter().any(|held| rule.fits(held.cert)) {
            let lies = ground.loose.iter().find(|held| rule.fits(held.cert));
            let mut issue = Issue::new(
                Check::P01,
                Severity::Error,
                rule.sha256.clone().or_else(|| rule.sha1.clone()).unwrap_or_default(),
                format!("No trust store holds {}, which the policy requires", rule.name()),
            )
            .with_evidence("policy", place(policy, rule), format!("require {}", rule.name()));
            if let Some(held) = lies {
                let at = held.everywhere();
                issue =
                    issue.with_evidence("certificate", &at[0].path, "is there, but in no trust store").with_places(at);
            }
            let fix = ground.add_command("ROOT.pem");
            issues.push(issue.with_fix("Add it", fix));
        }
    }
    for rule in &policy.forbid {
        for held in ground.held_for(Check::P03).filter(|held| rule.fits(held.cert)) {
            let summary = format!("{} is trusted, and the policy forbids it", held.name());
            let issue = about(ground, held, Check::P03, summary);
            issues.push(issue.with_evidence("policy", place(policy, rule), format!("forbid {}", rule.name())));
        }
    }
    if !policy.allow.is_empty() {
        let forbidden = |held: &Held<'_>| policy.forbid.iter().any(|rule| rule.fits(held.cert));
        let strangers: Vec<&Held<'_>> =
            ground.held_for(Check::P02).filter(|held| !policy.accepts(held.cert) && !forbidden(held)).collect();
        issues.extend(unnamed(ground, policy, &strangers));
    }
    issues
}

/// So many certificates that the policy does not name are told one by one; more are told together.
const ONE_BY_ONE: usize = 4;

fn unnamed(ground: &Ground<'_>, policy: &Policy, found: &[&Held<'_>]) -> Vec<Issue> {
    const WHY: &str = "has an `allow` list, which leaves it out";
    if found.len() <= ONE_BY_ONE {
        let one = |held: &&Held<'_>| {
            let summary = format!("{} is trusted, and the policy does not name it", held.name());
            about(ground, held, Check::P02, summary).with_evidence("policy", &policy.file, WHY)
        };
        return found.iter().map(one).collect();
    }
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let summary = format!(
        "{} are trusted, and the policy names none of them: {}",
        words::count(found.len(), "root"),
        words::listed(&names)
    );
    let mut issue = Issue::new(Check::P02, Severity::Error, super::ground::about(found), summary);
    for held in found {
        let value = format!("{}  {}", held.name(), held.cert.sha256());
        issue = issue.with_certs([held.id]).with_places(held.places()).with_evidence("root", held.first_path(), value);
    }
    vec![issue.with_evidence("policy", &policy.file, WHY)]
}

fn place(policy: &Policy, rule: &Rule) -> String {
    rule.line.map_or_else(|| policy.file.clone(), |line| format!("{}:{line}", policy.file))
}

fn about(ground: &Ground<'_>, held: &Held<'_>, check: Check, summary: String) -> Issue {
    let hash = held.cert.sha256();
    let fix = ground.remove_command(&hash);
    let subject = words::name(held.cert);
    Issue::new(check, Severity::Error, hash, summary)
        .with_certs([held.id])
        .with_places(held.places())
        .with_affected(ground.affected(held.id, |_| Some("trusts it")))
        .with_fix(format!("Remove {subject}"), fix)
}
