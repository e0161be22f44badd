//! Peers that leave at awkward moments, and what is said about them. Spec: RFC 9112 §9.5, RFC 8446 §6.1, RFC 8422 §2.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::{Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

fn root_and_server() -> (Issuer, Arc<rustls::ServerConfig>) {
    let root = Issuer::root("Leaving Root");
    let server = root.issue(&Leaf::named(&["leaving.test", "127.0.0.1"])).server_config(&[]);
    (root, server)
}

#[test]
fn a_plain_client_that_leaves_does_not_keep_its_service_waiting() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &[]);
    // It never answers: it hears the request, and then the client's end.
    let service = Service::start(|mut line: Line| {
        let head = line.hear_head();
        line.hear_end();
        head
    });
    let mut line = proxy.line("explicit");
    line.say(format!("GET http://{0}/slow HTTP/1.1\r\nHost: {0}\r\n\r\n", service.place()));
    let client = line.local();
    drop(line);
    assert!(service.over().starts_with("GET /slow HTTP/1.1\r\n"));
    proxy.record_of(client);
}

#[test]
fn a_half_closed_request_is_answered_and_the_next_one_waits_its_turn() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &[]);
    let service = Service::start(|mut line: Line| {
        for body in ["one", "two"] {
            let head = line.hear_head();
            assert!(head.starts_with(&format!("GET /{body} ")), "{head}");
            line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{body}"));
        }
        line.hear_end();
    });
    let mut line = proxy.line("explicit");
    let request = |path: &str| format!("GET http://{0}/{path} HTTP/1.1\r\nHost: {0}\r\n\r\n", service.place());
    line.say(request("one") + &request("two"));
    line.half_close();
    let answers = String::from_utf8(line.hear_all()).unwrap();
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(answers, format!("{ok}one{ok}two"));
    service.over();
}

#[test]
fn a_service_that_closes_first_is_not_held_against_the_client() {
    let (root, server) = root_and_server();
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let service = Service::start(move |line: Line| {
        let mut line = line.serve_tls(&server);
        line.half_close();
        line.hear_end();
    });
    for _ in 0..2 {
        let line = proxy.tunnel(&service.place());
        let client = line.local();
        let mut line = line.tls("leaving.test", &proxy.client(&[]));
        line.hear_end();
        line.half_close();
        drop(line);
        let record = proxy.record_of(client);
        assert_eq!(record["fate"], "decrypted", "{record}");
        assert!(proxy.sidelight.of_type("finding").is_empty());
        service.over();
    }
}

#[test]
fn a_client_that_gives_up_before_it_sees_our_certificate_did_not_refuse_it() {
    let (root, server) = root_and_server();
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let (left, has_left) = sync_channel::<()>(1);
    let has_left = std::sync::Mutex::new(has_left);
    let service = Service::start(move |line: Line| {
        has_left.lock().unwrap().recv().unwrap();
        let mut line = line.serve_tls(&server);
        let _ = line.read(&mut [0; 16]);
    });
    let mut line = proxy.tunnel(&service.place());
    let client = line.local();
    line.say(client_hello("leaving.test"));
    line.half_close();
    left.send(()).unwrap();
    let record = proxy.record_of(client);
    assert_eq!(record["fate"], "failed", "{record}");
    assert!(proxy.sidelight.of_type("finding").is_empty());
    service.over();
    // Nor is the next client left alone for it: were it relayed untouched, it would see a certificate of another CA.
    left.send(()).unwrap();
    drop(proxy.tunnel(&service.place()).tls("leaving.test", &proxy.client(&[])));
    service.over();
}

/// The first message of a handshake.
fn client_hello(name: &str) -> Vec<u8> {
    let config = pki::client_config(Issuer::root("Nobody").pem(), &[]);
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn a_client_with_rsa_suites_alone_is_shown_an_rsa_key() {
    let (root, server) = root_and_server();
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let service = Service::start(move |line: Line| {
        let mut line = line.serve_tls(&server);
        line.hear("ping");
    });
    let mut provider = (*pki::provider()).clone();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(proxy.ca().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut line = proxy.tunnel(&service.place()).tls("leaving.test", &Arc::new(config));
    line.say("ping");
    service.over();
}

#[test]
fn a_login_in_a_connect_target_is_repeated_nowhere() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &[]);
    let mut line = proxy.line("explicit");
    line.say("CONNECT user:hunter2hunter2@127.0.0.1:443 HTTP/1.1\r\n\r\n");
    let client = line.local();
    let answer = String::from_utf8(line.hear_all()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("hunter2"), "{answer}");
    drop(line);
    let record = proxy.record_of(client).to_string();
    assert!(record.contains("without a login") && !record.contains("hunter2"), "{record}");
}
