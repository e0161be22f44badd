//! Key logs in the NSS format. In: lines. Out: values, and back. Spec: RFC 9850 (SSLKEYLOGFILE).

use sidelight_model::flow::KeyLogLine;
use sidelight_model::redact::Secret;

/// The longest line that is read: a label, a random, and a secret of 64 bytes leave much room.
const LONGEST_LINE: usize = 1024;
/// Labels and secrets that are written or read are no longer than this.
const LONGEST_LABEL: usize = 64;
const LONGEST_SECRET: usize = 256;

/// Whether a label is one that decrypts TLS 1.2 or 1.3.
pub fn is_known_label(label: &str) -> bool {
    matches!(
        label,
        "CLIENT_RANDOM"
            | "CLIENT_EARLY_TRAFFIC_SECRET"
            | "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
            | "SERVER_HANDSHAKE_TRAFFIC_SECRET"
            | "CLIENT_TRAFFIC_SECRET_0"
            | "SERVER_TRAFFIC_SECRET_0"
            | "EARLY_EXPORTER_SECRET"
            | "EXPORTER_SECRET"
            | "ECH_SECRET"
            | "ECH_CONFIG"
    )
}

/// Appends a line with its end.
pub fn write(out: &mut Vec<u8>, line: &KeyLogLine) {
    out.extend_from_slice(line.label.as_bytes());
    out.push(b' ');
    hex(out, &line.client_random);
    out.push(b' ');
    hex(out, line.secret.reveal());
    out.push(b'\n');
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(data_encoding::HEXLOWER.encode(bytes).as_bytes());
}

/// Reads a key log, line by line; lines may end with LF, CR LF, or the text itself.
///
/// Each line is handed out with its number, from 1: what it says, or in words why it says nothing. Empty lines and comments are not.
pub fn read(text: &[u8]) -> impl Iterator<Item = (usize, Result<KeyLogLine, &'static str>)> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines.filter_map(|(index, line)| Some((index + 1, read_line(line).transpose()?)))
}

/// Reads one line without its end; `None` when it is empty or a comment.
///
/// # Errors
/// In words, when it is no line of a key log.
pub fn read_line(line: &[u8]) -> Result<Option<KeyLogLine>, &'static str> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    if line.len() > LONGEST_LINE {
        return Err("it is longer than any line of a key log");
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(label), Some(random), Some(secret), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("it does not have the three parts label, client random, secret");
    };
    let is_label = |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let label = std::str::from_utf8(label).ok().filter(|label| label.len() <= LONGEST_LABEL && is_label(label));
    let label = label.ok_or("its first part is no label")?.to_owned();
    let client_random = unhex(random)
        .and_then(|random| <[u8; 32]>::try_from(random).ok())
        .ok_or("its client random is not 64 hexadecimal digits")?;
    let secret = unhex(secret)
        .filter(|secret| (1..=LONGEST_SECRET).contains(&secret.len()))
        .ok_or("its secret is not hexadecimal digits")?;
    Ok(Some(KeyLogLine { label, client_random, secret: Secret::new(secret) }))
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_both_ways() {
        let text = "# a comment\r\n\r\nCLIENT_RANDOM ".to_owned()
            + &"0A".repeat(32)
            + " "
            + &"ff01".repeat(24)
            + "\r\nCLIENT_TRAFFIC_SECRET_0\t"
            + &"00".repeat(32)
            + "  ab";
        let lines: Vec<_> = read(text.as_bytes()).map(|(number, line)| (number, line.unwrap())).collect();
        assert_eq!(lines.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!((lines[0].1.client_random, lines[0].1.secret.reveal().len()), ([10; 32], 48));
        let mut written = Vec::new();
        lines.iter().for_each(|(_, line)| write(&mut written, line));
        assert!(written.starts_with(b"CLIENT_RANDOM 0a0a0a"));
        let again: Vec<_> = read(&written).map(|(_, line)| line.unwrap()).collect();
        assert_eq!(again, lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
        assert!(again.iter().all(|line| is_known_label(&line.label)));
    }

    #[test]
    fn bad_lines_are_told_by_number() {
        let random = "00".repeat(32);
        let text = format!(
            "CLIENT_RANDOM {random}\nCLIENT_RANDOM {random} \nA B C\nX-Y {random} 00\nA {random} 0\nA {random} 00 00\nA {random} \
             {}\n{}\nOK {random} 00",
            "0".repeat(900),
            "z".repeat(2000)
        );
        let bad: Vec<_> = read(text.as_bytes()).filter(|(_, line)| line.is_err()).map(|(number, _)| number).collect();
        assert_eq!(bad, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(read(text.as_bytes()).filter(|(_, line)| line.is_ok()).count(), 1);
    }
}
