//! PEM files as trust stores. In: bytes. Out: certificates, keys, and the faults of the file. Spec: RFC 7468, and what OpenSSL adds.

use sidelight_model::trust::{Format, KeyFound};

use super::{Draft, Place, key, pkcs7, trusted};
use crate::pem::{self, Block};

/// `None` when there is nothing in it that bears on trust.
pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Option<Format> {
    memchr::memmem::find(bytes, b"-----BEGIN").or_else(|| utf16(bytes))?;
    let (blocks, faults) = pem::read(bytes);
    let mut format = Format::Pem;
    for block in &blocks {
        format = take(block, draft).unwrap_or(format);
    }
    let is_utf16 = faults.iter().any(|fault| matches!(fault.kind, pem::FaultKind::Utf16));
    let names_certificate = is_utf16 || memchr::memmem::find(bytes, b"CERTIFICATE-----").is_some();
    if draft.is_empty() && !names_certificate {
        return None;
    }
    for fault in faults {
        draft.fault(fault.kind.to_string(), Some(fault.line), Some(fault.offset));
    }
    Some(format)
}

/// UTF-16 text that has PEM in it, which no reader takes.
fn utf16(bytes: &[u8]) -> Option<usize> {
    let wide: Vec<u8> = b"-----BEGIN".iter().flat_map(|byte| [*byte, 0]).collect();
    memchr::memmem::find(bytes, &wide)
}

/// Takes what a block holds; tells the form of the file when the block decides it.
fn take(block: &Block, draft: &mut Draft<'_>) -> Option<Format> {
    let place = Place {
        label: Some(block.label.clone()),
        line: Some(block.lines.0),
        offset: Some(block.bytes.0),
        ..Place::default()
    };
    match block.label.as_str() {
        "TRUSTED CERTIFICATE" => {
            let (der, bits, alias) = trusted::split(&block.data);
            draft.certificate(der, Place { bits, alias, ..place });
        }
        "CERTIFICATE" | "X509 CERTIFICATE" => drop(draft.certificate(&block.data, place)),
        "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => {
            pkcs7::read(&block.data, place.line, draft);
            return draft.store.entries.iter().all(|entry| entry.line == place.line).then_some(Format::Pkcs7);
        }
        _ if block.is_private_key() => draft.key(private_key(block)),
        _ => {}
    }
    None
}

fn private_key(block: &Block) -> KeyFound {
    let old_style = block.headers.iter().any(|(name, value)| name == "Proc-Type" && value.contains("ENCRYPTED"));
    let (form, encrypted) = match block.label.as_str() {
        "PRIVATE KEY" => ("PKCS#8", false),
        "ENCRYPTED PRIVATE KEY" => ("PKCS#8", true),
        "OPENSSH PRIVATE KEY" => ("OpenSSH", key::is_encrypted_openssh(&block.data)),
        other => (other, old_style),
    };
    let public_key = if encrypted { None } else { key::public_half(&block.data) };
    KeyFound { form: form.to_owned(), encrypted, public_key, line: Some(block.lines.0), alias: None }
}
