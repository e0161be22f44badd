//! The answer that a user came for: cause, fault, evidence, what to do. In: what a judge concluded. Out: a value for `render`.
//!
//! An error means that sidelight could not do something; a finding is a result.

mod cause;

pub use cause::Cause;

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The service.
    Server,
    /// The program that connects.
    Client,
    /// Something between them.
    Network,
    /// The set of roots that the service was checked against.
    TrustStore,
    /// An HTTP or SOCKS proxy, or an interception on the path, sidelight's own included.
    Proxy,
    /// Nobody.
    None,
}

impl Party {
    /// Every party.
    pub const ALL: &'static [Self] =
        &[Self::Server, Self::Client, Self::Network, Self::TrustStore, Self::Proxy, Self::None];

    /// The word for it in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Network => "network",
            Self::TrustStore => "trust_store",
            Self::Proxy => "proxy",
            Self::None => "none",
        }
    }
}

/// One fact that supports a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What kind of fact: `alert`, `certificate`, `error` …
    pub what: String,
    /// Where it was seen: a peer, file, line, byte.
    pub place: String,
    /// The fact.
    pub value: String,
}

/// A thing to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to do, in words.
    pub action: String,
    /// The exact command, file or patch.
    pub how: String,
}

/// A cause with its evidence and what to do. It cannot be made without evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The code of it.
    pub cause: Cause,
    /// Who has to change something; usually [`Cause::party`].
    pub fault: Party,
    /// One sentence for a person, with the host or file in it.
    pub summary: String,
    /// Facts that support it; never empty.
    evidence: Vec<Evidence>,
    /// What to do, the most likely first.
    pub fixes: Vec<Fix>,
    /// Oddities seen besides.
    pub warnings: Vec<String>,
}

impl Finding {
    /// A finding of `cause`, supported by one fact; more are added with [`Finding::with_evidence`].
    pub fn new(
        cause: Cause,
        summary: impl Into<String>,
        what: impl Into<String>,
        place: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            cause,
            fault: cause.party(),
            summary: summary.into(),
            evidence: vec![Evidence { what: what.into(), place: place.into(), value: value.into() }],
            fixes: Vec::new(),
            warnings: Vec::new(),
        }
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

    /// Adds an oddity.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Names another party than the cause's usual one.
    #[must_use]
    pub const fn blaming(mut self, fault: Party) -> Self {
        self.fault = fault;
        self
    }

    /// The facts, never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lower_case() {
        let mut codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
