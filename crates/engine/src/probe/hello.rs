//! Hellos made by hand, for versions and suites that the TLS library does not speak. In: a question and what to offer. Out: what
//! the server chose. Such handshakes are never finished.

use std::io;
use std::time::{Duration, Instant};

use sidelight_model::diagnose::{Attempt, End, Question, Variant};
use sidelight_wire::tls::flight::{self, Flight, MAX_FLIGHT};
use sidelight_wire::tls::names;
use sidelight_wire::tls::offer::{EVERY_SUITE, Offer, TLS13_SUITES};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::handshake::alert_seen;
use super::reach::{Reached, anew};
use super::{Ways, plain};
use crate::transport::{Conn, hear};

/// Suites that are asked for one after another, by version.
const MOST_SUITES: usize = 32;
/// One of many such questions need not be waited for as long as others.
const SUITE_PATIENCE: Duration = Duration::from_secs(3);

const TLS13: u16 = 0x0304;

/// Offers what the variant says.
pub(super) async fn attempt(question: &Question, ways: &Ways, variant: Variant) -> Attempt {
    let begun = Instant::now();
    let (version, ciphers) = match variant {
        Variant::FiniteField(version) => (version, finite_field()),
        Variant::Every(version) => (version, EVERY_SUITE.to_vec()),
        _ => (TLS13, TLS13_SUITES.to_vec()),
    };
    let offer = offer(question, version, ciphers);
    let mut attempt = match anew(question, ways, &variant).await {
        Err(end) => Attempt::new(variant, end),
        Ok(reached) => talk(reached, &offer, question.patience, variant).await,
    };
    attempt.took = begun.elapsed();
    attempt
}

/// The suites that the server takes, in its order, as far as it has one.
pub(super) async fn suites(question: &Question, ways: &Ways, version: u16) -> Vec<String> {
    let mut left = if version == TLS13 { TLS13_SUITES.to_vec() } else { EVERY_SUITE.to_vec() };
    let mut taken = Vec::new();
    while taken.len() < MOST_SUITES && !left.is_empty() {
        let offer = offer(question, version, left.clone());
        let Ok(reached) = anew(question, ways, &Variant::Every(version)).await else { break };
        let patience = question.patience.min(SUITE_PATIENCE);
        let (flight, _) = hear_flight(reached.conn, &offer, patience, true).await;
        let chosen = flight.suite.filter(|suite| flight.version == Some(version) && left.contains(suite));
        let Some(suite) = chosen else { break };
        left.retain(|known| *known != suite);
        taken.push(names::cipher_suite(suite));
    }
    taken
}

fn finite_field() -> Vec<u16> {
    EVERY_SUITE.iter().copied().filter(|suite| names::cipher_suite(*suite).starts_with("TLS_DHE_")).collect()
}

fn offer(question: &Question, version: u16, ciphers: Vec<u16>) -> Offer {
    let mut random = [0; 32];
    // Without randomness the hello is as good: no secret rests on it.
    let _ = aws_lc_rs::rand::fill(&mut random);
    // The suites of TLS 1.3 cannot stand in an older hello, nor the others in one of TLS 1.3.
    Offer { version, ciphers, sni: question.sni.clone(), alpn: question.alpn.clone(), random }
}

async fn talk(reached: Reached, offer: &Offer, patience: Duration, variant: Variant) -> Attempt {
    let peer = reached.peer;
    let (flight, heard) = hear_flight(reached.conn, offer, patience, false).await;
    let mut attempt = Attempt::new(variant, End::TimedOut);
    attempt.peer = peer;
    attempt.hello_size = offer.encode().len();
    attempt.answered = flight.version.is_some();
    attempt.version = flight.version;
    attempt.suite = flight.suite.map(names::cipher_suite);
    attempt.group = flight.curve.map(names::group);
    attempt.dh_bits = flight.dh_bits;
    attempt.alpn = flight.alpn;
    attempt.stapled = flight.stapled.unwrap_or_default();
    attempt.end = match (&flight.alert, heard) {
        _ if flight.complete => End::Finished,
        (Some((_, alert)), _) => End::Alert(alert_seen(alert.0)),
        (None, Heard::NotTls(bytes)) => {
            let spoken = plain::spoken(&bytes);
            End::NotTls(bytes, spoken)
        }
        _ if flight.version.is_some() && flight.version != Some(TLS13) && !flight.chain.is_empty() => End::Finished,
        (None, Heard::Closed) => End::Closed,
        (None, Heard::Reset) => End::Reset,
        (None, Heard::Silence) => End::TimedOut,
    };
    attempt.chain = flight.chain;
    attempt
}

/// How the reading ended.
enum Heard {
    Silence,
    Closed,
    Reset,
    NotTls(Vec<u8>),
}

/// Sends the hello and reads until the flight is whole; with `hello_only` until the ServerHello is.
async fn hear_flight(mut conn: Conn, offer: &Offer, patience: Duration, hello_only: bool) -> (Flight, Heard) {
    let mut bytes = Vec::new();
    let read = timeout(patience, async {
        if let Err(error) = conn.write_all(&offer.encode()).await {
            return of_error(&error);
        }
        loop {
            match hear(&mut conn, &mut bytes).await {
                Ok(0) => return Heard::Closed,
                Ok(_) => {}
                Err(error) => return of_error(&error),
            }
            let flight = flight::read(&bytes);
            if flight.not_tls {
                return Heard::NotTls(bytes[..bytes.len().min(160)].to_vec());
            }
            let enough = flight.complete || flight.alert.is_some() || hello_only && flight.suite.is_some();
            if enough || bytes.len() >= MAX_FLIGHT {
                return Heard::Silence;
            }
        }
    })
    .await;
    (flight::read(&bytes), read.unwrap_or(Heard::Silence))
}

fn of_error(error: &io::Error) -> Heard {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Heard::Reset,
        _ => Heard::Closed,
    }
}
