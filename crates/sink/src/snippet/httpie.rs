//! HTTPie. In: a request. Out: a command line for `http` that sends it. Source: HTTPie's documentation, "Request items".

use super::{Call, shell};

pub(super) fn render(call: &Call<'_>) -> String {
    let body = &call.request.body.kept;
    let (has_body, in_word) = (!body.is_empty(), shell::fits(body));
    let mut words = Vec::new();
    if !has_body || in_word {
        words.push("--ignore-stdin".to_owned());
    }
    if call.url.contains("/.") {
        words.push("--path-as-is".to_owned());
    }
    let chunked = has_body && call.has("transfer-encoding");
    if chunked {
        words.push("--chunked".to_owned());
    }
    if has_body && in_word {
        words.push(format!("--raw {}", shell::word(body)));
    }
    words.push(format!("{} {}", shell::word(call.method().as_bytes()), shell::word(call.url.as_bytes())));
    for field in call.fields().into_iter().filter(|field| !(chunked && field.is("transfer-encoding"))) {
        words.push(shell::word(&item(&field.name, &field.value)));
    }
    let mut without = |name: &str| {
        if !call.has(name) {
            words.push(format!("{name}:"));
        }
    };
    without("User-Agent");
    without("Accept");
    without("Accept-Encoding");
    without("Connection");
    if has_body {
        without("Content-Type");
    }
    let command = shell::lines("http", &words);
    if has_body && !in_word { shell::fed_with(body, &command) } else { command + "\n" }
}

/// `Name:value`, or `Name;` for an empty value. A value that begins as another kind of item, or holds a backslash before such
/// a character, gets a backslash.
fn item(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut item = name.to_vec();
    if value.is_empty() {
        item.push(b';');
        return item;
    }
    item.push(b':');
    if matches!(value.first(), Some(b'=' | b'@' | b':')) {
        item.push(b'\\');
    }
    for (n, byte) in value.iter().enumerate() {
        if *byte == b'\\' && matches!(value.get(n + 1), Some(b':' | b'=' | b'@' | b';' | b'\\')) {
            item.push(b'\\');
        }
        item.push(*byte);
    }
    item
}
