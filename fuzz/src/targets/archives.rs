//! Archives that people exchange: HAR, and content logs. In: bytes of a file. Out: broken promises.

use sidelight_wire::content_log::{Head, unescape};
use sidelight_wire::har::{Entry, Found, Splitter};

/// Entries lie where they are said to be, however the bytes were cut; one that is read and written is read again as it was.
pub fn har(data: &[u8]) {
    let split = |pieces: &[&[u8]]| {
        let (mut splitter, mut found) = (Splitter::default(), Vec::new());
        pieces.iter().for_each(|piece| splitter.push(piece, &mut found));
        (splitter.unfinished(), found)
    };
    let (unfinished, found) = split(&[data]);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!((unfinished, &found), (split(&bytes).0, &split(&bytes).1));
    for found in found {
        let Found::Entry(offset, text) = found else { continue };
        let start = usize::try_from(offset).expect("it lies in the input");
        assert_eq!(data.get(start..start + text.len()), Some(text.as_slice()));
        if let Ok(entry) = Entry::parse(&text) {
            let again = Entry::parse(&entry.to_json()).expect("our own JSON");
            assert_eq!(format!("{again:?}"), format!("{entry:?}"));
        }
    }
}

/// Any body comes back from its record, in which only the head looks like one; a head that is read is written as it was.
pub fn content_log(data: &[u8]) {
    let record =
        Head { kind: "data".into(), ..Head::default() }.with("fact", String::from_utf8_lossy(data)).record(data);
    let lines = record.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"@ ")).count();
    assert_eq!(lines, 1);
    let end = record.iter().position(|byte| *byte == b'\n').expect("a head line");
    let (_, length, escaped) = Head::parse(&record[..end]).expect("our own head");
    let body = &record[end + 1..][..usize::try_from(length).expect("a length in memory")];
    assert_eq!(if escaped { unescape(body) } else { body.to_vec() }, data);
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some((head, ..)) = Head::parse(line) {
        let written = head.record(b"");
        let end = written.iter().position(|byte| *byte == b'\n').expect("a head line");
        assert_eq!(Head::parse(&written[..end]).map(|it| it.0), Some(head));
    }
}
