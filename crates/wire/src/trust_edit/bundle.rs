//! PEM bundles with one certificate more or less. In: the old bytes. Out: the new ones; all that is not ours stays byte for byte.
//!
//! A bundle is never made worse: what could be read of it before can be read afterwards, which is checked on the result.

use super::{Anchor, p11kit};
use crate::pem::{self, FaultKind};

/// How the entries of a bundle follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Block after block.
    Plain,
    /// p11-kit with comments: an empty line and `# Label` before each block but the first.
    Commented,
    /// Alpine: an empty line after each file.
    Spaced,
}

/// The bundle with `block` (a PEM block that ends with a newline) at its end, or at its beginning where its end would swallow it.
///
/// # Errors
/// When the file is no PEM or so damaged that no block can be added; one clause for people.
pub(super) fn with(old: &[u8], anchor: &Anchor, block: &str) -> Result<Vec<u8>, String> {
    let (blocks, faults) = pem::read(old);
    if blocks.is_empty()
        && let Some(fault) = faults.iter().find(|fault| is_no_pem(&fault.kind))
        && !old.trim_ascii().is_empty()
    {
        return Err(format!("it is no PEM bundle ({})", fault.kind));
    }
    let appended = appended(old, &addition(old, anchor, block));
    // Where the last block has no END, most readers would take what follows as its content.
    if !is_open(old) && keeps(&blocks, &pem::read(&appended).0, anchor) {
        return Ok(appended);
    }
    let prepended = [block.as_bytes(), old].concat();
    if keeps(&blocks, &pem::read(&prepended).0, anchor) {
        return Ok(prepended);
    }
    Err("it is damaged in a way that leaves no place for another certificate".to_owned())
}

/// Whether the last block has no END.
fn is_open(old: &[u8]) -> bool {
    let last = |mark: &[u8]| memchr::memmem::rfind(old, mark);
    last(b"-----BEGIN ").is_some_and(|begin| last(b"-----END ").is_none_or(|end| end < begin))
}

fn is_no_pem(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Utf16 | FaultKind::Empty(": it begins like DER (a certificate, PKCS#7 or PKCS#12 in binary)")
    ) || matches!(kind, FaultKind::Empty(what) if what.contains("key store"))
}

/// Whether `new` has every block of `old` as it was, and ours beside them.
fn keeps(old: &[pem::Block], new: &[pem::Block], anchor: &Anchor) -> bool {
    let ours = |block: &&pem::Block| block.sound && block.data.starts_with(anchor.der());
    let same = |a: &pem::Block, b: &pem::Block| a.label == b.label && a.data == b.data && a.sound == b.sound;
    let mut rest: Vec<&pem::Block> = new.iter().collect();
    let Some(at) = rest.iter().rposition(ours) else { return false };
    rest.remove(at);
    // Where ours was prepended, it is the first.
    rest.len() == old.len() && rest.iter().zip(old).all(|(a, b)| same(a, b))
}

/// The old bytes, a newline where their last line has none, and more.
fn appended(old: &[u8], addition: &str) -> Vec<u8> {
    let mut whole = old.to_vec();
    if !whole.is_empty() && !whole.ends_with(b"\n") {
        whole.push(b'\n');
    }
    whole.extend_from_slice(addition.as_bytes());
    whole
}

/// The block as the bundle's own writer would have written it.
fn addition(old: &[u8], anchor: &Anchor, block: &str) -> String {
    match layout(old) {
        Layout::Plain => block.to_owned(),
        Layout::Commented if old.ends_with(b"\n\n") => format!("# {}\n{block}", p11kit::label(anchor)),
        Layout::Commented => format!("\n# {}\n{block}", p11kit::label(anchor)),
        Layout::Spaced => format!("{block}\n"),
    }
}

fn layout(old: &[u8]) -> Layout {
    let text = String::from_utf8_lossy(old);
    let Some(begin) = text.rfind("-----BEGIN ") else { return Layout::Plain };
    let before = text.get(..begin).unwrap_or_default();
    let comment = before.strip_suffix('\n').and_then(|rest| rest.rsplit('\n').next());
    // SUSE's comment stands once, at the head of the file, and is no label.
    if comment.is_some_and(|line| line.starts_with("# "))
        && before.matches("\n# ").count() > 0
        && before.contains("-----END ")
    {
        Layout::Commented
    } else if text.ends_with("-----\n\n") && (before.is_empty() || before.ends_with("-----\n\n")) {
        Layout::Spaced
    } else {
        Layout::Plain
    }
}

/// The bundle without this certificate, with the comment and the empty line that came with it; `None` when it does not hold it.
pub(super) fn without(old: &[u8], anchor: &Anchor) -> Option<Vec<u8>> {
    let (blocks, _) = pem::read(old);
    let ours = |block: &&pem::Block| block.is_certificate() && block.data.starts_with(anchor.der());
    let ranges: Vec<(usize, usize)> = blocks.iter().filter(ours).map(|block| block.bytes).collect();
    if ranges.is_empty() {
        return None;
    }
    let spaced = layout(old) == Layout::Spaced;
    let mut rest = Vec::with_capacity(old.len());
    let mut from = 0;
    for (start, end) in ranges {
        let before = old.get(from..start).unwrap_or_default();
        let comment = comment_before(before, &p11kit::label(anchor));
        rest.extend_from_slice(&before[..before.len() - comment]);
        from = end;
        if spaced && old.get(end) == Some(&b'\n') {
            from += 1;
        }
    }
    rest.extend_from_slice(old.get(from..).unwrap_or_default());
    Some(rest)
}

/// The length of a comment line with this label at the end of a text, and of the empty line before it.
fn comment_before(text: &[u8], label: &str) -> usize {
    let line = format!("# {label}\n");
    let Some(rest) = text.strip_suffix(line.as_bytes()) else { return 0 };
    line.len() + usize::from(rest.ends_with(b"\n\n"))
}

/// What is wrong with a bundle so that some reader loses more than the block concerned; one sentence.
pub(super) fn damage(bytes: &[u8]) -> Option<String> {
    let (_, faults) = pem::read(bytes);
    let fault = faults.iter().find(|fault| {
        matches!(
            fault.kind,
            FaultKind::Base64 { .. }
                | FaultKind::MissingEnd(_)
                | FaultKind::JoinedBoundary
                | FaultKind::BadBoundary
                | FaultKind::LabelMismatch { .. }
                | FaultKind::Indented(_)
        )
    })?;
    Some(format!(
        "it was damaged before: line {}: {}. OpenSSL, curl and Python lose the whole file by that",
        fault.line, fault.kind
    ))
}
