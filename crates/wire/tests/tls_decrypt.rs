//! Sessions of OpenSSL, decrypted. In: the corpus of the fuzz target `tls_decrypt`. Out: the request and the answer in them.

#![allow(clippy::disallowed_methods)] // the library does no I/O; this test reads the corpus

use std::path::Path;

use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;
use sidelight_wire::key_log;
use sidelight_wire::tls::decrypt::{Secrets, Seen, Session};

#[path = "../../../fuzz/src/targets/mod.rs"]
#[allow(unreachable_pub, dead_code)]
mod targets;

#[test]
fn each_session_gives_its_conversation() {
    for (name, cipher) in [
        ("tls13_gcm", "TLS_AES_128_GCM_SHA256"),
        ("tls13_chacha", "TLS_CHACHA20_POLY1305_SHA256"),
        ("tls13_ccm8", "TLS_AES_128_CCM_8_SHA256"),
        ("tls12_gcm", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ("tls12_cbc", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tls_decrypt").join(name);
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (length, rest) = bytes.split_first_chunk::<2>().unwrap();
        let (keys, conversation) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        let mut secrets = Secrets::new();
        key_log::read(keys).for_each(|(_, line)| secrets.add(&line.unwrap()));
        let (mut session, mut out) = (Session::new(), Vec::new());
        for (from_server, bytes) in targets::turns(conversation) {
            let direction = if from_server { Direction::ToClient } else { Direction::ToServer };
            session.data(direction, Timestamp(1), bytes, &secrets, &mut out);
        }
        let mut texts = [String::new(), String::new()];
        for (_, seen) in &out {
            if let Seen::Data(direction, bytes) = seen {
                texts[direction.index()].push_str(std::str::from_utf8(bytes).unwrap());
            }
        }
        assert_eq!(texts[0], "GET /page HTTP/1.0\r\n\r\n", "{name}");
        assert!(texts[1].starts_with("HTTP/1.0 200 ok\r\n") && texts[1].ends_with("hello"), "{name}: {}", texts[1]);
        let side = session.agreed().unwrap();
        assert_eq!(
            (side.cipher.as_str(), side.sni.as_deref(), side.chain.len()),
            (cipher, Some("a.test"), 1),
            "{name}"
        );
        assert!(out.iter().any(|(_, seen)| matches!(seen, Seen::Alert(Direction::ToClient, 1, alert) if alert.0 == 0)));
    }
}
