//! Runs a fuzz target over its corpus, and over mutations of it. In: the target, and `fuzz/corpus`. Out: broken promises.
//!
//! The tests of the crates that are fuzzed compile this file, each for its own targets. It is no fuzzing, which runs for hours: it
//! keeps what fuzzing found fixed, and makes sure that the targets are alive. The mutations are the same in every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::targets::Target;

/// Mutations of each file of the corpus, unless the environment's `SIDELIGHT_MUTATIONS` says how many.
const MUTATIONS: usize = 150;

fn mutations() -> usize {
    std::env::var("SIDELIGHT_MUTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(MUTATIONS)
}

/// Largest input that is mutated; larger files are run as they are.
const MUTABLE: usize = 4096;

/// A small generator of numbers (xorshift64*), so that the mutations are always the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }
}

/// Changes `bytes` in one to four places.
fn mutate(bytes: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len());
        match numbers.below(7) {
            _ if out.is_empty() => out.push(numbers.next() as u8),
            0 => out[at] ^= 1 << numbers.below(8),
            1 => out[at] = [0, 0xff, 0x7f, 0x80, b'\r', b'\n', b' '][numbers.below(7)],
            2 => out.insert(at, numbers.next() as u8),
            3 => {
                let end = (at + 1 + numbers.below(8)).min(out.len());
                out.drain(at..end);
            }
            4 => out.truncate(at),
            5 => {
                let end = (at + 1 + numbers.below(32)).min(out.len());
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            _ => {
                let from = numbers.below(other.len());
                let end = (from + 1 + numbers.below(64)).min(other.len());
                out.splice(at..at, other[from.min(end)..end].iter().copied());
            }
        }
    }
    out
}

/// Runs one input, and tells it when it breaks a promise.
fn run(name: &str, target: Target, input: &[u8], origin: &str) {
    let hook = AssertUnwindSafe(|| target(input));
    if let Err(panic) = catch_unwind(hook) {
        eprintln!("{name} fails on {origin}: b\"{}\"", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Runs the target of this name, one of `all`.
pub fn run_target(name: &str, all: &[(&str, Target)]) {
    let (_, target) = all.iter().find(|(known, _)| *known == name).unwrap();
    let files = corpus(name);
    assert!(files.len() >= 3, "the corpus of {name} has {} files", files.len());
    for (file, bytes) in &files {
        run(name, *target, bytes, file);
    }
    let mut numbers = Numbers(0x5eed_0f51_de11_9b17);
    for (file, bytes) in files.iter().filter(|(_, bytes)| bytes.len() <= MUTABLE) {
        for round in 0..mutations() {
            let other = &files[numbers.below(files.len())].1;
            let input = mutate(bytes, other, &mut numbers);
            run(name, *target, &input, &format!("mutation {round} of {file}"));
        }
    }
}

/// Every target has a test, and a binary for the fuzzer.
pub fn check_targets(tested: &[&str], all: &[(&str, Target)]) {
    for (name, _) in all {
        assert!(tested.contains(name), "{name}");
        let path = format!("{}/../../fuzz/fuzz_targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(Path::new(&path).exists(), "{path}");
    }
    assert_eq!(tested.len(), all.len());
}
