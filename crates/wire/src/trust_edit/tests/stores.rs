//! Single stores: Java's keep their form, damaged ones are made no worse, and any bytes do no harm.

use proptest::prelude::*;

use super::*;
use crate::{jks, pkcs12};

#[test]
fn java_stores_keep_their_form_and_their_bytes() {
    let (ca, theirs) = (anchor(), other());
    let mut old = JavaStore::Jks(Vec::new());
    old.add("theirs", theirs.der(), Timestamp::from_secs(1));
    let old = old.write(STOREPASS).unwrap();
    let plain = pkcs12::write_trust_store(&[("theirs", theirs.der())], None).unwrap();
    let locked = pkcs12::write_trust_store(&[("theirs", theirs.der())], Some("secret")).unwrap();
    let mut jceks = old.clone();
    jceks[..4].copy_from_slice(&[0xce; 4]);
    let digest_of = |bytes: &[u8]| bytes.len() - 20;
    // The digest covers the magic too.
    let body = jceks[..digest_of(&jceks)].to_vec();
    jceks = seal(&body);
    let mut root = root(&[("/etc/ca-certificates.conf", ""), ("/usr/local/share/ca-certificates/", ""), (BUNDLE, "")]);
    for (path, bytes) in [
        ("/etc/ssl/certs/java/cacerts", &old),
        ("/opt/java/a/lib/security/cacerts", &plain),
        ("/opt/java/b/lib/security/cacerts", &locked),
        ("/opt/java/c/lib/security/cacerts", &jceks),
    ] {
        root.file(path, Some(bytes.clone()), 0o640, 7, 8);
    }
    let plan = add(&root, &Wish::new(&ca).request());
    let after = done(&root, &plan);
    let system = after.read("/etc/ssl/certs/java/cacerts").unwrap();
    assert_eq!(system[12..digest_of(&old)], old[12..digest_of(&old)], "what was there is there byte for byte");
    let (entries, faults) = jks::read(&system, Some(STOREPASS)).unwrap();
    assert!(faults.is_empty());
    assert_eq!(entries[1].alias, format!("debian:{}.pem", ca.name).to_lowercase());
    let found = after.look("/opt/java/a/lib/security/cacerts").unwrap().unwrap();
    assert_eq!((found.mode, found.uid, found.gid), (0o640, 7, 8));
    let plain = after.read("/opt/java/a/lib/security/cacerts").unwrap();
    assert!(
        matches!(JavaStore::read(&plain, "any"), Ok(JavaStore::Pkcs12 { certificates, protected: false }) if certificates.len() == 2)
    );
    let sealed = after.read("/opt/java/c/lib/security/cacerts").unwrap();
    assert_eq!(sealed, seal(&sealed[..sealed.len() - 20]), "JCEKS is framed as JKS is");
    let [left] = &plan.left[..] else { panic!("{:?}", plan.left) };
    assert_eq!(left.path, "/opt/java/b/lib/security/cacerts");
    assert!(left.fix.as_ref().unwrap().contains("keytool -importcert"), "{left:?}");
    // The image's own options know the password.
    let wish = Wish::new(&ca).env(
        "JAVA_TOOL_OPTIONS",
        "-Xmx1g -Djavax.net.ssl.trustStore=/opt/java/b/lib/security/cacerts -Djavax.net.ssl.trustStorePassword=secret",
    );
    assert!(add(&root, &wish.request()).left.is_empty());
}

/// Entries with the digest of `changeit` behind them.
fn seal(entries: &[u8]) -> Vec<u8> {
    use sha1::{Digest as _, Sha1};
    let password: Vec<u8> = STOREPASS.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let digest = Sha1::new().chain_update(password).chain_update(b"Mighty Aphrodite").chain_update(entries).finalize();
    [entries, &digest].concat()
}

#[test]
fn damaged_bundles_are_told_and_made_no_worse() {
    let (ca, theirs) = (anchor(), other());
    let cut = theirs.pem().replace("-----END CERTIFICATE-----\n", "");
    for (old, first) in [
        (format!("{}{cut}", theirs.pem()), true),
        (format!("-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n{}", theirs.pem()), false),
    ] {
        let root = root(&[(BUNDLE, &old)]);
        let plan = add(&root, &Wish::new(&ca).request());
        let new = text(&done(&root, &plan), BUNDLE);
        assert!(new.contains(&old), "the old bytes stay");
        assert_eq!(new.starts_with(&ca.pem()), first, "what follows a block without END would be lost");
        assert!(plan.steps[0].notes[0].contains("was damaged before: line "), "{plan:?}");
    }
    for bytes in [ca.der().to_vec(), vec![0xff, 0xfe, 0x2d, 0]] {
        let mut root = MemoryRoot::default();
        root.file(BUNDLE, Some(bytes), 0o644, 0, 0);
        let plan = add(&root, &Wish::new(&ca).request());
        assert_eq!(plan.changes().count(), 0);
        assert!(plan.left[0].why.contains("no PEM bundle"), "{plan:?}");
    }
}

proptest! {
    /// Whatever a bundle holds, what could be read of it can be read afterwards, and its bytes are all there.
    #[test]
    fn no_bundle_is_made_worse(parts in proptest::collection::vec(0_usize..9, 0..8)) {
        let (ca, theirs) = (anchor(), other());
        let block = theirs.pem();
        let pieces = [
            block.clone(),
            block.trim_end().to_owned(),
            block.replace('\n', "\r\n"),
            "\u{feff}".to_owned(),
            "# comment\n".to_owned(),
            "-----BEGIN CERTIFICATE-----\n".to_owned(),
            "-----END CERTIFICATE-----\n".to_owned(),
            "MIIB\n".to_owned(),
            "\n".to_owned(),
        ];
        let old: String = parts.iter().map(|part| pieces[*part].as_str()).collect();
        let mut root = MemoryRoot::default();
        root.file(BUNDLE, Some(old.clone().into_bytes()), 0o644, 0, 0);
        let plan = add(&root, &Wish::new(&ca).request());
        if let Some(step) = plan.steps.first() {
            let new = done(&root, &plan).read(BUNDLE).unwrap();
            prop_assert!(memchr::memmem::find(&new, old.as_bytes()).is_some());
            let count = |bytes: &[u8]| pem::read(bytes).0.iter().filter(|block| block.data == theirs.der()).count();
            prop_assert_eq!(count(&new), count(old.as_bytes()));
            prop_assert!(ca.is_in(&new), "{:?}", step);
        } else {
            prop_assert!(!plan.left.is_empty());
        }
    }

    #[test]
    fn stores_of_any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic in 0_usize..4) {
        let ca = anchor();
        let magics: [&[u8]; 4] = [b"", b"\xfe\xed\xfe\xed\0\0\0\x02", b"\xce\xce\xce\xce\0\0\0\x02", b"\x30\x82"];
        let bytes = [magics[magic], &bytes].concat();
        let mut root = MemoryRoot::default();
        for path in ["/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/edk2/cacerts.bin", "/a/cert9.db", "/x/libcrypto.so.3"] {
            root.file(path, Some(bytes.clone()), 0o644, 0, 0);
        }
        root.folder("/etc/pki/ca-trust/source/anchors", 0o755, 0, 0);
        let wish = Wish::new(&ca);
        let _ = add(&root, &wish.request());
        let _ = remove(&root, &wish.request());
    }
}
