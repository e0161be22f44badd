//! Tokens of registries: which key signed them, and what each release of the registry says of them. In: a token that was read, what the
//! registry was told, a time. Out: verdicts, findings, key IDs. Spec: distribution's token specification, RFC 7515, RFC 7517, RFC 7638,
//! RFC 8037; what releases really do, where they differ from it, was measured.

mod access;
mod chain;
pub mod checks;
mod finding;
pub mod go;
mod key;
pub mod kid;
mod log_line;
mod presented;
mod release2;
mod release3;
mod signature;

#[cfg(test)]
mod tests;

pub use access::{Access, Scope};
pub use access::{Granted, Rule, Who, grant};
pub use checks::{Answer, Check, CheckName, LogLine, Root, Setting, State, Verdict, judge, signer};
pub use finding::{ALSO_REFUSED, Hints, finding, kid_fixes, known_as};
pub use key::{Curve, Material, TokenKey};
pub use log_line::{Refusal, read_log_line};
pub use presented::{Claims, Header, JwkHeader, NotBearer, Presented};
pub use signature::{Signed, verify as verify_signature};

/// Releases of the registry that check tokens in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// 2.6 to 2.8.
    V2,
    /// 3.0.0 (and its candidates from rc.3 on).
    V3_0,
    /// 3.1.0 and later.
    V3_1,
}

impl Generation {
    /// Every generation, the oldest first.
    pub const ALL: &'static [Self] = &[Self::V2, Self::V3_0, Self::V3_1];

    /// As in `--registry` and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2 => "2",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
        }
    }

    /// As people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::V2 => "2.x",
            Self::V3_0 => "3.0.x",
            Self::V3_1 => "3.1.x",
        }
    }
}

impl std::str::FromStr for Generation {
    type Err = String;

    /// `2`, `2.8`, `2.8.3`, `2.x`, `3.0`, `3.0.0`, `3.1` … The first two numbers decide.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        match (major, minor) {
            ("2", _) => Ok(Self::V2),
            ("3", "0") => Ok(Self::V3_0),
            ("3", minor) if minor.parse::<u32>().is_ok_and(|minor| minor >= 1) => Ok(Self::V3_1),
            _ => Err(format!("`{text}` is no registry that is known here; write 2, 3.0 or 3.1")),
        }
    }
}
