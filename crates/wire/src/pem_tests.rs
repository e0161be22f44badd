//! Tests of PEM: each fault beside two sound blocks, which must be read whatever stands between them.

use super::*;

const ONE: &str = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n";
const TWO: &str = "-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n";

fn data(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().map(|block| std::str::from_utf8(&block.data).unwrap()).collect()
}

/// Reads `middle` between two sound blocks, which must both come out sound; gives what was found between them, and the faults.
fn between(middle: &str) -> (Vec<Block>, Vec<Fault>) {
    let (mut blocks, faults) = read(format!("{ONE}{middle}{TWO}").as_bytes());
    let (first, last) = (blocks.remove(0), blocks.pop().unwrap());
    assert_eq!((first.data.as_slice(), last.data.as_slice()), (&b"one"[..], &b"two"[..]), "{middle}");
    assert!(first.sound && last.sound, "{middle}");
    (blocks, faults)
}

#[test]
fn writes_what_it_reads() {
    for length in [1, 47, 48, 49, 1000] {
        let content: Vec<u8> = (0..length).map(|n: usize| (n * 7 % 251) as u8).collect();
        let text = write("CERTIFICATE", &content);
        assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----END CERTIFICATE-----\n"));
        let (blocks, faults) = read(text.as_bytes());
        assert_eq!((blocks.len(), faults.len(), &blocks[0].data), (1, 0, &content));
        assert_eq!(blocks[0].bytes, (0, text.len()));
        assert_eq!(blocks[0].lines, (1, text.lines().count()));
        assert!(blocks[0].sound && blocks[0].is_certificate());
    }
}

#[test]
fn what_every_reader_takes_is_no_fault() {
    for middle in ["", "# a comment: with colon\n\n", "subject=CN = a\nissuer=CN = b\n", &ONE.replace('\n', "\r\n")] {
        assert_eq!(between(middle).1, [], "{middle}");
    }
    let (blocks, faults) = read(ONE.replace('\n', "\r").as_bytes());
    assert_eq!((data(&blocks), faults.len()), (vec!["one"], 0));
    let (blocks, faults) = read(ONE.trim_end().as_bytes());
    assert_eq!((data(&blocks), faults.len()), (vec!["one"], 0));
}

#[test]
fn bad_base64_loses_its_own_block_only() {
    for (content, detail, line) in [
        ("b25l\nb2*l\n", "`*` is no character", 6),
        ("b25\n", "no multiple of 4", 5),
        ("bw==\nb25l\n", "after the padding", 6),
        ("\n", "empty", 4),
    ] {
        let (blocks, faults) = between(&format!("-----BEGIN X-----\n{content}-----END X-----\n"));
        assert_eq!((blocks.len(), faults.len()), (0, 1), "{content}");
        assert!(faults[0].to_string().contains(detail), "{}", faults[0]);
        assert_eq!(faults[0].line, line, "{}", faults[0]);
    }
}

#[test]
fn the_byte_of_a_fault_is_that_byte() {
    let text = format!("{ONE}-----BEGIN X-----\nb25l\nb2*l\n-----END X-----\n");
    let (_, faults) = read(text.as_bytes());
    assert_eq!(text.as_bytes()[faults[0].offset], b'*');
}

#[test]
fn a_missing_end_does_not_swallow_the_next_block() {
    let (blocks, faults) = between("-----BEGIN CERTIFICATE-----\nYmFk\n");
    assert_eq!(faults, [Fault { kind: FaultKind::MissingEnd("CERTIFICATE".into()), line: 4, offset: ONE.len() }]);
    assert_eq!(data(&blocks), ["bad"]);
    assert!(!blocks[0].sound);
    assert_eq!(blocks[0].lines, (4, 5));
    let (blocks, faults) = read(b"-----BEGIN CERTIFICATE-----\nYmFk");
    assert_eq!((data(&blocks), faults.len(), blocks[0].bytes), (vec!["bad"], 1, (0, 32)));
}

#[test]
fn joined_boundaries_are_taken_apart() {
    let (blocks, faults) = read(format!("{}{TWO}", ONE.trim_end()).as_bytes());
    assert_eq!(data(&blocks), ["one", "two"]);
    assert!(blocks.iter().all(|block| !block.sound));
    assert_eq!((faults.len(), &faults[0].kind, faults[0].line), (1, &FaultKind::JoinedBoundary, 3));
}

#[test]
fn other_faults_are_named() {
    let (blocks, faults) = between("-----BEGIN A-----\nYmFk\n-----END B-----\n");
    assert_eq!((data(&blocks), blocks[0].sound), (vec!["bad"], false));
    assert!(matches!(faults[0].kind, FaultKind::LabelMismatch { .. }));
    assert!(matches!(between("-----END B-----\n").1[0].kind, FaultKind::EndWithoutBegin(_)));
    assert_eq!(between("-----BEGIN A\n").1[0].kind, FaultKind::BadBoundary);
    assert_eq!(between("text -----BEGIN A-----\n").1[0].kind, FaultKind::BadBoundary);
    let (blocks, faults) = between(&format!("  {}", ONE.replace('\n', "\n  ").trim_end_matches(' ')));
    assert_eq!((data(&blocks), blocks[0].sound), (vec!["one"], false));
    assert!(matches!(faults[0].kind, FaultKind::Indented(_)), "{faults:?}");
    let (blocks, faults) = read(format!("\u{feff}{ONE}{TWO}").as_bytes());
    assert_eq!((data(&blocks), blocks[0].sound, blocks[1].sound), (vec!["one", "two"], false, true));
    assert_eq!(faults[0].kind, FaultKind::ByteOrderMark);
}

#[test]
fn headers_are_kept_apart_from_the_content() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,\n 00FF\n\nYmFk\n-----END RSA PRIVATE KEY-----\n";
    let (blocks, faults) = between(key);
    assert_eq!((faults.len(), data(&blocks)), (0, vec!["bad"]));
    assert!(blocks[0].is_private_key() && blocks[0].sound);
    assert_eq!(blocks[0].headers[0], ("Proc-Type".into(), "4,ENCRYPTED".into()));
    assert_eq!(blocks[0].headers[1], ("DEK-Info".into(), "AES-256-CBC,00FF".into()));
}

#[test]
fn files_without_blocks_say_what_they_are() {
    let fault = |bytes: &[u8]| read(bytes).1.remove(0).to_string();
    assert!(fault(b"").contains("empty"));
    assert!(fault(&[0x30, 0x82, 1, 2]).contains("DER"));
    assert!(fault(b"hello\n").contains("no PEM block"));
    let utf16: Vec<u8> = ONE.bytes().flat_map(|byte| [byte, 0]).collect();
    assert!(fault(&utf16).contains("UTF-16"));
}

#[test]
fn faults_are_bounded() {
    let (blocks, faults) = read("-----BEGIN X-----\n".repeat(5_000).as_bytes());
    assert_eq!((blocks.len(), faults.len()), (0, MAX_FAULTS + 1));
    assert_eq!(faults[MAX_FAULTS].kind, FaultKind::TooMany);
    let headers = "A: b\n".repeat(MAX_HEADERS + 1);
    let (blocks, faults) = between(&format!("-----BEGIN X-----\n{headers}\nYmFk\n-----END X-----\n"));
    assert!(blocks.is_empty() && matches!(faults[..], [Fault { kind: FaultKind::Base64 { .. }, .. }]), "{faults:?}");
}
