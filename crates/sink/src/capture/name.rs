//! Names of capture files. In: the name that the user gave, and the time. Out: the name of the next file.
//! Spec: strftime(3), as jiff has it; local time.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use sidelight_model::time::Timestamp;

use super::error::CaptureError;

/// Makes the names of one capture.
#[derive(Debug)]
pub(crate) struct Names {
    option: &'static str,
    pattern: PathBuf,
    expands: bool,
    makes_folders: bool,
}

impl Names {
    /// Names after `pattern`. A percent sign in a file that is not rotated means itself unless a conversion follows it.
    pub(crate) fn new(option: &'static str, pattern: PathBuf, rotates: bool) -> Result<Self, CaptureError> {
        let has_percent = |path: &Path| path.as_os_str().as_encoded_bytes().contains(&b'%');
        let makes_folders = pattern.parent().is_some_and(has_percent);
        let mut names = Self { option, expands: has_percent(&pattern), pattern, makes_folders };
        if let Err(error) = names.expand(Timestamp(0)) {
            if rotates {
                return Err(error);
            }
            names.expands = false;
        }
        Ok(names)
    }

    /// Whether folders are made: nobody can make beforehand what depends on the time.
    pub(crate) const fn makes_folders(&self) -> bool {
        self.expands && self.makes_folders
    }

    /// The next name, which is none of `taken`: with a number before the extension where that is needed.
    pub(crate) fn next(&mut self, now: Timestamp, taken: &VecDeque<PathBuf>) -> Result<PathBuf, CaptureError> {
        let first = self.expand(now)?;
        // Without conversions all names are alike, and removed files must not give their numbers to new ones.
        let highest = taken.iter().filter_map(|path| number_of(&first, path)).max();
        Ok(highest.map_or_else(|| first.clone(), |number| numbered(&first, number + 1)))
    }

    fn expand(&self, now: Timestamp) -> Result<PathBuf, CaptureError> {
        if !self.expands {
            return Ok(self.pattern.clone());
        }
        let wrong = |problem: String| CaptureError::Name { option: self.option, path: self.pattern.clone(), problem };
        let pattern = self.pattern.to_str().ok_or_else(|| wrong("a name with conversions must be UTF-8".into()))?;
        let moment = jiff::Timestamp::from_microsecond(now.0).map_err(|error| wrong(error.to_string()))?;
        let local = moment.to_zoned(TimeZone::try_system().unwrap_or(TimeZone::UTC));
        jiff::fmt::strtime::format(pattern, &local).map(PathBuf::from).map_err(|error| wrong(error.to_string()))
    }
}

/// `x.har` → `x-0002.har`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{number:04}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The number that `path` has as a follower of `first`; `first` itself has 1.
fn number_of(first: &Path, path: &Path) -> Option<u64> {
    if first == path {
        return Some(1);
    }
    let stem = path.file_stem()?.to_str()?;
    let number = stem.strip_prefix(first.file_stem()?.to_str()?)?.strip_prefix('-')?.parse().ok()?;
    (numbered(first, number) == path).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &[&str]) -> VecDeque<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn names_are_expanded_and_never_come_twice() {
        let mut plain = Names::new("--har", "/d/x.tar.har".into(), true).unwrap();
        assert_eq!(plain.next(Timestamp(0), &taken(&[])).unwrap(), Path::new("/d/x.tar.har"));
        assert_eq!(plain.next(Timestamp(0), &taken(&["/d/x.tar.har"])).unwrap(), Path::new("/d/x.tar-0002.har"));
        // The first was removed; the number goes on.
        assert_eq!(plain.next(Timestamp(0), &taken(&["/d/x.tar-0041.har"])).unwrap(), Path::new("/d/x.tar-0042.har"));

        let mut timed = Names::new("--har", "/d/%Y/%%x-%s".into(), true).unwrap();
        assert!(timed.makes_folders());
        let second = Timestamp::from_secs(1_795_372_833);
        assert_eq!(timed.next(second, &taken(&[])).unwrap(), Path::new("/d/2026/%x-1795372833"));
        let again = timed.next(second, &taken(&["/d/2026/%x-1795372833"])).unwrap();
        assert_eq!(again, Path::new("/d/2026/%x-1795372833-0002"));
    }

    #[test]
    fn a_wrong_conversion_is_told_when_it_matters() {
        let error = Names::new("--har", "50%!.har".into(), true).unwrap_err().to_string();
        assert!(error.starts_with("--har 50%!.har: ") && error.contains("strftime"), "{error}");
        let mut literal = Names::new("--har", "50%!.har".into(), false).unwrap();
        assert_eq!(literal.next(Timestamp(0), &taken(&[])).unwrap(), Path::new("50%!.har"));
    }
}
