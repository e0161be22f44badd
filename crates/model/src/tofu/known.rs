//! What is recorded. In: records. Out: what they say of a key.

use super::{Endpoint, Genesis, KeyPin, Record};
use crate::time::Timestamp;

/// The record of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRoots {
    /// That it was begun on purpose.
    pub genesis: Option<Genesis>,
    /// Keys for endpoints.
    pub records: Vec<Record>,
    /// Keys that are never used again, and why.
    pub revoked: Vec<(KeyPin, Option<String>)>,
}

/// What the record says of the keys that a connection showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Nothing is recorded for the endpoint.
    Nothing,
    /// One of the keys is recorded: which of those shown, and whether the certificate is the one seen last.
    Known {
        /// Its place among the keys that were shown.
        place: usize,
        /// Whether nothing speaks against its being the certificate that was seen last; a pin names none.
        same_certificate: bool,
    },
    /// One of the keys is recorded as the next one.
    Next {
        /// Its place among the keys that were shown.
        place: usize,
    },
    /// None of the keys is recorded.
    Other {
        /// What is recorded.
        recorded: Vec<KeyPin>,
    },
    /// A key that was shown is revoked.
    Revoked {
        /// The key.
        key: KeyPin,
        /// Why, where it was said.
        why: Option<String>,
    },
    /// The record has expired.
    Expired {
        /// When.
        at: Timestamp,
        /// What is recorded.
        recorded: Vec<KeyPin>,
    },
}

impl KnownRoots {
    /// What is recorded for an endpoint: with what is recorded for it alone first.
    pub fn of<'a>(&'a self, endpoint: &Endpoint) -> Vec<&'a Record> {
        let mut found: Vec<&Record> = self.records.iter().filter(|record| record.endpoint.covers(endpoint)).collect();
        found.sort_by_key(|record| {
            let named = [record.endpoint.at.is_some(), record.endpoint.sni.is_some(), record.endpoint.via.is_some()];
            std::cmp::Reverse(named.iter().filter(|is| **is).count())
        });
        found
    }

    /// What is recorded of these keys: those of the CA certificates that a connection showed, the topmost one first, each with its
    /// certificate's SHA-256.
    pub fn of_keys(&self, endpoint: &Endpoint, shown: &[(KeyPin, String)], now: Timestamp) -> Match {
        if let Some((key, why)) = self.revoked.iter().find(|(key, _)| shown.iter().any(|(it, _)| it == key)) {
            return Match::Revoked { key: *key, why: why.clone() };
        }
        let records = self.of(endpoint);
        let (valid, expired): (Vec<&Record>, Vec<&Record>) =
            records.into_iter().partition(|record| record.expires.is_none_or(|at| now < at));
        for (place, (key, certificate)) in shown.iter().enumerate() {
            if let Some(record) = valid.iter().find(|record| record.keys.contains(key)) {
                let same_certificate = record.ca.as_ref().is_none_or(|known| known == certificate);
                return Match::Known { place, same_certificate };
            }
        }
        let is_next = |key: &KeyPin| valid.iter().any(|record| record.next.contains(key));
        if let Some(place) = shown.iter().position(|(key, _)| is_next(key)) {
            return Match::Next { place };
        }
        let keys = |records: &[&Record]| records.iter().flat_map(|record| record.keys.iter().copied()).collect();
        match (valid.is_empty(), expired.first().and_then(|record| record.expires)) {
            (false, _) => Match::Other { recorded: keys(&valid) },
            (true, Some(at)) => Match::Expired { at, recorded: keys(&expired) },
            (true, None) => Match::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Authority;

    fn key(byte: u8) -> KeyPin {
        KeyPin([byte; 32])
    }

    #[test]
    fn what_is_said_of_keys() {
        let at = Endpoint::direct(&Authority::parse("a.test:443", None).unwrap());
        let now = Timestamp::from_secs(1_000);
        let mut record = Record::new(at.clone(), vec![key(1)]);
        record.next = vec![key(2)];
        record.ca = Some("aa".into());
        let mut known = KnownRoots { records: vec![record], ..KnownRoots::default() };
        let say = |known: &KnownRoots, shown: &[u8]| {
            let shown: Vec<_> = shown.iter().map(|byte| (key(*byte), "aa".to_owned())).collect();
            known.of_keys(&at, &shown, now)
        };
        assert_eq!(say(&known, &[9, 1]), Match::Known { place: 1, same_certificate: true });
        assert_eq!(say(&known, &[2]), Match::Next { place: 0 });
        assert_eq!(say(&known, &[3]), Match::Other { recorded: vec![key(1)] });
        known.revoked.push((key(1), Some("lost".into())));
        assert_eq!(say(&known, &[1]), Match::Revoked { key: key(1), why: Some("lost".into()) });
        known.revoked.clear();
        known.records[0].expires = Some(now);
        assert_eq!(say(&known, &[1]), Match::Expired { at: now, recorded: vec![key(1)] });
        known.records.push(Record::new(Endpoint::any(), vec![key(1)]));
        assert_eq!(say(&known, &[1]), Match::Known { place: 0, same_certificate: true }, "a pin names no certificate");
        known.records[1].ca = Some("bb".into());
        assert_eq!(say(&known, &[1]), Match::Known { place: 0, same_certificate: false });
        known.records.clear();
        assert_eq!(say(&known, &[1]), Match::Nothing);
    }
}
