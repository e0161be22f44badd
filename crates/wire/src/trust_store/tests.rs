//! Stores of every form, made here or by the tables of the formats. What other programs make is read in `tests/trust_stores.rs`.

use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Format, Pool};

use super::*;
use crate::der::{self, tag};
use crate::{pem, pkcs12};

fn root(name: &str) -> Vec<u8> {
    let root = Reference::builtin().all().iter().find(|root| root.name == name).unwrap();
    root.certificate.as_ref().unwrap().der.clone()
}

fn subjects(store: &Store, pool: &Pool) -> Vec<String> {
    store.entries.iter().map(|entry| pool.get(entry.cert).short_name().to_owned()).collect()
}

fn read_whole(bytes: &[u8]) -> (Store, Vec<String>) {
    let mut pool = Pool::default();
    let store = read(bytes, &mut pool).unwrap();
    let names = subjects(&store, &pool);
    (store, names)
}

#[test]
fn a_broken_block_costs_nothing_but_itself() {
    let good = pem::write("CERTIFICATE", &root("ISRG Root X1"));
    let bad = pem::write("CERTIFICATE", b"\x30\x03\x02\x01\x05");
    let (store, names) = read_whole(format!("# text\n{good}{bad}{good}").as_bytes());
    assert_eq!((store.format, names.len()), (Format::Pem, 2));
    assert_eq!(store.entries[0].line, Some(2));
    assert_eq!(store.entries[0].offset, Some(7));
    assert!(store.faults[0].what.contains("no X.509 certificate"), "{:?}", store.faults);
    assert_eq!(store.entries[0].cert, store.entries[1].cert);
}

#[test]
fn trust_settings_are_read() {
    let purposes = |arcs: &[&[u64]]| arcs.iter().flat_map(|arcs| der::oid(arcs)).collect::<Vec<u8>>();
    let server = &[1, 3, 6, 1, 5, 5, 7, 3, 1][..];
    let email = &[1, 3, 6, 1, 5, 5, 7, 3, 4][..];
    let aux = der::sequence(&[
        &der::element(tag::SEQUENCE, &purposes(&[server])),
        &der::context(0, &purposes(&[email])),
        &der::element(tag::UTF8_STRING, b"My Root"),
    ]);
    let text = pem::write("TRUSTED CERTIFICATE", &[root("ISRG Root X1"), aux].concat());
    let (store, names) = read_whole(text.as_bytes());
    assert_eq!(names, ["ISRG Root X1"]);
    let bits = store.entries[0].bits.as_ref().unwrap();
    assert_eq!(bits.trusted.as_deref(), Some(&["1.3.6.1.5.5.7.3.1".to_owned()][..]));
    assert_eq!(bits.rejected, ["1.3.6.1.5.5.7.3.4"]);
    assert_eq!(store.entries[0].alias.as_deref(), Some("My Root"));
}

#[test]
fn der_and_what_follows_it() {
    let der = root("ISRG Root X2");
    assert_eq!(read_whole(&der).0.format, Format::Der);
    let (store, names) = read_whole(&[der, vec![1, 2, 3]].concat());
    assert_eq!((names.len(), store.faults.len()), (1, 1));
    assert!(store.faults[0].what.contains("3 bytes follow"));
}

#[test]
fn pkcs7_in_both_codings() {
    let certificates = der::context(0, &[root("ISRG Root X1"), root("ISRG Root X2")].concat());
    let data = der::sequence(&[&der::oid(&[1, 2, 840, 113_549, 1, 7, 1])]);
    let signed = der::sequence(&[&der::unsigned(&[1]), &der::element(tag::SET, &[]), &data, &certificates]);
    let info = der::sequence(&[&der::oid(&[1, 2, 840, 113_549, 1, 7, 2]), &der::context(0, &signed)]);
    for bytes in [info.clone(), pem::write("PKCS7", &info).into_bytes()] {
        let (store, names) = read_whole(&bytes);
        assert_eq!((store.format, names.len()), (Format::Pkcs7, 2));
    }
}

#[test]
fn pkcs12_with_the_passwords_everybody_uses_and_with_another() {
    let isrg = root("ISRG Root X1");
    for password in [None, Some("changeit"), Some("")] {
        let bytes = pkcs12::write_trust_store(&[("isrg", &isrg)], password).unwrap();
        let (store, names) = read_whole(&bytes);
        assert_eq!((store.format, names.len(), store.locked), (Format::Pkcs12, 1, false), "{password:?}");
        assert!(store.entries[0].is_anchor);
        assert_eq!(store.entries[0].alias.as_deref(), Some("isrg"));
    }
    let bytes = pkcs12::write_trust_store(&[("isrg", &isrg)], Some("not to be guessed")).unwrap();
    let (store, names) = read_whole(&bytes);
    assert!(store.locked && names.is_empty() && store.faults.len() == 1);
}

#[test]
fn edk2_lists() {
    let isrg = root("ISRG Root X1");
    let size = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let guid = [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
    let list = [&guid[..], &size(28 + 16 + isrg.len()), &size(0), &size(16 + isrg.len()), &[9; 16], &isrg].concat();
    let (store, names) = read_whole(&[list.clone(), list.clone()].concat());
    assert_eq!((store.format, names.len(), store.entries[0].offset), (Format::Edk2, 2, Some(44)));
    let (store, names) = read_whole(&[list.clone(), list[..100].to_vec()].concat());
    assert_eq!((names.len(), store.faults.len()), (1, 1));
}

#[test]
fn p11_kit_says_what_is_an_anchor_and_what_is_not() {
    let block = pem::write("CERTIFICATE", &root("ISRG Root X1"));
    let file = format!("# made by hand\n[p11-kit-object-v1]\nlabel: \"A Root\"\ntrusted: true\n{block}");
    let (store, names) = read_whole(file.as_bytes());
    assert_eq!((store.format, names.len()), (Format::P11Kit, 1));
    assert_eq!((store.entries[0].alias.as_deref(), store.entries[0].line), (Some("A Root"), Some(5)));
    assert!(store.entries[0].is_anchor);
    let purpose = "\n[p11-kit-object-v1]\nclass: x-certificate-extension\nobject-id: 2.5.29.37\nvalue: \"%30%11%06%03%55%1d%25%04%0a%30%08%06%06%2b%06%01%05%05%07\"\n";
    let file = file.replace("trusted: true", "x-distrusted: true") + purpose;
    let (store, _) = read_whole(file.as_bytes());
    let bits = store.entries[0].bits.as_ref().unwrap();
    assert!(bits.distrusted && !store.entries[0].is_anchor);
    assert_eq!(bits.trusted.as_deref(), Some(&["1.3.6.1.5.5.7".to_owned()][..]));
}

#[test]
fn private_keys_leave_their_public_half() {
    let pair =
        aws_lc_rs::signature::EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let (store, _) = read_whole(pem::write("PRIVATE KEY", der.as_ref()).as_bytes());
    let key = &store.keys[0];
    assert_eq!((key.form.as_str(), key.encrypted, key.line), ("PKCS#8", false, Some(1)));
    let public = key.public_key.as_ref().unwrap();
    assert!(public.starts_with(&[0x30, 0x59, 0x30, 0x13]) && public.len() == 91);
    assert_eq!(read_whole(der.as_ref()).0.keys[0].public_key.as_ref(), Some(public));
}

#[test]
fn what_is_no_store_is_none_and_where_one_is_expected_a_fault() {
    let mut pool = Pool::default();
    for bytes in [
        &b""[..],
        b"text",
        b"\x30\x03\x02\x01\x05",
        b"-----BEGIN PUBLIC KEY-----\nMAMCAQU=\n-----END PUBLIC KEY-----\n",
    ] {
        assert!(read(bytes, &mut pool).is_none(), "{bytes:?}");
        assert_eq!(read_expected(bytes, &mut pool).faults.len(), 1, "{bytes:?}");
    }
}
