//! curl. In: a request. Out: a command line that sends it. Source: curl(1).

use sidelight_model::flow::HttpVersion;

use super::{Call, shell};

/// curl asks with `Expect: 100-continue` before a body of more than 1 MiB.
const EXPECTS_FROM: usize = 1 << 20;

/// The command; with `decode`, the answer's content coding is undone.
pub(super) fn render(call: &Call<'_>, decode: bool) -> String {
    let mut words = Vec::new();
    push_version(call, &mut words);
    let body = &call.request.body.kept;
    let has_body = !body.is_empty();
    push_method(call, has_body, &mut words);
    if call.url.contains(['[', ']', '{', '}']) {
        words.push("--globoff".to_owned());
    }
    if call.url.contains("/.") {
        words.push("--path-as-is".to_owned());
    }
    if decode && call.has("accept-encoding") {
        words.push("--compressed".to_owned());
    }
    push_fields(call, has_body, &mut words);
    let in_word = shell::fits(body);
    if has_body && in_word {
        // --data-binary would read a file for a body that begins so.
        let option = if body.starts_with(b"@") { "--data-raw" } else { "--data-binary" };
        words.push(format!("{option} {}", shell::word(body)));
    } else if has_body {
        words.push("--data-binary @-".to_owned());
    }
    words.push(shell::word(call.url.as_bytes()));
    let command = shell::lines("curl", &words);
    if has_body && !in_word { shell::fed_with(body, &command) } else { command + "\n" }
}

fn push_version(call: &Call<'_>, words: &mut Vec<String>) {
    let is_plain = !call.url.starts_with("https:");
    let option = match call.version {
        HttpVersion::Http10 => "--http1.0",
        HttpVersion::Http11 => "--http1.1",
        HttpVersion::Http2 if is_plain => "--http2-prior-knowledge",
        HttpVersion::Http2 => "--http2",
        HttpVersion::Http3 => "--http3",
    };
    words.push(option.to_owned());
}

fn push_method(call: &Call<'_>, has_body: bool, words: &mut Vec<String>) {
    match (&*call.request.method, has_body) {
        (b"GET", false) | (b"POST", true) => {}
        (b"HEAD", false) => words.push("--head".to_owned()),
        (method, _) => words.push(format!("--request {}", shell::word(method))),
    }
}

/// The fields, and which of curl's own must not be there.
fn push_fields(call: &Call<'_>, has_body: bool, words: &mut Vec<String>) {
    for field in call.fields() {
        let mut line = field.name.to_vec();
        if field.value.is_empty() {
            line.push(b';');
        } else {
            line.extend_from_slice(b": ");
            line.extend_from_slice(&field.value);
        }
        words.push(format!("--header {}", shell::word(&line)));
    }
    let mut without = |name: &str| {
        if !call.has(name) {
            words.push(format!("--header '{name}:'"));
        }
    };
    without("User-Agent");
    without("Accept");
    if has_body {
        without("Content-Type");
        if call.request.body.kept.len() > EXPECTS_FROM {
            without("Expect");
        }
    }
}
