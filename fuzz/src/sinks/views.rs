//! Content laid out for people. In: bytes with what they are declared as. Out: broken promises.

use sidelight_sink::redact::Redactor;
use sidelight_sink::views::{Force, ViewOptions, view};

/// What content is declared as; the first byte of an input chooses.
const TYPES: &[&str] = &[
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/xml",
    "text/html",
    "application/grpc+proto",
    "application/protobuf",
    "application/msgpack",
    "application/cbor",
    "image/png",
    "application/jwt",
    "application/x-pem-file",
    "application/gzip",
    "application/x-tar",
    "application/zip",
    "text/plain; charset=utf-16",
    "application/grpc-web-text",
    "application/protobuf; encoding=delimited",
    "application/zstd",
];

/// A view stays within its limits
/// and is the same each time; JSON that was laid out is laid out already. The second byte of an input
/// says how it is shown.
pub fn views(data: &[u8]) {
    let [kind, how, bytes @ ..] = data else { return };
    let content_type = TYPES[usize::from(*kind) % TYPES.len()];
    let options = ViewOptions {
        redactor: Redactor::new(how & 1 != 0),
        cut: how & 2 != 0,
        limit_lines: if how & 4 != 0 { 7 } else { 300 },
        limit_bytes: if how & 8 != 0 { 100 } else { 40_000 },
        force: match how >> 4 {
            1 => Some(Force::Raw),
            2 => Some(Force::Hex),
            _ => None,
        },
        ..ViewOptions::default()
    };
    let shown = view(content_type, "/x", bytes, &options);
    assert!(shown.text.lines().count() <= options.limit_lines, "{shown:?}");
    assert!(shown.text.len() <= options.limit_bytes + 8, "{} bytes of {shown:?}", shown.text.len());
    assert!(shown.text.is_empty() || shown.text.ends_with('\n'));
    assert_eq!(view(content_type, "/x", bytes, &options), shown);
    if content_type == "application/json" && shown.name == "json" && options.force.is_none() && shown.left_out.is_none()
    {
        json_stays_the_same(bytes, &options);
    }
}

/// JSON laid out is the JSON that it was, white space apart; unless secrets are taken out of it.
fn json_stays_the_same(bytes: &[u8], options: &ViewOptions) {
    let revealing = ViewOptions { redactor: Redactor::new(true), cut: false, ..options.clone() };
    let once = view("application/json", "", bytes, &revealing);
    let again = view("application/json", "", once.text.as_bytes(), &revealing);
    // What is cut in a string ends in it, with the line.
    if once.problem.is_none() && once.left_out.is_none() && !once.text.contains("PRIVATE KEY") {
        assert_eq!(again.text, once.text);
    }
}
