//! Files with certificates: PEM and JKS. In: bytes of a file. Out: broken promises.

use sidelight_wire::{jks, pem};

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

fn weight(entry: &jks::Entry) -> usize {
    match &entry.kind {
        jks::EntryKind::Certificate(certificate) => certificate.der.len(),
        jks::EntryKind::PrivateKey { protected, chain } => {
            protected.len() + chain.iter().map(|certificate| certificate.der.len()).sum::<usize>()
        }
    }
}
