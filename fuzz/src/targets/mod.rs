//! What is fuzzed, and what must hold: no panic, bounded memory, and the same result however the bytes were cut into pieces.
//!
//! In: bytes that a fuzzer, or the corpus, made. Out: nothing; a broken promise panics.

pub mod archives;
pub mod captures;
pub mod certificates;
pub mod decoders;
pub mod filters;
pub mod foreign;
pub mod intake;
pub mod known_roots;
pub mod packets;
pub mod planning;
pub mod registry;
pub mod registry_traffic;
pub mod starttls;
pub mod stores;
pub mod tokens;

/// A target: takes one input, and panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the folder with its corpus.
pub const ALL: &[(&str, Target)] = &[
    ("client_hello", intake::client_hello),
    ("server_flight", intake::server_flight),
    ("connect", intake::connect),
    ("socks5", intake::socks5),
    ("starttls", starttls::starttls),
    ("http1", decoders::http1),
    ("http2", decoders::http2),
    ("websocket", decoders::websocket),
    ("grpc", decoders::grpc),
    ("flow_decoder", decoders::flow_decoder),
    ("content_coding", decoders::content_coding),
    ("certificate", certificates::certificate),
    ("paths", certificates::paths),
    ("filter", filters::filter),
    ("pem", stores::pem),
    ("jks", stores::jks),
    ("pkcs12", stores::pkcs12),
    ("known_roots", known_roots::known_roots),
    ("registry", registry::registry),
    ("local_port", registry::local_port),
    ("registry_traffic", registry_traffic::registry_traffic),
    ("jwt", tokens::jwt),
    ("jwks", tokens::jwks),
    ("dialogue", starttls::dialogue),
    ("trust_edit", planning::trust_edit),
    ("trust_store", stores::trust_store),
    ("mitmproxy", foreign::mitmproxy),
    ("sslsplit", foreign::sslsplit),
    ("pcapng", captures::pcapng),
    ("packet", captures::packet),
    ("key_log", captures::key_log),
    ("har", archives::har),
    ("content_log", archives::content_log),
    ("tcp", packets::tcp),
    ("tls_decrypt", packets::tls_decrypt),
];

/// One slice of a conversation: whether it comes from the server, and its bytes.
pub type Turn<'b> = (bool, &'b [u8]);

/// Reads a conversation: each turn has two bytes of head, the direction in the highest bit and the length in the 15 others.
pub fn turns(mut data: &[u8]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    while let [high, low, rest @ ..] = data {
        let length = usize::from(high & 0x7f) << 8 | usize::from(*low);
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        turns.push((high & 0x80 != 0, bytes));
        data = rest;
    }
    turns
}
