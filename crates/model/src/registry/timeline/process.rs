//! The process behind requests whose connection was too short for it to be found. In: requests in the order of time. Out: the same, with the
//! process of the requests around them where that is certain.
//!
//! A wrong process is worse than none: it would put two clients into one block. What begins anew (a ping) may be another run of the same
//! program, so it takes a process only from what comes after it, or if that before and after it are the same.

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::seen::{Asks, Credentials, Seen};
use super::group::LOGIN_TIME;

type Process = (u32, String);

/// Fills in processes: first by what was asked of the same registry, which tells more than what was asked at the same time.
pub(super) fn fill(seen: &mut [Seen]) {
    fill_by(seen, |it| it.place.host.clone());
    fill_by(seen, |_| String::new());
}

/// Fills in processes by the requests of the same agent, address and `part`.
fn fill_by(seen: &mut [Seen], part: fn(&Seen) -> String) {
    let mut clients: HashMap<(Option<IpAddr>, String, String), Vec<usize>> = HashMap::new();
    // A connection on which nothing was asked names no agent: it is that of what its address asked next, else last.
    let requests = seen.iter().filter(|it| it.asks != Asks::Connection);
    let mut next: HashMap<(Option<IpAddr>, String), String> =
        requests.map(|it| ((it.caller.address, part(it)), it.caller.agent.clone())).collect();
    for (at, it) in seen.iter().enumerate().rev() {
        let key = (it.caller.address, part(it));
        let agent = match it.asks {
            Asks::Connection => next.get(&key).cloned().unwrap_or_default(),
            _ => it.caller.agent.clone(),
        };
        next.insert(key.clone(), agent.clone());
        clients.entry((key.0, key.1, agent)).or_default().push(at);
    }
    let is_all = clients.keys().all(|(_, part, _)| part.is_empty());
    for all in clients.values_mut() {
        all.reverse();
        // Connections alone, one after the other, tell nothing of each other; nor do questions to a token server or storage, between which
        // those lie that the registry was asked.
        let is_aside = |at: &usize| matches!(seen[*at].asks, Asks::Token { .. } | Asks::Redirected);
        let is_asked = all.iter().any(|at| seen[*at].asks != Asks::Connection) && (is_all || !all.iter().any(is_aside));
        if is_asked && all.iter().any(|at| seen[*at].caller.process.is_some()) {
            fill_client(seen, all);
        }
    }
}

/// Of one agent at one address.
fn fill_client(seen: &mut [Seen], all: &[usize]) {
    let mut at = 0;
    let mut before: Option<usize> = None;
    while let Some(first) = all.get(at).copied() {
        if seen[first].caller.process.is_some() {
            (before, at) = (Some(first), at + 1);
            continue;
        }
        let is_unknown = |it: &&usize| seen[**it].caller.process.is_none();
        let length = all[at..].iter().take_while(is_unknown).count();
        let (run, after) = (&all[at..at + length], all.get(at + length).copied());
        let found = of_run(seen, run, before, after);
        for (it, process) in run.iter().zip(found) {
            seen[*it].caller.process = process;
        }
        at += length;
    }
}

/// The processes of a run of requests without any, between two that have one.
fn of_run(seen: &[Seen], run: &[usize], before: Option<usize>, after: Option<usize>) -> Vec<Option<Process>> {
    let near = |one: usize, other: usize| match (seen[one].start, seen[other].start) {
        (Some(one), Some(other)) => one.0.abs_diff(other.0) <= LOGIN_TIME.unsigned_abs(),
        _ => false,
    };
    let process = |at: Option<usize>, of: usize| seen[at.filter(|at| near(*at, of))?].caller.process.clone();
    let begins: Vec<usize> = (0..run.len()).filter(|at| begins(seen, run, *at, after)).collect();
    let (first, last) = (begins.first().copied(), begins.last().copied());
    let goes_on = after.is_some_and(|at| !is_first_ping(&seen[at]) && seen[at].asks != Asks::Connection);
    // A connection that failed, and a ping of the same host next: a client that tries another way.
    let tries_again = |at: usize| {
        let is_first = after.filter(|it| is_first_ping(&seen[*it]));
        let is_connection = |it: &usize| seen[*it].asks == Asks::Connection;
        run[at..].iter().all(is_connection)
            && is_first.is_some_and(|it| seen[it].place.host == seen[run[at]].place.host)
    };
    let of = |at: usize| {
        let (earlier, later) = (process(before, run[at]), process(after, run[at]));
        let is_same = earlier == later;
        match (first, last) {
            _ if is_same => earlier,
            _ if tries_again(at) => later,
            (Some(first), _) if at < first => earlier,
            (_, Some(last)) if at >= last && goes_on => later,
            (None, _) if earlier.is_some() => earlier,
            (None, _) if goes_on => later,
            _ => None,
        }
    };
    (0..run.len()).map(of).collect()
}

/// Whether something new may begin with this: a ping, or the connections that failed before it. One after which there is no ping goes on with
/// what was before it: a token server that is down, say.
fn begins(seen: &[Seen], run: &[usize], at: usize, after: Option<usize>) -> bool {
    let is_connection = |at: usize| seen[run[at]].asks == Asks::Connection;
    let mut following = run[at..].iter().copied().chain(after).skip_while(|it| seen[*it].asks == Asks::Connection);
    let may_begin = following.next().is_some_and(|it| is_first_ping(&seen[it]));
    may_begin && (at == 0 || !is_connection(at - 1))
}

/// A ping that shows a token or login goes on with one that did not.
fn is_first_ping(seen: &Seen) -> bool {
    seen.asks == Asks::Ping && matches!(seen.credentials, Credentials::None | Credentials::Unknown)
}

#[cfg(test)]
mod tests {
    use super::super::super::seen::{Caller, Place, Seen};
    use super::*;
    use crate::time::Timestamp;

    fn manifest() -> Asks {
        Asks::Manifest { repository: "a".to_owned(), reference: "1".to_owned() }
    }

    fn token() -> Asks {
        Asks::Token { service: String::new(), scopes: Vec::new(), account: None }
    }

    fn filled(all: &[(Asks, u32)]) -> Vec<u32> {
        let request = |(at, (asks, pid)): (usize, &(Asks, u32))| Seen {
            asks: asks.clone(),
            place: Place {
                host: if matches!(asks, Asks::Token { .. }) { "t.test" } else { "r.test" }.to_owned(),
                ..Place::default()
            },
            start: Some(Timestamp(i64::try_from(at).unwrap() * 1000)),
            caller: Caller {
                agent: if *asks == Asks::Connection { String::new() } else { "skopeo".to_owned() },
                process: (*pid > 0).then(|| (*pid, "skopeo".to_owned())),
                ..Caller::default()
            },
            ..Seen::default()
        };
        let mut seen: Vec<Seen> = all.iter().enumerate().map(request).collect();
        fill(&mut seen);
        seen.iter().map(|it| it.caller.process.as_ref().map_or(0, |it| it.0)).collect()
    }

    #[test]
    fn a_run_of_which_nothing_is_known_takes_no_others_process() {
        let all =
            [(Asks::Ping, 1), (manifest(), 1), (Asks::Ping, 0), (manifest(), 0), (Asks::Ping, 2), (manifest(), 2)];
        assert_eq!(filled(&all), [1, 1, 0, 0, 2, 2]);
    }

    #[test]
    fn what_stands_within_a_run_is_of_its_process() {
        let all = [(Asks::Ping, 1), (manifest(), 0), (manifest(), 1), (manifest(), 0), (Asks::Ping, 2)];
        assert_eq!(filled(&all), [1, 1, 1, 1, 2]);
        let all = [(Asks::Ping, 1), (Asks::Connection, 0), (Asks::Ping, 0), (manifest(), 2)];
        assert_eq!(filled(&all), [1, 2, 2, 2]);
        assert_eq!(filled(&[(Asks::Ping, 1), (Asks::Connection, 0)]), [1, 1]);
        assert_eq!(filled(&[(manifest(), 1), (Asks::Connection, 0), (Asks::Ping, 2)]), [1, 2, 2]);
        // A token server that the next client asks as well, and the registry between.
        let all = [(Asks::Ping, 1), (token(), 0), (Asks::Ping, 1), (Asks::Ping, 2), (token(), 2)];
        assert_eq!(filled(&all), [1, 1, 1, 2, 2]);
        // A daemon is the same throughout.
        let all = [(Asks::Ping, 1), (Asks::Ping, 0), (manifest(), 0), (Asks::Ping, 1)];
        assert_eq!(filled(&all), [1, 1, 1, 1]);
    }
}
