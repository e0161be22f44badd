//! What became of a connection, in one word. In: [`ConnectionRecord`]. Out: [`Fate`].

use super::{ConnectionRecord, Verdict};

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// TLS was opened, and its contents seen.
    Decrypted,
    /// It was no TLS, and was seen as it is.
    Plain,
    /// Relayed untouched and unseen.
    Relayed,
    /// Not let through.
    Refused,
    /// It failed before anything could be relayed.
    Failed,
}

impl Fate {
    /// Every fate.
    pub const ALL: &'static [Self] = &[Self::Decrypted, Self::Plain, Self::Relayed, Self::Refused, Self::Failed];

    /// The word for it, in text and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decrypted => "decrypted",
            Self::Plain => "plain",
            Self::Relayed => "relayed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What became of the connection in `record`.
    pub fn of(record: &ConnectionRecord) -> Self {
        let verdict = record.decision.as_ref().map(|decision| decision.verdict);
        match verdict {
            Some(Verdict::Refuse) => Self::Refused,
            _ if record.failed() => Self::Failed,
            Some(Verdict::Relay) => Self::Relayed,
            Some(Verdict::Intercept) if record.client_tls.is_some() => Self::Decrypted,
            Some(Verdict::Plain) => Self::Plain,
            Some(Verdict::Intercept) | None => Self::Failed,
        }
    }
}
