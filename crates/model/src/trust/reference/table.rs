//! The table of roots. In: text, one root a line, tabs between its fields, `#` before a remark. Out: [`Reference`], or the line that is
//! wrong. Fields: SHA-256 of the certificate, SHA-256 of its SubjectPublicKeyInfo, first seen, removed (`~` at the latest), distrusted
//! after, name, note. `# as of YYYY-MM-DD` is the date of the list.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{Reference, Root};

/// Most roots of a table; programs are told of them by 16-bit numbers.
const MAX_ROOTS: usize = 20_000;

pub(super) fn parse(text: &str) -> Result<Reference, String> {
    let mut reference = Reference::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if let Some(remark) = line.strip_prefix('#') {
            if let Some(date) = remark.trim().strip_prefix("as of ") {
                reference.as_of = day(date).ok_or_else(|| format!("line {}: `{date}` is no date", index + 1))?;
            }
        } else if !line.is_empty() {
            let root = root(line).map_err(|why| format!("line {}: {why}", index + 1))?;
            if reference.roots.len() >= MAX_ROOTS {
                return Err(format!("it has more than {MAX_ROOTS} roots"));
            }
            reference.insert(root);
        }
    }
    if reference.as_of.is_empty() {
        return Err("the date is missing: a line `# as of YYYY-MM-DD`".to_owned());
    }
    Ok(reference)
}

fn root(line: &str) -> Result<Root, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [sha256, key, since, removed, distrust_after, name, note] = fields[..] else {
        return Err(format!("it has {} fields, not 7", fields.len()));
    };
    let hash = |text: &str| -> Result<[u8; 32], String> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| format!("`{text}` is no SHA-256"))
    };
    let date =
        |text: &str| if text.is_empty() { Ok(None) } else { day(text).map(Some).ok_or(format!("`{text}` is no date")) };
    hash(sha256)?;
    Ok(Root {
        sha256: sha256.to_ascii_lowercase(),
        key_sha256: hash(key)?,
        name: name.to_owned(),
        since: date(since)?.unwrap_or_default(),
        removed: date(removed.trim_start_matches('~'))?,
        removed_by: removed.starts_with('~'),
        distrust_after: date(distrust_after)?,
        note: note.to_owned(),
        certificate: None,
    })
}

/// A day as `YYYY-MM-DD`.
fn day(text: &str) -> Option<String> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Some(date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let hash = "ab".repeat(32);
        let good = format!("{hash}\t{hash}\t2020-01-01\t~2024-02-03\t\tA Root\twhy");
        let read = |line: &str| parse(&format!("# as of 2026-01-01\n{line}\n"));
        let root = read(&good).unwrap().all()[0].clone();
        assert_eq!((root.removed.as_deref(), root.removed_by, root.note.as_str()), (Some("2024-02-03"), true, "why"));
        for wrong in ["x", &good.replace("2024", "24"), &good.replace("ab", "zz"), &good.replace("\twhy", "")] {
            assert!(read(wrong).unwrap_err().starts_with("line 2: "), "{wrong}");
        }
        assert!(parse(&good).unwrap_err().contains("date is missing"));
    }
}
