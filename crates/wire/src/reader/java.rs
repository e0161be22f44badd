//! Java's `CertificateFactory.generateCertificates`, and `KeyStore` on a file that is none. In: a file. Out: all of it or an error.
//!
//! The factory takes DER and PEM one after the other, and any label that BEGIN and END agree on; whatever it then finds must be a
//! certificate. Five dashes count only at the start of a line, so that a block with something before its BEGIN is entered at its END.

use super::element;
use super::outcome::Outcome;

const SEQUENCE: u8 = 0x30;
const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

/// `KeyStore` reads JKS and PKCS#12.
pub(super) fn not_a_key_store(bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let why = if bytes.is_empty() {
        "it is empty, and no key store"
    } else {
        "it is no key store (JKS or PKCS#12), which is all that javax.net.ssl.trustStore reads"
    };
    outcome.fails = Some((0, why.to_owned()));
    outcome
}

pub(super) fn factory(bytes: &[u8], known: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    if bytes.is_empty() {
        return outcome;
    }
    let mut stream = Stream { bytes, position: 0 };
    let mut first = true;
    loop {
        match stream.block() {
            Err((at, why)) => {
                outcome.fails = Some((at, why.to_owned()));
                return outcome;
            }
            Ok(None) if first => {
                outcome.fails = Some((0, "Java finds no certificate in it".to_owned()));
                return outcome;
            }
            Ok(None) => break,
            Ok(Some((_, data))) if first && is_signed_data(&data) => {
                // All certificates of the PKCS#7; what follows is not read.
                outcome.got.extend(known.iter().map(|der| (usize::MAX, der.to_vec())));
                break;
            }
            Ok(Some((start, data))) => match element::certificate(&data, known) {
                Some((der, [])) => outcome.got.push((start, der.to_vec())),
                Some(_) => return failed(outcome, start, "bytes stand behind the certificate in its block"),
                None => return failed(outcome, start, "a block in it is no certificate, and Java takes nothing else"),
            },
        }
        first = false;
    }
    let why = "BEGIN does not stand at the start of its line";
    outcome.skip(0..bytes.len(), why);
    outcome
}

fn failed(mut outcome: Outcome, at: usize, why: &str) -> Outcome {
    outcome.fails = Some((at, why.to_owned()));
    outcome
}

fn is_signed_data(data: &[u8]) -> bool {
    element::split(data).is_some_and(|(tag, content, _)| tag == SEQUENCE && content.starts_with(SIGNED_DATA))
}

type Failure = (usize, &'static str);

struct Stream<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl Stream<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.position).copied();
        self.position += usize::from(byte.is_some());
        byte
    }

    /// The next block's start and content; nothing at the end.
    fn block(&mut self) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        let start = self.position;
        let Some(mut byte) = self.next() else { return Ok(None) };
        if byte == SEQUENCE {
            return self.binary(start).map(Some);
        }
        let mut hyphens = usize::from(byte == b'-');
        let mut last = if byte == b'-' { None } else { Some(byte) };
        loop {
            let Some(next) = self.next() else { return Ok(None) };
            byte = next;
            if byte == b'-' {
                hyphens += 1;
            } else {
                hyphens = 0;
                last = Some(byte);
            }
            if hyphens == 5 && matches!(last, None | Some(b'\r' | b'\n')) {
                break;
            }
        }
        self.text(self.position - 5).map(Some)
    }

    /// DER, whose first byte was read.
    fn binary(&mut self, start: usize) -> Result<(usize, Vec<u8>), Failure> {
        let whole = element::cut(&self.bytes[start..]).ok_or((start, "the file begins like DER but ends too early"))?;
        self.position = start + whole.len();
        Ok((start, whole.to_vec()))
    }

    /// PEM, whose first dashes were read.
    fn text(&mut self, start: usize) -> Result<(usize, Vec<u8>), Failure> {
        let cut_off = (start, "the block is cut off");
        let mut header = b"-----".to_vec();
        let mut data = Vec::new();
        let end = loop {
            match self.next().ok_or(cut_off)? {
                b'\n' => break b'\n',
                b'\r' => {
                    let next = self.next().ok_or(cut_off)?;
                    if next == b'\n' {
                        break b'\n';
                    }
                    data.push(next);
                    break b'\r';
                }
                byte => header.push(byte),
            }
        };
        loop {
            match self.next().ok_or(cut_off)? {
                b'-' => break,
                byte => data.push(byte),
            }
        }
        let mut footer = b"-".to_vec();
        while let Some(byte) = self.next().filter(|byte| *byte != end && *byte != b'\n') {
            if byte != b'\r' {
                footer.push(byte);
            }
        }
        let label = |line: &[u8], word: &[u8]| -> Option<Vec<u8>> {
            let line = line.trim_ascii_end();
            Some(line.strip_prefix(word)?.strip_suffix(b"-----")?.to_vec())
        };
        match (label(&header, b"-----BEGIN "), label(&footer, b"-----END ")) {
            (None, _) => return Err((start, "this line is no BEGIN line that Java takes")),
            (begin, end) if begin != end => return Err((start, "no END line that fits follows this BEGIN line")),
            _ => {}
        }
        data.retain(|byte| !byte.is_ascii_whitespace() && *byte != 0x0b);
        Ok((start, element::base64_unpadded(&data).ok_or((start, "the block is not base64"))?))
    }
}
