//! What the first bytes of a connection are: TLS, a request to an HTTP proxy, SOCKS. In: bytes. Out: broken promises.

use sidelight_wire::http1::{BodyFraming, BodyState, HeadLimits, Progress, parse_request};
use sidelight_wire::socks5;
use sidelight_wire::tls::{Scan, Scanner, client_hello::MAX_WIRE, fingerprint, flight, scan};

/// Answers other than `Partial` stay as bytes are added; a hello takes exactly the bytes that it says, and has fingerprints.
pub fn client_hello(data: &[u8]) {
    let answer = scan(data);
    let mut scanner = Scanner::default();
    let mut before = Scan::Partial;
    for cut in 0..=data.len() {
        let now = scanner.scan(&data[..cut]);
        assert!(before == Scan::Partial || before == now, "{before:?} became {now:?} at byte {cut}");
        before = now;
    }
    assert_eq!(before, answer, "a scanner of growing bytes says something else");
    let Scan::Hello(hello) = answer else { return };
    assert!(hello.wire_length <= data.len() && hello.wire_length <= MAX_WIRE + 16 * 1024 + 5);
    assert_eq!(scan(&data[..hello.wire_length]), Scan::Hello(hello.clone()));
    assert_eq!(scan(&data[..hello.wire_length - 1]), Scan::Partial);
    let numbers = hello.ciphers.len() + hello.groups.len() + hello.versions.len() + hello.signature_schemes.len();
    assert!(2 * (numbers + hello.extensions.len()) <= data.len() + 2, "more values than bytes");
    let kept = fingerprint::hello(&hello);
    assert_eq!((kept.ja3.len(), kept.ja4.len()), (32, 36), "{kept:?}");
    assert!(kept.ja4.is_ascii() && kept.ja3_text.matches(',').count() == 4, "{kept:?}");
    assert!(hello.sni.is_none_or(|name| name.bytes().all(|byte| byte.is_ascii_graphic())));
}

/// A server's flight is read again as it grows: its first alert and what is wrong with it stay, and no more is kept than came.
pub fn server_flight(data: &[u8]) {
    let mut before = flight::Flight::default();
    for cut in (0..data.len()).step_by(1 + data.len() / 256).chain([data.len()]) {
        let now = flight::read(&data[..cut]);
        assert!(before.alert.is_none() || now.alert == before.alert, "{before:?} became {now:?} at byte {cut}");
        let stapled = now.stapled.as_ref().map_or(0, Vec::len);
        let kept = now.chain.iter().map(Vec::len).sum::<usize>() + stapled + now.alpn.as_ref().map_or(0, Vec::len);
        assert!(kept <= cut, "more is kept than came: {now:?}");
        assert!(now.dh_bits.is_none_or(|bits| bits <= 8 * cut));
        before = now;
    }
}

/// Requests that follow one another as the proxy reads them: the same heads and bodies for bytes in one piece and one by one.
pub fn connect(data: &[u8]) {
    let whole = requests(data, usize::MAX);
    assert_eq!(whole, requests(data, 1), "the result depends on how the bytes were cut");
}

/// What a run of requests came to: for each, its head, its content, and how its body ended.
fn requests(data: &[u8], piece: usize) -> Vec<(Vec<u8>, Vec<u8>, BodyState)> {
    let mut found = Vec::new();
    let mut rest = data;
    while found.len() < 64 {
        let Progress::Complete(head, consumed) = parse_request(rest, &HeadLimits::default()) else { break };
        assert!(consumed <= rest.len() && head.raw.len() <= consumed && consumed > 0);
        // The head alone must say the same, and every beginning of it must ask for more.
        assert_eq!(
            parse_request(&rest[..consumed], &HeadLimits::default()),
            Progress::Complete(head.clone(), consumed)
        );
        rest = &rest[consumed..];
        let mut framing = BodyFraming::for_request(&head);
        let mut content = Vec::new();
        while framing.state() == BodyState::Going && !rest.is_empty() {
            let slice = &rest[..piece.min(rest.len())];
            let step = framing.advance(slice, &mut |bytes| content.extend_from_slice(bytes));
            assert!(step.consumed <= slice.len() && (step.consumed == slice.len() || step.state != BodyState::Going));
            rest = &rest[step.consumed..];
            if step.state != BodyState::Going {
                break;
            }
        }
        assert!(content.len() <= data.len());
        let state = framing.state();
        found.push((head.raw.to_vec(), content, state));
        if state != BodyState::Done {
            break;
        }
    }
    found
}

/// Every message of SOCKS, read from the same bytes: sound ones take the bytes that they say, and writing them gives them back.
pub fn socks5(data: &[u8]) {
    settled(data, socks5::server::parse_greeting);
    settled(data, |bytes| socks5::client::parse_method(bytes, true));
    settled(data, |bytes| socks5::client::parse_method(bytes, false));
    settled(data, socks5::client::parse_credentials_reply);
    if let Some(bound) = settled(data, socks5::client::parse_reply).flatten() {
        let written = socks5::server::reply(socks5::Reply::SUCCEEDED, bound);
        assert_eq!(socks5::client::parse_reply(&written), socks5::Progress::Done(Some(bound), written.len()));
    }
    if let Some(credentials) = settled(data, socks5::server::parse_credentials)
        && let Ok(written) = socks5::client::credentials(&credentials.user, credentials.password.reveal())
    {
        let length = written.len();
        assert_eq!(socks5::server::parse_credentials(&written), socks5::Progress::Done(credentials, length));
    }
    if let Some(target) = settled(data, socks5::server::parse_request) {
        let written = socks5::client::connect(&target).expect("a target that was read fits");
        let length = written.len();
        assert_eq!(socks5::server::parse_request(&written), socks5::Progress::Done(target, length));
    }
}

/// The message at the beginning of `data`. Every beginning shorter than it must be partial, and what follows it must not matter.
fn settled<T: PartialEq + std::fmt::Debug>(data: &[u8], parse: impl Fn(&[u8]) -> socks5::Progress<T>) -> Option<T> {
    match parse(data) {
        socks5::Progress::Done(message, consumed) => {
            assert!(consumed <= data.len() && consumed <= 513);
            for cut in 0..consumed {
                assert_eq!(parse(&data[..cut]), socks5::Progress::Partial);
            }
            assert_eq!(parse(&data[..consumed]), socks5::Progress::Done(message, consumed));
            match parse(data) {
                socks5::Progress::Done(message, _) => Some(message),
                other => panic!("the same bytes gave {other:?}"),
            }
        }
        socks5::Progress::Error(error) => {
            assert!(!error.to_string().is_empty() && error.answer().is_none_or(|answer| !answer.is_empty()));
            None
        }
        socks5::Progress::Partial => {
            assert!(data.len() < 513, "no message is that long");
            None
        }
    }
}
