//! Programs on OpenSSL: `CAfile`, the default file, hashed folders, and Node's two ways. In: a file. Out: what each gets of it.
//!
//! `CAfile` and the default file are read whole before anything of it counts: one bad block, and there are no certificates, of which the
//! default file says nothing. The others add certificate after certificate and keep what came before the first error.

use super::element;
use super::openssl_blocks::{Block, Blocks, From, Next};
use super::outcome::{Lost, Outcome};

/// Readers that take one certificate after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A file of a hashed folder.
    Hashed,
    /// `NODE_EXTRA_CA_CERTS`, which does not read trust settings.
    NodeExtra,
    /// Node's option `ca`.
    NodeCa,
}

/// `CAfile`, or the default file if `default`: all or nothing.
pub(super) fn whole_file(bytes: &[u8], known: &[&[u8]], default: bool) -> Outcome {
    let mut outcome = Outcome { quiet: default, ..Outcome::default() };
    let mut blocks = Blocks::new(bytes, From::File);
    let mut lists = 0;
    loop {
        match blocks.next() {
            Next::Nothing => break,
            Next::Bad(at, why) => return failed(outcome, at, why),
            Next::Block(block) => {
                lists += usize::from(block.label == b"X509 CRL");
                let end = blocks.position();
                if let Err(why) = take(&mut outcome, &block, end, known) {
                    return failed(outcome, block.start, why);
                }
            }
        }
    }
    if outcome.got.is_empty() && lists == 0 && outcome.lost.is_empty() {
        return failed(outcome, 0, "OpenSSL finds no certificate in it");
    }
    passed(&mut outcome, &blocks);
    outcome
}

fn failed(mut outcome: Outcome, at: usize, why: &str) -> Outcome {
    outcome.fails = Some((at, why.to_owned()));
    outcome
}

/// What the reader of whole files does with a block.
fn take(outcome: &mut Outcome, block: &Block, end: usize, known: &[&[u8]]) -> Result<(), &'static str> {
    match block.label.as_slice() {
        b"CERTIFICATE" | b"X509 CERTIFICATE" => {
            unencrypted(block)?;
            let (der, _) = element::certificate(&block.data, known).ok_or("the block is no certificate")?;
            outcome.got.push((block.start, der.to_vec()));
        }
        b"TRUSTED CERTIFICATE" => {
            unencrypted(block)?;
            with_settings(outcome, block, end, known).ok_or("the block is no certificate with trust settings")?;
        }
        b"X509 CRL" => {
            unencrypted(block)?;
            element::cut(&block.data).ok_or("the block is no revocation list")?;
        }
        label @ (b"RSA PRIVATE KEY" | b"DSA PRIVATE KEY" | b"EC PRIVATE KEY") if block.header.len() <= 10 => {
            let label = std::str::from_utf8(label).unwrap_or_default();
            if !element::is_private_key(label, &block.data) {
                return Err("a private key in it is damaged");
            }
        }
        _ => {}
    }
    Ok(())
}

/// A header in a block means encryption to OpenSSL; any other is an error.
fn unencrypted(block: &Block) -> Result<(), &'static str> {
    if block.header.is_empty() { Ok(()) } else { Err("the block has header lines, which OpenSSL takes for encryption") }
}

/// A certificate with trust settings, if they are sound. Settings that refuse servers make it no anchor.
fn with_settings(outcome: &mut Outcome, block: &Block, end: usize, known: &[&[u8]]) -> Option<()> {
    let (der, rest) = element::certificate(&block.data, known)?;
    let refusal = if rest.is_empty() { None } else { element::refuses_servers(&element::settings(rest)?) };
    match refusal {
        None => outcome.got.push((block.start, der.to_vec())),
        Some(why) => outcome.skip(block.start..end, why),
    }
    Some(())
}

/// One certificate after the other, up to the first error.
pub(super) fn one_by_one(bytes: &[u8], known: &[&[u8]], way: Way) -> Outcome {
    let mut outcome = Outcome { quiet: way != Way::NodeExtra, ..Outcome::default() };
    let mut blocks = Blocks::new(bytes, if way == Way::NodeCa { From::Memory } else { From::File });
    let stop = loop {
        match blocks.next() {
            Next::Nothing => break None,
            Next::Bad(at, why) => break Some((at, why)),
            Next::Block(block) => {
                let end = blocks.position();
                if let Err(why) = add(&mut outcome, &block, end, known, way) {
                    break Some((block.start, why));
                }
            }
        }
    };
    if let Some((at, why)) = stop {
        // The rest is lost from the end of the last block that was read.
        let from = outcome.got.last().map_or(0, |(start, _)| start + 1);
        let why = format!("{why}; nothing from here on is read");
        outcome.lost.push(Lost { bytes: from..bytes.len(), at, why, told: way == Way::NodeExtra });
    }
    if outcome.got.is_empty() && outcome.lost.is_empty() {
        outcome.fails = Some((0, "OpenSSL finds no certificate in it".to_owned()));
    }
    passed(&mut outcome, &blocks);
    outcome
}

fn add(outcome: &mut Outcome, block: &Block, end: usize, known: &[&[u8]], way: Way) -> Result<(), &'static str> {
    let plain = matches!(block.label.as_slice(), b"CERTIFICATE" | b"X509 CERTIFICATE");
    if way == Way::NodeExtra {
        if !plain {
            outcome.skip(block.start..end, "its label is not one of those that NODE_EXTRA_CA_CERTS reads");
            return Ok(());
        }
        unencrypted(block)?;
        let (der, _) = element::certificate(&block.data, known).ok_or("the block is no certificate")?;
        outcome.got.push((block.start, der.to_vec()));
        return Ok(());
    }
    if !plain && block.label != b"TRUSTED CERTIFICATE" {
        return Ok(());
    }
    unencrypted(block)?;
    // Here even a plain certificate is read with trust settings: bytes behind it that are none are an error.
    with_settings(outcome, block, end, known).ok_or("the block is no certificate, or has bytes behind it")
}

/// Blocks whose BEGIN line OpenSSL does not see are passed over in silence, up to the next one that it does.
fn passed(outcome: &mut Outcome, blocks: &Blocks<'_>) {
    for (line, why) in &blocks.passed {
        outcome.skip(line.clone(), *why);
    }
    // A block that runs on to a later END swallows what stands between.
    let starts: Vec<usize> = outcome.got.iter().map(|(start, _)| *start).collect();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(usize::MAX);
        let why = "it stands in a block before it whose END line is missing or not seen, and is swallowed with that";
        outcome.lost.push(Lost { bytes: start + 1..end, at: *start, why: why.into(), told: false });
    }
}
