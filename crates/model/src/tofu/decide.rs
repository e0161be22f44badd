//! The decision. In: a policy, what is recorded, what was shown, where the record stands. Out: [`Decision`] with the rule that led to
//! it. Total: every combination has one answer, and adoption has one way in.

use super::{Match, Policy, Shown};
use crate::finding::Cause;
use crate::flow::Host;

/// What the decision rests on beside the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Who may adopt.
    pub policy: Policy,
    /// Whether the record was begun on purpose.
    pub has_genesis: bool,
    /// Whether the record can be written.
    pub is_writable: bool,
    /// Whether what is written outlives the container.
    pub is_lasting: bool,
    /// Whether an unreachable endpoint is no reason not to start.
    pub continue_unreachable: bool,
    /// Whether further evidence was asked for and is missing.
    pub lacks_evidence: bool,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start; nothing needs doing.
    Start(Rule),
    /// Put the CA at this place among those shown where programs look for roots, and start.
    Install {
        /// Its place among the issuers that were shown.
        place: usize,
        /// Why it may be.
        rule: Rule,
    },
    /// Record the topmost issuer's key first, then as above.
    Adopt,
    /// Show the operator and ask.
    Ask,
    /// Do not start.
    Refuse(Refusal),
    /// Change nothing, start, and tell what would have been.
    Tell(Box<Decision>),
}

/// Why nothing speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The ordinary roots verify the endpoint.
    OrdinaryRoots,
    /// The endpoint cannot be reached, and that was said to be no reason.
    Unreachable,
    /// The key and the certificate are the recorded ones.
    Known,
    /// The key is the recorded one, with another certificate.
    KnownKey,
    /// The key is the one recorded as the next.
    Next,
    /// Another key, which the recorded one signed for.
    SignedByKnown,
}

impl Rule {
    /// Its name in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrdinaryRoots => "ordinary_roots",
            Self::Unreachable => "unreachable_continue",
            Self::Known => "known",
            Self::KnownKey => "known_key_new_certificate",
            Self::Next => "next_key",
            Self::SignedByKnown => "signed_by_known_key",
        }
    }
}

/// Why the command is not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The endpoint cannot be reached.
    Unreachable(String),
    /// Something is wrong that no root heals.
    Broken(Cause, String),
    /// The issuer is unknown and no certificate of it can be had.
    NoIssuer(String),
    /// Another key than the recorded one.
    Changed,
    /// A revoked key.
    Revoked,
    /// The record has expired.
    Expired,
    /// Nothing is pinned for the endpoint, and the policy adopts nothing.
    NotPinned,
    /// There is no record that was begun on purpose.
    NoGenesis,
    /// The record cannot be written.
    NotWritable,
    /// The record would vanish with the container: its next start would trust whoever answers first.
    NotLasting,
    /// The evidence that was asked for is missing.
    NoEvidence,
}

impl Refusal {
    /// Its name in the audit log and in `--json`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Broken(..) => "broken",
            Self::NoIssuer(_) => "no_issuer",
            Self::Changed => "key_changed",
            Self::Revoked => "key_revoked",
            Self::Expired => "record_expired",
            Self::NotPinned => "not_pinned",
            Self::NoGenesis => "no_genesis",
            Self::NotWritable => "record_not_writable",
            Self::NotLasting => "record_not_lasting",
            Self::NoEvidence => "no_evidence",
        }
    }
}

/// Decides. `recorded` is what the record says of the issuers that were shown (of none, where none was).
pub fn decide(around: &Surroundings, shown: &Shown, recorded: &Match) -> Decision {
    let decision = judge(around, shown, recorded);
    let changes_nothing = matches!(decision, Decision::Start(_));
    if around.policy == Policy::Observe && !changes_nothing {
        return Decision::Tell(Box::new(decision));
    }
    decision
}

fn judge(around: &Surroundings, shown: &Shown, recorded: &Match) -> Decision {
    match shown {
        Shown::Unreachable(_) if around.continue_unreachable => Decision::Start(Rule::Unreachable),
        Shown::Unreachable(why) => Decision::Refuse(Refusal::Unreachable(why.clone())),
        Shown::Trusted => Decision::Start(Rule::OrdinaryRoots),
        Shown::Broken { cause, summary } => Decision::Refuse(Refusal::Broken(*cause, summary.clone())),
        Shown::NoIssuer { issuer } => Decision::Refuse(Refusal::NoIssuer(issuer.clone())),
        Shown::UnknownIssuer(issuers) => match recorded {
            Match::Known { place, same_certificate } => {
                // A recorded key below one that is not: the key above signed nothing that matters, the recorded one did.
                let rule = match (same_certificate, *place) {
                    (true, _) => Rule::Known,
                    (false, 0) => Rule::KnownKey,
                    (false, _) => Rule::SignedByKnown,
                };
                Decision::Install { place: (*place).min(issuers.len().saturating_sub(1)), rule }
            }
            Match::Next { place } => {
                Decision::Install { place: (*place).min(issuers.len().saturating_sub(1)), rule: Rule::Next }
            }
            Match::Revoked { .. } => Decision::Refuse(Refusal::Revoked),
            Match::Expired { .. } => Decision::Refuse(Refusal::Expired),
            Match::Other { .. } if around.policy == Policy::Enrol => Decision::Ask,
            Match::Other { .. } => Decision::Refuse(Refusal::Changed),
            Match::Nothing => first_use(around),
        },
    }
}

fn first_use(around: &Surroundings) -> Decision {
    match around.policy {
        Policy::Enrol if !around.is_writable => Decision::Refuse(Refusal::NotWritable),
        Policy::Enrol => Decision::Ask,
        Policy::Pin => Decision::Refuse(Refusal::NotPinned),
        Policy::Tofu | Policy::Observe => {
            if !around.has_genesis {
                Decision::Refuse(Refusal::NoGenesis)
            } else if !around.is_writable {
                Decision::Refuse(Refusal::NotWritable)
            } else if !around.is_lasting {
                Decision::Refuse(Refusal::NotLasting)
            } else if around.lacks_evidence {
                Decision::Refuse(Refusal::NoEvidence)
            } else {
                Decision::Adopt
            }
        }
    }
}

/// Whether two unrelated hosts showed the same issuer key: true of a proxy that scans, false of ordinary sites. Hosts are taken for
/// related when their last two labels are the same, which errs on the safe side below suffixes such as `co.uk`; addresses do not count.
pub fn same_scanner<'a>(shown: impl IntoIterator<Item = (&'a Host, &'a Shown)>) -> bool {
    let mut seen: Vec<(String, super::KeyPin)> = Vec::new();
    for (host, shown) in shown {
        let (Host::Name(name), Shown::UnknownIssuer(issuers)) = (host, shown) else { continue };
        let labels: Vec<&str> = name.rsplit('.').take(2).collect();
        let domain = labels.join(".");
        for issuer in issuers {
            if seen.iter().any(|(other, key)| *key == issuer.key && *other != domain) {
                return true;
            }
            seen.push((domain.clone(), issuer.key));
        }
    }
    false
}

#[cfg(test)]
mod tests;
