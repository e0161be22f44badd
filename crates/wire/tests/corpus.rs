//! Runs the fuzz targets over the committed corpus, and over mutations of it. In: `fuzz/corpus`. Out: broken promises.

#![allow(clippy::disallowed_methods)] // the library does no I/O; this test reads the corpus

#[path = "../../../fuzz/src/corpus.rs"]
#[allow(unreachable_pub)]
mod corpus;
#[path = "../../../fuzz/src/targets/mod.rs"]
#[allow(unreachable_pub)]
mod targets;

/// One test for each target, so that they run beside each other and fail apart.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            corpus::run_target(stringify!($name), targets::ALL);
        })*

        #[test]
        fn every_target_is_tested_and_can_be_fuzzed() {
            corpus::check_targets(&[$(stringify!($name)),*], targets::ALL);
        }
    };
}

targets! { client_hello server_flight connect socks5 starttls http1 http2 websocket grpc flow_decoder content_coding certificate paths filter pem jks pkcs12 known_roots registry local_port registry_traffic jwt jwks dialogue trust_edit trust_store mitmproxy sslsplit pcapng packet key_log har content_log tcp tls_decrypt }
