//! What each kind of reader makes of a file of certificates. In: the bytes and every certificate that can be found in them.
//! Out: a [`Reading`] for each reader that can be pointed at such a file: what it gets, what it loses, why, and whether it says so.
//!
//! Spec: none; the readers are programs. Their rules were measured with real ones (docs/runtimes.md holds the table, and a test runs
//! them all again), and are followed step by step here, because what a fault costs depends on where the reader goes on after it.

mod element;
mod gnutls;
mod go;
mod java;
mod openssl;
mod openssl_blocks;
mod outcome;
mod rustls;

use sidelight_model::trust::{Entry, Format, Loss, Reader, Reading};

use outcome::Outcome;

/// What every reader that can be pointed at such a file makes of it. `entries` are those of the store, each with its DER.
pub fn readings(format: Format, bytes: &[u8], entries: &[(&Entry, &[u8])]) -> Vec<Reading> {
    let known: Vec<&[u8]> = entries.iter().map(|(_, der)| element::cut(der).unwrap_or(der)).collect();
    Reader::ALL
        .iter()
        .filter_map(|reader| {
            let outcome = match format {
                Format::Pem | Format::Der | Format::Pkcs7 => text(*reader, bytes, &known)?,
                _ => return keystore(*reader, format, entries),
            };
            Some(outcome::reading(*reader, outcome, entries, &known, bytes))
        })
        .collect()
}

/// Certificates that some reader gets although they are not among `known`: one behind an indented END, in DER between blocks of text,
/// under a label of its own. Each with the byte where it begins.
pub fn unlisted(bytes: &[u8], known: &[&[u8]]) -> Vec<(usize, Vec<u8>)> {
    let known: Vec<&[u8]> = known.iter().map(|der| element::cut(der).unwrap_or(der)).collect();
    let mut found: Vec<(usize, Vec<u8>)> = Vec::new();
    for outcome in Reader::ALL.iter().filter_map(|reader| text(*reader, bytes, &known)) {
        for (at, der) in outcome.got {
            if !known.contains(&der.as_slice()) && !found.iter().any(|(_, other)| *other == der) {
                found.push((at, der));
            }
        }
    }
    found
}

/// Readers of files; each is given such a file by name, so that one that cannot read it fails rather than is left out.
fn text(reader: Reader, bytes: &[u8], known: &[&[u8]]) -> Option<Outcome> {
    Some(match reader {
        Reader::OpenSslFile => openssl::whole_file(bytes, known, false),
        Reader::OpenSslDefault => openssl::whole_file(bytes, known, true),
        Reader::OpenSslHashed => openssl::one_by_one(bytes, known, openssl::Way::Hashed),
        Reader::NodeExtra => openssl::one_by_one(bytes, known, openssl::Way::NodeExtra),
        Reader::NodeCa => openssl::one_by_one(bytes, known, openssl::Way::NodeCa),
        Reader::Go => go::read(bytes, known),
        Reader::GnuTls => gnutls::read(bytes, known),
        Reader::JavaFactory => java::factory(bytes, known),
        Reader::JavaKeyStore => java::not_a_key_store(bytes),
        Reader::Rustls => rustls::read(bytes, known),
        Reader::Nss => return None,
    })
}

/// Key stores and databases: their entries are what the parser found; only a few readers know each.
fn keystore(reader: Reader, format: Format, entries: &[(&Entry, &[u8])]) -> Option<Reading> {
    let reads = match reader {
        Reader::JavaKeyStore => matches!(format, Format::Jks | Format::Jceks | Format::Pkcs12 | Format::Bks),
        Reader::Nss => matches!(format, Format::NssDb | Format::NssBuiltins),
        _ => false,
    };
    if !reads {
        return None;
    }
    if reader == Reader::JavaKeyStore && matches!(format, Format::Jceks | Format::Bks) {
        let why = format!("it is {}, which Java reads only when told so (javax.net.ssl.trustStoreType)", format.name());
        return Some(refused(reader, why, entries.len()));
    }
    let (mut taken, mut lost) = (Vec::new(), Vec::new());
    for (index, (entry, _)) in entries.iter().enumerate() {
        match why_no_anchor(format, entry) {
            None => taken.push(index),
            Some(why) => lost.push(Loss { entry: Some(index), why: why.into(), silent: true }),
        }
    }
    Some(Reading { reader, taken, lost, fails: None })
}

fn why_no_anchor(format: Format, entry: &Entry) -> Option<&'static str> {
    let refused = entry.bits.as_ref().is_some_and(|bits| bits.distrusted);
    match format {
        Format::Pkcs12 if !entry.is_anchor => Some(
            "it lacks the attribute trustedKeyUsage (2.16.840.1.113894.746875.1.1), without which Java sees no entry",
        ),
        Format::NssDb | Format::NssBuiltins if refused => Some("it is marked as distrusted"),
        Format::NssDb | Format::NssBuiltins if !entry.is_anchor => Some("it is there, but not marked as a trusted CA"),
        _ if !entry.is_anchor => Some("it stands in the chain of a private key, not as a trusted certificate"),
        _ => None,
    }
}

fn refused(reader: Reader, why: String, count: usize) -> Reading {
    let lost = (0..count).map(|entry| Loss { entry: Some(entry), why: why.clone(), silent: false }).collect();
    Reading { reader, taken: Vec::new(), lost, fails: Some(why) }
}

#[cfg(test)]
mod tests;
