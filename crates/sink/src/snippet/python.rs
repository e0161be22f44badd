//! Python. In: a request. Out: a program that sends it with the module requests. Source: requests' documentation; Python's
//! language reference §2.4.1 (string and bytes literals).

use std::fmt::Write as _;

use super::{Call, shell};

pub(super) fn render(call: &Call<'_>) -> String {
    let fields = merged(call);
    let skips = ["User-Agent", "Accept-Encoding"].map(|name| (name, !call.has(name)));
    let mut text = String::from("import requests\n");
    if skips.iter().any(|(_, skip)| *skip) {
        text.push_str("from urllib3.util import SKIP_HEADER\n");
    }
    let _ =
        write!(text, "\nresponse = requests.request(\n    {},\n    {},\n", literal(&call.method()), literal(&call.url));
    text.push_str("    headers={\n");
    for (name, value) in &fields {
        let _ = writeln!(text, "        {}: {},", literal(name), bytes_or_text(value));
    }
    for (name, _) in skips.iter().filter(|(_, skip)| *skip) {
        let _ = writeln!(text, "        \"{name}\": SKIP_HEADER,");
    }
    for name in ["Accept", "Connection"].iter().filter(|name| !call.has(name)) {
        let _ = writeln!(text, "        \"{name}\": None,");
    }
    text.push_str("    },\n");
    let body = &call.request.body.kept;
    if !body.is_empty() && call.has("transfer-encoding") {
        // What is iterated over is sent in chunks.
        let _ = writeln!(text, "    data=iter([{}]),", bytes(body));
    } else if !body.is_empty() {
        let _ = writeln!(text, "    data={},", bytes(body));
    }
    text.push_str(
        "    allow_redirects=False,\n)\nprint(response.status_code, response.reason)\nprint(response.text)\n",
    );
    text
}

/// The fields, those of the same name joined as RFC 9110 §5.3 and RFC 9113 §8.2.3 have it: a dictionary holds each name once.
fn merged(call: &Call<'_>) -> Vec<(String, Vec<u8>)> {
    let mut merged: Vec<(String, Vec<u8>)> = Vec::new();
    for field in call.fields().into_iter().filter(|field| !field.is("transfer-encoding")) {
        let name = String::from_utf8_lossy(&field.name).into_owned();
        match merged.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, value)) => {
                value.extend_from_slice(if field.is("cookie") { b"; " } else { b", " });
                value.extend_from_slice(&field.value);
            }
            None => merged.push((name, field.value.to_vec())),
        }
    }
    merged
}

fn bytes_or_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        // http.client sends text as ISO 8859-1, so what is not ASCII goes as bytes.
        Ok(text) if text.is_ascii() => literal(text),
        _ => bytes(value),
    }
}

/// A string literal of one line.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if shell::is_plain(c) => out.push(c),
            c if u32::from(c) <= 0xff => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out + "\""
}

/// Bytes: as text with its encoding where it can be read, else as a bytes literal.
fn bytes(value: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(value)
        && text.chars().all(|c| shell::is_plain(c) || matches!(c, '\n' | '\t' | '\r'))
    {
        return if text.is_ascii() { format!("b{}", literal(text)) } else { format!("{}.encode()", literal(text)) };
    }
    let mut out = String::from("b\"");
    for byte in value {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out + "\""
}
