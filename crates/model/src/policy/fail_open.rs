//! Clients that refused our certificate are left alone for a while. In: refusals, with their time, and who took it. Out: whether to intercept, and
//! whether a connection that was closed without a word was a refusal.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Timestamp;

/// Who refused: the program where it is known, else the address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// A local program, by its executable (or `comm`).
    Program(String),
    /// A client elsewhere.
    Address(IpAddr),
}

/// Remembers refusals by (client, host), and by (process, host) who asked for something over our certificate.
#[derive(Clone, Debug)]
pub struct FailOpen {
    period: Duration,
    refused: HashMap<(ClientKey, String), Timestamp>,
    taken: HashSet<(u32, String)>,
}

/// Entries kept at the most; the oldest goes first.
const MOST: usize = 10_000;

impl FailOpen {
    /// Leaves a client alone for `period` after a refusal; zero never does.
    pub fn new(period: Duration) -> Self {
        Self { period, refused: HashMap::new(), taken: HashSet::new() }
    }

    /// Whether nobody refused anything yet.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }

    /// How long clients are left alone.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Notes that `client` refused our certificate for `host`.
    pub fn refused(&mut self, client: ClientKey, host: &str, now: Timestamp) {
        if self.period.is_zero() {
            return;
        }
        if self.refused.len() >= MOST {
            self.refused.retain(|_, at| now.since(*at) < self.period);
            if self.refused.len() >= MOST
                && let Some(oldest) = self.refused.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone())
            {
                self.refused.remove(&oldest);
            }
        }
        self.refused.insert((client, host.to_owned()), now);
    }

    /// Notes that process `pid` took our certificate for `host`: it asked for something.
    pub fn taken(&mut self, pid: u32, host: String) {
        if self.taken.len() >= MOST {
            self.taken.clear();
        }
        self.taken.insert((pid, host));
    }

    /// Whether this process took it before. One that then closes a connection without a word (a spare one, or at its end) refuses nothing.
    pub fn has_taken(&self, pid: u32, host: &str) -> bool {
        self.taken.contains(&(pid, host.to_owned()))
    }

    /// How long ago `client` refused our certificate for `host`, if it is still to be left alone.
    pub fn refused_ago(&self, client: &ClientKey, host: &str, now: Timestamp) -> Option<Duration> {
        let at = self.refused.get(&(client.clone(), host.to_owned()))?;
        Some(now.since(*at)).filter(|ago| *ago < self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_the_period() {
        let mut memory = FailOpen::new(Duration::from_secs(600));
        let client = ClientKey::Program("/usr/bin/app".into());
        memory.refused(client.clone(), "a.test", Timestamp::from_secs(1000));
        let ago = |host, now| memory.refused_ago(&client, host, Timestamp::from_secs(now));
        assert_eq!(ago("a.test", 1012), Some(Duration::from_secs(12)));
        assert_eq!(ago("a.test", 1600), None);
        assert_eq!(ago("b.test", 1012), None);
    }

    #[test]
    fn stays_bounded() {
        let mut memory = FailOpen::new(Duration::from_secs(600));
        for n in 0..MOST + 50 {
            memory.refused(ClientKey::Program(n.to_string()), "a.test", Timestamp::from_secs(n as i64 / 100));
        }
        assert!(memory.refused.len() <= MOST);
        for pid in 0..u32::try_from(MOST + 50).unwrap() {
            memory.taken(pid, "a.test".to_owned());
            assert!(memory.has_taken(pid, "a.test") && !memory.has_taken(pid, "b.test"));
        }
        assert!(memory.taken.len() <= MOST);
    }
}
