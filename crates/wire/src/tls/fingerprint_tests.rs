//! Tests of the fingerprints against published ones. In: what known clients offer. Out: their JA3 and JA4.

use super::*;

/// What a hello holds that fingerprints are made of: numbers in decimal, as JA3 writes them.
struct Offer<'t> {
    version: u16,
    versions: &'t [u16],
    ciphers: &'t str,
    extensions: &'t str,
    groups: &'t str,
    points: &'t [u8],
    schemes: &'t [u16],
    alpn: &'t [&'t [u8]],
}

fn numbers(text: &str) -> Vec<u16> {
    text.split('-').filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
}

fn made(offer: &Offer<'_>) -> Hello {
    hello(&ClientHello {
        legacy_version: offer.version,
        versions: if offer.versions.is_empty() { vec![offer.version] } else { offer.versions.to_vec() },
        ciphers: numbers(offer.ciphers),
        extensions: numbers(offer.extensions),
        groups: numbers(offer.groups),
        point_formats: offer.points.to_vec(),
        signature_schemes: offer.schemes.to_vec(),
        alpn: offer.alpn.iter().map(|name| name.to_vec()).collect(),
        ..ClientHello::default()
    })
}

const CHROME_CIPHERS: &str = "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53";
const CHROME_SCHEMES: &[u16] = &[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

/// Chrome 143 as a public fingerprinting service reports it, with GREASE put back where Chrome has it.
fn chrome_143() -> Offer<'static> {
    Offer {
        version: 0x0303,
        versions: &[0x6a6a, 0x0304, 0x0303],
        ciphers: "2570-4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53",
        extensions: "6682-45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27-47802",
        groups: "14906-4588-29-23-24",
        points: &[0],
        schemes: CHROME_SCHEMES,
        alpn: &[b"h2", b"http/1.1"],
    }
}

#[test]
fn a_browser_of_today() {
    let hello = made(&chrome_143());
    assert_eq!(
        hello.ja3_text,
        format!("771,{CHROME_CIPHERS},45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27,4588-29-23-24,0")
    );
    assert_eq!(hello.ja3, "98487aa16281980e7d1120d399efb6a4");
    assert_eq!(hello.ja4, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
}

/// The worked example of the JA4 specification.
#[test]
fn the_example_of_the_specification() {
    let hello = made(&Offer {
        extensions: "27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21",
        groups: "29-23-24",
        ..chrome_143()
    });
    assert_eq!(hello.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

/// The two examples that came with JA3.
#[test]
fn the_examples_of_ja3() {
    let old = Offer {
        version: 0x0301,
        versions: &[],
        ciphers: "47-53-5-10-49161-49162-49171-49172-50-56-19-4",
        extensions: "0-10-11",
        groups: "23-24-25",
        points: &[0],
        schemes: &[],
        alpn: &[],
    };
    let hello = made(&old);
    assert_eq!(hello.ja3_text, "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
    assert_eq!(hello.ja3, "ada70206e40642a3e4461f35503241d5");
    assert!(hello.ja4.starts_with("t10d120300_"), "{}", hello.ja4);

    let bare = Offer { ciphers: "4-5-10-9-100-98-3-6-19-18-99", extensions: "", groups: "", points: &[], ..old };
    let hello = made(&bare);
    assert_eq!(hello.ja3_text, "769,4-5-10-9-100-98-3-6-19-18-99,,,");
    assert_eq!(hello.ja3, "de350869b8c85de67a350c8d186f11e6");
    assert_eq!((&hello.ja4[..10], &hello.ja4[24..]), ("t10i110000", NOTHING));
}

#[test]
fn the_clear_part_of_ja4() {
    let clear = |offer: &Offer<'_>| made(offer).ja4[..10].to_owned();
    let many: Vec<String> = (1..=150).map(|number| number.to_string()).collect();
    let many = many.join("-");
    let full = Offer { ciphers: &many, extensions: &many, ..chrome_143() };
    assert_eq!(clear(&full), "t13i9999h2", "counts end at 99; without a server name");
    for (versions, shown) in [
        (&[0x0303_u16, 0x0302][..], "12"),
        (&[0x0302], "11"),
        (&[0x0300], "s3"),
        (&[0x7f1c], "00"),
        (&[0x0a0a, 0x0303], "12"),
    ] {
        assert_eq!(&clear(&Offer { versions, ..chrome_143() })[1..3], shown, "{versions:04x?}");
    }
    for (alpn, shown) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x0a\x0a", "0a"),
    ] {
        assert_eq!(&clear(&Offer { alpn: &[alpn], ..chrome_143() })[8..], shown, "{alpn:02x?}");
    }
}

#[test]
fn without_signature_schemes_nothing_follows_the_extensions() {
    let hello = made(&Offer { extensions: "65281-0-23", schemes: &[], ..chrome_143() });
    assert_eq!(&hello.ja4[24..], digest("0017,ff01"));
    let hello = made(&Offer { extensions: "0-16", ..chrome_143() });
    assert_eq!(&hello.ja4[24..], NOTHING, "nothing is left to hash");
}
