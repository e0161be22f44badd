//! Small values of options. In: `64KiB`, `*.test=client.pem`, `user:password`. Out: typed values that print as they were meant.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sidelight_model::policy::Pattern;
use sidelight_model::redact::Secret;

use super::mode_url::Login;
use super::period::split_number;

/// A number of bytes: a plain number, or one with `k`, `M`, `G` (powers of 1000) or `KiB`, `MiB`, `GiB` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a size; write bytes, or a unit after the number: 64KiB, 1MiB, 500k");
        let (digits, unit) = split_number(text.trim());
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "ki" | "kib" => 1 << 10,
            "mi" | "mib" => 1 << 20,
            "gi" | "gib" => 1 << 30,
            _ => return Err(wrong()),
        };
        digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).map(Self).ok_or_else(wrong)
    }
}

/// `[PATTERN=]FILE`: a file for the hosts that match; without a pattern, for all. The word `none` in place of the file: no file at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PerHost {
    /// The hosts; `None` for all.
    pub(crate) pattern: Option<Pattern>,
    /// The file; `None` where `none` was written.
    pub(crate) file: Option<PathBuf>,
}

impl FromStr for PerHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pattern, file) = match text.split_once('=') {
            Some((left, right)) => match left.parse::<Pattern>() {
                Ok(pattern) => (Some(pattern), right),
                // A path that holds `=` is a file, unless it looks like a pattern that went wrong.
                Err(_) if left.contains('/') && !left.contains(':') => (None, text),
                Err(wrong) => return Err(wrong.to_string()),
            },
            None => (None, text),
        };
        match file {
            "" => Err(format!("`{text}` names no file; write FILE or PATTERN=FILE")),
            "none" => Ok(Self { pattern, file: None }),
            file => Ok(Self { pattern, file: Some(file.into()) }),
        }
    }
}

/// `USER:PASSWORD`, or `@FILE` whose first line holds the same. The text is a secret, so nothing here prints it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials(Secret<String>);

impl Credentials {
    /// Reads the file, where one is named, and splits at the first colon.
    ///
    /// # Errors
    /// In words, without the secret: the file cannot be read, or there is no colon or no user name.
    pub(crate) fn login(&self) -> Result<Login, String> {
        match self.0.reveal().strip_prefix('@') {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("--proxy-auth: cannot read `{file}`: {error}"))?;
                split_login(text.lines().next().unwrap_or_default())
                    .ok_or_else(|| format!("--proxy-auth: the first line of `{file}` is not USER:PASSWORD"))
            }
            None => split_login(self.0.reveal()).ok_or_else(|| {
                "--proxy-auth: write USER:PASSWORD, or @FILE to keep it off the command line".to_owned()
            }),
        }
    }
}

fn split_login(text: &str) -> Option<Login> {
    let (user, password) = text.split_once(':')?;
    (!user.is_empty()).then(|| Login { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

impl FromStr for Credentials {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Secret::new(text.to_owned())))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("512", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("500k", 500_000)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5M", "1 parsec", "99999999999G"] {
            assert!(text.parse::<Size>().unwrap_err().starts_with(&format!("`{text}` is not a size")), "{text}");
        }
    }

    #[test]
    fn files_for_hosts() {
        let read = |text: &str| text.parse::<PerHost>().map(|it| (it.pattern.map(|p| p.to_string()), it.file));
        assert_eq!(read("a.pem"), Ok((None, Some("a.pem".into()))));
        assert_eq!(read("*.test:443=a=b.pem"), Ok((Some("*.test:443".into()), Some("a=b.pem".into()))));
        assert_eq!(read("a.test=none"), Ok((Some("a.test".into()), None)));
        assert_eq!(read("/srv/x=y/a.pem"), Ok((None, Some("/srv/x=y/a.pem".into()))));
        assert!(read("a.test=").is_err());
        assert!(read("a.test:0=a.pem").unwrap_err().contains("is not a host pattern"));
    }

    #[test]
    fn credentials_never_print() {
        let given: Credentials = "kim:hunter2:x".parse().unwrap();
        let login = given.login().unwrap();
        assert_eq!((login.user.as_str(), login.password.reveal().as_str()), ("kim", "hunter2:x"));
        assert!(!format!("{given:?} {login:?}").contains("hunter2"));
        let bad: Credentials = "hunter2".parse().unwrap();
        assert!(!bad.login().unwrap_err().contains("hunter2"));
        let absent: Credentials = "@/nonexistent/login".parse().unwrap();
        assert!(absent.login().unwrap_err().contains("/nonexistent/login"));
    }
}
