//! Packed content: what is in it. In: bytes of gzip, zstd, zip or tar. Out: their entries by name and size, and beneath gzip and
//! zstd the content, laid out as what it is. Nothing is written anywhere.
//! Spec: RFC 1952 (gzip), RFC 8878 (zstd), PKWARE APPNOTE 4.3 (zip), POSIX.1-2017 pax (tar).

use sidelight_model::time::Timestamp;
use sidelight_wire::content_coding;

use super::page::Page;
use super::{Attempt, Scene, quoted};

/// Bytes that are unpacked to look at them.
const MOST_UNPACKED: usize = 1 << 20;

/// Bytes of a tar header and of its units.
const BLOCK: usize = 512;

/// Lays out what is packed by `coding`: `gzip` or `zstd`.
pub(super) fn show_packed(coding: &str, bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let (content, oddities) = content_coding::decode(coding, bytes, MOST_UNPACKED);
    if content.is_empty() || bytes.starts_with(&content) {
        let why = oddities.into_iter().next().map(|oddity| oddity.detail);
        return Err(why.unwrap_or_else(|| "there is nothing in it".to_owned()));
    }
    let is_cut = scene.cut || content.len() >= MOST_UNPACKED;
    let more = if is_cut { "at least " } else { "" };
    page.line(&format!("{coding} of {more}{} bytes:", content.len()));
    let problem = oddities.into_iter().next().map(|oddity| oddity.detail).filter(|_| !is_cut);
    if !scene.may_nest() {
        page.line("… nested too deep to be laid out");
        return Ok(problem);
    }
    let (_, inside) = scene.nested("", "", &content, is_cut, page);
    Ok(problem.or(inside))
}

/// Whether bytes that nobody declared are a tar archive.
pub(super) fn looks_like_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Lays out the entries of a tar archive as `tar -tv` does.
pub(super) fn show_tar(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    if !looks_like_tar(bytes) {
        return Err("its first block is no header".to_owned());
    }
    let mut at = 0;
    let mut long_name = None;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) || page.is_full() {
            return Ok(None);
        }
        if &header[257..262] != b"ustar" {
            return Ok(Some(format!("no header of an entry at byte {at}")));
        }
        let size = octal(&header[124..136]);
        let start = at + BLOCK;
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size)).unwrap_or(usize::MAX);
        let content = &bytes[start.min(bytes.len())..end.min(bytes.len())];
        match header[156] {
            b'L' => long_name = Some(c_string(content).into_owned()),
            b'x' => long_name = pax_path(content),
            b'g' | b'K' => {}
            kind => {
                let name = long_name.take().unwrap_or_else(|| ustar_name(header));
                page.line(&entry_line(header, kind, size, &name));
            }
        }
        at = match end.checked_next_multiple_of(BLOCK) {
            Some(next) => next,
            None => break,
        };
    }
    Ok((!scene.cut).then(|| "it ends without its last blocks".to_owned()))
}

fn entry_line(header: &[u8], kind: u8, size: u64, name: &str) -> String {
    let mode = octal(&header[100..108]);
    let letter = match kind {
        b'1' => 'h',
        b'2' => 'l',
        b'3' => 'c',
        b'4' => 'b',
        b'5' => 'd',
        b'6' => 'p',
        _ => '-',
    };
    let bits: String =
        (0..9).map(|bit| if mode >> (8 - bit) & 1 == 1 { ['r', 'w', 'x'][bit % 3] } else { '-' }).collect();
    let (uid, gid) = (octal(&header[108..116]), octal(&header[116..124]));
    let date = Timestamp::from_secs(i64::try_from(octal(&header[136..148])).unwrap_or_default()).date();
    let target = match kind {
        b'1' | b'2' => format!(" -> {}", shown(&c_string(&header[157..257]))),
        _ => String::new(),
    };
    format!("{letter}{bits} {uid}/{gid} {size:>10} {date} {}{target}", shown(name))
}

/// Names with control characters are quoted.
fn shown(name: &str) -> String {
    if name.chars().any(char::is_control) { quoted(name) } else { name.to_owned() }
}

fn ustar_name(header: &[u8]) -> String {
    let (name, prefix) = (c_string(&header[..100]), c_string(&header[345..500]));
    // GNU's variant of the format has other things where the prefix is.
    let is_posix = header[262] == 0;
    if is_posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name.into_owned() }
}

/// The record `path=` of a pax header.
fn pax_path(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    text.lines().find_map(|line| line.split_once(" path=")).map(|(_, path)| path.to_owned())
}

fn c_string(field: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// A number in octal, or in base 256 when its highest bit is set.
fn octal(field: &[u8]) -> u64 {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            rest.iter().fold(u64::from(first & 0x7f), |sum, byte| sum.wrapping_shl(8) | u64::from(*byte))
        }
        _ => field
            .iter()
            .skip_while(|byte| **byte == b' ')
            .take_while(|byte| (b'0'..=b'7').contains(byte))
            .fold(0, |sum, digit| sum.wrapping_mul(8).wrapping_add(u64::from(digit - b'0'))),
    }
}

/// Lays out the entries of a zip archive: those of its directory, or, where that is not at hand, those that are.
pub(super) fn show_zip(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return Err("it does not begin with an entry".to_owned());
    }
    if let Some(mut at) = directory(bytes) {
        while let Some(entry) = bytes.get(at..).filter(|entry| entry.starts_with(b"PK\x01\x02") && entry.len() >= 46) {
            let (name, extra, comment) = (le16(entry, 28), le16(entry, 30), le16(entry, 32));
            zip_line(le32(entry, 24), entry.get(46..46 + name).unwrap_or_default(), page);
            at += 46 + name + extra + comment;
            if page.is_full() {
                break;
            }
        }
        return Ok(None);
    }
    let mut at = 0;
    while let Some(entry) = bytes.get(at..).filter(|entry| entry.starts_with(b"PK\x03\x04") && entry.len() >= 30) {
        let (name, extra) = (le16(entry, 26), le16(entry, 28));
        zip_line(le32(entry, 22), entry.get(30..30 + name).unwrap_or_default(), page);
        // With this flag, sizes come after the content: where the next entry begins cannot be told.
        if le16(entry, 6) & 8 != 0 || page.is_full() {
            page.line("…");
            break;
        }
        at += 30 + name + extra + le32(entry, 18) as usize;
    }
    Ok((!scene.cut).then(|| "it ends without its directory".to_owned()))
}

/// Where the directory of a zip archive begins.
fn directory(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(22 + 0xffff);
    let end = tail + bytes[tail..].windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let record = bytes.get(end..end + 22)?;
    Some(le32(record, 16) as usize)
}

fn zip_line(size: u32, name: &[u8], page: &mut Page) {
    page.line(&format!("{size:>10} {}", shown(&String::from_utf8_lossy(name))));
}

fn le16(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 2).map_or(0, |pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{View, ViewOptions, view};

    fn shown(content_type: &str, bytes: &[u8], cut: bool) -> View {
        view(content_type, "", bytes, &ViewOptions { cut, ..ViewOptions::default() })
    }

    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0001750");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"14712351055");
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        let padded = content.len().next_multiple_of(BLOCK);
        header.extend_from_slice(content);
        header.resize(BLOCK + padded, 0);
        header
    }

    fn tar() -> Vec<u8> {
        let long = "long/".repeat(30) + "name";
        let pax = format!("{} path={long}\n", long.len() + 10);
        [
            entry("etc/", b'5', b""),
            entry("etc/motd", b'0', &[b'x'; 700]),
            entry("PaxHeader", b'x', pax.as_bytes()),
            entry("cut", b'0', b"y"),
            vec![0; 1024],
        ]
        .concat()
    }

    #[test]
    fn layers_are_listed_through_their_compression() {
        let listed = format!(
            "drwxr-xr-x 1000/0          0 2024-11-05 etc/\n-rwxr-xr-x 1000/0        700 2024-11-05 etc/motd\n-rwxr-xr-x 1000/0          1 2024-11-05 {}name\n",
            "long/".repeat(30)
        );
        let tar = tar();
        let plain = shown("application/vnd.oci.image.layer.v1.tar", &tar, false);
        assert_eq!((plain.name, plain.text.as_str(), plain.problem), ("tar", listed.as_str(), None));
        let packed = zstd::encode_all(&tar[..], 1).unwrap();
        for content_type in ["application/vnd.oci.image.layer.v1.tar+zstd", "application/octet-stream"] {
            let view = shown(content_type, &packed, false);
            let indented: String = listed.lines().map(|line| format!("  {line}\n")).collect();
            assert_eq!((view.name, view.text), ("zstd", format!("zstd of {} bytes:\n{indented}", tar.len())));
        }
        assert!(shown("application/x-tar", &tar[..1500], false).problem.unwrap().contains("without its last blocks"));
        assert_eq!(shown("application/x-tar", &tar[..1500], true).problem, None);
        assert!(shown("application/gzip", b"\x1f\x8b\x08nothing", false).problem.is_some());
    }

    /// What Python's `zipfile` makes of two entries, "a.txt" (stored, "hello") and "b/" (empty).
    const ZIP: &str = concat!(
        "504b03041400000000000000210086a61036050000000500000005000000612e74787468656c6c6f504b030414000000000000002100000000",
        "00000000000000000002000000622f504b010214031400000000000000210086a6103605000000050000000500000000000000000000008001",
        "00000000612e747874504b0102140314000000000000002100000000000000000000000000020000000000000000000000800128000000622f",
        "504b0506000000000200020063000000480000000000"
    );

    #[test]
    fn zip_entries_are_listed_with_and_without_their_directory() {
        let bytes = data_encoding::HEXLOWER.decode(ZIP.as_bytes()).unwrap();
        let listed = "         5 a.txt\n         0 b/\n";
        assert_eq!((shown("", &bytes, false).name, shown("", &bytes, false).text.as_str()), ("zip", listed));
        let cut = shown("application/zip", &bytes[..75], true);
        assert_eq!((cut.text.as_str(), cut.problem), (listed, None));
        assert_eq!(shown("application/zip", b"no archive", false).name, "text");
    }
}
