//! Small values of options. In: `64KiB`, `10m`, `*.test=client.pem`, `user:password`. Out: typed values that print as they were meant.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sidelight_model::policy::Pattern;
use sidelight_model::redact::Secret;

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

/// A length of time: numbers with `ms`, `s`, `m`, `h`, `d` or `w`, one after another, as in `1h30m`; `0` is none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a duration; write a number with a unit: 500ms, 90s, 10m, 1h30m, 30d");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut total = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let (digits, after) = split_number(rest);
            let number: u64 = digits.parse().map_err(|_| wrong())?;
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let millis = match &after[..letters] {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 604_800_000,
                _ => return Err(wrong()),
            };
            let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = after[letters..].trim_start();
            parts += 1;
        }
        if parts == 0 { Err(wrong()) } else { Ok(Self(total)) }
    }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
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

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret<String>,
}

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
    fn periods() {
        for (text, seconds) in
            [("0", 0), ("90s", 90), ("10m", 600), ("1h30m", 5_400), ("30d", 2_592_000), ("1h 1s", 3_601)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "10", "m", "1x", "10m5", "99999999999999999999s", "999999999999999999w"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
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
