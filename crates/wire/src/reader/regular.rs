//! Files that every reader of PEM takes whole: nearly all. In: bytes, the entries' DER. Out: whether nothing in them can be read in two ways.
//! This spares the emulations most of their work; where it is in doubt it says no.

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Shorter than what OpenSSL reads at once.
const MAX_LINE: usize = 250;

/// Whether each block is a plain certificate in lines of up to 64 characters, in the order of `known`, with harmless text between.
pub(super) fn is(bytes: &[u8], known: &[&[u8]]) -> bool {
    let mut blocks = 0;
    let mut inside: Option<(usize, usize)> = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match &mut inside {
            None if line == BEGIN => inside = Some((0, 0)),
            None if is_harmless(line) => {}
            Some((characters, padding)) if line == END => {
                let length = (*characters / 4 * 3).checked_sub(*padding);
                if *characters % 4 != 0 || length != known.get(blocks).map(|der| der.len()) {
                    return false;
                }
                blocks += 1;
                inside = None;
            }
            Some((characters, padding)) if !line.is_empty() && line.len() <= 64 && *padding == 0 => {
                let content = line.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
                *padding = line.len() - content;
                *characters += line.len();
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
                if *padding > 2 || !line[..content].iter().all(plain) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    inside.is_none() && blocks > 0 && blocks == known.len()
}

/// Text between blocks that no reader stumbles over: no dashes in a row, no NUL, not long, and not like the start of DER.
fn is_harmless(line: &[u8]) -> bool {
    line.len() <= MAX_LINE
        && !matches!(line.first(), Some(b'0' | 0x80..))
        && !line.contains(&0)
        && !line.contains(&b'\r')
        && memchr::memmem::find(line, b"----").is_none()
}
