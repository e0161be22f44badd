//! Files with certificates: PEM, JKS, and whatever may be a trust store. In: bytes of a file. Out: broken promises.

use sidelight_model::trust::{Content, Pool};
use sidelight_wire::scan::{Found, Scan};
use sidelight_wire::{jks, pem, pkcs12};

/// Blocks lie in the file, one after the other, and are no larger than it; written anew, each is read back as sound.
pub fn pem(data: &[u8]) {
    let (blocks, faults) = pem::read(data);
    assert!(faults.len() <= 1_001);
    assert!(!blocks.is_empty() || !faults.is_empty(), "a file without blocks has a fault");
    let mut after = 0;
    for block in &blocks {
        let (start, end) = block.bytes;
        assert!(start <= end && end <= data.len() && block.lines.0 <= block.lines.1, "{block:?}");
        // A joined boundary ends one block and begins the next on the same line.
        assert!(start >= after || !block.sound, "{block:?} begins before byte {after}");
        after = end;
        assert!(block.data.len() <= data.len());
        if block.label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
            && block.label.trim() == block.label
        {
            let written = pem::write(&block.label, &block.data);
            let (again, faults) = pem::read(written.as_bytes());
            assert!(faults.is_empty() && again.len() == 1 && again[0].sound, "{written}: {faults:?}");
            assert_eq!((&again[0].label, &again[0].data), (&block.label, &block.data));
        }
    }
    for fault in &faults {
        assert!(fault.offset <= data.len() && fault.line > 0 && !fault.to_string().is_empty());
    }
}

/// What can be read can be written, and is the same when read again.
pub fn jks(data: &[u8]) {
    let Ok((entries, faults)) = jks::read(data, Some("changeit")) else { return };
    for fault in &faults {
        assert!(!fault.to_string().is_empty());
    }
    let stored: usize = entries.iter().map(weight).sum();
    assert!(stored <= data.len(), "more content than bytes");
    if let Ok(written) = jks::write(&entries, "changeit") {
        let (again, faults) = jks::read(&written, Some("changeit")).expect("what was written is a store");
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(again, entries);
    }
}

/// Bounded work, whatever the parts ask for; what can be read holds no more than there is.
pub fn pkcs12(data: &[u8]) {
    for password in ["changeit", ""] {
        let Ok(contents) = pkcs12::read(data, password) else { continue };
        let keys = contents.identities.iter().map(|identity| identity.chain.iter().map(Vec::len).sum::<usize>());
        let held: usize = contents.certificates.iter().map(|certificate| certificate.der.len()).chain(keys).sum();
        assert!(held <= data.len(), "more content than bytes");
    }
}

fn weight(entry: &jks::Entry) -> usize {
    match &entry.kind {
        jks::EntryKind::Certificate(certificate) => certificate.der.len(),
        jks::EntryKind::PrivateKey { protected, chain } => {
            protected.len() + chain.iter().map(|certificate| certificate.der.len()).sum::<usize>()
        }
    }
}

/// Paths that decide how a file is looked at; the first byte of the input chooses.
const PATHS: &[&str] =
    &["/etc/ssl/cert.pem", "/opt/x", "/opt/x.js", "/usr/local/share/ca-certificates/x.crt", "/etc/curlrc"];

/// What is found in a file does not depend on how it is cut, lies within it, and is bounded.
pub fn trust_store(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let path = PATHS[usize::from(*choice) % PATHS.len()];
    let whole = scan(path, bytes, bytes.len().max(1));
    assert_eq!(scan(path, bytes, 1 + bytes.len() / 3), whole);
    if bytes.len() < 4096 {
        assert_eq!(scan(path, bytes, 1), whole);
    }
    for found in whole {
        let (Content::Store(store) | Content::Program(_, Some(store))) = found.content else { continue };
        assert!(store.faults.len() <= 202 && store.entries.len() <= sidelight_wire::trust_store::MAX_ENTRIES);
        for entry in store.entries {
            assert!(entry.offset.is_none_or(|offset| offset <= bytes.len()));
        }
    }
}

fn scan(path: &str, bytes: &[u8], piece: usize) -> Vec<Found> {
    let mut pool = Pool::default();
    let Some(mut scan) = Scan::open(path, bytes.len() as u64, 0o755) else { return Vec::new() };
    let whole = bytes.chunks(piece).all(|piece| scan.feed(piece));
    scan.close(whole, &mut pool)
}
