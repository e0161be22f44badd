//! Conversations that become TLS on the way: opened when the server agrees, left as they are when it does not.
//! Spec: RFC 3207, 9051, 2595, 4217, 4511, 6120; the manuals of PostgreSQL and MySQL.

use std::sync::Arc;

use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::{Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const NAME: &str = "mail.localhost";

/// Who says what.
#[derive(Clone)]
enum Said {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

fn client(bytes: impl AsRef<[u8]>) -> Said {
    Said::Client(bytes.as_ref().to_vec())
}

fn server(bytes: impl AsRef<[u8]>) -> Said {
    Said::Server(bytes.as_ref().to_vec())
}

/// Speaks one side and hears the other.
fn perform(line: &mut Line, dialogue: &[Said], as_client: bool) {
    for said in dialogue {
        match said {
            Said::Client(bytes) if as_client => line.say(bytes),
            Said::Server(bytes) if !as_client => line.say(bytes),
            Said::Client(bytes) | Said::Server(bytes) => line.hear(bytes),
        }
    }
}

const XMPP_OPEN: &str = "<?xml version='1.0'?><stream:stream to='mail.localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const XMPP_FEATURES: &str = "<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
const XMPP_ASK: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const LDAP_ASK: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const POSTGRES_ASK: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

fn ldap_answer(code: u8) -> Vec<u8> {
    vec![0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, code, 4, 0, 4, 0]
}

/// HandshakeV10, with CLIENT_SSL or without.
fn mysql_greeting(tls: bool) -> Vec<u8> {
    let payload = [
        &b"\x0a8.0.36\0\x01\0\0\0saltsalt\0"[..],
        &[0xff, if tls { 0xff } else { 0xf7 }, 0x21, 2, 0, 0xff, 0xdf, 21],
        &[0; 10],
        b"moresaltsalt\0mysql_native_password\0",
    ]
    .concat();
    [&[payload.len() as u8, 0, 0, 0][..], &payload].concat()
}

fn mysql_ask() -> Vec<u8> {
    [&[32, 0, 0, 1, 0x05, 0xae, 0xff, 0x19, 0, 0, 0, 1, 0x21][..], &[0; 23]].concat()
}

/// Protocol, what is said until TLS begins, and what is said where the server refuses.
type Dialogue = (&'static str, Vec<Said>, Vec<Said>);

fn dialogues() -> Vec<Dialogue> {
    let mut all = of_mail();
    all.extend(of_others());
    all
}

/// One dialogue: what both endings begin with, then the two endings.
fn dialogue(protocol: &'static str, first: &[Said], upgrade: &[Said], refusal: &[Said]) -> Dialogue {
    (protocol, [first, upgrade].concat(), [first, refusal].concat())
}

fn of_mail() -> Vec<Dialogue> {
    let capabilities = "250-mail.test\r\n250-STARTTLS\r\n250 SIZE 1\r\n";
    let imap_capabilities = "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n";
    vec![
        dialogue(
            "smtp",
            &[server("220 mail.test ESMTP\r\n"), client("EHLO me\r\n"), server(capabilities)],
            &[client("starttls\r\n"), server("220 2.0.0 go\r\n")],
            &[client("STARTTLS\r\n"), server("454 not now\r\n"), client("NOOP\r\n"), server("250 ok\r\n")],
        ),
        dialogue(
            "imap",
            &[server("* OK ready\r\n"), client("a1 CAPABILITY\r\n"), server(imap_capabilities)],
            &[client("a2 StartTLS\r\n"), server("a2 OK begin\r\n")],
            &[client("a2 STARTTLS\r\n"), server("a2 BAD no\r\n"), client("a3 NOOP\r\n"), server("a3 OK\r\n")],
        ),
        dialogue(
            "pop3",
            &[server("+OK ready\r\n"), client("CAPA\r\n"), server("+OK list\r\nSTLS\r\n.\r\n")],
            &[client("STLS\r\n"), server("+OK begin\r\n")],
            &[client("STLS\r\n"), server("-ERR no\r\n"), client("USER a\r\n"), server("+OK\r\n")],
        ),
        dialogue(
            "ftp",
            &[server("220-Welcome\r\n220 ready\r\n"), client("AUTH TLS\r\n")],
            &[server("234 go\r\n")],
            &[server("502 no\r\n"), client("USER a\r\n"), server("331 and?\r\n")],
        ),
    ]
}

fn of_others() -> Vec<Dialogue> {
    let bind = client(b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\0\x80\0");
    let bound = server(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0");
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>";
    let start = client(b"\0\0\0\x10\0\x03\0\0user\0a\0\0");
    vec![
        dialogue("ldap", &[client(LDAP_ASK)], &[server(ldap_answer(0))], &[server(ldap_answer(2)), bind, bound]),
        dialogue(
            "xmpp",
            &[client(XMPP_OPEN), server(XMPP_FEATURES), client(XMPP_ASK)],
            &[server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")],
            &[server(failure), client("</stream:stream>")],
        ),
        dialogue(
            "postgres",
            &[client(POSTGRES_ASK)],
            &[server("S")],
            &[server("N"), start, server(b"R\0\0\0\x08\0\0\0\0")],
        ),
        dialogue(
            "mysql",
            &[],
            &[server(mysql_greeting(true)), client(mysql_ask())],
            &[
                server(mysql_greeting(false)),
                client(b"\x05\0\0\x01\0\x02\0\0a"),
                server(b"\x07\0\0\x02\0\0\0\x02\0\0\0"),
            ],
        ),
    ]
}

/// A server's settings that ask for a client certificate and go on without one.
fn asking(root: &Issuer, identity: &sidelight_testkit::Identity) -> Arc<rustls::ServerConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), pki::provider());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(pki::provider()).with_safe_default_protocol_versions().unwrap();
    Arc::new(
        config.with_client_cert_verifier(verifier).with_single_cert(identity.chain.clone(), identity.key()).unwrap(),
    )
}

#[test]
fn tls_that_begins_later_is_opened() {
    let root = Issuer::root("Mail Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    // The second server asks for a client certificate, without insisting.
    for tls in [identity.server_config(&[]), asking(&root, &identity)] {
        for (protocol, upgrade, _) in dialogues() {
            let (script, tls) = (upgrade.clone(), tls.clone());
            let service = Service::start(move |mut line| {
                perform(&mut line, &script, false);
                let mut line = line.serve_tls(&tls);
                line.hear("secret question\r\n");
                line.say("secret answer\r\n");
                line.hear_end();
                line.half_close();
                line.server().server_name().map(str::to_owned)
            });
            let mut line = proxy.tunnel(&format!("{NAME}:{}", service.address.port()));
            let from = line.local();
            perform(&mut line, &upgrade, true);
            let mut line = line.tls(NAME, &proxy.client(&[]));
            line.say("secret question\r\n");
            line.hear("secret answer\r\n");
            line.half_close();
            line.hear_end();
            assert_eq!(service.over().as_deref(), Some(NAME), "{protocol}");
            let record = proxy.record_of(from);
            assert_eq!(record["fate"], "decrypted", "{protocol}: {record}");
            assert_eq!(record["server_tls"]["verified"], true, "{protocol}: {record}");
        }
    }
}

#[test]
fn a_refused_upgrade_goes_on_in_plain() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &[]);
    for (protocol, _, refusal) in dialogues() {
        let script = refusal.clone();
        let service = Service::start(move |mut line| {
            perform(&mut line, &script, false);
            line.hear("\u{16}\u{3}\u{1} even this\r\n");
            line.say("\0\u{1}");
            line.hear_end();
        });
        let mut line = proxy.tunnel(&service.place());
        let from = line.local();
        perform(&mut line, &refusal, true);
        line.say("\u{16}\u{3}\u{1} even this\r\n");
        line.hear("\0\u{1}");
        line.half_close();
        line.hear_end();
        service.over();
        let record = proxy.record_of(from);
        assert_eq!((&record["fate"], &record["how"]), (&"plain".into(), &"clean".into()), "{protocol}: {record}");
    }
}

#[test]
fn an_upgrade_announced_and_not_begun_is_relayed() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &[]);
    let (_, upgrade, _) = dialogues().remove(0);
    let script = upgrade.clone();
    let service = Service::start(move |mut line| {
        perform(&mut line, &script, false);
        line.hear("QUIT\r\n");
        line.say("221 bye\r\n");
    });
    let mut line = proxy.tunnel(&service.place());
    perform(&mut line, &upgrade, true);
    line.say("QUIT\r\n");
    line.hear("221 bye\r\n");
    line.hear_end();
    service.over();
}

#[test]
fn a_server_that_cannot_be_trusted_is_shown_as_such_after_the_upgrade() {
    let proxy = Proxy::trusting(PROGRAM, &Issuer::root("Another Root"), &["explicit"], &[]);
    let tls = Issuer::root("Mail Root").issue(&Leaf::named(&[NAME])).server_config(&[]);
    let (_, upgrade, _) = dialogues().remove(0);
    let script = upgrade.clone();
    let service = Service::start(move |mut line| {
        perform(&mut line, &script, false);
        line.serve_tls(&tls).hear_all()
    });
    let mut line = proxy.tunnel(&format!("{NAME}:{}", service.address.port()));
    perform(&mut line, &upgrade, true);
    let error = line.try_tls(NAME, &proxy.client(&[])).err().expect("a refusal").to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_eq!(service.over(), b"");
    proxy.sidelight.finding("root_not_trusted");
}
