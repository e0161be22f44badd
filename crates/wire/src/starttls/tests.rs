//! Tests of the watcher: whole conversations, fed in every way of cutting them. In: turns. Out: where TLS begins.

use super::Side::{Client as C, Server as S};
use super::*;

type Turn<'t> = (Side, &'t [u8]);

/// What a conversation led to. Bytes are counted from the beginning of their direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Led {
    Nowhere,
    Never,
    Upgrade(&'static str, usize),
}

/// Feeds the turns in pieces of `size` (the first piece of each turn has `first` bytes).
fn feed(turns: &[Turn<'_>], first: usize, size: usize) -> (Option<usize>, Led) {
    let mut watcher = Watcher::new();
    let mut before = [0; 2];
    let mut early = None;
    for (side, bytes) in turns {
        let (head, tail) = bytes.split_at(first.min(bytes.len()));
        for piece in std::iter::once(head).chain(tail.chunks(size)) {
            let before = &mut before[usize::from(*side == S)];
            let watch = if *side == C { watcher.from_client(piece) } else { watcher.from_server(piece) };
            match watch {
                Watch::Going => {}
                Watch::Upgrade { protocol, plain } => return (early, Led::Upgrade(protocol, *before + plain)),
                Watch::Early { plain } => {
                    assert!(early.replace(*before + plain).is_none());
                }
                Watch::Never => return (early, Led::Never),
            }
            *before += piece.len();
        }
    }
    (early, Led::Nowhere)
}

/// What the conversation leads to, the same for every way of cutting its turns.
fn led(turns: &[Turn<'_>]) -> (Option<usize>, Led) {
    let whole = feed(turns, usize::MAX, 1);
    let longest = turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0).min(600);
    for first in 0..longest {
        assert_eq!(feed(turns, first, usize::MAX), whole, "cut after {first} bytes of each turn");
    }
    assert_eq!(feed(turns, 0, 1), whole, "byte by byte");
    whole
}

fn upgrade(turns: &[Turn<'_>], protocol: &'static str) {
    let last = turns.last().map(|(side, _)| *side);
    let total = turns.iter().filter(|(side, _)| Some(*side) == last).map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(led(turns), (None, Led::Upgrade(protocol, total)));
}

fn ldap_request() -> Vec<u8> {
    [b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16".as_slice(), b"1.3.6.1.4.1.1466.20037"].concat()
}

fn mysql_greeting(capabilities: u8) -> Vec<u8> {
    let payload = [b"\x0a8.0.36\0\x09\0\0\0abcdefgh\0\xff".as_slice(), &[capabilities], &[0xff; 40]].concat();
    [&[u8::try_from(payload.len()).unwrap(), 0, 0, 0], payload.as_slice()].concat()
}

#[test]
fn smtp_and_lmtp() {
    upgrade(
        &[
            (S, b"220-mail.test ESMTP\r\n220 ready\r\n"),
            (C, b"EHLO client.test\r\n"),
            (S, b"250-mail.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"),
            (C, b"starttls\r\n"),
            (S, b"220 2.0.0 Ready to start TLS\r\n"),
        ],
        "smtp",
    );
    upgrade(&[(S, b"220 l\r\n"), (C, b"LHLO c\r\nSTARTTLS\r\n"), (S, b"250 l\r\n220-go\r\n220 on\r\n")], "lmtp");
}

#[test]
fn smtp_that_refuses_and_then_agrees() {
    let turns: &[Turn<'_>] = &[
        (S, b"220 m\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"454 4.7.0 not now\r\n"),
        (C, b"EHLO c\r\n"),
        (S, b"250 m\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"220 go\r\n"),
    ];
    upgrade(turns, "smtp");
    assert_eq!(led(&turns[..3]), (None, Led::Nowhere));
}

#[test]
fn smtp_replies_belong_to_their_commands() {
    // 220 answers the second command here, whatever the first reply looks like; 334 asks for more of an authentication.
    let turns: &[Turn<'_>] = &[
        (S, b"220 m\r\n"),
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 VXNlcg==\r\n"),
        (C, b"YW5u\r\nSTARTTLS\r\n"),
        (S, b"220 strange, but the reply to YW5u\r\n"),
    ];
    assert_eq!(led(turns), (None, Led::Nowhere));
    let mail: &[Turn<'_>] = &[(S, b"220 m\r\n"), (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSTARTTLS\r\n")];
    assert_eq!(led(mail), (None, Led::Never));
}

#[test]
fn imap_and_pop3() {
    upgrade(
        &[
            (S, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
            (C, b"a1 CAPABILITY\r\na2 STARTTLS\r\n"),
            (S, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\na2 OK begin\r\n"),
        ],
        "imap",
    );
    let refused: &[Turn<'_>] = &[(S, b"* OK hi\r\n"), (C, b"a STARTTLS\r\n"), (S, b"a BAD no\r\na OK late\r\n")];
    assert_eq!(led(refused), (None, Led::Nowhere));
    upgrade(
        &[
            (S, b"+OK POP3 ready\r\n"),
            (C, b"CAPA\r\n"),
            (S, b"+OK list\r\nSTLS\r\n+OK not a reply\r\n.\r\n"),
            (C, b"STLS\r\n"),
            (S, b"+OK begin\r\n"),
        ],
        "pop3",
    );
    let refused: &[Turn<'_>] =
        &[(S, b"+OK\r\n"), (C, b"STLS\r\n"), (S, b"-ERR no\r\n"), (C, b"USER a\r\n"), (S, b"+OK\r\n")];
    assert_eq!(led(refused), (None, Led::Nowhere));
}

#[test]
fn ftp_nntp_and_managesieve() {
    upgrade(
        &[
            (S, b"220-Welcome\r\n 234 in the greeting\r\n220 ready\r\n"),
            (C, b"FEAT\r\n"),
            (S, b"211-Features\r\n AUTH TLS\r\n211 End\r\n"),
            (C, b"AUTH TLS\r\n"),
            (S, b"234 go\r\n"),
        ],
        "ftp",
    );
    upgrade(
        &[
            (S, b"200 news\r\n"),
            (C, b"CAPABILITIES\r\n"),
            (S, b"101 list\r\nVERSION 2\r\n382 no reply\r\nSTARTTLS\r\n.\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"382 go\r\n"),
        ],
        "nntp",
    );
    upgrade(
        &[
            (S, b"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"OK \"go\"\r\n"),
        ],
        "managesieve",
    );
}

#[test]
fn ldap() {
    let request = ldap_request();
    upgrade(&[(C, &request), (S, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")], "ldap");
    // Lengths in the long form, as Microsoft writes them, and a search before.
    let search = [b"\x30\x84\x00\x00\x00\xc8\x02\x01\x07\x63".as_slice(), &[0x81, 0xc2], &[0; 194]].concat();
    let found = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00";
    assert_eq!(search.len(), 6 + 200);
    upgrade(&[(C, &search), (S, b"\x30\x05\x02\x01\x07\x65\x00"), (C, &request), (S, found)], "ldap");
    let refused: &[Turn<'_>] = &[(C, &request), (S, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00")];
    assert_eq!(led(refused), (None, Led::Nowhere));
    let other_number: &[Turn<'_>] = &[(C, &request), (S, b"\x30\x0c\x02\x01\x09\x78\x07\x0a\x01\x00\x04\x00\x04\x00")];
    assert_eq!(led(other_number), (None, Led::Nowhere));
    assert_eq!(led(&[(C, b"0123")]), (None, Led::Never));
}

#[test]
fn xmpp() {
    let open: &[u8] =
        b"<?xml version='1.0'?><stream:stream to='a>b' xmlns:stream=\"http://etherx.jabber.org/streams\">";
    let features: &[u8] = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
    let ask: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    upgrade(
        &[(C, open), (S, open), (S, features), (C, ask), (S, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")],
        "xmpp",
    );
    upgrade(&[(C, open), (S, features), (C, ask), (S, b"<proceed xmlns='a'></proceed>")], "xmpp");
    assert_eq!(led(&[(C, open), (S, b"<proceed/>")]), (None, Led::Nowhere));
    assert_eq!(led(&[(C, open), (C, ask), (S, b"<failure/><proceed/>")]), (None, Led::Nowhere));
    assert_eq!(led(&[(C, b"<html><body>")]), (None, Led::Never));
}

#[test]
fn postgres() {
    let (ssl, gss) = (postgres_request(0x2f), postgres_request(0x30));
    upgrade(&[(C, &ssl), (S, b"S")], "postgres");
    upgrade(&[(C, &gss), (S, b"N"), (C, &ssl), (S, b"S")], "postgres");
    let plain: &[Turn<'_>] = &[(C, &ssl), (S, b"N"), (C, b"\0\0\0\x08\0\x03\0\0")];
    assert_eq!(led(plain), (None, Led::Never));
    assert_eq!(led(&[(C, &gss), (S, b"G")]), (None, Led::Never));
    assert_eq!(led(&[(C, &ssl), (S, b"E")]), (None, Led::Never));
    assert_eq!(led(&[(C, b"\0\0\0\x10\x04\xd2\x16\x2e")]), (None, Led::Never));
}

fn postgres_request(last: u8) -> [u8; 8] {
    [0, 0, 0, 8, 0x04, 0xd2, 0x16, last]
}

#[test]
fn mysql_begins_right_after_the_request() {
    let greeting = mysql_greeting(0xff);
    let request = [b"\x20\0\0\x01\x85\xae\x0f\0".as_slice(), &[0; 28]].concat();
    upgrade(&[(S, &greeting), (C, &request)], "mysql");
    let hello = [&request[..], b"\x16\x03\x01"].concat();
    assert_eq!(led(&[(S, &greeting), (C, &hello)]), (None, Led::Upgrade("mysql", 36)));
    assert_eq!(led(&[(S, &mysql_greeting(0xf7))]), (None, Led::Never));
    assert_eq!(led(&[(S, &greeting), (C, b"\x54\0\0\x01\x85\xae")]), (None, Led::Never));
    let no_ssl = [b"\x20\0\0\x01\x85\xa6\x0f\0".as_slice(), &[0; 28]].concat();
    assert_eq!(led(&[(S, &greeting), (C, &no_ssl)]), (None, Led::Never));
}

#[test]
fn a_client_that_does_not_wait_is_told_at_its_client_hello() {
    let hello = b"\x16\x03\x01\x00\x05hello";
    let ask = [&b"EHLO c\r\nSTARTTLS\r\n"[..], hello].concat();
    let agreed: &[Turn<'_>] = &[(S, b"220 m\r\n"), (C, &ask), (S, b"250 m\r\n220 go\r\n")];
    assert_eq!(led(agreed), (Some(18), Led::Upgrade("smtp", 7 + 7 + 8)));
    let refused: &[Turn<'_>] = &[(S, b"220 m\r\n"), (C, &ask), (S, b"250 m\r\n554 no\r\n")];
    assert_eq!(led(refused), (Some(18), Led::Never));
    let imap = [&b"a STARTTLS\r\n"[..], hello].concat();
    assert_eq!(led(&[(S, b"* OK hi\r\n"), (C, &imap), (S, b"a OK go\r\n")]), (Some(12), Led::Upgrade("imap", 18)));
    let postgres = [&postgres_request(0x2f)[..], hello].concat();
    assert_eq!(led(&[(C, &postgres), (S, b"S")]), (Some(8), Led::Upgrade("postgres", 1)));
    assert_eq!(led(&[(C, &postgres), (S, b"N")]), (Some(8), Led::Never));
    let ldap = [&ldap_request()[..], hello].concat();
    let agreed = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
    assert_eq!(led(&[(C, &ldap), (S, agreed)]), (Some(31), Led::Upgrade("ldap", 14)));
    let xmpp = [&b"<stream:stream><starttls/>"[..], hello].concat();
    assert_eq!(led(&[(C, &xmpp), (S, b"<proceed/>")]), (Some(26), Led::Upgrade("xmpp", 10)));
}

#[test]
fn plain_text_behind_the_request_stays_plain() {
    let smuggled: &[Turn<'_>] = &[(S, b"220 m\r\n"), (C, b"STARTTLS\r\nRSET\r\n"), (S, b"220 go\r\n250 ok\r\n")];
    assert_eq!(led(smuggled), (None, Led::Upgrade("smtp", 7 + 8)));
}

#[test]
fn other_protocols_are_given_up_at_once() {
    for first in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x\r\n", b"\x16\x03\x01", b"*1\r\n$4\r\nPING\r\n"] {
        assert_eq!(led(&[(C, first)]), (None, Led::Never), "{first:?}");
    }
    assert_eq!(led(&[(S, b"SSH-2.0-OpenSSH_9.2\r\n")]), (None, Led::Never));
    assert_eq!(led(&[(S, b"220 m\r\n"), (S, b"what\r\n")]), (None, Led::Never));
}

#[test]
fn watching_ends_after_a_while() {
    let noops = b"NOOP\r\n".repeat(201);
    let oks = b"250 ok\r\n".repeat(201);
    let mut turns: Vec<Turn<'_>> = vec![(S, b"220 m\r\n")];
    for index in 0..200 {
        turns.push((C, &noops[index * 6..index * 6 + 6]));
        turns.push((S, &oks[index * 8..index * 8 + 8]));
    }
    assert_eq!(feed(&turns, 0, 1).1, Led::Never);
    assert_eq!(feed(&turns[..300], 0, 1).1, Led::Nowhere);
    let long = vec![b'x'; MAX_BYTES + 1];
    assert_eq!(feed(&[(S, b"* OK hi\r\n"), (C, &long[1..])], 0, usize::MAX).1, Led::Nowhere);
    assert_eq!(feed(&[(S, b"* OK hi\r\n"), (C, &long)], 0, usize::MAX).1, Led::Never);
    assert_eq!(feed(&[(S, b"220 m\r\n"), (C, &noops[..65 * 6])], 0, usize::MAX).1, Led::Never);
}

#[test]
fn nothing_is_said_after_the_end() {
    let mut watcher = Watcher::default();
    assert_eq!(watcher.from_client(&postgres_request(0x2f)), Watch::Going);
    assert_eq!(watcher.from_server(b"S"), Watch::Upgrade { protocol: "postgres", plain: 1 });
    assert_eq!(watcher.from_client(b"\x16"), Watch::Never);
    assert_eq!(watcher.from_server(b""), Watch::Never);
}
