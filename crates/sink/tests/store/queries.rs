//! Queries: whatever a filter asks, the store answers as if it had looked at every flow.

use std::time::SystemTime;

use proptest::prelude::*;
use sidelight_model::filter::Filter;
use sidelight_sink::store::{FlowId, Query, Recording};

use crate::calls::{Call, Calls, recorder};
use crate::round_trip::{story, tell};

/// At least one test of every operator that the language has, and the arguments that decide.
const LEAVES: &[&str] = &[
    "~all",
    "~marked",
    "~http",
    "~tcp",
    "~websocket",
    "~sse",
    "~q",
    "~s",
    "~e",
    "~a",
    "~cut",
    "~verified",
    "~udp",
    "~u /v2/",
    "~u test",
    "~u ^https",
    "~u é",
    "~m GET",
    "~m .",
    "~d a",
    "~d 'b.*test'",
    "~d '^[0-9.]+$'",
    "~d .",
    "~h json",
    "~hq content",
    "~hs .",
    "~t json",
    "~t HTML",
    "~tq text",
    "~ts utf-8",
    "~b a",
    "~bq .",
    "~bs .",
    "~src :",
    "~src '^1'",
    "~dst test",
    "~dst '\\['",
    "~c 200..400",
    "~c 4xx",
    "~c >= 500",
    "~c != 200",
    "~size > 1KB",
    "~reqsize < 100",
    "~respsize = 0",
    "~ttfb > 1ms",
    "~ttfb < 200ms",
    "~time >= 1s",
    "~tls",
    "~tls < 1.3",
    "~tls 1.3",
    "~cipher a",
    "~alpn h2",
    "~alpn .",
    "~sni a",
    "~ja3 a",
    "~ja4 a",
    "~ja4 .",
    "~expires < 30d",
    "~expires > 2020-01-01",
    "~issuer .",
    "~subject .",
    "~cert a",
    "~at 12:00..18:00",
    "~at > 2024-06-01",
    "~cause cert_expired",
    "~cause tls_intercepted",
    "~fault server",
    "~fault none",
    "~container a",
    "~process a",
    "~process .",
    "~pid > 1000",
    "~image .",
    "~registry",
    "~registry pull",
    "~grpc",
    "~grpc 0",
    "~grpc > 5",
    "~mode explicit",
    "~fate decrypted",
    "~fate failed",
    "~fate relayed",
    "~conn 1",
    "~conn 2..",
    "~id 2..3",
    "~id 1",
    "~anomaly",
    "~anomaly host",
    "~comment x",
    "/v2/",
];

fn expression() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(3, 6, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} & {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} | {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
    .boxed()
}

fn ids(recording: &Recording, query: &Query) -> Vec<FlowId> {
    let mut ids = Vec::new();
    recording
        .rows(query, &mut |row| {
            ids.push(row.id);
            true
        })
        .unwrap();
    ids
}

#[test]
fn every_operator_is_tried() {
    let tried: Vec<&str> = LEAVES.iter().map(|leaf| leaf.split(' ').next().unwrap_or_default()).collect();
    for operator in Filter::catalogue() {
        let name = format!("~{}", operator.name);
        let is_never = operator.field.is_never();
        assert!(is_never || tried.contains(&name.as_str()), "{name} is not tried");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_filter_does(
        story in story(),
        more in prop::collection::vec(expression(), 10),
        after in 0..3u64,
        limit in 1..4usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.sidelight");
        let mut recorder = recorder(&path);
        tell(&story, &mut recorder);
        drop(recorder);
        let recording = Recording::open(&path).unwrap();
        let all = ids(&recording, &Query::default());
        let flows: Vec<_> = all.iter().map(|id| recording.flow(*id).unwrap().unwrap()).collect();
        let now = SystemTime::now().into();
        for text in LEAVES.iter().map(|leaf| (*leaf).to_owned()).chain(more) {
            let filter = Filter::parse(&text).unwrap();
            let expected: Vec<FlowId> =
                flows.iter().filter(|flow| flow.matches(&filter, now)).map(|flow| flow.id).collect();
            let mut query = Query { filter: Some(filter), ..Query::default() };
            prop_assert_eq!(&ids(&recording, &query), &expected, "{}", text);

            query.after = Some(FlowId(after));
            query.limit = Some(limit);
            let rest: Vec<FlowId> = expected.iter().copied().filter(|id| id.0 > after).collect();
            let first: Vec<FlowId> = rest.iter().copied().take(limit).collect();
            prop_assert_eq!(&ids(&recording, &query), &first, "{}", text);
            query.newest_first = true;
            let last: Vec<FlowId> = rest.iter().rev().copied().take(limit).collect();
            prop_assert_eq!(&ids(&recording, &query), &last, "{}", text);
        }

        // A replay with a filter tells the exchanges of its flows, and nothing of other connections.
        let filter = Filter::parse("~c < 300 | ~id 1").unwrap();
        let expected: Vec<_> = flows.iter().filter(|flow| flow.matches(&filter, now)).collect();
        let told = Calls::default();
        let query = Query { filter: Some(filter), ..Query::default() };
        recording.replay(&query, &mut [Box::new(told.clone())]).unwrap();
        let told = told.take();
        let exchanges: Vec<_> = told.iter().filter_map(|call| match call {
            Call::Exchange(_, exchange) => Some(exchange.as_ref().clone()),
            _ => None,
        }).collect();
        prop_assert_eq!(exchanges, expected.iter().filter_map(|it| it.exchange.clone()).collect::<Vec<_>>());
        let messages = told.iter().filter(|call| matches!(call, Call::Decoded(..))).count();
        let distinct: usize = {
            // Messages that belong to several chosen flows are told once.
            let mut seen = std::collections::BTreeSet::new();
            expected.iter().flat_map(|it| it.messages.iter().map(move |message| (it.conn.id, message)))
                .for_each(|(conn, message)| { seen.insert(format!("{conn:?} {message:?}")); });
            seen.len()
        };
        prop_assert!(messages >= distinct, "{} of {}", messages, distinct);
        let connections: Vec<_> = expected.iter().map(|it| format!("id: ConnId({})", it.conn.id.0)).collect();
        for call in &told {
            if let Call::Closed(conn) | Call::Finding(conn, _) | Call::Opened(conn) = call {
                prop_assert!(connections.iter().any(|id| conn.contains(id.as_str())), "{:?}", call);
            }
        }
    }
}
