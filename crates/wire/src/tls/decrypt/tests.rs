//! Sessions made by hand: hellos of a few bytes, records sealed here. In: records, gaps. Out: what is seen.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use proptest::prelude::*;
use sidelight_model::flow::KeyLogLine;
use sidelight_model::redact::Secret;

use super::keys::Suite;
use super::*;

const RANDOM: [u8; 32] = [7; 32];

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], length.as_slice(), body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

/// A ClientHello with one suite and no extension but supported_versions.
fn client_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(RANDOM);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend([0, 7, 0, 43, 0, 3, 2, 3, 4]);
    record(HANDSHAKE, &handshake(message::CLIENT_HELLO, &body))
}

fn server_hello(random: [u8; 32]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(random);
    body.extend([0, 0x13, 0x01, 0]);
    body.extend([0, 6, 0, 43, 0, 2, 3, 4]);
    record(HANDSHAKE, &handshake(message::SERVER_HELLO, &body))
}

/// The asking again of RFC 8446 §4.1.4, by its random.
fn retry() -> Vec<u8> {
    let random =
        data_encoding::HEXLOWER.decode(b"cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c").unwrap();
    server_hello(random.try_into().unwrap())
}

/// Seals records of one direction, as RFC 8446 §5.2 has it.
struct Sealer {
    secret: Vec<u8>,
    key: LessSafeKey,
    iv: Vec<u8>,
    number: u64,
}

impl Sealer {
    fn new(secret: Vec<u8>) -> Self {
        let expand = |label, length| keys::expand_label(aws_lc_rs::hmac::HMAC_SHA256, &secret, label, length);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &expand("key", 16)).unwrap());
        let iv = expand("iv", 12);
        Self { secret, key, iv, number: 0 }
    }

    fn seal(&mut self, kind: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut body = content.to_vec();
        body.push(kind);
        body.resize(body.len() + padding, 0);
        let head = record(APPLICATION_DATA, &vec![0; body.len() + 16])[..5].to_vec();
        let mut nonce: [u8; 12] = self.iv.clone().try_into().unwrap();
        nonce[4..].iter_mut().zip(self.number.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        self.number += 1;
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&head), &mut body).unwrap();
        [head, body].concat()
    }

    fn update(&mut self) {
        *self = Self::new(Suite::new(0x1301).unwrap().updated(&self.secret));
    }
}

fn secrets(labels: &[(&str, u8)]) -> Secrets {
    let mut secrets = Secrets::new();
    for (label, byte) in labels {
        let secret = Secret::new(vec![*byte; 32]);
        secrets.add(&KeyLogLine { label: (*label).into(), client_random: RANDOM, secret });
    }
    secrets
}

fn traffic() -> Secrets {
    secrets(&[("CLIENT_TRAFFIC_SECRET_0", 1), ("SERVER_TRAFFIC_SECRET_0", 2)])
}

type Found = Vec<(Timestamp, Seen)>;

/// A session after both hellos; the traffic secrets alone suffice.
fn begun(secrets: &Secrets) -> (Session, Found) {
    let (mut session, mut out) = (Session::new(), Vec::new());
    session.data(Direction::ToServer, Timestamp(1), &client_hello(), secrets, &mut out);
    session.data(Direction::ToClient, Timestamp(2), &server_hello([9; 32]), secrets, &mut out);
    (session, out)
}

fn data(out: &Found) -> Vec<u8> {
    let of = |(_, seen): &(Timestamp, Seen)| if let Seen::Data(_, bytes) = seen { bytes.to_vec() } else { Vec::new() };
    out.iter().flat_map(of).collect()
}

fn lost(out: &Found) -> u64 {
    out.iter().map(|(_, seen)| if let Seen::Lost(_, count) = seen { *count } else { 0 }).sum()
}

#[test]
fn traffic_secrets_alone_open_the_data() {
    let (secrets, mut server) = (traffic(), Sealer::new(vec![2; 32]));
    let (mut session, mut out) = begun(&secrets);
    assert!(matches!(out[1].1, Seen::Chosen(Ok(()))), "{out:?}");
    // What cannot be opened is of the handshake.
    let mut unknown = Sealer::new(vec![5; 32]);
    let handshake = [unknown.seal(HANDSHAKE, b"....", 0), unknown.seal(HANDSHAKE, b"...", 0)].concat();
    session.data(Direction::ToClient, Timestamp(3), &handshake, &secrets, &mut out);
    session.data(Direction::ToClient, Timestamp(4), &server.seal(APPLICATION_DATA, b"hello", 9), &secrets, &mut out);
    let tail: Vec<_> = out[2..].iter().map(|(at, seen)| (at.0, seen.clone())).collect();
    let hello = Seen::Data(Direction::ToClient, Bytes::from_static(b"hello"));
    assert_eq!(tail, [(4, Seen::Agreed), (4, hello)]);
    assert_eq!(session.agreed().unwrap().cipher, "TLS_AES_128_GCM_SHA256");
}

#[test]
fn without_secrets_it_is_said_why() {
    for (known, why) in [
        (Secrets::new(), "there are no secrets for it"),
        (secrets(&[("SERVER_TRAFFIC_SECRET_0", 2)]), "there are no secrets for it"),
        (secrets(&[("CLIENT_RANDOM", 2)]), "there are no secrets for it"),
    ] {
        let (_, out) = begun(&known);
        assert_eq!(out[1].1, Seen::Chosen(Err(why.into())));
    }
}

#[test]
fn secrets_that_do_not_fit_are_found_out() {
    let secrets = traffic();
    let (mut session, mut out) = begun(&secrets);
    let mut other = Sealer::new(vec![5; 32]);
    for _ in 0..100 {
        let record = other.seal(APPLICATION_DATA, b"x", 0);
        session.data(Direction::ToClient, Timestamp(3), &record, &secrets, &mut out);
    }
    assert_eq!(out[2..], [(Timestamp(3), Seen::Stopped(Direction::ToClient, "its secrets do not fit".into()))]);
}

#[test]
fn a_second_hello_is_followed() {
    let (secrets, mut server) = (traffic(), Sealer::new(vec![2; 32]));
    let (mut session, mut out) = (Session::new(), Vec::new());
    let change = record(CHANGE_CIPHER_SPEC, &[1]);
    for (direction, bytes) in [
        (Direction::ToServer, client_hello()),
        (Direction::ToClient, [retry(), change.clone()].concat()),
        (Direction::ToServer, [change, client_hello()].concat()),
        (Direction::ToClient, server_hello([9; 32])),
        (Direction::ToClient, server.seal(APPLICATION_DATA, b"hello", 0)),
    ] {
        session.data(direction, Timestamp(1), &bytes, &secrets, &mut out);
    }
    assert_eq!(data(&out), b"hello");
    assert_eq!(out.iter().filter(|(_, seen)| matches!(seen, Seen::Hello(_))).count(), 1);
}

#[test]
fn the_sides_need_not_be_in_step() {
    let (secrets, mut client) = (traffic(), Sealer::new(vec![1; 32]));
    let (mut session, mut out) = (Session::new(), Vec::new());
    session.data(Direction::ToClient, Timestamp(1), &server_hello([9; 32]), &secrets, &mut out);
    let early = [client_hello(), client.seal(APPLICATION_DATA, b"question", 0)].concat();
    for byte in early {
        session.data(Direction::ToServer, Timestamp(2), &[byte], &secrets, &mut out);
    }
    assert_eq!(data(&out), b"question");
}

#[test]
fn keys_change_also_within_a_gap() {
    for is_lost in [false, true] {
        let (secrets, mut server) = (traffic(), Sealer::new(vec![2; 32]));
        let (mut session, mut out) = begun(&secrets);
        let mut feed = |session: &mut Session, bytes: &[u8]| {
            session.data(Direction::ToClient, Timestamp(3), bytes, &secrets, &mut out);
        };
        feed(&mut session, &server.seal(APPLICATION_DATA, b"one", 0));
        let update = server.seal(HANDSHAKE, &handshake(message::KEY_UPDATE, &[0]), 0);
        if is_lost {
            session.lost(Direction::ToClient, update.len() as u64);
        } else {
            feed(&mut session, &update);
        }
        server.update();
        feed(&mut session, &server.seal(APPLICATION_DATA, b"two", 0));
        feed(&mut session, &server.seal(APPLICATION_DATA, b"three", 0));
        assert_eq!(data(&out), b"onetwothree", "lost: {is_lost}");
    }
}

#[test]
fn alerts_and_ends() {
    let (secrets, mut server) = (traffic(), Sealer::new(vec![2; 32]));
    let (mut session, mut out) = begun(&secrets);
    session.data(Direction::ToServer, Timestamp(3), &record(ALERT, &[2, 48]), &secrets, &mut out);
    session.data(Direction::ToClient, Timestamp(4), &server.seal(ALERT, &[1, 0], 0), &secrets, &mut out);
    let alerts: Vec<_> = out[2..].iter().map(|(_, seen)| seen.clone()).collect();
    let expected = [(Direction::ToServer, 2, 48), (Direction::ToClient, 1, 0)];
    assert_eq!(alerts, expected.map(|(side, level, number)| Seen::Alert(side, level, AlertDescription(number))));
    session.data(Direction::ToClient, Timestamp(5), b"GET / HTTP/1.1\r\n", &secrets, &mut out);
    assert!(matches!(&out.last().unwrap().1, Seen::Stopped(Direction::ToClient, why) if why.contains("no head")));
}

proptest! {
    /// Wherever bytes are missing, what is whole is opened, and what is missing is counted.
    #[test]
    fn gaps_cost_only_their_records(
        lengths in proptest::collection::vec(1usize..3000, 3..30),
        gap in any::<prop::sample::Index>(),
        length in 1usize..6000,
        piece in 1usize..5000,
    ) {
        let (secrets, mut server) = (traffic(), Sealer::new(vec![2; 32]));
        let (mut session, mut out) = begun(&secrets);
        let mut stream = Vec::new();
        let mut places = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            let begin = stream.len();
            stream.extend(server.seal(APPLICATION_DATA, &vec![index as u8; *length], 0));
            places.push((begin, stream.len(), *length));
        }
        // The last record comes whole, so that the end of the gap is found.
        let limit = places.last().unwrap().0;
        let from = gap.index(limit);
        let until = (from + length).min(limit);
        for part in stream[..from].chunks(piece) {
            session.data(Direction::ToClient, Timestamp(3), part, &secrets, &mut out);
        }
        session.lost(Direction::ToClient, (until - from) as u64);
        for part in stream[until..].chunks(piece) {
            session.data(Direction::ToClient, Timestamp(3), part, &secrets, &mut out);
        }
        let is_hit = |(begin, end, _): &&(usize, usize, usize)| *begin < until && *end > from;
        let missing: usize = places.iter().filter(is_hit).map(|(.., length)| length).sum();
        let all: usize = lengths.iter().sum();
        prop_assert_eq!(data(&out).len(), all - missing);
        prop_assert_eq!(lost(&out), missing as u64);
    }
}
