//! Names of entries. In: bytes as they stand in an archive. Out: an absolute name without `.`, `..` and empty parts, or why not.

use crate::limits::Limits;

/// A name that means nothing inside a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is the root itself.
    Root,
    /// It leaves the root.
    Leaves,
    /// It is too long or too deep.
    TooLong,
    /// The links in it go in circles.
    Circles,
}

/// Cleans a name as text, without looking at links.
///
/// An absolute name is one inside the root; a `..` that would leave the root makes the name unusable, as engines refuse such entries.
pub(crate) fn lexical(raw: &[u8], limits: &Limits) -> Result<Vec<u8>, Unusable> {
    if raw.len() > limits.name {
        return Err(Unusable::TooLong);
    }
    let mut clean = Vec::with_capacity(raw.len() + 1);
    let mut depth = 0_usize;
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                depth = depth.checked_sub(1).ok_or(Unusable::Leaves)?;
                let parent = clean.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                clean.truncate(parent);
            }
            _ => {
                depth += 1;
                clean.push(b'/');
                clean.extend_from_slice(part);
            }
        }
        if depth > limits.depth {
            return Err(Unusable::TooLong);
        }
    }
    if clean.is_empty() { Err(Unusable::Root) } else { Ok(clean) }
}

/// The folder that holds a clean name (`/` is the empty text) and the last part.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    (&path[..slash], path.get(slash + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_escapes_refused() {
        let clean =
            |raw: &str| lexical(raw.as_bytes(), &Limits::default()).map(|name| String::from_utf8(name).unwrap());
        assert_eq!(clean("./etc//ssl/./x/").as_deref(), Ok("/etc/ssl/x"));
        assert_eq!(clean("/etc/a/../b").as_deref(), Ok("/etc/b"));
        assert_eq!(clean("../etc/passwd"), Err(Unusable::Leaves));
        assert_eq!(clean("a/../../etc"), Err(Unusable::Leaves));
        assert_eq!(clean("./"), Err(Unusable::Root));
        assert_eq!(clean(&"a/".repeat(600)), Err(Unusable::TooLong));
        assert_eq!(clean(&"a".repeat(20_000)), Err(Unusable::TooLong));
    }
}
