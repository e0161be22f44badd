//! Tests of the queue's bounds. In: taps that tell more than there is room for. Out: what is told, counted, waited for.

use std::io::IoSlice;
use std::sync::atomic::AtomicBool;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{
    Closed, Decoded, Direction, Ends, How, Leg, Opened, Outcome, Tally, TlsSide, TlsVersion, WireEnd,
};
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};

use super::*;

const NOW: Duration = Duration::ZERO;

fn received(receiver: &mut TapReceiver) -> Vec<Event> {
    let next = |receiver: &mut TapReceiver| match receiver.next(NOW) {
        Received::Event(event) => Some(event),
        Received::Idle | Received::End => None,
    };
    std::iter::from_fn(|| next(receiver)).collect()
}

fn opened() -> EventKind {
    let address = "127.0.0.1:1".parse().unwrap();
    EventKind::Opened(Opened { client: address, local: address, mode: "explicit".into() })
}

fn closed(tap: &mut ConnTap) -> EventKind {
    let (to_server, to_client) = tap.tallies();
    EventKind::Closed(Closed { to_server, to_client, how: How::Clean })
}

#[test]
fn what_is_dropped_is_counted_and_told() {
    let (tap, mut receiver) = queue(1000, Overload::Drop);
    let mut tap = tap.connection(ConnId(1));
    tap.data(Direction::ToServer, &[1; 2000]);
    tap.data(Direction::ToServer, &[2; 50]);
    assert!(matches!(receiver.next(NOW), Received::Event(Event { kind: EventKind::Data(..), .. })));
    assert!(matches!(receiver.next(NOW), Received::Idle));
    tap.data(Direction::ToServer, &[3; 10]);
    let Received::Event(event) = receiver.next(NOW) else { panic!() };
    assert!(matches!(event.kind, EventKind::Lost(Direction::ToServer, 50)));
    assert_eq!(tap.tallies().0, Tally { bytes: 2060, lost: 50 });
}

#[test]
fn waiting_traffic_is_woken() {
    let (tap, mut receiver) = queue(100, Overload::Wait);
    let mut tap = tap.connection(ConnId(1));
    tap.data(Direction::ToClient, &[0; 200]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(tap.poll_ready(&mut cx).is_pending());
    assert!(matches!(receiver.next(NOW), Received::Event(_)));
    assert!(tap.poll_ready(&mut cx).is_pending(), "the event is not dealt with yet");
    assert!(matches!(receiver.next(NOW), Received::Idle));
    assert!(tap.poll_ready(&mut cx).is_ready());
}

#[test]
fn sinks_that_are_gone_hold_nothing_up() {
    let (tap, receiver) = queue(100, Overload::Wait);
    let mut tap = tap.connection(ConnId(1));
    tap.data(Direction::ToClient, &[0; 200]);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(tap.poll_ready(&mut cx).is_pending());
    drop(receiver);
    assert!(woken.0.load(Ordering::Acquire), "those who wait are woken");
    assert!(tap.poll_ready(&mut cx).is_ready());
    tap.data(Direction::ToClient, &[0; 200]);
    assert_eq!(tap.tallies().1.bytes, 400);
}

#[tokio::test]
async fn new_connections_wait_for_room() {
    let (tap, mut receiver) = queue(1000, Overload::Wait);
    tap.admit(ConnId(1)).await;
    tap.connection(ConnId(1)).data(Direction::ToClient, &[0; 2000]);
    let admission = tokio::spawn({
        let tap = tap.clone();
        async move { tap.admit(ConnId(2)).await }
    });
    tokio::task::yield_now().await;
    assert!(!admission.is_finished());
    assert_eq!(received(&mut receiver).len(), 1);
    admission.await.unwrap();
}

#[derive(Default)]
struct Woken(AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A typical intercepted connection: two chains, a finding, its data, its packets.
fn converse(tap: &mut ConnTap) {
    let side = Arc::new(TlsSide {
        version: TlsVersion(0x0304),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        group: None,
        alpn: None,
        sni: Some("a.test".into()),
        hello: None,
        resumed: false,
        chain: vec![vec![1; 1500], vec![2; 1200]],
        verified: None,
    });
    let wire = WireTap::new(tap, Leg::Client);
    let mut wire = WireTap::lock(&wire);
    let end = "127.0.0.1:1".parse().unwrap();
    tap.event(opened());
    wire.socket(Ends { from: end, to: end });
    tap.event(EventKind::ServerTls(side.clone()));
    tap.event(EventKind::ClientTls(side));
    let finding = Finding::new(Cause::CertExpired, "s".repeat(300), "certificate", "a.test", "v".repeat(900));
    tap.event(EventKind::Finding(Box::new(finding)));
    wire.read(Direction::ToServer, &[5; 5000]);
    tap.data(Direction::ToServer, &[6; 4000]);
    wire.ended(Direction::ToServer, WireEnd::Fin);
}

#[test]
fn sinks_that_stand_still_cost_no_memory() {
    const LIMIT: usize = 1 << 20;
    let (tap, mut receiver) = queue(LIMIT, Overload::Drop);
    // Some were there before the queue was full, and talk on.
    let mut early: Vec<ConnTap> = (1..=10).map(|conn| tap.connection(ConnId(conn))).collect();
    early.iter_mut().for_each(converse);
    for conn in 11..=100_000 {
        let mut tap = tap.connection(ConnId(conn));
        converse(&mut tap);
        let end = closed(&mut tap);
        tap.event(end);
    }
    for _ in 0..1000 {
        early.iter_mut().for_each(converse);
    }
    for tap in &mut early {
        let end = closed(tap);
        tap.event(end);
    }
    let held = receiver.budget.used.load(Ordering::Acquire);
    let opened_early = 11 * 1001 * PER_EVENT_OPENED;
    assert!(held <= LIMIT + 12 * (16 * 1024) + opened_early, "{held} bytes are held");
    drop(early);
    drop(tap);
    let events = received(&mut receiver);
    assert_eq!(receiver.budget.used.load(Ordering::Acquire), 0, "what was counted is given back");
    let count = |wanted: fn(&EventKind) -> bool| events.iter().filter(|event| wanted(&event.kind)).count() as u64;
    let shed: u64 = events.iter().map(|it| if let EventKind::Shed(count) = it.kind { count } else { 0 }).sum();
    let seen = count(|kind| matches!(kind, EventKind::Closed(_)));
    assert_eq!(seen + shed, 100_000, "each is either told about to its end or counted");
    assert!((11..10_000).contains(&seen), "{seen}");
    let told = |event: &Event| if let EventKind::Closed(it) = &event.kind { it.to_server.lost } else { 0 };
    assert!(events.iter().map(told).sum::<u64>() > 10 * 1000 * 4000 / 2, "the lost bytes are counted");
}

/// What the frame of a connection costs; the test opens its early connections again and again.
const PER_EVENT_OPENED: usize = 160;

#[test]
fn shed_connections_are_told_once_there_is_room() {
    let (tap, mut receiver) = queue(1000, Overload::Drop);
    tap.connection(ConnId(1)).event(EventKind::Finding(Box::new(Finding::new(
        Cause::CertExpired,
        "s".repeat(2000),
        "w",
        "p",
        "v",
    ))));
    for conn in 2..=4 {
        let mut tap = tap.connection(ConnId(conn));
        assert!(!tap.is_heard());
        tap.event(opened());
        tap.data(Direction::ToServer, b"x");
        assert_eq!(tap.tallies().0, Tally { bytes: 1, lost: 0 });
    }
    let seen: Vec<_> = received(&mut receiver).into_iter().map(|event| (event.conn, event.kind)).collect();
    assert!(matches!(seen[..], [(ConnId(1), EventKind::Finding(_)), (ConnId(0), EventKind::Shed(3))]), "{seen:?}");
    assert!(tap.connection(ConnId(5)).is_heard());
}

#[test]
fn secrets_come_before_what_they_decrypt() {
    let (tap, mut receiver) = queue(1 << 20, Overload::Drop);
    let tap = tap.connection(ConnId(1));
    let shared = WireTap::new(&tap, Leg::Server);
    let mut wire = WireTap::lock(&shared);
    wire.handshaking(true);
    wire.written(Direction::ToServer, &[IoSlice::new(b"hel"), IoSlice::new(b"lo and more")], 5);
    wire.read(Direction::ToClient, b"server hello");
    let secret = sidelight_model::flow::KeyLogLine {
        label: "CLIENT_RANDOM".into(),
        client_random: [7; 32],
        secret: sidelight_model::redact::Secret::new(vec![1; 48]),
    };
    wire.secret(secret);
    wire.written(Direction::ToServer, &[IoSlice::new(b"finished")], 8);
    wire.read(Direction::ToClient, b"finished, and the first data");
    wire.handshaking(false);
    wire.read(Direction::ToClient, b"data");
    let words = |event: Event| match event.kind {
        EventKind::Wire(_, _, bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
    };
    let told: Vec<String> = received(&mut receiver).into_iter().map(words).collect();
    assert_eq!(told, ["hello", "Secret", "server hello", "finished", "finished, and the first data", "data"]);
}

#[test]
fn bytes_that_nobody_wants_are_counted_and_not_lost() {
    let (tap, mut receiver) = queue(100, Overload::Drop);
    receiver.decline_bytes();
    let mut tap = tap.connection(ConnId(1));
    tap.event(opened());
    tap.data(Direction::ToClient, &[0; 2000]);
    let end = closed(&mut tap);
    tap.event(end);
    let events = received(&mut receiver);
    assert!(matches!(events[0].kind, EventKind::Opened(_)) && events.len() == 2, "{events:?}");
    let EventKind::Closed(end) = &events[1].kind else { panic!("{events:?}") };
    assert_eq!(end.to_client, Tally { bytes: 2000, lost: 0 });
}

/// What `events` say of one connection, decoded.
fn decoded(events: &[Event], conn: ConnId) -> Vec<Decoded> {
    let mut decoder = FlowDecoder::new(conn, Limits::default());
    let mut found = Vec::new();
    for event in events.iter().filter(|event| event.conn == conn) {
        match &event.kind {
            EventKind::Data(direction, bytes) => decoder.data(*direction, event.at, bytes, &mut found),
            EventKind::Lost(direction, bytes) => decoder.lost(*direction, event.at, *bytes, &mut found),
            EventKind::Closed(_) => decoder.closed(event.at, &mut found),
            _ => {}
        }
    }
    found
}

/// The numbers of the exchanges that were found whole, those of request and answer.
fn whole(found: &[Decoded]) -> Vec<(String, String)> {
    let numbers = |decoded: &Decoded| match decoded {
        Decoded::Exchange(exchange) if exchange.outcome == Outcome::Complete => {
            let target = &exchange.request.as_ref()?.target.raw;
            Some((String::from_utf8_lossy(target).into_owned(), exchange.response.as_ref()?.reason.clone()))
        }
        _ => None,
    };
    let text = |(target, reason): (String, _)| (target, String::from_utf8_lossy(&Vec::from(reason)).into_owned());
    found.iter().filter_map(numbers).map(text).collect()
}

fn exchange(tap: &mut ConnTap, number: usize) -> (String, String) {
    tap.data(Direction::ToServer, format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    let answer = format!("HTTP/1.1 200 /{number}\r\nContent-Length: 1000\r\n\r\n");
    tap.data(Direction::ToClient, answer.as_bytes());
    tap.data(Direction::ToClient, &[b'x'; 1000]);
    (format!("/{number}"), format!("/{number}"))
}

#[test]
fn downloads_give_way_to_connections_that_say_little() {
    let (tap, mut receiver) = queue(4 << 20, Overload::Drop);
    let mut floods: Vec<ConnTap> = (1..=4).map(|conn| tap.connection(ConnId(conn))).collect();
    let mut small: Vec<ConnTap> = (5..=12).map(|conn| tap.connection(ConnId(conn))).collect();
    let (mut events, mut made) = (Vec::new(), Vec::new());
    for round in 0..2000 {
        for flood in &mut floods {
            flood.data(Direction::ToClient, &[0; 16 * 1024]);
        }
        let number = round / small.len();
        let chosen = round % small.len();
        let asked = exchange(&mut small[chosen], number);
        made.extend((chosen == 0).then_some(asked));
        // Far less is taken than comes.
        for _ in 0..4 {
            if let Received::Event(event) = receiver.next(NOW) {
                events.push(event);
            }
        }
    }
    let lost =
        |taps: &mut [ConnTap]| taps.iter_mut().map(|tap| tap.tallies().1.lost + tap.tallies().0.lost).sum::<u64>();
    assert!(lost(&mut floods) > 50 << 20, "{}", lost(&mut floods));
    assert_eq!(lost(&mut small), 0);
    let end = closed(&mut small[0]);
    small[0].event(end);
    events.extend(received(&mut receiver));
    assert_eq!(whole(&decoded(&events, ConnId(5))), made);
    assert!(small.iter().chain(&floods).all(|tap| tap.line.is_at_rest()), "what was counted is given back");
}

#[test]
fn a_single_connection_has_half_of_the_room() {
    let (tap, receiver) = queue(8 << 20, Overload::Drop);
    let mut tap = tap.connection(ConnId(1));
    for _ in 0..1000 {
        tap.data(Direction::ToClient, &[0; 16 * 1024]);
    }
    let held = receiver.budget.used.load(Ordering::Acquire);
    assert!((7 << 19..(7 << 19) + (32 << 10)).contains(&held), "{held}");
}

#[test]
fn exchanges_after_a_loss_are_decoded() {
    let (tap, mut receiver) = queue(64 * 1024, Overload::Drop);
    let mut tap = tap.connection(ConnId(1));
    let (mut events, mut made) = (Vec::new(), Vec::new());
    for burst in 0..4 {
        for number in 0..200 {
            let asked = exchange(&mut tap, burst * 1000 + number);
            // Those that came when the queue was empty.
            made.extend((number < 30).then_some(asked));
        }
        events.extend(received(&mut receiver));
    }
    let end = closed(&mut tap);
    tap.event(end);
    events.extend(received(&mut receiver));
    let found = whole(&decoded(&events, ConnId(1)));
    assert!(found.iter().all(|(asked, answered)| asked == answered), "{found:?}");
    let missing: Vec<_> = made.iter().filter(|asked| !found.contains(asked)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let lost: u64 = events.iter().map(|it| if let EventKind::Lost(_, bytes) = it.kind { bytes } else { 0 }).sum();
    let tallies = tap.tallies();
    assert_eq!(lost, tallies.0.lost + tallies.1.lost);
    assert!(lost > 0);
}
