//! The audit log of trust on first use: JSON Lines, each holding the SHA-256 of the line before it. In: entries; or a log. Out: lines;
//! or where the chain is broken. Spec: docs/tofu.md.
//!
//! A chain alone does not show that its last lines were taken away. Therefore the head (how many lines, and the hash of the last) is
//! kept beside the log, and also printed with each entry, so that the container engine's own log holds it.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What stands before the signature in a signed line.
const SIGNATURE: &str = ",\"sig\":\"";

/// What `prev` says in the first line.
pub const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Gives an Ed25519 signature of what it is given.
pub type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// Whether an Ed25519 signature (second) is one of a text (first).
pub type Check<'a> = &'a dyn Fn(&[u8], &[u8]) -> bool;

/// The end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many lines there are.
    pub lines: u64,
    /// SHA-256 of the last one, in hexadecimal digits.
    pub sha256: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { lines: 0, sha256: NOTHING.to_owned() }
    }
}

impl Head {
    /// As it stands in its file: `3 SHA256`.
    pub fn write(&self) -> String {
        format!("{} {}\n", self.lines, self.sha256)
    }

    /// Reads that.
    pub fn read(text: &str) -> Option<Self> {
        let (lines, sha256) = text.trim_end_matches('\n').split_once(' ')?;
        let sound = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lines: u64 = lines.parse().ok().filter(|number: &u64| number.to_string() == lines)?;
        sound.then(|| Self { lines, sha256: sha256.to_owned() })
    }
}

/// Makes the line (with its newline) that follows `head`, and the new head. `sign` gives an Ed25519 signature of what it is given.
pub fn line(head: &Head, entry: &Map<String, Value>, sign: Option<Sign<'_>>) -> (String, Head) {
    let mut whole = Map::new();
    whole.insert("v".into(), 1.into());
    whole.insert("type".into(), "tofu".into());
    whole.insert("n".into(), (head.lines + 1).into());
    whole.insert("prev".into(), head.sha256.clone().into());
    whole.extend(entry.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut text = Value::Object(whole).to_string();
    if let Some(sign) = sign {
        text.pop();
        let signature = BASE64.encode(&sign(text.as_bytes()));
        text.push_str(SIGNATURE);
        text.push_str(&signature);
        text.push_str("\"}");
    }
    let next = Head { lines: head.lines + 1, sha256: hash(text.as_bytes()) };
    text.push('\n');
    (text, next)
}

fn hash(line: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(line))
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Broken {
    /// From 1.
    pub line: u64,
    /// In plain words.
    pub what: String,
}

/// Verifies a log. `head` is what was noted of its end; `verify` says whether an Ed25519 signature (second) is one of a text (first),
/// and makes every line need one.
///
/// # Errors
/// At the first line that was edited, removed, put elsewhere or added.
pub fn verify(log: &[u8], head: Option<&Head>, verify: Option<Check<'_>>) -> Result<Head, Broken> {
    let mut last = Head::default();
    let mut rest = log;
    while !rest.is_empty() {
        let number = last.lines + 1;
        let broken = |what: &str| Broken { line: number, what: what.to_owned() };
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| broken("the line is cut short"))?;
        let (line, more) = (&rest[..end], &rest[end + 1..]);
        let value: Value =
            serde_json::from_slice(line).map_err(|error| broken(&format!("this is no JSON: {error}")))?;
        if value["prev"].as_str() != Some(&last.sha256) {
            return Err(broken(if number == 1 {
                "lines before it are gone: it names a line that is not here"
            } else {
                "it does not follow the line before it: one of the two was edited, or lines between them were removed or put elsewhere"
            }));
        }
        if value["n"].as_u64() != Some(number) {
            return Err(broken("its number is another one than its place"));
        }
        if let Some(verify) = verify
            && !is_signed(line, verify)
        {
            return Err(broken("its signature is missing or not of this key"));
        }
        last = Head { lines: number, sha256: hash(line) };
        rest = more;
    }
    match head {
        Some(head) if *head != last => {
            let what = match head.lines.cmp(&last.lines) {
                std::cmp::Ordering::Greater => {
                    format!("the log ends here, but had {} lines: the last ones were removed", head.lines)
                }
                std::cmp::Ordering::Less => format!(
                    "the log had {} lines when its end was noted: the lines after that were added by something else",
                    head.lines
                ),
                std::cmp::Ordering::Equal => "the last line was edited".to_owned(),
            };
            Err(Broken { line: last.lines, what })
        }
        _ => Ok(last),
    }
}

fn is_signed(line: &[u8], verify: Check<'_>) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let Some((signed, rest)) = text.rsplit_once(SIGNATURE) else { return false };
    let signature = rest.strip_suffix("\"}").and_then(|base64| BASE64.decode(base64.as_bytes()).ok());
    signature.is_some_and(|signature| verify(signed.as_bytes(), &signature))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(count: u64, sign: Option<Sign<'_>>) -> (Vec<String>, Head) {
        let mut head = Head::default();
        let lines = (0..count)
            .map(|number| {
                let mut entry = Map::new();
                entry.insert("endpoint".into(), format!("a{number}.test:443").into());
                let (line, next) = line(&head, &entry, sign);
                head = next;
                line
            })
            .collect();
        (lines, head)
    }

    #[test]
    fn lines_that_are_gone_or_elsewhere_are_found() {
        let (lines, head) = log(4, None);
        let say = |lines: &[&String], head: Option<&Head>| {
            let whole: String = lines.iter().map(|line| line.as_str()).collect();
            verify(whole.as_bytes(), head, None).map_err(|broken| broken.line)
        };
        let [a, b, c, d] = [&lines[0], &lines[1], &lines[2], &lines[3]];
        assert_eq!(say(&[a, b, c, d], Some(&head)), Ok(head.clone()));
        assert_eq!(say(&[b, c, d], None), Err(1));
        assert_eq!(say(&[a, c, d], None), Err(2));
        assert_eq!(say(&[a, c, b, d], None), Err(2));
        assert_eq!(say(&[a, b, c], Some(&head)), Err(3));
        assert_eq!(say(&[], Some(&head)), Err(0));
        assert_eq!(say(&[a, a, b, c, d], Some(&head)), Err(2));
        assert_eq!(Head::read(&head.write()), Some(head));
        assert_eq!(Head::read("1 x"), None);
    }

    #[test]
    fn signatures_are_asked_for() {
        let sign = |text: &[u8]| Sha256::digest(text).to_vec();
        let check = |text: &[u8], signature: &[u8]| Sha256::digest(text).as_slice() == signature;
        let (lines, head) = log(2, Some(&sign));
        let whole = lines.concat();
        assert_eq!(verify(whole.as_bytes(), None, Some(&check)), Ok(head));
        assert_eq!(verify(whole.as_bytes(), None, Some(&|_, _| false)).unwrap_err().line, 1);
        assert!(verify(log(2, None).0.concat().as_bytes(), None, Some(&check)).is_err());
    }

    proptest! {
        #[test]
        fn every_edit_of_one_byte_is_found(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let (lines, head) = log(3, None);
            let mut bytes = lines.concat().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(verify(&bytes, Some(&head), None).is_err());
        }
    }
}
