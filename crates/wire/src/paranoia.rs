//! Policies of roots. In: a file as `.paranoia.yaml` (YAML, and so JSON as well). Out: [`Policy`], or the line that is wrong.
//! Format: version "1"; lists `require`, `allow`, `forbid` of entries with `comment` and `fingerprints` (`sha256` or `sha1`).

use serde::Deserialize;
use sidelight_model::trust::audit::{Policy, Rule};

/// Largest file that is read.
pub const LARGEST: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Option<Version>,
    #[serde(default)]
    require: Option<Vec<Entry>>,
    #[serde(default)]
    allow: Option<Vec<Entry>>,
    #[serde(default)]
    forbid: Option<Vec<Entry>>,
}

/// `"1"`, or 1 as it is easily written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Text(String),
    Number(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    comment: Option<String>,
    fingerprints: Fingerprints,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fingerprints {
    #[serde(default)]
    sha1: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
}

/// Reads a policy; `file` is its name for people.
///
/// # Errors
/// One line for people: what is wrong, and where.
pub fn read(file: &str, bytes: &[u8]) -> Result<Policy, String> {
    if bytes.len() > LARGEST {
        return Err(format!("{file} is larger than {LARGEST} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8"))?;
    let document: Document = serde_saphyr::from_str(text).map_err(|error| {
        let all = error.to_string();
        // The words come first; a drawing of the place may follow.
        format!("{file}: {}", all.lines().next().unwrap_or_default())
    })?;
    match &document.version {
        Some(Version::Text(version)) if version == "1" => {}
        Some(Version::Number(1)) => {}
        Some(Version::Text(other)) => return Err(format!("{file}: `version: {other}` is not known; \"1\" is")),
        Some(Version::Number(other)) => return Err(format!("{file}: `version: {other}` is not known; \"1\" is")),
        None => return Err(format!("{file}: `version: \"1\"` is missing")),
    }
    let rules = |list: &str, entries: Option<Vec<Entry>>| -> Result<Vec<Rule>, String> {
        let entries = entries.unwrap_or_default().into_iter().enumerate();
        entries
            .map(|(index, entry)| {
                rule(entry, text).map_err(|why| format!("{file}: `{list}`, entry {}: {why}", index + 1))
            })
            .collect()
    };
    Ok(Policy {
        file: file.to_owned(),
        require: rules("require", document.require)?,
        allow: rules("allow", document.allow)?,
        forbid: rules("forbid", document.forbid)?,
    })
}

fn rule(entry: Entry, text: &str) -> Result<Rule, String> {
    let Fingerprints { sha1, sha256 } = entry.fingerprints;
    let written = match (&sha1, &sha256) {
        (Some(_), Some(_)) => return Err("it has both sha1 and sha256; give one".to_owned()),
        (None, None) => return Err("it has neither sha1 nor sha256".to_owned()),
        (Some(one), None) | (None, Some(one)) => one.clone(),
    };
    let line = text.lines().position(|line| line.contains(written.as_str())).map(|index| index + 1);
    let sha1 = sha1.map(|text| digits(&text, 40, "SHA-1")).transpose()?;
    let sha256 = sha256.map(|text| digits(&text, 64, "SHA-256")).transpose()?;
    Ok(Rule { comment: entry.comment, sha256, sha1, line })
}

/// A hash in lower-case hexadecimal; colons and spaces in it do not count.
fn digits(text: &str, length: usize, what: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_ascii_lowercase();
    let sound = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if sound { Ok(digits) } else { Err(format!("`{text}` is no {what}: it has {length} hexadecimal digits")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, String> {
        read("p.yaml", text.as_bytes())
    }

    #[test]
    fn a_policy_is_read() {
        let (sha1, sha256) = ("AB:".repeat(19) + "ab", "cd".repeat(32));
        let text = format!(
            "version: \"1\"\nrequire:\n  - comment: ours\n    fingerprints:\n      sha256: {sha256}\nforbid:\n- fingerprints:\n    sha1: {sha1}\n"
        );
        let read = policy(&text).unwrap();
        assert_eq!(
            read.require,
            [Rule { comment: Some("ours".to_owned()), sha256: Some(sha256.clone()), sha1: None, line: Some(5) }]
        );
        assert_eq!((read.forbid[0].sha1.as_deref(), read.forbid[0].line), (Some("ab".repeat(20).as_str()), Some(8)));
        assert!(read.allow.is_empty());
        let json = format!("{{\"version\": 1, \"allow\": [{{\"fingerprints\": {{\"sha256\": \"{sha256}\"}}}}]}}");
        assert_eq!(policy(&json).unwrap().allow.len(), 1);
        assert_eq!(policy("version: \"1\"\nallow:\n").unwrap().allow, []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("allow: []\n", "`version: \"1\"` is missing"),
            ("version: \"2\"\n", "`version: 2` is not known"),
            ("version: \"1\"\nallowed: []\n", "allowed"),
            ("version: \"1\"\nallow:\n- fingerprints: {}\n", "`allow`, entry 1: it has neither sha1 nor sha256"),
            ("version: \"1\"\nallow:\n- fingerprints: {sha1: ab, sha256: cd}\n", "both"),
            (
                "version: \"1\"\nallow:\n- fingerprints: {sha256: abcd}\n",
                "`abcd` is no SHA-256: it has 64 hexadecimal digits",
            ),
            ("version: \"1\"\nallow: [\n", "p.yaml: "),
            ("", "p.yaml: "),
        ] {
            let error = policy(text).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{text:?}: {error}");
        }
    }

    /// Aliases that double ten thousand-fold are refused, and quickly.
    #[test]
    fn a_bomb_is_refused() {
        let mut text = "version: \"1\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let part = format!("*a{}, ", n - 1).repeat(10);
            text.push_str(&format!("a{n}: &a{n} [{}]\n", part.trim_end_matches(", ")));
        }
        assert!(policy(&text).is_err());
    }
}
