//! The parts of a subject's name, and the walk over DER that anchors need. In: DER. Out: elements, attributes.

/// Object identifier and text of each attribute of a name, in order; values that are no text are left out.
pub(super) fn attributes(subject_der: &[u8]) -> Option<Vec<(Vec<u8>, String)>> {
    let (_, name, _) = element(subject_der)?;
    let mut found = Vec::new();
    for (_, set) in elements(name)? {
        for (_, attribute) in elements(set)? {
            if let [(_, oid), (tag, value)] = elements(attribute)?[..]
                && let Some(text) = text(tag, value)
            {
                found.push((oid.to_vec(), text));
            }
        }
    }
    Some(found)
}

/// The text of a string type; none of other types.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String
        0x0c => String::from_utf8(value.to_vec()).ok(),
        // PrintableString, T61String (read as Latin-1), IA5String, VisibleString
        0x13 | 0x14 | 0x16 | 0x1a => Some(value.iter().map(|byte| char::from(*byte)).collect()),
        // BMPString
        0x1e => {
            let units: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// All elements that follow each other.
pub(super) fn elements(mut der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (tag, content, rest) = element(der)?;
        found.push((tag, content));
        der = rest;
    }
    Some(found)
}

/// Tag, content and what follows. Lengths of up to three bytes: a name is small.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test asks a program about files")]
mod tests {
    use std::process::Command;

    use sidelight_model::x509::{Certificate, subject_hash, subject_hash_old};

    use crate::pem;

    /// What OpenSSL says of every root of this machine.
    #[test]
    fn hashes_agree_with_openssl() {
        let bundle = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
        let (blocks, _) = pem::read(&bundle);
        let folder = tempfile::tempdir().unwrap();
        let mut script = String::new();
        for (index, block) in blocks.iter().enumerate() {
            std::fs::write(folder.path().join(index.to_string()), &block.data).unwrap();
            script.push_str(&format!("openssl x509 -inform DER -noout -hash -subject_hash_old -in {index}\n"));
        }
        let output = Command::new("sh").args(["-ec", &script]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        let ours = blocks.iter().flat_map(|block| {
            let subject = Certificate::parse(&block.data).unwrap().subject_der;
            [subject_hash(&subject).unwrap(), subject_hash_old(&subject)]
        });
        let ours: Vec<String> = ours.collect();
        assert!(ours.len() > 100);
        assert_eq!(ours, theirs);
    }
}
