//! Tests of JKS: round trips, every cut, broken parts. That Java reads it is tested with keytool in `tests/keystores.rs`.

use super::*;

fn entries() -> Vec<Entry> {
    let certificate = |alias: &str, der: &[u8]| Entry {
        alias: alias.into(),
        created: Timestamp(1_795_372_833_123_000),
        kind: EntryKind::Certificate(Certificate::x509(der)),
    };
    let chain = vec![Certificate::x509(*b"leaf"), Certificate::x509(*b"root")];
    let key = EntryKind::PrivateKey { protected: b"sealed".to_vec(), chain };
    vec![
        certificate("debian:first.pem", b"\x30\x03abc"),
        Entry { alias: "schlüssel".into(), created: Timestamp(-5_000), kind: key },
        certificate("last", &[7; 300]),
    ]
}

#[test]
fn round_trips() {
    let bytes = write(&entries(), "changeit").unwrap();
    assert_eq!(read(&bytes, Some("changeit")), Ok((entries(), vec![])));
    assert_eq!(read(&bytes, None), Ok((entries(), vec![])));
    let empty = write(&[], "pässwörd").unwrap();
    assert_eq!(read(&empty, Some("pässwörd")), Ok((vec![], vec![])));
}

#[test]
fn a_wrong_password_or_a_changed_byte_is_a_fault_and_hides_nothing() {
    let mut bytes = write(&entries(), "changeit").unwrap();
    let offset = bytes.len() - 20;
    assert_eq!(read(&bytes, Some("other")), Ok((entries(), vec![Fault::Digest { offset }])));
    bytes[offset - 1] = 8;
    assert_eq!(read(&bytes, Some("changeit")).unwrap().1, [Fault::Digest { offset }]);
}

#[test]
fn a_cut_file_gives_the_entries_before_the_cut() {
    let bytes = write(&entries(), "changeit").unwrap();
    let mut most = 0;
    for cut in 12..bytes.len() {
        let (read, faults) = read(&bytes[..cut], Some("changeit")).unwrap();
        assert!(read.len() >= most && read == entries()[..read.len()]);
        assert!(matches!(faults[..], [Fault::Truncated { .. }]), "{cut}: {faults:?}");
        most = read.len();
    }
    assert_eq!(most, 3);
}

#[test]
fn version_1_has_no_formats() {
    let bytes = [&MAGIC[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, b'a'], &[0; 8], &[0, 0, 0, 2, 1, 2]].concat();
    let bytes = [&bytes[..], &digest("x", &bytes)].concat();
    let (entries, faults) = read(&bytes, Some("x")).unwrap();
    assert_eq!((entries[0].kind.clone(), faults.len()), (EntryKind::Certificate(Certificate::x509([1, 2])), 0));
}

#[test]
fn odd_stores_are_told() {
    let mut tag = write(&entries(), "x").unwrap();
    tag[15] = 9;
    assert_eq!(read(&tag, None), Ok((vec![], vec![Fault::Tag { tag: 9, number: 1, offset: 12 }])));
    let one = &entries()[..1];
    let mut trailing = write(one, "x").unwrap();
    let end = trailing.len() - 20;
    trailing.splice(end..end, [1, 2, 3]);
    assert_eq!(read(&trailing, None), Ok((one.to_vec(), vec![Fault::Trailing { offset: end, length: 3 }])));
    let mut text = write(one, "x").unwrap();
    text[18] = 0xff;
    let (read_entries, faults) = read(&text, None).unwrap();
    assert_eq!((faults, read_entries[0].alias.as_str()), (vec![Fault::Text { offset: 18 }], "\u{fffd}ebian:first.pem"));
}

#[test]
fn what_is_no_jks_is_named() {
    assert!(read(&[0x30, 0x82, 1, 2], None).unwrap_err().to_string().contains("PKCS#12"));
    assert!(read(&[0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2], None).unwrap_err().to_string().contains("JCEKS"));
    assert!(read(b"", None).unwrap_err().to_string().contains("empty"));
    assert_eq!(read(&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 3, 0, 0, 0, 0], None), Err(Error::Version(3)));
}

#[test]
fn hostile_counts_cost_nothing() {
    let many = [&MAGIC[..], &[0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(read(&many, None).unwrap().1[..], [Fault::Truncated { announced: u32::MAX, read: 0, .. }]));
    let chain = [&MAGIC[..], &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], &[0; 12], &[0xff; 4]].concat();
    assert!(matches!(read(&chain, None).unwrap().1[..], [Fault::Truncated { .. }]));
}

#[test]
fn names_that_java_would_merge_are_refused() {
    let mut twice = entries();
    twice[2].alias = "SCHLÜSSEL".into();
    assert_eq!(write(&twice, "x"), Err(Error::DuplicateAlias("SCHLÜSSEL".into())));
    twice[2].alias = "x".repeat(70_000);
    assert!(matches!(write(&twice, "x"), Err(Error::AliasTooLong(_))));
}
