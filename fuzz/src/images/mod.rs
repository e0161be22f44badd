//! What is fuzzed of `sidelight-image`. In: bytes that a fuzzer, or the corpus, made. Out: nothing; a broken promise panics.

use std::io::Read;

use sidelight_image::{Collected, Error, Head, Limits, Options, Watch, open_stream};

/// A target: takes one input, and panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the folder with its corpus.
pub const ALL: &[(&str, Target)] = &[("image", image)];

/// Bytes of one file that are kept.
const KEPT: usize = 1 << 16;

/// Any archive, as it comes through a pipe. No panic; no name leaves the root; what is read does not depend on how the bytes arrive.
///
/// Checksums of tar headers are put right first, or hardly an input would get beyond them.
pub fn image(data: &[u8]) {
    let mut archive = data.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        let sum = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let whole = read(archive.clone(), usize::MAX);
    let dribbled = read(archive, 7);
    match (whole, dribbled) {
        (Ok(whole), Ok(dribbled)) => {
            let all = |collected: &Collected<Vec<u8>>| {
                let files: Vec<_> =
                    collected.files.iter().map(|(path, kept)| (path.clone(), kept.found.clone())).collect();
                (files, collected.hidden.len(), collected.links.clone(), collected.notes.clone())
            };
            assert_eq!(all(&whole), all(&dribbled));
            for path in whole.files.keys().chain(whole.links.keys()) {
                assert!(path.starts_with('/'), "{path:?}");
                assert!(!path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")), "{path:?}");
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => panic!("only one way of arriving fails: {error}"),
    }
}

fn read(bytes: Vec<u8>, step: usize) -> Result<Collected<Vec<u8>>, Error> {
    let limits = Limits { bytes: 1 << 22, spool: 1 << 22, holes: 1 << 18, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let input = Dribble { bytes: std::io::Cursor::new(bytes), step };
    open_stream(Box::new(input), "the input", &options)?.collect(&mut Keep)
}

/// Gives a few bytes at a time.
struct Dribble {
    bytes: std::io::Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Dribble {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = self.step.min(into.len());
        self.bytes.read(&mut into[..most])
    }
}

/// Keeps the beginning of every file.
struct Keep;

impl Watch for Keep {
    type Found = Vec<u8>;
    type Open = Vec<u8>;

    fn open(&mut self, _head: &Head<'_>) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn feed(&mut self, open: &mut Vec<u8>, bytes: &[u8]) -> bool {
        open.extend_from_slice(&bytes[..bytes.len().min(KEPT - open.len())]);
        open.len() < KEPT
    }

    fn close(&mut self, open: Vec<u8>, _whole: bool) -> Option<Vec<u8>> {
        Some(open)
    }
}
