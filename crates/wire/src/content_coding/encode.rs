//! Content codings, done again after something in the content was replaced. In: the value of Content-Encoding, content. Out: the
//! coded body. Spec: RFC 9110 §8.4; RFC 1952 (gzip), RFC 1950 (deflate), RFC 7932 (br), RFC 8878 (zstd).

use std::io::Write;

use super::{Coding, MOST_CODINGS};

/// Codes `content` as a Content-Encoding field lists, the first coding first. `None` when a coding is not known.
pub fn encode(codings: &str, content: &[u8]) -> Option<Vec<u8>> {
    let names = codings.split(',').map(|name| name.trim().to_ascii_lowercase());
    let names: Vec<String> = names.filter(|name| !matches!(name.as_str(), "" | "identity")).collect();
    if names.len() > MOST_CODINGS {
        return None;
    }
    names.iter().try_fold(content.to_vec(), |content, name| code(Coding::named(name)?, &content))
}

fn code(coding: Coding, content: &[u8]) -> Option<Vec<u8>> {
    match coding {
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).and_then(|()| encoder.finish()).ok()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).and_then(|()| encoder.finish()).ok()
        }
        Coding::Brotli => Some(stored_brotli(content)),
        Coding::Zstd => zstd::stream::encode_all(content, 1).ok(),
    }
}

/// Brotli without compression (RFC 7932 §9.2): a window of 16 bits, meta-blocks of up to 64 KiB that are stored, and an empty last one.
fn stored_brotli(content: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 1 << 16;
    let mut out = Vec::with_capacity(content.len() + content.len() / BLOCK * 3 + 4);
    // WBITS is the one bit `0`, and stands before the first meta-block.
    let mut before = 1;
    for block in content.chunks(BLOCK) {
        // ISLAST 0, MNIBBLES 00 (four), MLEN - 1, ISUNCOMPRESSED 1; then zeros to the end of the byte.
        let head = ((block.len() as u32 - 1) << 3 | 1 << 19) << before;
        out.extend_from_slice(&head.to_le_bytes()[..3]);
        out.extend_from_slice(block);
        before = 0;
    }
    // ISLAST 1, ISLASTEMPTY 1.
    out.push(3 << before);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode;
    use super::*;

    #[test]
    fn large_content_in_brotli() {
        let content: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let (undone, odd) = decode("br", &stored_brotli(&content), 1 << 20);
        assert!(undone == content && odd.is_empty(), "{odd:?}");
        assert_eq!(encode("compress", &content), None);
    }

    proptest! {
        #[test]
        fn decoding_gives_the_content_again(content in prop::collection::vec(any::<u8>(), 1..300), at in 0_usize..6) {
            let codings = ["gzip", "deflate", "br", "zstd", "identity", "br, gzip"][at];
            let coded = encode(codings, &content).unwrap();
            prop_assert_eq!(decode(codings, &coded, 5000), (content, Vec::new()));
        }
    }
}
