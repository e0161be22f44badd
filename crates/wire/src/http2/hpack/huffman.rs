//! The Huffman code of HPACK. In: coded octets. Out: the text. Spec: RFC 7541 §5.2, appendix B.
//!
//! The code is canonical: codes of one length are consecutive, in the order of their symbols, and follow the shorter ones. So the
//! lengths alone give the whole table, which is built at compile time.

/// The length in bits of the code of each octet.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
/// Longest code; the end-of-string symbol is the last of them.
const LONGEST: usize = 30;

/// The canonical code, ordered for decoding.
struct Code {
    /// Octets by (length, value).
    symbols: [u8; 256],
    /// For each length the place in `symbols` of its first code.
    start: [u16; LONGEST + 1],
    /// For each length its first code.
    first: [u32; LONGEST + 1],
    /// For each length the first code beyond it, moved to the left of 32 bits.
    limit: [u64; LONGEST + 1],
}

const CODE: Code = build();

const fn build() -> Code {
    let mut code = Code { symbols: [0; 256], start: [0; 31], first: [0; 31], limit: [0; 31] };
    let (mut length, mut next, mut filled) = (1, 0_u32, 0);
    while length <= LONGEST {
        next <<= 1;
        code.start[length] = filled as u16;
        code.first[length] = next;
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                code.symbols[filled] = symbol as u8;
                filled += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.limit[length] = (next as u64) << (32 - length);
        length += 1;
    }
    code
}

/// For each first octet of a code: its symbol and length, when the code is no longer than eight bits; otherwise length 0.
static SHORT: [(u8, u8); 256] = build_short();

const fn build_short() -> [(u8, u8); 256] {
    let mut table = [(0, 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let mut length = 5;
        while length <= 8 {
            if ((octet as u64) << 24) < CODE.limit[length] {
                let index = CODE.start[length] as u32 + ((octet as u32) >> (8 - length)) - CODE.first[length];
                table[octet] = (CODE.symbols[index as usize], length as u8);
                break;
            }
            length += 1;
        }
        octet += 1;
    }
    table
}

/// Decodes a whole string.
///
/// # Errors
/// In words, when it holds the end-of-string symbol or does not end with its first bits.
pub(super) fn decode(coded: &[u8]) -> Result<Vec<u8>, String> {
    // The shortest code has five bits.
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut window, mut bits) = (0_u64, 0_u32);
    let mut rest = coded.iter();
    loop {
        while bits <= 56 {
            let Some(octet) = rest.next() else { break };
            window = (window << 8) | u64::from(*octet);
            bits += 8;
        }
        if bits == 0 {
            return Ok(text);
        }
        // The next 32 bits, and ones behind the end, as the padding has them.
        let ahead = if bits >= 32 { window >> (bits - 32) } else { (window << (32 - bits)) | ((1 << (32 - bits)) - 1) };
        let ahead = ahead as u32; // the window's older bits fall away
        let (symbol, length) = match SHORT[(ahead >> 24) as usize] {
            (symbol, length @ 1..) => (symbol, u32::from(length)),
            _ => match long_code(ahead) {
                Some(found) => found,
                None if bits < 8 => return Ok(text),
                None => return Err("a Huffman code that holds the end-of-string symbol or too much padding".to_owned()),
            },
        };
        if length > bits {
            let padded = bits < 8 && ahead == u32::MAX;
            return if padded { Ok(text) } else { Err("a Huffman code that is cut".to_owned()) };
        }
        text.push(symbol);
        bits -= length;
    }
}

/// A code of nine bits or more at the beginning of these; `None` for the end-of-string symbol.
fn long_code(ahead: u32) -> Option<(u8, u32)> {
    let length = (9..=LONGEST).find(|length| u64::from(ahead) < CODE.limit[*length])?;
    let shift = 32 - u32::try_from(length).ok()?;
    let index = u32::from(CODE.start[length]) + (ahead >> shift) - CODE.first[length];
    Some((CODE.symbols[index as usize], 32 - shift))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The code of an octet and its length.
    fn code_of(octet: u8) -> (u32, u32) {
        let length = LENGTHS[octet as usize] as usize;
        let at = CODE.symbols.iter().position(|symbol| *symbol == octet).unwrap();
        (CODE.first[length] + at as u32 - u32::from(CODE.start[length]), length as u32)
    }

    /// An encoder, for the tests alone.
    pub(in super::super) fn encode(text: &[u8]) -> Vec<u8> {
        let (mut coded, mut window, mut bits) = (Vec::new(), 0_u64, 0);
        for octet in text {
            let (code, length) = code_of(*octet);
            window = (window << length) | u64::from(code);
            bits += length;
            while bits >= 8 {
                bits -= 8;
                coded.push((window >> bits) as u8);
            }
        }
        if bits > 0 {
            coded.push(((window << (8 - bits)) | ((1 << (8 - bits)) - 1)) as u8);
        }
        coded
    }

    #[test]
    fn codes_of_appendix_b() {
        for (octet, code, length) in [
            (b'0', 0x0, 5),
            (b'a', 0x3, 5),
            (b' ', 0x14, 6),
            (b'Z', 0xfd, 8),
            (b'!', 0x3f8, 10),
            (0, 0x1ff8, 13),
            (b'\\', 0x7fff0, 19),
            (255, 0x03ff_ffee, 26),
            (22, 0x3fff_fffe, 30),
        ] {
            assert_eq!(code_of(octet), (code, length), "{octet}");
        }
    }

    #[test]
    fn examples_of_appendix_c() {
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&www).as_deref(), Ok(&b"www.example.com"[..]));
        assert_eq!(decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Ok(&b"no-cache"[..]));
        assert_eq!(decode(&[]).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn every_octet_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for length in 0..all.len() {
            assert_eq!(decode(&encode(&all[..length])).as_deref(), Ok(&all[..length]));
        }
    }

    #[test]
    fn padding_is_ones_and_less_than_an_octet() {
        assert!(decode(&[0x1f, 0xff]).is_err(), "a whole octet of padding");
        assert!(decode(&[0x00, 0x00]).is_err(), "zeros for padding");
        assert!(decode(&[0xff, 0xff, 0xff, 0xff]).is_err(), "the end-of-string symbol");
        assert!(decode(&[0xff]).is_err(), "nothing but padding");
    }
}
