//! Known-roots files and audit logs of trust on first use. In: bytes. Out: broken promises.

use sidelight_wire::known_roots::{Document, write_record};
use sidelight_wire::tofu_log::{self, Head};

/// No panic; what is read is written back line by line, and what is put in is read again as it was.
pub fn known_roots(data: &[u8]) {
    let head = std::str::from_utf8(data).ok().and_then(Head::read);
    if let Some(head) = &head {
        assert_eq!(Head::read(&head.write()).as_ref(), Some(head));
    }
    if let Ok(end) = tofu_log::verify(data, head.as_ref(), None) {
        assert_eq!(tofu_log::verify(data, Some(&end), None), Ok(end));
    }
    let Ok(document) = Document::read(data) else { return };
    let written = document.write();
    let again = Document::read(written.as_bytes()).expect("what is written can be read");
    assert_eq!(again.known, document.known);
    let mut copy = Document::default();
    for record in &document.known.records {
        let line = format!("{}\n", write_record(record));
        let one = Document::read(line.as_bytes()).expect("a record can be read");
        assert_eq!(one.known.records.len(), 1, "{line}");
        copy.put(record.clone());
    }
    Document::read(copy.write().as_bytes()).expect("records that were put in can be read");
}
