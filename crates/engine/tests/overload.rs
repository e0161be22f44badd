//! Sinks that are slower than the traffic, with everything captured: traffic waits and nothing is lost, or it goes on and what
//! is lost is counted to the byte.

mod rig;

use std::sync::Arc;
use std::time::Duration;

use rig::{LIMIT, NAME, Pki, Rig, exchange, numbered, service, tls_echo, wire};
use rustls::version::TLS13;
use sidelight_engine::tap::{Overload, queue};
use sidelight_engine::{Capture, Mode, Settings};
use sidelight_model::flow::{Direction, Event, EventKind, Leg};
use sidelight_model::policy::Rules;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const QUEUE: usize = 256 << 10;
/// More than all buffers of the sockets between client and service.
const MUCH: usize = 40 << 20;
const LEGS: [Leg; 2] = [Leg::Client, Leg::Server];
const WAYS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

fn capturing() -> Settings {
    Settings { capture: Capture { packets: true, secrets: true }, ..Settings::default() }
}

async fn echo() -> std::net::SocketAddr {
    service(|socket| async move {
        let (mut reader, mut writer) = socket.into_split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await
}

fn lost(events: &[Event], leg: Leg, direction: Direction) -> u64 {
    let count = |event: &Event| match event.kind {
        EventKind::WireLost(on, way, count) if (on, way) == (leg, direction) => count,
        _ => 0,
    };
    events.iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_waits_for_sinks_and_nothing_is_lost() {
    let said = Arc::new(numbered(MUCH));
    let mut rig =
        Rig::on(queue(QUEUE, Overload::Wait), Mode::Forward(echo().await.into()), capturing(), Pki::new()).await;
    let socket = TcpStream::connect(rig.at).await.unwrap();
    let said_too = said.clone();
    let mut talk = tokio::spawn(async move { exchange(socket, &said_too).await });
    let early = tokio::time::timeout(Duration::from_secs(1), &mut talk).await;
    assert!(early.is_err(), "nobody takes what is told, so it cannot be over");
    let events = rig.events(1).await;
    assert!(tokio::time::timeout(LIMIT, talk).await.unwrap().unwrap() == *said);
    for (leg, way) in LEGS.into_iter().flat_map(|leg| WAYS.map(|way| (leg, way))) {
        assert!(wire(&events, leg, way) == *said, "{leg:?} {way:?}");
    }
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Lost(..) | EventKind::WireLost(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_relayed_untouched_waits_as_well() {
    let said = Arc::new(numbered(MUCH));
    let pki = Pki::new();
    let at = tls_echo(pki.server(&[&TLS13])).await;
    let rules = Rules { pass: vec![NAME.parse().unwrap()], ..Rules::default() };
    let settings = Settings { rules, ..capturing() };
    let mut rig = Rig::on(queue(QUEUE, Overload::Wait), Mode::Forward(at.into()), settings, pki).await;
    let stream = rig.connect(&rig.client(&[&TLS13])).await;
    let said_too = said.clone();
    let mut talk = tokio::spawn(async move { exchange(stream, &said_too).await });
    let early = tokio::time::timeout(Duration::from_secs(1), &mut talk).await;
    assert!(early.is_err(), "nobody takes what is told, so it cannot be over");
    let events = rig.events(1).await;
    assert!(tokio::time::timeout(LIMIT, talk).await.unwrap().unwrap() == *said);
    for way in WAYS {
        let [client, server] = LEGS.map(|leg| wire(&events, leg, way));
        assert!(client == server && client.len() > MUCH, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_goes_on_and_each_lost_byte_is_counted() {
    let said = numbered(MUCH);
    let mut rig =
        Rig::on(queue(QUEUE, Overload::Drop), Mode::Forward(echo().await.into()), capturing(), Pki::new()).await;
    let socket = TcpStream::connect(rig.at).await.unwrap();
    // Nobody takes what is told until all has passed.
    assert!(tokio::time::timeout(LIMIT, exchange(socket, &said)).await.expect("traffic goes on") == said);
    let events = rig.events(1).await;
    for (leg, way) in LEGS.into_iter().flat_map(|leg| WAYS.map(|way| (leg, way))) {
        let (seen, lost) = (wire(&events, leg, way).len() as u64, lost(&events, leg, way));
        assert_eq!(seen + lost, MUCH as u64, "{leg:?} {way:?}");
    }
    let held: usize = LEGS.into_iter().flat_map(|leg| WAYS.map(|way| wire(&events, leg, way).len())).sum();
    assert!(held < 2 * QUEUE, "{held} bytes were held");
    let Some(EventKind::Closed(closed)) = events.last().map(|event| &event.kind) else { panic!("the end is told") };
    assert!(closed.to_server.bytes == MUCH as u64 && closed.to_server.lost > 0);
}
