//! Conversations with registries. In: bytes; the first says as what they are read: a conversation in turns, a registry's log, the dump
//! of `ctr`, a manifest, a token. Out: broken promises.

use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Direction};
use sidelight_model::registry::seen::{Asks, Seen};
use sidelight_model::registry::timeline::{Outcome, build};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use sidelight_wire::registry::{self, Observer, parse_manifest, read_access_log, read_http_dump, read_token};

use super::turns;

/// Bounded, without panic; every request in one block, every verdict of a failure with its step.
pub fn registry_traffic(data: &[u8]) {
    let (choice, rest) = data.split_first().unwrap_or((&0, &[]));
    match choice % 5 {
        0 => judge(conversation(rest)),
        1 => judge(told(read_access_log(&String::from_utf8_lossy(rest)), true)),
        2 => judge(told(read_http_dump(&String::from_utf8_lossy(rest)), false)),
        3 => {
            if let Ok(manifest) = parse_manifest("", rest) {
                assert!(manifest.layers.len() <= 1024 && manifest.manifests.len() <= 1024);
            }
        }
        _ => {
            let text = String::from_utf8_lossy(rest);
            let token = read_token(&text);
            assert_eq!(token.claims.is_none(), token.unread.is_some());
        }
    }
}

/// Turns over one connection, each a second after the one before it.
fn conversation(data: &[u8]) -> Vec<Seen> {
    let mut decoder = FlowDecoder::new(ConnId(1), Limits { body_kept: 4096, hash_bodies: true, ..Limits::default() });
    let mut found = Vec::new();
    let mut now = 1_000_000;
    for (is_server, bytes) in turns(data) {
        let direction = if is_server { Direction::ToClient } else { Direction::ToServer };
        decoder.data(direction, Timestamp(now), bytes, &mut found);
        now += 1_000_000;
    }
    decoder.closed(Timestamp(now), &mut found);
    let conn = ConnectionRecord::new(ConnId(1), Timestamp(0));
    let mut observer = Observer::default();
    let exchanges = found.iter().filter_map(|it| match it {
        Decoded::Exchange(exchange) => observer.exchange(&conn, exchange, false),
        _ => None,
    });
    exchanges.collect()
}

fn told(told: Vec<registry::Told>, partial: bool) -> Vec<Seen> {
    let mut observer = Observer::default();
    told.into_iter().filter_map(|it| it.seen(&mut observer, partial)).collect()
}

fn judge(seen: Vec<Seen>) {
    for it in &seen {
        assert!(it.place.host.len() <= 4 * 512 && it.method.len() <= 64 && it.says.rate_limit.len() <= 16);
    }
    let count = seen.len();
    let blocks = build(seen);
    let all = blocks.iter().flat_map(|it| &it.steps).flat_map(|it| &it.seen);
    assert_eq!(all.filter(|it| it.asks != Asks::Connection).count(), count);
    for block in &blocks {
        assert!(block.verdict.outcome == Outcome::Ok || block.verdict.step.is_some());
        assert!(!block.image().is_empty() && block.not_fetched().len() <= 1024 * count.max(1));
    }
}
