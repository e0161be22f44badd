//! `sidelight trust verify --batch`. In: JSON Lines on standard input, a question each. Out: an answer each, flushed one by one.
//! A line that cannot be understood gets an answer too; nothing ends the run but the end of the input, or of whoever reads.

use std::collections::HashMap;
use std::io::{BufRead, Read as _, Write};
use std::sync::Arc;

use serde::Deserialize;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Asked, Exploration, Profile, Purpose, Question, explore};
use sidelight_wire::pem;

use crate::exit::{Exit, Failure};
use crate::schema::trust_verify::{Answer, Verdict};

/// Longest line: 10,000 certificates of 2 kB each in JSON.
const LONGEST: u64 = 64 << 20;

/// Sets of roots that are kept read; questions tend to share them.
const MOST_SETS: usize = 64;

/// A question.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    id: serde_json::Value,
    purpose: Option<String>,
    #[serde(default)]
    roots: Vec<String>,
    #[serde(default)]
    chain: Vec<String>,
    #[serde(default)]
    crls: Option<Vec<String>>,
    name: Option<String>,
    name_kind: Option<String>,
    at: Option<String>,
    max_depth: Option<u32>,
}

/// Answers until the input ends.
pub(super) fn run(
    input: &mut impl BufRead,
    output: &mut impl Write,
    profile: Profile,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let mut sets = HashMap::new();
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(Failure::from)?;
        if read == 0 {
            return Ok(Exit::Done);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reply = if line.last() != Some(&b'\n') && read as u64 == LONGEST {
            skip_line(input)?;
            unsupported(serde_json::Value::Null, format!("the line is longer than {LONGEST} bytes"))
        } else {
            reply(&line, profile, now, &mut sets)
        };
        let mut text = serde_json::to_vec(&reply).map_err(Failure::new)?;
        text.push(b'\n');
        match output.write_all(&text).and_then(|()| output.flush()) {
            // Whoever asked has heard enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            other => other?,
        }
    }
}

/// Reads over what is left of a line.
fn skip_line(input: &mut impl BufRead) -> Result<(), Failure> {
    loop {
        let buffer = input.fill_buf()?;
        let (length, is_end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

fn unsupported(id: serde_json::Value, reason: String) -> Answer {
    Answer { id, result: Verdict::Unsupported, reason }
}

fn reply(bytes: &[u8], profile: Profile, now: Timestamp, sets: &mut HashMap<Vec<String>, Arc<AnchorSet>>) -> Answer {
    let line: Line = match serde_json::from_slice(bytes) {
        Ok(line) => line,
        Err(error) => {
            // The identifier may be readable though the rest is not.
            let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
            let id = value.and_then(|value| value.get("id").cloned()).unwrap_or_default();
            return unsupported(id, format!("the line cannot be read: {error}"));
        }
    };
    let id = line.id.clone();
    match judge(line, profile, now, sets) {
        Ok(exploration) => {
            let result = if exploration.good_path().is_some() { Verdict::Accept } else { Verdict::Reject };
            Answer { id, result, reason: super::reason::short(&exploration) }
        }
        Err(reason) => unsupported(id, reason),
    }
}

fn judge(
    line: Line,
    profile: Profile,
    now: Timestamp,
    sets: &mut HashMap<Vec<String>, Arc<AnchorSet>>,
) -> Result<Exploration, String> {
    let purpose = match line.purpose.as_deref() {
        None | Some("server") => Purpose::Server,
        Some("client") => Purpose::Client,
        Some(other) => return Err(format!("`purpose` is `{other}`, which is neither server nor client")),
    };
    let name = line.name.as_deref().map(|name| asked(name, line.name_kind.as_deref())).transpose()?;
    let at = match line.at.as_deref() {
        None => now,
        Some(text) => Timestamp::parse(text).ok_or_else(|| format!("`at` is `{text}`, which is no RFC 3339 time"))?,
    };
    let chain = blocks(&line.chain, "chain")?;
    if chain.is_empty() {
        return Err("`chain` holds no certificate".to_owned());
    }
    let crls = blocks(line.crls.as_deref().unwrap_or_default(), "crls")?;
    let anchors = match sets.get(&line.roots) {
        Some(known) => Arc::clone(known),
        None => {
            let roots = blocks(&line.roots, "roots")?;
            let set = Arc::new(AnchorSet::new(roots.iter().map(Vec::as_slice)));
            if sets.len() >= MOST_SETS {
                sets.clear();
            }
            sets.insert(line.roots, Arc::clone(&set));
            set
        }
    };
    Ok(explore(&Question {
        chain: &chain,
        anchors: &anchors,
        crls: &crls,
        name: name.as_ref(),
        purpose,
        now: at,
        max_depth: line.max_depth,
        profile,
        every_path: false,
    }))
}

/// What the name is said to be; a kind that is not said is seen from the name.
fn asked(name: &str, kind: Option<&str>) -> Result<Asked, String> {
    match kind {
        None => Asked::parse(name),
        Some("DNS") => Asked::dns(name),
        Some("IP") => name.parse().map(Asked::Ip).map_err(|_| format!("`{name}` is no IP address")),
        Some("RFC822") => Ok(Asked::Email(name.to_owned())),
        Some(other) => Err(format!("`name_kind` is `{other}`, which is none of DNS, IP, RFC822")),
    }
}

/// The first block of every PEM text.
fn blocks(texts: &[String], what: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let (blocks, faults) = pem::read(text.as_bytes());
        if blocks.is_empty() {
            let why = faults.first().map_or_else(|| "there is no block in it".to_owned(), ToString::to_string);
            return Err(format!("`{what}` {}: {why}", index + 1));
        }
        found.extend(blocks.into_iter().map(|block| block.data));
    }
    Ok(found)
}
