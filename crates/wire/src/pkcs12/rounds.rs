//! How much work a PKCS#12 store asks for. In: its bytes. Out: how often a password is hashed to open all of it. Spec: RFC 7292 §4,
//! RFC 8018 appendix A.
//!
//! Each of its parts names a number of rounds of its own, so that some kilobytes can keep a reader busy for hours.

use sidelight_model::x509::tlv;

use crate::der::tag;

/// Parts lie in each other about ten deep.
const MAX_DEPTH: usize = 24;

/// The rounds of all parts together: wherever a salt stands before a count.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    below(bytes, MAX_DEPTH)
}

fn below(bytes: &[u8], depth: usize) -> u64 {
    if depth == 0 {
        return 0;
    }
    let parts = tlv::children(bytes);
    let counts = parts.windows(2).filter(|pair| pair[0].tag == tag::OCTET_STRING && pair[1].tag == tag::INTEGER);
    // Longer numbers are no counts (the order of a curve also follows an OCTET STRING), and no reader takes them for one.
    let counts = counts.map(|pair| pair[1].content).filter(|count| count.len() <= 5);
    let here = counts.map(|count| count.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    let holds = |part: &&tlv::Element<'_>| {
        part.tag & 0x20 != 0 || (part.tag == tag::OCTET_STRING && part.content.first() == Some(&tag::SEQUENCE))
    };
    let inside = parts.iter().filter(holds).map(|part| below(part.content, depth - 1));
    here.chain(inside).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::super::{Error, MAX_ROUNDS, read, write_trust_store};
    use super::*;
    use crate::der::{context, element, oid, sequence, unsigned};

    /// A store of so many parts, each under a key of so many rounds.
    fn store(parts: usize, rounds: u32) -> Vec<u8> {
        let octets = |bytes: &[u8]| element(tag::OCTET_STRING, bytes);
        let pkcs = |arcs: &[u64]| oid(&[&[1, 2, 840, 113_549, 1], arcs].concat());
        let derived = sequence(&[&octets(b"saltsalt"), &unsigned(&rounds.to_be_bytes())]);
        let function = sequence(&[&pkcs(&[5, 12]), &derived]);
        let cipher = sequence(&[&oid(&[2, 16, 840, 1, 101, 3, 4, 1, 42]), &octets(&[0; 16])]);
        let algorithm = sequence(&[&pkcs(&[5, 13]), &sequence(&[&function, &cipher])]);
        let content = sequence(&[&pkcs(&[7, 1]), &algorithm, &element(0x80, &[7; 32])]);
        let encrypted = sequence(&[&unsigned(&[0]), &content]);
        let part = sequence(&[&pkcs(&[7, 6]), &context(0, &encrypted)]);
        let safe = element(tag::SEQUENCE, &part.repeat(parts));
        let info = sequence(&[&pkcs(&[7, 1]), &context(0, &octets(&safe))]);
        sequence(&[&unsigned(&[3]), &info])
    }

    #[test]
    fn the_rounds_of_all_parts_count_together() {
        assert_eq!(sum(&store(1, 2_048)), 2_048);
        // Each of them is within what the library takes: to try them would take minutes.
        let heavy = store(1_000, 999_999);
        assert_eq!(sum(&heavy), 999_999_000);
        assert!(matches!(read(&heavy, "changeit"), Err(Error::TooSlow(999_999_000))));
        assert!(matches!(read(&store(1, 1), "x"), Err(Error::Damaged(_))), "it is tried, and is nonsense");
        let honest = write_trust_store(&[], Some("changeit")).unwrap();
        assert!((2..=MAX_ROUNDS).contains(&sum(&honest)) && read(&honest, "changeit").is_ok());
        assert_eq!(sum(&[0x30; 1000]), 0);
        let deep = (0..10_000).fold(Vec::new(), |inside, _| sequence(&[&inside]));
        assert_eq!(sum(&deep), 0);
    }
}
