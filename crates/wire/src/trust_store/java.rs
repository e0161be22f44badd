//! Java's JKS and JCEKS as trust stores. In: bytes. Out: entries. Certificates are in the clear, so no password is needed.

use sidelight_model::trust::{Format, KeyFound};

use super::{Draft, Place};
use crate::jks::{self, EntryKind};

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Option<Format> {
    let (format, read) = match bytes {
        [0xce, ..] => (Format::Jceks, jks::read_jceks(bytes)),
        _ => (Format::Jks, jks::read(bytes, None)),
    };
    let (entries, faults) = read.ok()?;
    for entry in entries {
        match entry.kind {
            EntryKind::Certificate(certificate) => {
                draft.certificate(&certificate.der, Place { alias: Some(entry.alias), ..Place::default() });
            }
            EntryKind::PrivateKey { chain, .. } => {
                let alias = Some(entry.alias);
                let leaf = chain.first().and_then(|leaf| sidelight_model::x509::Certificate::parse(&leaf.der).ok());
                let public_key = leaf.map(|leaf| leaf.public_key);
                let form = format!("{} key entry", format.name());
                draft.key(KeyFound { form, encrypted: true, public_key, line: None, alias: alias.clone() });
                for certificate in chain {
                    draft.certificate(
                        &certificate.der,
                        Place { alias: alias.clone(), no_anchor: true, ..Place::default() },
                    );
                }
            }
        }
    }
    for fault in faults {
        draft.fault(fault.to_string(), None, None);
    }
    Some(format)
}
