//! GnuTLS: `gnutls_x509_trust_list_add_trust_file`, which wget and git of Debian use. In: a file. Out: all of it or nothing.
//!
//! It searches for texts, not for lines: what stands around does not matter. But a block that it finds and cannot read, and any
//! block whose label only begins with CERTIFICATE, costs the whole file.

use memchr::memmem;

use super::element;
use super::outcome::Outcome;

const NEW: &[u8] = b"-----BEGIN CERTIFICATE";
const OLD: &[u8] = b"-----BEGIN X509 CERTIFICATE";
const DASHES: &[u8] = b"-----";
const END: &[u8] = b"-----END ";

pub(super) fn read(bytes: &[u8], known: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut next = seek(bytes, 0);
    if next.is_none() {
        outcome.fails = Some((0, "GnuTLS finds no certificate in it".to_owned()));
    }
    while let Some(start) = next {
        match block(bytes, start, known) {
            Ok(der) => outcome.got.push((start, der)),
            Err(why) => {
                outcome.fails = Some((start, why.to_owned()));
                return outcome;
            }
        }
        next = seek(bytes, start + 1);
        let end = next.unwrap_or(bytes.len());
        let why = "GnuTLS looks for CERTIFICATE alone as long as there is one ahead, and passes over other labels";
        outcome.skip(start + 1..end, why);
    }
    if let Some((first, _)) = outcome.got.first() {
        let why = "GnuTLS looks for CERTIFICATE alone as long as there is one ahead, and passes over other labels";
        let before = 0..*first;
        outcome.skip(before, why);
    }
    outcome
}

/// The next CERTIFICATE; X509 CERTIFICATE only when there is none.
fn seek(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memmem::find(rest, NEW).or_else(|| memmem::find(rest, OLD)).map(|at| from + at)
}

fn block(bytes: &[u8], start: usize, known: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
    let rest = &bytes[start..];
    let dashes = memmem::find(&rest[1..], DASHES).ok_or("the BEGIN line is not ended")? + 1;
    let rest = &rest[dashes + DASHES.len()..];
    let end = memmem::find(rest, END).ok_or("the block has no END line")?;
    let text: Vec<u8> = rest[..end]
        .iter()
        .copied()
        .take_while(|byte| *byte != b'-')
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let data = element::base64(&text).ok_or("the block is not base64")?;
    match element::certificate(&data, known) {
        Some((der, [])) => Ok(der.to_vec()),
        Some(_) => Err("bytes stand behind the certificate in its block"),
        None => Err("the block is no certificate"),
    }
}
