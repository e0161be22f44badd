//! Tests of the scan: hellos built by hand, cut, fragmented, broken. In: bytes. Out: classifications.

use super::*;

fn vector8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn vector16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector16(body)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &vector16(&[vec![0], vector16(name)].concat()))
}

/// What a current browser sends, in short: GREASE, a post-quantum key share of 1216 bytes, ECH, a pre-shared key.
fn modern_extensions() -> Vec<Vec<u8>> {
    let shares = [
        numbers(&[0x2a2a]),
        vector16(&[0]),
        numbers(&[0x11ec]),
        vector16(&[7; 1216]),
        numbers(&[29]),
        vector16(&[9; 32]),
    ]
    .concat();
    vec![
        extension(0x1a1a, &[]),
        server_name(b"registry.test"),
        extension(11, &vector8(&[0])),
        extension(10, &vector16(&numbers(&[0x2a2a, 0x11ec, 29, 23]))),
        extension(35, &[]),
        extension(16, &vector16(&[vector8(b"h2"), vector8(b"http/1.1")].concat())),
        extension(13, &vector16(&numbers(&[0x0403, 0x0804]))),
        extension(43, &vector8(&numbers(&[0x3a3a, 0x0304, 0x0303]))),
        extension(51, &vector16(&shares)),
        extension(0xfe0d, &[0; 180]),
        extension(42, &[]),
        extension(41, &[1; 60]),
    ]
}

fn message(version: u16, ciphers: &[u16], extensions: Option<&[Vec<u8>]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([0xab; 32]);
    body.extend(vector8(&[0xcd; 32]));
    body.extend(vector16(&numbers(ciphers)));
    body.extend(vector8(&[0]));
    if let Some(extensions) = extensions {
        body.extend(vector16(&extensions.concat()));
    }
    handshake(1, &body)
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn records(message: &[u8], fragment: usize) -> Vec<u8> {
    message.chunks(fragment).flat_map(|part| [vec![22, 3, 1], vector16(part)].concat()).collect()
}

fn modern() -> Vec<u8> {
    message(0x0303, &[0x0a0a, 0x1301, 0x1302, 0xc02b], Some(&modern_extensions()))
}

fn hello(bytes: &[u8]) -> ClientHello {
    match scan(bytes) {
        Scan::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

fn malformed(bytes: &[u8]) -> String {
    match scan(bytes) {
        Scan::Malformed(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_what_a_browser_offers() {
    let bytes = records(&modern(), 16_384);
    let hello = hello(&bytes);
    assert_eq!(hello.legacy_version, 0x0303);
    assert_eq!(hello.versions, [0x3a3a, 0x0304, 0x0303]);
    assert_eq!(hello.highest_version(), 0x0304);
    assert_eq!(hello.ciphers, [0x0a0a, 0x1301, 0x1302, 0xc02b]);
    assert_eq!(hello.sni.as_deref(), Some("registry.test"));
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(hello.groups, [0x2a2a, 0x11ec, 29, 23]);
    assert_eq!(hello.signature_schemes, [0x0403, 0x0804]);
    assert_eq!(hello.key_shares, [(0x2a2a, 1), (0x11ec, 1216), (29, 32)]);
    assert_eq!(hello.point_formats, [0]);
    assert_eq!(hello.extensions, [0x1a1a, 0, 11, 10, 35, 16, 13, 43, 51, 0xfe0d, 42, 41]);
    assert!(hello.has_ech && hello.has_grease && hello.offers_psk && hello.early_data && !hello.offers_ticket);
    assert_eq!(hello.wire_length, bytes.len());
}

#[test]
fn a_hello_of_the_nineties_has_no_extensions() {
    let hello = hello(&records(&message(0x0301, &[0x0005], None), 100));
    assert_eq!((hello.versions.as_slice(), hello.highest_version()), ([0x0301].as_slice(), 0x0301));
    assert_eq!((hello.sni, hello.has_grease, hello.extensions.len()), (None, false, 0));
}

#[test]
fn every_beginning_is_partial_and_what_follows_is_left_alone() {
    for fragment in [1, 2, 3, 7, 500, 16_384] {
        let bytes = records(&modern(), fragment);
        let mut scanner = Scanner::default();
        for cut in 0..bytes.len() {
            assert_eq!(scanner.scan(&bytes[..cut]), Scan::Partial, "{cut} bytes, fragments of {fragment}");
        }
        let whole = hello(&bytes);
        assert_eq!(whole.wire_length, bytes.len());
        assert_eq!(hello(&[&bytes[..], b"\x17\x03\x03 early data"].concat()), whole);
    }
}

#[test]
fn the_first_bytes_decide_what_is_not_tls() {
    for bytes in [
        &b"G"[..],
        b"SSH-2.0",
        b"\0",
        b"\x15\x03\x03",
        b"\x16\x02",
        b"\x16\x03\x05",
        b"\x16G",
        b"\x80\x2e\x02",
        b"\x82",
    ] {
        assert_eq!(scan(bytes), Scan::NotTls, "{bytes:02x?}");
    }
    for bytes in [&b""[..], b"\x16", b"\x16\x03", b"\x16\x03\x04", b"\x80\x2e\x01\x03"] {
        assert_eq!(scan(bytes), Scan::Partial, "{bytes:02x?}");
    }
    assert!(malformed(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10").contains("SSL 2.0"));
    assert!(malformed(b"\x80\x2e\x01\x00\x02\x00\x15").contains("SSL 2.0"));
}

#[test]
fn long_hellos_are_read_up_to_the_limit() {
    let padding = |length: usize| vec![extension(21, &vec![0; length]), server_name(b"long.test")];
    // Beside the padding: 75 bytes before the extensions, 4 and 18 of the heads of padding and name and of the name itself.
    let longest = message(0x0303, &[0x1301], Some(&padding(MAX_HANDSHAKE - 75 - 4 - 18)));
    assert_eq!(longest.len(), HANDSHAKE_HEAD + MAX_HANDSHAKE);
    assert_eq!(hello(&records(&longest, 16_384)).sni.as_deref(), Some("long.test"));
    assert_eq!(hello(&records(&longest, 16)).sni.as_deref(), Some("long.test"));
    assert_eq!(scan(&records(&longest, 1)), Scan::TooLong);
    let longer = message(0x0303, &[0x1301], Some(&padding(MAX_HANDSHAKE - 75 - 4 - 17)));
    assert_eq!(scan(&records(&longer, 16_384)), Scan::TooLong);
    assert_eq!(scan(&[22, 3, 1, 0, 4, 1, 1, 0, 1]), Scan::TooLong);
    assert_eq!(scan(&[22, 3, 1, 0, 4, 1, 1, 0, 0]), Scan::Partial);
}

#[test]
fn some_empty_records_are_tolerated() {
    let empty = [22, 3, 1, 0, 0];
    let bytes = records(&modern(), 700);
    assert_eq!(hello(&[empty.repeat(8), bytes.clone()].concat()).sni.as_deref(), Some("registry.test"));
    assert!(malformed(&[empty.repeat(9), bytes].concat()).contains("empty records"));
}

#[test]
fn faults_name_their_place() {
    let sound = records(&modern(), 16_384);
    let with = |at: usize, byte: u8| {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        malformed(&bytes)
    };
    assert!(with(5, 2).contains("type 2"));
    assert!(with(3, 0x41).contains("16384 is the most"), "{}", with(3, 0x41));
    assert!(with(43, 200).contains("session identifier"), "{}", with(43, 200));
    let twice = [server_name(b"a.test"), server_name(b"b.test")];
    assert!(malformed(&records(&message(0x0303, &[0x1301], Some(&twice)), 999)).contains("second time"));
    let cut = [extension(16, &[0, 9, 2, b'h'])];
    assert!(malformed(&records(&message(0x0303, &[0x1301], Some(&cut)), 999)).contains("application protocols"));
    let many: Vec<_> = (1000..1513).map(|kind| extension(kind, &[])).collect();
    assert!(malformed(&records(&message(0x0303, &[0x1301], Some(&many)), 999)).contains("512 extensions"));
    let mut other = records(&modern(), 700);
    other[705] = 23;
    assert!(malformed(&other).contains("type 23 at byte 705"));
    let trailing = [message(0x0301, &[5], None), vec![1]].concat();
    assert!(malformed(&records(&trailing, 999)).contains("after the ClientHello"));
}

#[test]
fn names_that_no_host_can_have_are_told_in_escapes() {
    let named = |name: &[u8]| hello(&records(&message(0x0303, &[0x1301], Some(&[server_name(name)])), 999)).sni;
    assert_eq!(named(b"a\0b\\c\xff").as_deref(), Some("a\\x00b\\x5cc\\xff"));
    assert_eq!(named(b"").as_deref(), Some(""));
}

#[test]
fn answers_stay_when_more_bytes_come() {
    for bytes in
        [records(&modern(), 300), b"\x16\x03\x01\x00\x02\x02\x00".to_vec(), b"\x80\x2e\x01\x03\x00\x00".to_vec()]
    {
        let mut answer = Scan::Partial;
        for end in 0..=bytes.len() {
            let next = scan(&bytes[..end]);
            assert!(answer == Scan::Partial || answer == next, "{answer:?} became {next:?}");
            answer = next;
        }
        assert_ne!(answer, Scan::Partial);
    }
}

#[test]
fn a_scanner_of_growing_bytes_says_what_a_scan_of_them_says() {
    let early_data = [records(&modern(), 40), b"\x17\x03\x03\0\x01x".to_vec()].concat();
    let empty = [[22, 3, 1, 0, 0].repeat(9), records(&modern(), 900)].concat();
    for bytes in [records(&modern(), 1), early_data, empty, b"\x80\x2e\x01\x03\x01".to_vec(), b"GET /".to_vec()] {
        let mut scanner = Scanner::default();
        for end in 0..=bytes.len() {
            assert_eq!(scanner.scan(&bytes[..end]), scan(&bytes[..end]), "{end}");
        }
    }
}

#[test]
fn grease_values_are_told_from_others() {
    let found: Vec<u16> = (0..=u16::MAX).filter(|number| is_grease(*number)).collect();
    assert_eq!(found.len(), 16);
    assert_eq!((found[0], found[15]), (0x0a0a, 0xfafa));
}
