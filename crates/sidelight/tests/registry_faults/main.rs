//! Provoked failures of pulls and pushes. In: one table, a fault a row: a server that fails so, and a real client that meets it. Out: that
//! `registry timeline` (of what passed through `sidelight proxy`), `registry check` and `registry explain` (of the client's own words)
//! name the cause of each; where one cannot by nature, its row says why.

mod daemons;
mod ground;
mod ports;
mod row;
mod table;

use std::collections::VecDeque;
use std::sync::Mutex;

use ground::{Ground, Met};
use row::{Row, Sees};

/// Rows that are tried at the same moment: most of them wait.
const BESIDE: usize = 6;

/// So many rows there are, and so many are named by all three verbs.
const ROWS: usize = 120;
const NAMED_BY_ALL: usize = 100;

#[test]
fn each_provoked_failure_is_named_by_timeline_check_and_explain() {
    let ground = Ground::new();
    let rows = table::all(&ground);
    let queue: Mutex<VecDeque<&Row>> = Mutex::new(rows.iter().collect());
    let met: Mutex<Vec<(&Row, Met)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(row) = { queue.lock().expect("no panic").pop_front() } {
                    let found = ground.meet(row);
                    met.lock().expect("no panic").push((row, found));
                }
            });
        }
    });
    let met = met.into_inner().expect("no panic");
    assert_eq!(met.len(), rows.len(), "each row was tried");
    let told = ground.timeline();
    let lines: Vec<(bool, String)> = rows
        .iter()
        .map(|row| {
            let (_, found) = met.iter().find(|(it, _)| it.name == row.name).expect("each row was tried");
            line(row, found, told.cause_of(row).as_deref())
        })
        .collect();
    let table: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    assert!(lines.iter().all(|(is_right, _)| *is_right), "\n{table}");
    let by_all = rows.iter().filter(|row| row.is_named_by_all()).count();
    assert!(rows.len() >= ROWS && by_all >= NAMED_BY_ALL, "{} rows, {by_all} named by all three\n{table}", rows.len());
}

/// A row of the table that a failure prints, and whether it is as it should be.
fn line(row: &Row, met: &Met, timeline: Option<&str>) -> (bool, String) {
    let by_timeline = seen(&row.timeline, row.cause, timeline == Some(row.cause));
    let by_check = seen(&row.check, row.cause, met.check.as_deref() == Some(row.cause));
    let at = met.explained.iter().position(|it| it == row.cause);
    let by_explain = match row.explain {
        Sees::Names => at == Some(0),
        Sees::Among(_) => at.is_some_and(|at| at > 0),
        Sees::Not(_) => at.is_none(),
    };
    let is_right = by_timeline && by_check && by_explain && met.failed && met.tells_apart;
    let mark = |is_right: bool| if is_right { ' ' } else { '!' };
    let mut line = format!(
        "{} {:<34} {:<22} {}timeline {:<22} {}check {:<22} {}explain {}",
        mark(is_right),
        row.name,
        row.cause,
        mark(by_timeline),
        timeline.unwrap_or("-"),
        mark(by_check),
        met.check.as_deref().unwrap_or("-"),
        mark(by_explain),
        met.explained.join(" "),
    );
    for (verb, sees) in [("timeline", &row.timeline), ("check", &row.check), ("explain", &row.explain)] {
        if let Sees::Among(why) | Sees::Not(why) = sees {
            line.push_str(&format!("\n      {verb}: {why}"));
        }
    }
    if !is_right {
        line.push_str(&format!("\n      {}\n", met.words.replace('\n', "\n      ")));
    }
    (is_right, line)
}

fn seen(sees: &Sees, cause: &str, is_named: bool) -> bool {
    match sees {
        Sees::Names => is_named,
        // It says something else, for the reason that stands there: a row that is named after all is a row to correct.
        Sees::Among(why) | Sees::Not(why) => {
            assert!(!why.is_empty(), "{cause}: no reason");
            !is_named
        }
    }
}
