//! JA3 and JA4 of a ClientHello. In: what it offers. Out: the fingerprints, beside what else is worth keeping of the hello.
//!
//! Spec: JA3 as Salesforce published it (MD5 over the decimal numbers, in the order in which they were sent); JA4 as FoxIO
//! publishes it (counts in clear, then truncated SHA-256 over sorted lists). Values of RFC 8701 (GREASE) count in neither.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;
use sidelight_model::flow::Hello;

use super::client_hello::{ClientHello, is_grease};

/// Extension types that JA4 counts but does not hash, because they differ from one destination to the next.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// JA4's digest of an empty list.
const NOTHING: &str = "000000000000";

/// What is kept of a hello that came over TCP.
pub fn hello(hello: &ClientHello) -> Hello {
    let ja3_text = ja3_text(hello);
    Hello {
        sni: hello.sni.clone(),
        alpn: hello.alpn.clone(),
        versions: hello.versions.clone(),
        ja3: hex(&Md5::digest(&ja3_text)),
        ja4: ja4(hello),
        ja3_text,
    }
}

/// `771,4865-4866,0-10,29-23,0`: version, cipher suites, extensions, groups, point formats, as sent.
fn ja3_text(hello: &ClientHello) -> String {
    let mut text = String::with_capacity(256);
    push_decimal(&mut text, hello.legacy_version);
    for list in [&hello.ciphers, &hello.extensions, &hello.groups] {
        push_list(&mut text, without_grease(list));
    }
    // A point format is one byte, and no reserved value is.
    push_list(&mut text, hello.point_formats.iter().copied().map(u16::from));
    text
}

/// `,10-29-23`
fn push_list(text: &mut String, numbers: impl Iterator<Item = u16>) {
    text.push(',');
    for (index, number) in numbers.enumerate() {
        if index > 0 {
            text.push('-');
        }
        push_decimal(text, number);
    }
}

/// Each hello has some fifty numbers: by the formatting of the standard library they cost more than all digests.
fn push_decimal(text: &mut String, number: u16) {
    let mut rest = number;
    for power in [10_000, 1_000, 100, 10, 1] {
        if number >= power || power == 1 {
            text.push(char::from_digit(u32::from(rest / power), 10).unwrap_or('0'));
            rest %= power;
        }
    }
}

fn ja4(hello: &ClientHello) -> String {
    let mut ciphers: Vec<u16> = without_grease(&hello.ciphers).collect();
    let mut extensions: Vec<u16> = without_grease(&hello.extensions).collect();
    let mut text = format!(
        "t{}{}{:02}{:02}",
        version(hello.highest_version()),
        if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
    );
    text.extend(alpn_ends(hello.alpn.first().map_or(&[], Vec::as_slice)));
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    extensions.sort_unstable();
    let mut offered = list(&extensions);
    let schemes: Vec<u16> = without_grease(&hello.signature_schemes).collect();
    if !schemes.is_empty() {
        offered.push('_');
        offered.push_str(&list(&schemes));
    }
    let offered = if extensions.is_empty() { String::new() } else { offered };
    let _ = write!(text, "_{}_{}", digest(&list(&ciphers)), digest(&offered));
    text
}

const fn version(number: u16) -> &'static str {
    match number {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol offered; of its hexadecimal form when either is no letter or digit.
fn alpn_ends(protocol: &[u8]) -> [char; 2] {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)];
    }
    [digit(u16::from(first >> 4)), digit(u16::from(*last))]
}

fn without_grease(numbers: &[u16]) -> impl Iterator<Item = u16> {
    numbers.iter().copied().filter(|number| !is_grease(*number))
}

/// `002f,1301`
fn list(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len() * 5);
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.extend([12, 8, 4, 0].map(|shift| digit(number >> shift)));
    }
    text
}

/// The last four bits.
fn digit(value: u16) -> char {
    char::from_digit(u32::from(value & 0xf), 16).unwrap_or('0')
}

/// The first twelve digits of the SHA-256; zeros for nothing.
fn digest(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    hex(&Sha256::digest(text)[..NOTHING.len() / 2])
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
