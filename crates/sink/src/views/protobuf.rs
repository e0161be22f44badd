//! Protocol Buffers messages, a field a line. In: bytes, and the message type where .proto files tell it. Out: names and values in
//! the order of the wire; without a type the numbers of fields, and what their bytes look like. What has no type in the .proto
//! files, or does not fit it, is shown by its shape. Spec: Protocol Buffers encoding.

mod wire;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use sidelight_model::redact::{fingerprint, is_secret_member};
use sidelight_model::time::Timestamp;

use self::wire::{Field, Fields, Flaw, Raw, packed, unpack};
use super::items::byte_string;
use super::page::Page;
use super::{Attempt, Scene, quoted};

/// Deepest nesting that is followed.
const MOST_DEPTH: usize = 24;

/// Elements of a packed field that are shown.
const MOST_PACKED: usize = 100;

/// Lays out one message.
pub(super) fn show(bytes: &[u8], of: Option<&MessageDescriptor>, scene: &Scene<'_>, page: &mut Page) -> Attempt {
    // etcd and the API servers of Kubernetes put this before their messages.
    let bytes = bytes.strip_prefix(b"k8s\0").unwrap_or(bytes);
    if let Some(Err(Flaw::Bad(at))) = Fields::new(bytes).next() {
        return Err(format!("byte {at} begins no field"));
    }
    if bytes.is_empty() {
        page.line("(no fields)");
    }
    Ok(message(bytes, of, 0, scene, page))
}

/// Lays out messages that each have their length before them.
pub(super) fn show_delimited(
    bytes: &[u8],
    of: Option<&MessageDescriptor>,
    scene: &Scene<'_>,
    page: &mut Page,
) -> Attempt {
    let mut rest = bytes;
    let mut number = 0_u64;
    while !rest.is_empty() && !page.is_full() {
        let Some((length, after)) = wire::varint(rest) else { break };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        number += 1;
        page.line(&format!("message {number}, {length} bytes"));
        let whole = length <= after.len();
        let (content, after) = after.split_at(length.min(after.len()));
        if let Some(problem) = page.indented(|page| message(content, of, 0, scene, page)) {
            return Ok(Some(problem));
        }
        if !whole {
            return Ok((!scene.cut).then(|| "it ends inside of a message".to_owned()));
        }
        rest = after;
    }
    Ok(None)
}

fn message(
    bytes: &[u8],
    of: Option<&MessageDescriptor>,
    depth: usize,
    scene: &Scene<'_>,
    page: &mut Page,
) -> Option<String> {
    for field in Fields::new(bytes) {
        if page.is_full() {
            return None;
        }
        match field {
            Ok(field) => show_field(&field, of, depth, scene, page),
            Err(Flaw::Cut) if scene.cut => return None,
            Err(Flaw::Cut) => return Some("it ends inside of a field".to_owned()),
            Err(Flaw::Bad(at)) => return Some(format!("byte {at} begins no field; what follows is not shown")),
        }
    }
    None
}

fn show_field(field: &Field<'_>, of: Option<&MessageDescriptor>, depth: usize, scene: &Scene<'_>, page: &mut Page) {
    let known = of.and_then(|of| of.get_field(field.number));
    let name = known.as_ref().map_or_else(|| field.number.to_string(), |known| known.name().to_owned());
    if let Some(known) = &known {
        let is_secret = is_secret_member(known.name()) && !scene.redactor().reveals();
        if is_secret && !matches!(known.kind(), Kind::Message(_) | Kind::Bool | Kind::Enum(_)) {
            return page.line(&format!("{name}: {}", fingerprint(&field.value.secret())));
        }
        if typed(known, &name, &field.value, depth, scene, page) {
            return;
        }
    }
    by_shape(&name, &field.value, depth, scene, page);
}

/// Lays out a field whose type is known; `false` when its bytes do not fit the type.
fn typed(
    known: &FieldDescriptor,
    name: &str,
    value: &Raw<'_>,
    depth: usize,
    scene: &Scene<'_>,
    page: &mut Page,
) -> bool {
    match (known.kind(), value) {
        (Kind::String, Raw::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => page.line(&format!("{name}: {}", quoted(&scene.redactor().text(text)))),
            Err(_) => return false,
        },
        (Kind::Bytes, Raw::Bytes(bytes)) => page.line(&format!("{name}: {}", byte_string(bytes, scene))),
        (Kind::Message(of), Raw::Bytes(bytes) | Raw::Group(bytes)) => {
            if let Some(words) = well_known(&of, bytes) {
                page.line(&format!("{name}: {words}"));
            } else if known.is_map() {
                map_entry(&of, name, bytes, depth, scene, page);
            } else {
                let inner = any_content(&of, bytes, scene);
                let (of, bytes, label) = inner.unwrap_or((of, bytes, String::new()));
                nested(&format!("{name}{label}"), bytes, Some(&of), depth, scene, page);
            }
        }
        (kind, Raw::Bytes(bytes)) if known.is_list() => {
            let Some(values) = packed(&kind, bytes) else { return false };
            let more = if values.len() > MOST_PACKED {
                format!(", … {} more", values.len() - MOST_PACKED)
            } else {
                String::new()
            };
            let shown: Vec<String> =
                values.iter().take(MOST_PACKED).map(|value| unpack(&kind, value).unwrap_or_default()).collect();
            page.line(&format!("{name}: [{}{more}]", shown.join(", ")));
        }
        (kind, value) => match unpack(&kind, value) {
            Some(words) => page.line(&format!("{name}: {words}")),
            None => return false,
        },
    }
    true
}

fn nested(name: &str, bytes: &[u8], of: Option<&MessageDescriptor>, depth: usize, scene: &Scene<'_>, page: &mut Page) {
    if bytes.is_empty() {
        return page.line(&format!("{name} {{}}"));
    }
    if depth >= MOST_DEPTH {
        return page.line(&format!("{name} {{ … {} bytes, nested too deep to be laid out }}", bytes.len()));
    }
    page.line(&format!("{name} {{"));
    if let Some(problem) = page.indented(|page| message(bytes, of, depth + 1, scene, page)) {
        page.indented(|page| page.line(&format!("! {problem}")));
    }
    page.line("}");
}

/// `labels["key"]: value`: a pair of a map, which is a message of two fields.
fn map_entry(of: &MessageDescriptor, name: &str, bytes: &[u8], depth: usize, scene: &Scene<'_>, page: &mut Page) {
    let (mut key, mut value) = (None, None);
    for field in Fields::new(bytes).flatten() {
        match field.number {
            1 => key = Some(field.value),
            2 => value = Some(field.value),
            _ => {}
        }
    }
    let text = match key {
        Some(Raw::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(ref number) => unpack(&of.map_entry_key_field().kind(), number).unwrap_or_default(),
        None => String::new(),
    };
    let label = match key {
        Some(Raw::Bytes(_)) | None => format!("{name}[{}]", quoted(&scene.redactor().text(&text))),
        Some(_) => format!("{name}[{text}]"),
    };
    let known = of.map_entry_value_field();
    match value {
        Some(value)
            if is_secret_member(&text) && !scene.redactor().reveals() && !matches!(known.kind(), Kind::Message(_)) =>
        {
            page.line(&format!("{label}: {}", fingerprint(&value.secret())));
        }
        Some(value) if typed(&known, &label, &value, depth, scene, page) => {}
        Some(value) => by_shape(&label, &value, depth, scene, page),
        None => page.line(&format!("{label}: (default)")),
    }
}

/// Points and lengths of time as people write them.
fn well_known(of: &MessageDescriptor, bytes: &[u8]) -> Option<String> {
    let is_time = of.full_name() == "google.protobuf.Timestamp";
    if !is_time && of.full_name() != "google.protobuf.Duration" {
        return None;
    }
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields::new(bytes) {
        match field.ok()? {
            Field { number: 1, value: Raw::Varint(value) } => seconds = value.cast_signed(),
            Field { number: 2, value: Raw::Varint(value) } => nanos = value.cast_signed(),
            _ => return None,
        }
    }
    if is_time {
        let micros = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)?;
        return Some(Timestamp(micros).rfc3339());
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Some(format!("{sign}{}.{:09}s", seconds.unsigned_abs(), nanos.unsigned_abs()))
}

/// What is in a `google.protobuf.Any`, when its type is known.
fn any_content<'b>(
    of: &MessageDescriptor,
    bytes: &'b [u8],
    scene: &Scene<'_>,
) -> Option<(MessageDescriptor, &'b [u8], String)> {
    if of.full_name() != "google.protobuf.Any" {
        return None;
    }
    let (mut url, mut value) = (None, &b""[..]);
    for field in Fields::new(bytes) {
        match field.ok()? {
            Field { number: 1, value: Raw::Bytes(text) } => url = std::str::from_utf8(text).ok(),
            Field { number: 2, value: Raw::Bytes(content) } => value = content,
            _ => return None,
        }
    }
    let name = url?.rsplit('/').next()?;
    let of = scene.options.protos.as_ref()?.named(name)?;
    Some((of, value, format!(" ({name})")))
}

/// Lays out a field by what its bytes look like.
fn by_shape(name: &str, value: &Raw<'_>, depth: usize, scene: &Scene<'_>, page: &mut Page) {
    match value {
        Raw::Varint(number) if number.cast_signed() < 0 => {
            page.line(&format!("{name}: {number} ({})", number.cast_signed()))
        }
        Raw::Varint(number) => page.line(&format!("{name}: {number}")),
        Raw::Fixed32(bits) => page.line(&format!("{name}: 0x{bits:08x} ({:?})", f32::from_bits(*bits))),
        Raw::Fixed64(bits) => page.line(&format!("{name}: 0x{bits:016x} ({:?})", f64::from_bits(*bits))),
        Raw::Group(bytes) => nested(name, bytes, None, depth, scene, page),
        Raw::Bytes(bytes) => match guess(bytes) {
            Guess::Text(text) => page.line(&format!("{name}: {}", quoted(&scene.redactor().text(text)))),
            Guess::Message => nested(name, bytes, None, depth, scene, page),
            Guess::Bytes => page.line(&format!("{name}: {}", byte_string(bytes, scene))),
        },
        Raw::Cut(bytes, length) => {
            let shown = byte_string(bytes, scene);
            page.line(&format!("{name}: {shown} … cut after {} of {length} bytes", bytes.len()));
        }
    }
}

enum Guess<'b> {
    Text(&'b str),
    Message,
    Bytes,
}

/// What a field of bytes holds. Text in which nothing is a control character is text, although it may be a message by chance;
/// other bytes that are fields to their end are a message.
fn guess(bytes: &[u8]) -> Guess<'_> {
    let text = std::str::from_utf8(bytes).ok();
    if let Some(text) = text.filter(|text| !text.chars().any(char::is_control)) {
        return Guess::Text(text);
    }
    if Fields::new(bytes).all(|field| field.is_ok()) {
        return Guess::Message;
    }
    let reads = |text: &&str| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    text.filter(reads).map_or(Guess::Bytes, Guess::Text)
}

#[cfg(test)]
mod tests;
