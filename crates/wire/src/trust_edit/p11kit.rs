//! What p11-kit's `trust extract` writes for one anchor. In: an anchor. Out: names and bytes in each of its formats.
//! Source: p11-kit 0.24, measured: labels, names, `TRUSTED CERTIFICATE` with an alias, EFI signature lists (UEFI 2.10 §32.4.1).

use super::Anchor;
use crate::{der, pem};

/// EFI_CERT_X509_GUID, as it is stored.
const EFI_CERT_X509: [u8; 16] =
    [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];

/// The owner that p11-kit writes.
const OWNER: [u8; 16] =
    [0x50, 0x3b, 0xdd, 0xdc, 0x05, 0xf4, 0xfd, 0x43, 0x96, 0xbe, 0xbd, 0x33, 0xb1, 0x73, 0x47, 0x76];

/// The comment above its block.
pub(super) fn label(anchor: &Anchor) -> String {
    anchor.label().unwrap_or_else(|| "certificate".to_owned())
}

/// Its file's name without `.pem`: ASCII letters, digits, `.`, `_` and `-` stay, every other byte becomes `_`.
pub(super) fn file_name(anchor: &Anchor) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    label(anchor).bytes().map(|byte| if plain(byte) { char::from(byte) } else { '_' }).collect()
}

/// Its alias in a Java store: in lower case, without white space and what is not ASCII.
pub(super) fn java_alias(anchor: &Anchor) -> String {
    let label = anchor.label().unwrap_or_else(|| "unlabeled".to_owned());
    label.chars().filter(|c| c.is_ascii() && !c.is_ascii_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

/// A `TRUSTED CERTIFICATE` block: trusted for everything, with the label as alias.
pub(super) fn trusted_pem(anchor: &Anchor) -> String {
    let alias = der::element(der::tag::UTF8_STRING, label(anchor).as_bytes());
    pem::write("TRUSTED CERTIFICATE", &[anchor.der(), &der::sequence(&[&alias])].concat())
}

/// One signature list of `cacerts.bin`.
pub(super) fn edk2(anchor: &Anchor) -> Option<Vec<u8>> {
    let data = u32::try_from(anchor.der().len()).ok()?.checked_add(16)?;
    let whole = data.checked_add(28)?;
    let mut out = EFI_CERT_X509.to_vec();
    for number in [whole, 0, data] {
        out.extend(number.to_le_bytes());
    }
    out.extend(OWNER);
    out.extend(anchor.der());
    Some(out)
}

/// The bytes of `cacerts.bin` without the lists that hold exactly this certificate; `None` when they do not divide into lists.
pub(super) fn edk2_without(bytes: &[u8], certificate: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size: [u8; 4] = rest.get(16..20)?.try_into().ok()?;
        let size = usize::try_from(u32::from_le_bytes(size)).ok().filter(|size| *size >= 28)?;
        let (list, after) = rest.split_at_checked(size)?;
        if list.get(44..) != Some(certificate) {
            kept.extend_from_slice(list);
        }
        rest = after;
    }
    Some(kept)
}
