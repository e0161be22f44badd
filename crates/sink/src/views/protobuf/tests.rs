//! Messages with and without their types. In: bytes written by hand, by prost-reflect, and at random. Out: what is shown.

use std::sync::Arc;

use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::wire::{Fields, Raw};
use crate::redact::Redactor;
use crate::views::{Call, Protos, View, ViewOptions, view};

const PROTO: &str = r#"
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/any.proto";
enum State { UNKNOWN = 0; PAID = 1; }
message Item { string sku = 1; sint32 change = 2; }
message Order {
  int64 id = 1;
  State state = 2;
  repeated Item items = 3;
  map<string, string> labels = 4;
  repeated uint32 sizes = 5;
  google.protobuf.Timestamp placed = 6;
  string password = 7;
  bytes blob = 8;
  double price = 9;
  google.protobuf.Any extra = 10;
  bool gift = 11;
  map<int32, Item> shelf = 12;
}
service Shop { rpc Place(Order) returns (Item); }
"#;

fn protos() -> Arc<Protos> {
    let folder = std::env::temp_dir().join(format!(
        "sidelight-protobuf-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("shop.proto");
    std::fs::write(&file, PROTO).unwrap();
    let protos = Protos::load(&[file], &[]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    Arc::new(protos)
}

fn order(protos: &Protos) -> Vec<u8> {
    let of = protos.of_method("shop.v1.Shop", "Place", true).unwrap();
    let item_type = protos.of_method("shop.v1.Shop", "Place", false).unwrap();
    let mut item = DynamicMessage::new(item_type.clone());
    item.set_field_by_name("sku", Value::String("tea \"1\"".into()));
    item.set_field_by_name("change", Value::I32(-3));
    let mut placed = DynamicMessage::new(protos.named("google.protobuf.Timestamp").unwrap());
    placed.set_field_by_name("seconds", Value::I64(1_795_372_833));
    let mut extra = DynamicMessage::new(protos.named("google.protobuf.Any").unwrap());
    extra.set_field_by_name("type_url", Value::String("type.googleapis.com/shop.v1.Item".into()));
    extra.set_field_by_name("value", Value::Bytes(item.encode_to_vec().into()));
    let mut order = DynamicMessage::new(of);
    order.set_field_by_name("id", Value::I64(-7));
    order.set_field_by_name("state", Value::EnumNumber(1));
    order.set_field_by_name("items", Value::List(vec![Value::Message(item.clone())]));
    let label = (MapKey::String("api_key".into()), Value::String("s3cret".into()));
    order.set_field_by_name("labels", Value::Map([label].into()));
    order.set_field_by_name("sizes", Value::List(vec![Value::U32(1), Value::U32(300)]));
    order.set_field_by_name("placed", Value::Message(placed));
    order.set_field_by_name("password", Value::String("hunter2".into()));
    order.set_field_by_name("blob", Value::Bytes(vec![0, 255].into()));
    order.set_field_by_name("price", Value::F64(2.5));
    order.set_field_by_name("extra", Value::Message(extra));
    order.set_field_by_name("gift", Value::Bool(true));
    order.set_field_by_name("shelf", Value::Map([(MapKey::I32(4), Value::Message(item))].into()));
    // A field that the type does not have.
    [&order.encode_to_vec()[..], &[0x9d, 0x06, 0, 0, 0x80, 0x3f]].concat()
}

fn options(protos: Option<Arc<Protos>>) -> ViewOptions {
    let call = Call { service: "shop.v1.Shop".into(), method: "Place".into(), is_request: true, encoding: None };
    ViewOptions { call: Some(call), protos, ..ViewOptions::default() }
}

#[test]
fn with_types_fields_have_names() {
    let protos = protos();
    let bytes = order(&protos);
    let view = view("application/proto", "", &bytes, &options(Some(Arc::clone(&protos))));
    assert_eq!((view.name, &view.problem), ("protobuf", &None));
    let hidden = |secret: &str| sidelight_model::redact::fingerprint(secret.as_bytes());
    let item = |indent: &str| format!("{indent}  sku: \"tea \\\"1\\\"\"\n{indent}  change: -3\n{indent}}}\n");
    let expected = format!(
        "id: -7\nstate: PAID\nitems {{\n{}labels[\"api_key\"]: {}\nsizes: [1, 300]\nplaced: 2026-11-22T18:40:33.000000Z\npassword: {}\nblob: h'00ff'\nprice: 2.5\nextra (shop.v1.Item) {{\n{}gift: true\nshelf[4] {{\n{}99: 0x3f800000 (1.0)\n",
        item(""),
        hidden("s3cret"),
        hidden("hunter2"),
        item(""),
        item("")
    );
    assert_eq!(view.text, expected);
}

#[test]
fn without_types_fields_have_numbers_and_shapes() {
    let bytes = order(&protos());
    let text = view("application/x-protobuf", "", &bytes, &options(None)).text;
    assert!(
        text.starts_with("1: 18446744073709551609 (-7)\n2: 1\n3 {\n  1: \"tea \\\"1\\\"\"\n  2: 5\n}\n4 {\n"),
        "{text}"
    );
    assert!(text.contains("\n9: 0x4004000000000000 (2.5)\n") && text.ends_with("\n99: 0x3f800000 (1.0)\n"), "{text}");
}

#[test]
fn the_type_may_be_declared() {
    let protos = protos();
    let content_type = "application/vnd.google.protobuf; proto=shop.v1.Item; encoding=delimited";
    let shown: View = view(
        content_type,
        "",
        b"\x04\x0a\x02ab\x02\x10\x05",
        &ViewOptions { protos: Some(protos), ..ViewOptions::default() },
    );
    assert_eq!(shown.text, "message 1, 4 bytes\n  sku: \"ab\"\nmessage 2, 2 bytes\n  change: -3\n");
}

#[test]
fn bytes_that_do_not_fit_the_type_are_shown_by_shape() {
    // `id` as a string, `state` as a group, `items` as a number.
    let bytes = b"\x0a\x01x\x13\x08\x01\x14\x18\x05";
    let shown = view("application/proto", "", bytes, &options(Some(protos())));
    assert_eq!((shown.text.as_str(), shown.problem), ("id: \"x\"\nstate {\n  1: 1\n}\nitems: 5\n", None));
}

#[test]
fn faults_and_cuts_are_told() {
    let shown =
        |bytes: &[u8], cut| view("application/protobuf", "", bytes, &ViewOptions { cut, ..ViewOptions::default() });
    let cut = shown(b"\x08\x01\x12\x09abc", true);
    assert_eq!((cut.text.as_str(), cut.problem), ("1: 1\n2: b\"abc\" … cut after 3 of 9 bytes\n", None));
    assert_eq!(shown(b"\x08\x01\x12\x09abc", false).problem.as_deref(), Some("it ends inside of a field"));
    assert!(shown(b"\x08\x01\x07", false).problem.unwrap().contains("byte 2 begins no field"));
    assert_eq!(shown(b"\x07plain", false).name, "hex");
    let deep = (0..200).fold(vec![8_u8, 1], |inner, _| {
        [&[0x0a, inner.len() as u8 | 0x80, (inner.len() >> 7) as u8], &inner[..]].concat()
    });
    assert!(shown(&deep, false).text.contains("nested too deep"));
    assert!(shown(&[0x0b; 5000], false).problem.is_some());
    assert_eq!(shown(b"k8s\0\x0a\x04\x0a\x02v1", false).text, "1 {\n  1: \"v1\"\n}\n");
}

proptest! {
    #[test]
    fn fields_written_are_the_fields_read(fields in proptest::collection::vec((1_u32..1 << 29, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
        let mut bytes = Vec::new();
        for (number, value, content) in &fields {
            let number = u64::from(*number);
            prost_reflect::prost::encoding::encode_varint(number << 3, &mut bytes);
            prost_reflect::prost::encoding::encode_varint(*value, &mut bytes);
            prost_reflect::prost::encoding::encode_varint(number << 3 | 2, &mut bytes);
            prost_reflect::prost::encoding::encode_varint(content.len() as u64, &mut bytes);
            bytes.extend_from_slice(content);
        }
        let read: Vec<_> = Fields::new(&bytes).map(|field| field.unwrap()).collect();
        prop_assert_eq!(read.len(), fields.len() * 2);
        for (pair, (number, value, content)) in read.chunks(2).zip(&fields) {
            prop_assert_eq!((pair[0].number, &pair[0].value), (*number, &Raw::Varint(*value)));
            prop_assert_eq!((pair[1].number, &pair[1].value), (*number, &Raw::Bytes(content)));
        }
    }

    #[test]
    fn any_bytes_are_shown_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        let protos = protos();
        for protos in [None, Some(protos)] {
            let options = ViewOptions { limit_lines: 20, redactor: Redactor::new(true), ..options(protos) };
            prop_assert!(view("application/protobuf", "", &bytes, &options).text.lines().count() <= 20);
        }
    }
}
