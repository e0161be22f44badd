//! The name that OpenSSL looks a root up by in a folder, and the walk over DER that anchors need. In: DER. Out: its elements.

pub use sidelight_model::x509::subject_hash;

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
mod tests {
    use super::*;
    use sidelight_model::x509::{Certificate, subject_hash_old};
    use sidelight_wire::pem;
    use std::process::Command;

    /// What OpenSSL says of every root of this machine.
    #[test]
    fn agrees_with_openssl() {
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
        let ours: Vec<String> = blocks
            .iter()
            .map(|block| Certificate::parse(&block.data).unwrap().subject_der)
            .flat_map(|subject| [subject_hash(&subject).unwrap(), subject_hash_old(&subject)])
            .collect();
        assert!(ours.len() > 50);
        assert_eq!(ours, theirs);
    }
}
