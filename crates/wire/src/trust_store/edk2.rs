//! edk2's `cacerts.bin`. In: bytes. Out: its certificates. Spec: UEFI 2.10 §32.4.1 (EFI_SIGNATURE_LIST with EFI_CERT_X509_GUID).

use sidelight_model::trust::Format;

use super::{Draft, MAX_ENTRIES, Place};

/// a5c059a1-94e4-4aa7-87b5-ab155c2bf072 as it stands in memory.
const X509: [u8; 16] = [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];

/// GUID and three sizes.
const HEAD: usize = 28;

/// The owner before each certificate.
const OWNER: usize = 16;

pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(&X509)
}

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Format {
    let mut at = 0;
    while let Some(list) =
        bytes.get(at..).filter(|rest| !rest.is_empty()).filter(|_| draft.store.entries.len() < MAX_ENTRIES)
    {
        let size = |from: usize| {
            let bytes = list.get(from..from + 4)?;
            usize::try_from(bytes.iter().rev().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte))).ok()
        };
        let sizes = (size(16), size(20), size(24));
        let (Some(whole), Some(head), Some(each)) = sizes else { break };
        let Some(content) = list.get(..whole).and_then(|list| list.get(HEAD.checked_add(head)?..)) else {
            draft.fault("a list of certificates in it is cut off".to_owned(), None, Some(at));
            break;
        };
        if list.starts_with(&X509) && each > OWNER {
            for (index, signature) in content.chunks_exact(each).enumerate() {
                let offset = Some(at + HEAD + head + index * each + OWNER);
                draft.certificate(&signature[OWNER..], Place { offset, ..Place::default() });
            }
        }
        at += whole;
    }
    Format::Edk2
}
