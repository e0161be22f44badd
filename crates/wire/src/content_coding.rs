//! Undoes content codings, for showing. In: the value of Content-Encoding, the (beginning of the) coded body. Out: content, bounded.
//! Spec: RFC 9110 §8.4; RFC 1952 (gzip), RFC 1950 and 1951 (deflate), RFC 7932 (br), RFC 8878 (zstd).
//!
//! A body that was kept in part, or cut on its way, gives what can be read of it, and an anomaly says that there was more.

mod encode;

use std::io::{self, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use sidelight_model::flow::{Anomaly, AnomalyKind};

pub use self::encode::encode;
use crate::anomalies::{Anomalies, quote};

/// Codings that are undone one after the other; nobody means well with more.
const MOST_CODINGS: usize = 4;
/// Bytes of a zstd window that are allowed: what RFC 8878 §3.1.1.1.2 asks every decoder to support (8 MiB).
const ZSTD_WINDOW_LOG: u32 = 23;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn named(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a coding gave no more than it did.
#[derive(Debug)]
enum Fault {
    /// The bytes end before their content does.
    Cut,
    /// The limit is reached.
    Full,
    /// They are not what the coding makes.
    Bad(String),
}

impl Fault {
    fn words(&self, limit: usize) -> String {
        match self {
            Self::Cut => "the body ends before its content does".to_owned(),
            Self::Full => format!("more than the {limit} bytes that are shown"),
            Self::Bad(why) => why.clone(),
        }
    }
}

/// Undoes the codings that a Content-Encoding field lists, the last first; gives at most `limit` bytes.
///
/// An unknown coding, or bytes that are not what the field says, end it: then the bytes are given as far as they were undone.
pub fn decode(codings: &str, bytes: &[u8], limit: usize) -> (Vec<u8>, Vec<Anomaly>) {
    let names: Vec<String> = codings.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !matches!(*name, "" | "identity")).collect();
    let mut odd = Anomalies::default();
    let mut content: Option<Vec<u8>> = None;
    if bytes.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if names.len() > MOST_CODINGS {
        let detail = format!("{} codings, of which {MOST_CODINGS} at most are undone", names.len());
        odd.note(AnomalyKind::BadContentCoding, None, detail);
    } else {
        for name in names.iter().rev() {
            let Some(coding) = Coding::named(name) else {
                let detail = format!("the content coding {} is not known", quote(name.as_bytes()));
                odd.note(AnomalyKind::BadContentCoding, None, detail);
                break;
            };
            let coded = content.as_deref().unwrap_or(bytes);
            let (undone, fault) = undo(coding, coded, limit);
            if let Some(fault) = &fault {
                odd.note(AnomalyKind::BadContentCoding, None, format!("{name}: {}", fault.words(limit)));
            }
            // Not a byte of it is what the field says: it is shown as it is.
            if undone.is_empty() && matches!(fault, Some(Fault::Bad(_))) {
                break;
            }
            content = Some(undone);
        }
    }
    let content = content.unwrap_or_else(|| bytes[..bytes.len().min(limit)].to_vec());
    (content, odd.into_vec())
}

/// What one coding gives, and why it gives no more.
fn undo(coding: Coding, coded: &[u8], limit: usize) -> (Vec<u8>, Option<Fault>) {
    match coding {
        Coding::Gzip => read_all(flate2::read::MultiGzDecoder::new(coded), limit),
        Coding::Deflate => {
            // The specification means zlib's format; some services send the raw one (RFC 9110 §8.4.1.2).
            let (content, fault) = read_all(flate2::read::ZlibDecoder::new(coded), limit);
            if fault.is_none() || !content.is_empty() {
                return (content, fault);
            }
            let (raw, raw_fault) = read_all(flate2::read::DeflateDecoder::new(coded), limit);
            if raw.is_empty() { (raw, fault) } else { (raw, raw_fault) }
        }
        Coding::Brotli => undo_brotli(coded, limit),
        Coding::Zstd => match zstd::stream::read::Decoder::with_buffer(coded) {
            Ok(mut decoder) => match decoder.window_log_max(ZSTD_WINDOW_LOG) {
                Ok(()) => read_all(decoder, limit),
                Err(error) => (Vec::new(), Some(Fault::Bad(error.to_string()))),
            },
            Err(error) => (Vec::new(), Some(Fault::Bad(error.to_string()))),
        },
    }
}

/// Reads until the end, the limit or a fault. One byte more is asked for, to know whether there was more.
fn read_all(mut reader: impl Read, limit: usize) -> (Vec<u8>, Option<Fault>) {
    let mut content = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (content, None),
            Ok(given) => {
                let room = limit - content.len();
                content.extend_from_slice(&buffer[..given.min(room)]);
                if given > room {
                    return (content, Some(Fault::Full));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return (content, Some(Fault::Cut));
            }
            Err(error) => return (content, Some(Fault::Bad(error.to_string()))),
        }
    }
}

/// Brotli by the step: the library's reader gives nothing of a body that is cut.
fn undo_brotli(coded: &[u8], limit: usize) -> (Vec<u8>, Option<Fault>) {
    let mut state = BrotliState::new(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let (mut content, mut buffer) = (Vec::new(), [0; 8192]);
    let (mut left, mut read, mut total) = (coded.len(), 0, 0);
    loop {
        let (mut room, mut given) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            coded,
            &mut room,
            &mut given,
            &mut buffer,
            &mut total,
            &mut state,
        );
        let wanted = limit - content.len();
        content.extend_from_slice(&buffer[..given.min(wanted)]);
        if given > wanted {
            return (content, Some(Fault::Full));
        }
        match result {
            BrotliResult::ResultSuccess => return (content, None),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return (content, Some(Fault::Cut)),
            BrotliResult::ResultFailure => return (content, Some(Fault::Bad("not a brotli stream".to_owned()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use proptest::prelude::*;

    use super::*;

    fn text() -> Vec<u8> {
        (0..5000_u32).flat_map(|line| format!("line {line}\n").into_bytes()).collect()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// `hello hello hello hello\n`, as the reference encoder wrote it.
    const BROTLI: &[u8] = b"\x1b\x17\0\xf8\x8d\x94\x6e\xde\x44\x55\x86\xd6\x0a\x20\x6c\x6f\x4a\x11\x79\xe2\x80\xae\x16";

    #[test]
    fn every_coding_comes_undone() {
        let content = text();
        let zstd = zstd::stream::encode_all(&content[..], 3).unwrap();
        for (name, coded) in [
            ("gzip", gzip(&content)),
            ("X-GZip", gzip(&content)),
            ("gzip", [gzip(&content[..99]), gzip(&content[99..])].concat()),
            ("deflate", zlib(&content)),
            ("deflate", raw_deflate(&content)),
            ("zstd", zstd.clone()),
            ("identity", content.clone()),
            ("", content.clone()),
            ("deflate, gzip", gzip(&zlib(&content))),
            ("zstd ,identity, gzip", gzip(&zstd)),
        ] {
            let (undone, odd) = decode(name, &coded, 1 << 20);
            assert!(undone == content && odd.is_empty(), "{name}: {} bytes, {odd:?}", undone.len());
        }
    }

    #[test]
    fn brotli_whole_and_cut() {
        let (undone, odd) = decode("br", BROTLI, 1000);
        assert_eq!((&undone[..], odd.len()), (&b"hello hello hello hello\n"[..], 0));
        let (undone, odd) = decode("br", &BROTLI[..BROTLI.len() - 3], 1000);
        assert!(b"hello hello hello hello\n".starts_with(&undone));
        assert!(odd.len() == 1 && odd[0].detail.contains("ends before"), "{odd:?}");
        assert!(decode("br", &[0xff; 40], 1000).1[0].detail.starts_with("br: "));
    }

    #[test]
    fn output_is_bounded() {
        let bomb = gzip(&vec![0; 50 << 20]);
        let (undone, odd) = decode("gzip", &bomb, 10_000);
        assert_eq!((undone.len(), odd.len()), (10_000, 1));
        assert!(odd[0].detail.contains("more than the 10000 bytes"), "{odd:?}");
    }

    #[test]
    fn a_cut_body_gives_its_beginning() {
        let content = text();
        for (name, coded) in [
            ("gzip", gzip(&content)),
            ("deflate", zlib(&content)),
            ("deflate", raw_deflate(&content)),
            ("zstd", zstd::stream::encode_all(&content[..], 3).unwrap()),
        ] {
            let (undone, odd) = decode(name, &coded[..coded.len() - 20], 1 << 20);
            assert_eq!(odd.len(), 1, "{name}");
            assert!(!undone.is_empty() || name == "zstd", "{name}");
            assert!(content.starts_with(&undone), "{name}");
        }
    }

    #[test]
    fn what_is_not_coded_so_is_shown_as_it_is() {
        for name in ["gzip", "deflate", "br", "zstd", "compress", "gzip, gzip, gzip, gzip, gzip"] {
            let (undone, odd) = decode(name, b"\xff\xffplain text\n", 1000);
            assert_eq!((&undone[..], odd.len()), (&b"\xff\xffplain text\n"[..], 1), "{name}");
        }
        assert_eq!(decode("gzip", b"", 1000), (Vec::new(), Vec::new()), "HEAD and 304 have no body to undo");
    }

    proptest! {
        #[test]
        fn any_bytes_are_undone_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..5) {
            let name = ["gzip", "deflate", "br", "zstd", "br, gzip"][at];
            prop_assert!(decode(name, &bytes, 5000).0.len() <= 5000);
        }
    }
}
