//! The messages in a gRPC body. In: content with length prefixes. Out: a heading and the fields of each message.
//! Spec: gRPC over HTTP/2 (Length-Prefixed-Message), gRPC-Web (trailers in the body, base64), Connect (end of stream).

use prost_reflect::MessageDescriptor;
use sidelight_model::flow::Header;
use sidelight_wire::content_coding;

use super::page::Page;
use super::{Attempt, Scene, hex, kind, protobuf, text};

/// Bytes that are unpacked of a compressed message.
const MOST_UNPACKED: usize = 4 << 20;

/// Flags of a prefix: compressed; end of a Connect stream; trailers of gRPC-Web.
const COMPRESSED: u8 = 1;
const END_OF_STREAM: u8 = 2;
const TRAILERS: u8 = 0x80;

/// Which method a message belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Full name of the service, as in `helloworld.Greeter`.
    pub service: String,
    /// Name of the method.
    pub method: String,
    /// The message comes from the client.
    pub is_request: bool,
    /// The coding of compressed messages (`grpc-encoding`), where it is known.
    pub encoding: Option<String>,
}

impl Call {
    /// The call of a request for `path`, whose last two segments name service and method; `headers` are those of the message.
    pub fn of(path: &str, is_request: bool, headers: &[Header]) -> Option<Self> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut segments = path.rsplit('/');
        let (method, service) = (segments.next()?, segments.next()?);
        let encoding =
            Header::find(headers, "grpc-encoding").or_else(|| Header::find(headers, "connect-content-encoding"));
        let encoding = encoding.map(str::to_owned);
        (!method.is_empty() && !service.is_empty()).then(|| Self {
            service: service.to_owned(),
            method: method.to_owned(),
            is_request,
            encoding,
        })
    }
}

/// The type of the messages, when .proto files tell it.
pub(super) fn message_type(scene: &Scene<'_>) -> Option<MessageDescriptor> {
    let protos = scene.options.protos.as_ref()?;
    let named = ["messagetype", "proto"].iter().find_map(|name| kind::parameter(scene.content_type, name));
    if let Some(of) = named.and_then(|name| protos.named(&name)) {
        return Some(of);
    }
    let call = scene.options.call.as_ref()?;
    protos.of_method(&call.service, &call.method, call.is_request)
}

/// Lays out a body of messages.
pub(super) fn show(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let essence = kind::essence(scene.content_type);
    let decoded;
    let bytes = if essence.starts_with("application/grpc-web-text") {
        decoded = base64(bytes).ok_or("it is no base64")?;
        &decoded
    } else {
        bytes
    };
    let of = message_type(scene);
    let mut rest = bytes;
    let mut number = 0_u64;
    while !rest.is_empty() && !page.is_full() {
        let [flags, a, b, c, d, content @ ..] = rest else {
            return Ok((!scene.cut).then(|| "it ends inside of the prefix of a message".to_owned()));
        };
        if flags & !(COMPRESSED | END_OF_STREAM | TRAILERS) != 0 {
            let why = format!("a message begins with the flag byte 0x{flags:02x}");
            return if number == 0 { Err(why) } else { Ok(Some(why)) };
        }
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let is_whole = length <= content.len();
        if number == 0 && !is_whole && !scene.cut {
            return Err(format!("its first message would have {length} bytes"));
        }
        let (content, after) = content.split_at(length.min(content.len()));
        number += 1;
        let inner = Scene { cut: !is_whole, ..*scene };
        let problem = show_message(*flags, number, length, content, of.as_ref(), &inner, page);
        if problem.is_some() {
            return Ok(problem);
        }
        if !is_whole {
            return Ok((!scene.cut).then(|| format!("it ends after {} of {length} bytes of a message", content.len())));
        }
        rest = after;
    }
    Ok(None)
}

fn show_message(
    flags: u8,
    number: u64,
    length: usize,
    content: &[u8],
    of: Option<&MessageDescriptor>,
    scene: &Scene<'_>,
    page: &mut Page,
) -> Option<String> {
    let what = match flags {
        _ if flags & TRAILERS != 0 => "trailers".to_owned(),
        _ if flags & END_OF_STREAM != 0 => "end of stream".to_owned(),
        _ => format!("message {number}"),
    };
    let name = of.map_or_else(String::new, |of| format!(" {}", of.full_name()));
    let compressed = if flags & COMPRESSED != 0 { ", compressed" } else { "" };
    page.line(&format!("{what}{name}, {length} bytes{compressed}"));
    if flags & TRAILERS != 0 {
        let words = text::redacted(&String::from_utf8_lossy(content), "text/plain", scene);
        page.indented(|page| page.lines(&words));
        return None;
    }
    page.indented(|page| one_message(flags, content, of, scene, page))
}

/// Lays out what is in one message.
fn one_message(
    flags: u8,
    content: &[u8],
    of: Option<&MessageDescriptor>,
    scene: &Scene<'_>,
    page: &mut Page,
) -> Option<String> {
    let unpacked;
    let mut content = content;
    if flags & COMPRESSED != 0 {
        let encoding = scene.options.call.as_ref().and_then(|call| call.encoding.as_deref()).unwrap_or("gzip");
        let (bytes, oddities) = content_coding::decode(encoding, content, MOST_UNPACKED);
        if let Some(oddity) = oddities.into_iter().next().filter(|_| !scene.cut) {
            page.line(&format!("… cannot be unpacked: {}", oddity.detail));
            return None;
        }
        unpacked = bytes;
        content = &unpacked;
    }
    let is_json = flags & END_OF_STREAM != 0 || kind::essence(scene.content_type).ends_with("json");
    if is_json && scene.may_nest() {
        // `nested` adds a level, which the heading has given already.
        let level = page.indent();
        page.set_indent(level.saturating_sub(1));
        let (_, problem) = scene.nested("application/json", "", content, scene.cut, page);
        page.set_indent(level);
        return problem;
    }
    protobuf::show(content, of, scene, page).unwrap_or_else(|why| {
        hex::show(content, scene, page);
        Some(why)
    })
}

/// One message without its prefix, as decoders give it.
pub(super) fn show_single(is_compressed: bool, bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Option<String> {
    one_message(u8::from(is_compressed), bytes, message_type(scene).as_ref(), scene, page)
}

/// Base64 that may be several padded pieces, one after the other.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let whole = &text[..text.len() / 4 * 4];
    let mut out = Vec::with_capacity(whole.len() / 4 * 3);
    for four in whole.chunks(4) {
        out.extend(data_encoding::BASE64.decode(four).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{View, ViewOptions, view};

    fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
        [&[flags][..], &(message.len() as u32).to_be_bytes(), message].concat()
    }

    fn shown(content_type: &str, bytes: &[u8], cut: bool) -> View {
        view(content_type, "", bytes, &ViewOptions { cut, ..ViewOptions::default() })
    }

    #[test]
    fn messages_have_headings_and_fields() {
        let body = [framed(0, b"\x0a\x05world"), framed(0, b"\x10\x96\x01"), framed(0, b"")].concat();
        let view = shown("application/grpc+proto", &body, false);
        let expected =
            "message 1, 7 bytes\n  1: \"world\"\nmessage 2, 3 bytes\n  2: 150\nmessage 3, 0 bytes\n  (no fields)\n";
        assert_eq!((view.name, view.text.as_str(), view.problem), ("grpc", expected, None));
    }

    #[test]
    fn web_and_connect_and_json() {
        let body = [framed(0, b"\x08\x01"), framed(0x80, b"grpc-status: 0\r\ngrpc-message: fine\r\n")].concat();
        let expected = "message 1, 2 bytes\n  1: 1\ntrailers, 36 bytes\n  grpc-status: 0\n  grpc-message: fine\n";
        assert_eq!(shown("application/grpc-web+proto", &body, false).text, expected);
        let pieces = data_encoding::BASE64.encode(&body[..7]) + &data_encoding::BASE64.encode(&body[7..]);
        assert_eq!(shown("application/grpc-web-text", pieces.as_bytes(), false).text, expected);
        let body = [framed(0, br#"{"a":1}"#), framed(2, b"{}")].concat();
        let expected = "message 1, 7 bytes\n  {\n    \"a\": 1\n  }\nend of stream, 2 bytes\n  {}\n";
        assert_eq!(shown("application/connect+json", &body, false).text, expected);
    }

    #[test]
    fn compressed_messages_are_unpacked_where_they_can_be() {
        let packed = zstd::encode_all(&b"\x0a\x05world"[..], 1).unwrap();
        let body = framed(1, &packed);
        let call = Call { encoding: Some("zstd".to_owned()), ..Call::default() };
        let options = ViewOptions { call: Some(call), ..ViewOptions::default() };
        let view = view("application/grpc", "", &body, &options);
        assert!(view.text.contains(", compressed\n  1: \"world\"\n"), "{view:?}");
        assert!(shown("application/grpc", &body, false).text.contains("cannot be unpacked: gzip"));
    }

    #[test]
    fn cuts_and_what_is_none() {
        let body = framed(0, b"\x0a\x05world");
        let cut = shown("application/grpc", &body[..9], true);
        assert_eq!(
            (cut.text.as_str(), cut.problem),
            ("message 1, 7 bytes\n  1: b\"wo\" … cut after 2 of 5 bytes\n", None)
        );
        let broken = shown("application/grpc", &[&body[..], &body[..9]].concat(), false);
        assert!(broken.problem.unwrap().contains("ends after 4 of 7 bytes"));
        let other = shown("application/grpc", b"{\"a\":1}", false);
        assert_eq!(
            (other.name, other.problem.unwrap().as_str()),
            ("json", "declared as gRPC, but a message begins with the flag byte 0x7b")
        );
    }

    #[test]
    fn calls_are_read_from_paths() {
        let call = Call::of("/twirp/a.b.Svc/Get?x=/y", true, &[Header::new("Grpc-Encoding", "gzip")]).unwrap();
        assert_eq!(
            (call.service.as_str(), call.method.as_str(), call.encoding.as_deref()),
            ("a.b.Svc", "Get", Some("gzip"))
        );
        assert_eq!(Call::of("/x", true, &[]), None);
    }
}
