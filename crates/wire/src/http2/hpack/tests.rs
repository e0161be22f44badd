//! HPACK against the examples of RFC 7541 appendix C, and against an encoder made for the tests.

use data_encoding::HEXLOWER_PERMISSIVE;
use proptest::prelude::*;

use super::*;

fn decode(decoder: &mut Decoder, hex: &str) -> Result<String, String> {
    let hex: String = hex.split_whitespace().collect();
    let block = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).expect("hexadecimal");
    let mut lines = Vec::new();
    decoder.decode(&block, &mut |field| {
        lines.push(format!("{}={}", field.name.escape_ascii(), field.value.escape_ascii()));
    })?;
    Ok(lines.join(" "))
}

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let expected = [
        ":method=GET :scheme=http :path=/ :authority=www.example.com",
        ":method=GET :scheme=http :path=/ :authority=www.example.com cache-control=no-cache",
        ":method=GET :scheme=https :path=/index.html :authority=www.example.com custom-key=custom-value",
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::default();
        for (block, fields) in blocks.iter().zip(expected) {
            assert_eq!(decode(&mut decoder, block).as_deref(), Ok(fields));
        }
    }
}

#[test]
fn responses_of_appendix_c_6_with_eviction() {
    let mut decoder = Decoder::default();
    decoder.table.resize(256).unwrap();
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let expected = [
        ":status=302 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com",
        ":status=307 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com",
        ":status=200 cache-control=private date=Mon, 21 Oct 2013 20:13:22 GMT location=https://www.example.com \
         content-encoding=gzip set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    for (block, fields) in blocks.iter().zip(expected) {
        assert_eq!(decode(&mut decoder, block).as_deref(), Ok(fields));
    }
}

#[test]
fn literals_of_appendix_c_2() {
    for (block, fields) in [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key=custom-header"),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path=/sample/path"),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password=secret"),
        ("82", ":method=GET"),
    ] {
        assert_eq!(decode(&mut Decoder::default(), block).as_deref(), Ok(fields));
    }
}

#[test]
fn what_cannot_be_decoded() {
    for block in ["80", "be", "ff ff ff ff ff 0f", "40", "40 05 61", "3f e1 ff 7f", "41 81 00"] {
        assert!(decode(&mut Decoder::default(), block).is_err(), "{block}");
    }
}

#[test]
fn a_decoder_that_joins_midway_has_placeholders() {
    let mut decoder = Decoder::default();
    decoder.join_midway();
    // Entry 70 is unknown; a known entry is added and referred to; a literal value has an unknown name.
    assert_eq!(
        decode(&mut decoder, "82 c6 40 01 61 01 62 be 7f 07 01 63").as_deref(),
        Ok(":method=GET ?70=? a=b a=b ?70=c")
    );
    assert_eq!(decode(&mut decoder, "bf be").as_deref(), Ok("a=b ?70=c"));
}

/// How the test encoder writes a field.
#[derive(Clone, Copy, Debug)]
enum How {
    Indexing,
    Without,
    Never,
}

fn integer(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    out.push(rest as u8);
}

fn string(out: &mut Vec<u8>, text: &[u8], coded: bool) {
    let bytes = if coded { huffman::tests::encode(text) } else { text.to_vec() };
    integer(out, if coded { 0x80 } else { 0 }, 7, bytes.len());
    out.extend_from_slice(&bytes);
}

/// An encoder that uses its own table: whatever it knows it sends by index.
fn encode(table: &mut Table, fields: &[(Vec<u8>, Vec<u8>, How, bool)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value, how, coded) in fields {
        let known = (1..200).map_while(|index| table.get(index).map(|entry| (index, entry)));
        let known: Vec<_> = known.filter(|(_, (known, _))| known == name).collect();
        if let Some((index, _)) = known.iter().find(|(_, (_, known))| known == value) {
            integer(&mut block, 0x80, 7, *index);
            continue;
        }
        let (first, prefix) = match how {
            How::Indexing => (0x40, 6),
            How::Without => (0x00, 4),
            How::Never => (0x10, 4),
        };
        match known.first() {
            Some((index, _)) => integer(&mut block, first, prefix, *index),
            None => {
                block.push(first);
                string(&mut block, name, *coded);
            }
        }
        string(&mut block, value, *coded);
        if let How::Indexing = how {
            table.insert(name.clone().into(), value.clone().into());
        }
    }
    block
}

proptest! {
    #[test]
    fn what_was_encoded_comes_back(
        blocks in prop::collection::vec((
            prop::option::of(0_usize..600),
            prop::collection::vec((
                prop_oneof!["[a-z-]{1,12}".prop_map(String::into_bytes), Just(b"content-type".to_vec()), Just(b":path".to_vec())],
                prop::collection::vec(any::<u8>(), 0..60),
                prop_oneof![Just(How::Indexing), Just(How::Without), Just(How::Never)],
                any::<bool>(),
            ), 0..12),
        ), 0..8),
    ) {
        let (mut encoder, mut decoder) = (Table::default(), Decoder::default());
        for (resized, fields) in blocks {
            let mut block = Vec::new();
            if let Some(size) = resized {
                integer(&mut block, 0x20, 5, size);
                encoder.resize(size).unwrap();
            }
            block.extend(encode(&mut encoder, &fields));
            let mut got = Vec::new();
            decoder.decode(&block, &mut |field| got.push((field.name.to_vec(), field.value.to_vec()))).unwrap();
            let sent: Vec<_> = fields.into_iter().map(|(name, value, _, _)| (name, value)).collect();
            prop_assert_eq!(got, sent);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(block in prop::collection::vec(any::<u8>(), 0..200), midway: bool) {
        let mut decoder = Decoder::default();
        if midway {
            decoder.join_midway();
        }
        let mut bytes = 0;
        let _ = decoder.decode(&block, &mut |field| bytes += field.name.len() + field.value.len());
        prop_assert!(bytes <= 200 * 4096);
    }
}
