//! Trust on first use: whose key signed for an endpoint, what is recorded of it, and what may therefore be done. In: what one
//! connection showed, what is recorded, a policy. Out: a decision with its rule. Pure; `now` is an argument.
//!
//! What is pinned is the key of the CA (SHA-256 of its SubjectPublicKeyInfo), which outlives renewals of its certificate. A key is
//! adopted only where the one thing wrong with a chain is that nobody knows its issuer.

mod decide;
mod known;
mod pin;
mod record;
mod shown;

pub use decide::{Decision, Refusal, Rule, Surroundings, decide, same_scanner};
pub use known::{KnownRoots, Match};
pub use pin::{KeyPin, ParsePinError};
pub use record::{Endpoint, Genesis, Record, Scope};
pub use shown::{Candidate, Refusing, Shown, classify, refusals, scope_holds};

use std::fmt;
use std::str::FromStr;

/// Who may adopt a key, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nobody: only keys that were pinned before are used.
    #[default]
    Pin,
    /// The first start, where the record is sure to outlive it.
    Tofu,
    /// The operator, who is asked.
    Enrol,
    /// Nobody, and nothing is refused or changed: what would happen is told.
    Observe,
}

impl Policy {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::Pin, Self::Tofu, Self::Enrol, Self::Observe];

    /// Its name on the command line, in records and in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Tofu => "tofu",
            Self::Enrol => "enrol",
            Self::Observe => "observe",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|policy| policy.name() == text)
            .ok_or_else(|| format!("`{text}` is no policy; write pin, tofu, enrol or observe"))
    }
}
