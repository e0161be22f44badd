//! Parts of a multipart body, each with its fields and its content laid out by its own type. In: the boundary and bytes.
//! Out: a heading a part. Spec: RFC 2046 §5.1, RFC 7578 (form-data).

use sidelight_model::flow::Header;
use sidelight_model::redact::{fingerprint, is_secret_member};

use super::page::Page;
use super::{Attempt, Scene, kind};

/// Parts that are laid out.
const MOST_PARTS: usize = 256;

/// Fields of a part's head that are shown.
const MOST_FIELDS: usize = 32;

/// Lays out `bytes`.
pub(super) fn show(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let boundary = match kind::parameter(scene.content_type, "boundary") {
        Some(boundary) => boundary.into_bytes(),
        None => first_boundary(bytes).ok_or("there is no boundary in it")?.to_vec(),
    };
    let delimiter = [b"--", &boundary[..]].concat();
    let Some(mut at) = find_delimiter(bytes, &delimiter, 0) else {
        return Err("its boundary is not in it".to_owned());
    };
    let mut number = 0;
    loop {
        let start = at + delimiter.len();
        if bytes[start..].starts_with(b"--") {
            return Ok(None);
        }
        let begin = bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| start + end + 1);
        let end = find_delimiter(bytes, &delimiter, begin);
        let part = &bytes[begin..end.unwrap_or(bytes.len()).max(begin)];
        number += 1;
        if number > MOST_PARTS {
            page.line(&format!("… more than {MOST_PARTS} parts"));
            return Ok(None);
        }
        show_part(number, if end.is_some() { without_line_end(part) } else { part }, end.is_none(), scene, page);
        match end {
            Some(end) => at = end,
            None if scene.cut => return Ok(None),
            None => return Ok(Some("it ends without its last boundary".to_owned())),
        }
    }
}

/// Where `--boundary` stands at the beginning of a line, from `from` on.
fn find_delimiter(bytes: &[u8], delimiter: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(rest) = bytes.get(at..) {
        if rest.starts_with(delimiter) {
            return Some(at);
        }
        at += rest.iter().position(|byte| *byte == b'\n')? + 1;
    }
    None
}

fn first_boundary(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    line.strip_prefix(b"--").filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

fn show_part(number: usize, part: &[u8], is_last: bool, scene: &Scene<'_>, page: &mut Page) {
    let (fields, content) = split_head(part);
    let disposition = Header::find(&fields, "content-disposition").unwrap_or_default();
    let name = kind::parameter(disposition, "name");
    let file = kind::parameter(disposition, "filename").unwrap_or_default();
    let heading = name.as_deref().map_or_else(String::new, |name| format!(" {}", super::form::printable(name)));
    page.line(&format!("part {number}{heading}"));
    page.indented(|page| {
        for field in fields.iter().take(MOST_FIELDS) {
            let name = String::from_utf8_lossy(&field.name);
            page.line(format!("{name}: {}", scene.redactor().field(field)).trim_end());
        }
    });
    let is_secret = name.as_deref().is_some_and(is_secret_member) && !scene.redactor().reveals();
    let content_type = Header::find(&fields, "content-type").unwrap_or_default();
    if content.is_empty() {
    } else if is_secret {
        page.indented(|page| page.line(&fingerprint(content)));
    } else if scene.may_nest() {
        let (_, problem) = scene.nested(content_type, &file, content, is_last && scene.cut, page);
        if let Some(problem) = problem {
            page.indented(|page| page.line(&format!("! {problem}")));
        }
    } else {
        page.indented(|page| page.line(&format!("… {} bytes, nested too deep to be laid out", content.len())));
    }
}

/// The fields of a part, and what follows the empty line.
fn split_head(part: &[u8]) -> (Vec<Header>, &[u8]) {
    let mut fields = Vec::new();
    let mut rest = part;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].trim_ascii();
        let after = &rest[end + 1..];
        if line.is_empty() {
            return (fields, after);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return (fields, rest) };
        if fields.len() < MOST_FIELDS * 4 {
            fields.push(Header::new(line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii_start()));
        }
        rest = after;
    }
    (fields, rest)
}

#[cfg(test)]
mod tests {
    use crate::views::{View, ViewOptions, view};

    fn shown(content_type: &str, text: &str, cut: bool) -> View {
        view(content_type, "", text.as_bytes(), &ViewOptions { cut, ..ViewOptions::default() })
    }

    const BODY: &str = "preamble\r\n--b1\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n--b1\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b1\r\nContent-Disposition: form-data; name=f; filename=\"a.bin\"\r\n\r\n\0\x01--b1\r\n--b1--\r\nepilogue";

    #[test]
    fn parts_have_fields_and_contents_of_their_own() {
        let view = shown("multipart/form-data; boundary=\"b1\"", BODY, false);
        assert_eq!((view.name, view.problem), ("multipart", None));
        let lines: Vec<&str> = view.text.lines().collect();
        assert_eq!(
            lines[..3],
            ["part 1 meta", "  Content-Disposition: form-data; name=\"meta\"", "  Content-Type: application/json"]
        );
        assert_eq!(
            lines[3..8],
            ["  {", "    \"a\": 1", "  }", "part 2 password", "  Content-Disposition: form-data; name=\"password\""]
        );
        assert!(lines[8].starts_with("  ‹redacted sha256:") && lines[9] == "part 3 f", "{lines:?}");
        assert!(lines[11].starts_with("  00000000  00 01 2d 2d 62 31 ") && lines.len() == 12, "{lines:?}");
    }

    #[test]
    fn what_is_cut_and_what_has_no_boundary() {
        let cut = &BODY[..BODY.find("--b1\r\n--b1--").unwrap()];
        assert_eq!(shown("multipart/form-data; boundary=b1", cut, true).problem, None);
        let broken = shown("multipart/form-data; boundary=b1", cut, false);
        assert_eq!(broken.problem.as_deref(), Some("it ends without its last boundary"));
        let other = shown("multipart/form-data; boundary=b2", BODY, false);
        assert!(other.name != "multipart" && other.problem.unwrap().contains("its boundary is not in it"));
        assert_eq!(shown("multipart/mixed", &BODY[10..], false).name, "multipart");
    }
}
