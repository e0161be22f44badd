//! What goes in comes out, call by call.

use proptest::collection::vec;
use proptest::prelude::*;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::store::{FlowId, Query, Recording};
use std::sync::Arc;

use crate::arbitrary;
use crate::calls::{Call, Calls, recorder};

/// Something that happens on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Exchange(Box<Exchange>),
    Decoded(Decoded),
    Finding(Finding),
}

/// A connection: states that its entries were told with, which entries those were, and whether it ends.
pub(crate) type Chapter = (Vec<ConnectionRecord>, Vec<(usize, Step)>, bool);

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        3 => arbitrary::exchange().prop_map(|it| Step::Exchange(Box::new(it))),
        2 => arbitrary::message().prop_map(Step::Decoded),
        1 => arbitrary::finding().prop_map(Step::Finding),
    ]
    .boxed()
}

/// Connections, one after another.
pub(crate) fn story() -> impl Strategy<Value = Vec<Chapter>> {
    let connection = (vec(arbitrary::record(), 1..3), vec((0..3usize, step()), 0..5), prop::bool::weighted(0.8));
    vec(connection, 1..4)
}

/// Tells a story to a consumer, connections one after another.
pub(crate) fn tell(story: &[Chapter], to: &mut dyn Consumer) {
    for (n, (states, steps, ends)) in story.iter().enumerate() {
        // A connection ends but once.
        let closed = states.iter().find_map(|it| it.closed.clone());
        let mut has_ended = false;
        let state = |it: &ConnectionRecord| {
            has_ended |= it.closed.is_some();
            ConnectionRecord { id: ConnId(n as u64 + 1), closed: closed.clone().filter(|_| has_ended), ..it.clone() }
        };
        let states: Vec<ConnectionRecord> = states.iter().map(state).collect();
        let first = &states[0];
        let mut opened = ConnectionRecord::new(first.id, first.since);
        opened.opened.clone_from(&first.opened);
        if steps.is_empty() && !ends {
            continue;
        }
        to.opened(&opened);
        for (state, step) in steps {
            // The first entry is told with the first state, as the replay tells of the connection by it.
            let state = if std::ptr::eq(step, &steps[0].1) { first } else { &states[state % states.len()] };
            match step {
                Step::Exchange(exchange) => {
                    to.exchange(state, &Arc::new(Exchange { conn: first.id, ..exchange.as_ref().clone() }));
                }
                Step::Decoded(decoded) => to.decoded(state, decoded),
                Step::Finding(finding) => to.finding(state, finding),
            }
        }
        if *ends {
            to.closed(if steps.is_empty() { first } else { &states[states.len() - 1] });
        }
    }
    to.end(&Ledger::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_makes_the_calls_that_were_recorded(story in story()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.sidelight");
        let mut recorder = recorder(&path);
        tell(&story, &mut recorder);
        drop(recorder);
        let mut expected = Calls::default();
        tell(&story, &mut expected);
        let expected = expected.take();

        let recording = Recording::open(&path).unwrap();
        let told = Calls::default();
        recording.replay(&Query::default(), &mut [Box::new(told.clone())]).unwrap();
        prop_assert_eq!(&told.take(), &expected);

        // The same flow by flow.
        let mut ids = Vec::new();
        recording.rows(&Query::default(), &mut |row| { ids.push(row.id); true }).unwrap();
        let flows: Vec<_> = ids.iter().map(|id| recording.flow(*id).unwrap().unwrap()).collect();
        let exchanges: Vec<_> = expected.iter().filter_map(|call| match call {
            Call::Exchange(_, exchange) => Some(exchange.as_ref().clone()),
            _ => None,
        }).collect();
        let found: Vec<_> = flows.iter().filter_map(|flow| flow.exchange.clone()).collect();
        prop_assert_eq!(found, exchanges);
        for flow in &flows {
            // A flow tells how its connection ended, though that came after it.
            let id = format!("id: {:?},", flow.conn.id);
            let end = expected.iter().find_map(|call| match call {
                Call::Closed(conn) if conn.contains(&id) => Some(conn),
                _ => None,
            });
            if let Some(end) = end {
                prop_assert!(end.ends_with(&format!("closed: {:?} }}", flow.conn.closed)), "{:?}", flow.conn);
            }
        }
        prop_assert_eq!(ids, (1..=flows.len() as u64).map(FlowId).collect::<Vec<_>>());
        prop_assert!(recording.flow(FlowId(u64::MAX)).unwrap().is_none());
    }
}
