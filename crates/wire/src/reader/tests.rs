//! Readers on the spot: what a fault costs whom. The proof is in testkit, where the real programs read the same files.

use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Pool, Reader, Store};

use super::*;
use crate::{pem, trust_store};

/// Three roots of the present list.
fn roots() -> Vec<Vec<u8>> {
    let all = Reference::builtin().all().iter();
    all.filter_map(|root| root.certificate.as_ref()).take(3).map(|certificate| certificate.der.clone()).collect()
}

fn blocks() -> [String; 3] {
    let roots = roots();
    [0, 1, 2].map(|index| pem::write("CERTIFICATE", &roots[index]))
}

fn store(text: impl AsRef<[u8]>) -> Store {
    trust_store::read_expected(text.as_ref(), &mut Pool::default())
}

fn taken(store: &Store, reader: Reader) -> &[usize] {
    &store.reading(reader).expect("a reading").taken
}

#[test]
fn a_sound_bundle_is_taken_whole_by_every_reader_of_pem() {
    let [a, b, c] = blocks();
    let text = format!("# Root A\n{a}\n{b}Subject: CN=x\r\n{c}");
    let store = store(&text);
    let ders = roots();
    let known: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
    assert!(regular::is(text.as_bytes(), &known));
    for reading in &store.readings {
        let expected: &[usize] = if reading.reader == Reader::JavaKeyStore { &[] } else { &[0, 1, 2] };
        assert_eq!(reading.taken, expected, "{:?}", reading.reader);
    }
}

#[test]
fn what_is_regular_is_the_same_by_the_long_way() {
    let [a, b, c] = blocks();
    let ders = roots();
    let known: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
    for text in [format!("{a}{b}{c}"), format!("x\n\n{a}\n#\n{b}# é\n{c}"), format!("{a}{b}{c}").replace('\n', "\r\n")]
    {
        assert!(regular::is(text.as_bytes(), &known), "{text}");
        for reader in Reader::ALL.iter().filter(|reader| **reader != Reader::JavaKeyStore) {
            let Some(outcome) = super::text(*reader, text.as_bytes(), &known) else { continue };
            let got: Vec<&[u8]> = outcome.got.iter().map(|(_, der)| der.as_slice()).collect();
            assert_eq!((got, outcome.fails), (known.clone(), None), "{reader:?}");
        }
    }
    for odd in ["0\n", "\u{feff}", "-----\n", "\0\n", "-----BEGIN X-----\n-----END X-----\n"] {
        assert!(!regular::is(format!("{a}{odd}{b}{c}").as_bytes(), &known), "{odd:?}");
    }
}

#[test]
fn a_missing_newline_costs_openssl_all_and_go_two() {
    let [a, b, c] = blocks();
    let store = store(format!("{}{b}{c}", a.trim_end()));
    assert!(taken(&store, Reader::OpenSslFile).is_empty());
    assert_eq!(taken(&store, Reader::GnuTls), [0, 1, 2]);
    assert_eq!(taken(&store, Reader::Go), [2]);
    assert_eq!(taken(&store, Reader::Rustls), [0, 2]);
    let go = store.reading(Reader::Go).expect("a reading");
    assert!(go.lost.iter().all(|loss| loss.silent), "{go:?}");
    let line = a.lines().count();
    let openssl = store.reading(Reader::OpenSslFile).and_then(|reading| reading.fails.clone()).expect("an error");
    assert!(openssl.starts_with(&format!("line {line}: ")), "{openssl}");
    assert!(store.reading(Reader::OpenSslDefault).expect("a reading").lost[0].silent);
}

#[test]
fn a_certificate_that_only_some_readers_find_is_an_entry() {
    let [a, b, c] = blocks();
    let store = store(format!("{a}{}{c}", b.replace("\n-----END", "-----END")));
    assert_eq!(store.entries.len(), 3);
    assert_eq!(taken(&store, Reader::OpenSslFile), [0, 1]);
    assert_eq!(taken(&store, Reader::GnuTls), [0, 1, 2]);
    assert_eq!(taken(&store, Reader::Go), [0, 2]);
}

#[test]
fn nothing_panics_on_damaged_files() {
    let [a, b, c] = blocks();
    let whole = format!("# text\n{a}{b}{c}").into_bytes();
    for at in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x2d;
        store(&damaged);
        store(&whole[..at]);
        damaged.drain(at..(at + 70).min(whole.len()));
        store(&damaged);
    }
}
