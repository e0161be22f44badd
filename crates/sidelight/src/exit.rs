//! Exit statuses and the errors that lead to them, in one place. In: what a command concluded. Out: a process's exit code,
//! and `error:` and `hint:` lines. Source: the exit statuses in `sidelight --help`; env(1) for those of `run`.

use std::fmt;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or the answer is yes.
    Done,
    /// 1: the answer is no: not trusted, differs, rejected, a finding.
    No,
    /// 2: the command line or a setting is wrong.
    Usage,
    /// 3: the question could not be answered: unreachable, unreadable, malformed.
    Unanswered,
    /// As the command that was started ended; 128 and the signal's number when a signal ended it.
    #[cfg(feature = "full")]
    Command(u8),
    /// 121: `tofu` met another key than the one recorded, or a revoked one.
    KeyRefused,
    /// 125: `run` or `tofu` failed before or beside its command.
    RunFailed,
    /// 126: the command was found but could not be started.
    NotExecutable,
    /// 127: the command was not found.
    NotFound,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unanswered => 3,
            #[cfg(feature = "full")]
            Self::Command(code) => code,
            Self::KeyRefused => 121,
            Self::RunFailed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What failed: one line, without a full stop at its end.
    pub(crate) message: String,
    /// What to do: one line each.
    pub(crate) hints: Vec<String>,
    /// The exit status.
    pub(crate) exit: Exit,
}

impl Failure {
    /// The question could not be answered.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hints: Vec::new(), exit: Exit::Unanswered }
    }

    /// The command line or a setting is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Ends with another status.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    /// The whole chain of causes in one line. Some errors tell their cause themselves: it is not told twice.
    fn from(error: anyhow::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| {
            let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            causes.dedup_by(|inner, outer| outer.ends_with(inner.as_str()));
            Self::new(causes.join(": "))
        })
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_contract() {
        let all = [Exit::Done, Exit::No, Exit::Usage, Exit::Unanswered, Exit::Command(42), Exit::RunFailed];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 42, 125]);
        assert_eq!([Exit::NotExecutable, Exit::NotFound].map(Exit::code), [126, 127]);
    }

    #[test]
    fn a_failure_survives_anyhow() {
        let failure = Failure::usage("no").hint("yes");
        assert_eq!(Failure::from(anyhow::Error::new(failure.clone())), failure);
        let wrapped = anyhow::anyhow!("inner").context("outer");
        assert_eq!(Failure::from(wrapped).message, "outer: inner");
        let told = anyhow::anyhow!("inner").context("outer: inner");
        assert_eq!(Failure::from(told).message, "outer: inner");
    }
}
