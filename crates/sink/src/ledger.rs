//! The account of a run: what was seen, what was not, and why. In: connections as they end. Out: [`Ledger`].

use std::collections::{BTreeMap, BTreeSet};

use sidelight_model::finding::Finding;
use sidelight_model::flow::Closed;
pub use sidelight_model::flow::Fate;

use crate::record::{Client, ConnectionRecord};

/// Rows kept; further hosts are counted in one row of their own.
const MOST_ROWS: usize = 1_000;
/// Clients whose refusals are remembered, and hosts remembered for each.
const MOST_CLIENTS: usize = 1_000;
const MOST_HOSTS: usize = 64;

/// Connections to one service that met the same fate for the same reason.
#[derive(Clone, Debug)]
pub struct Row {
    /// The service, as `host:port`.
    pub service: String,
    /// What became of them.
    pub fate: Fate,
    /// Why, in one clause; empty when there is nothing to say.
    pub because: String,
    /// How many.
    pub connections: u64,
    /// HTTP exchanges seen on them.
    pub exchanges: u64,
    /// Bytes from the clients, and to them.
    pub bytes: [u64; 2],
    /// The first finding about them.
    pub finding: Option<Finding>,
}

/// A client that refused sidelight's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuser {
    /// Who.
    pub client: Client,
    /// For which services.
    pub services: Vec<String>,
    /// `true`: it accepted the certificate for other services, so it pins these. `false`: it accepted it for none, so it
    /// does not trust our certificate authority.
    pub pinned: bool,
}

/// The account of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Connections seen.
    pub seen: u64,
    /// Of these: TLS opened.
    pub decrypted: u64,
    /// Of these: no TLS, seen as they are.
    pub plain: u64,
    /// Of these: relayed untouched.
    pub relayed: u64,
    /// Of these: not let through.
    pub refused: u64,
    /// Of these: failed.
    pub failed: u64,
    /// HTTP exchanges seen.
    pub exchanges: u64,
    /// Whole connections that sinks never saw, because they were too slow; not among `seen`.
    pub shed: u64,
    /// Bytes that passed but that sinks never saw, because they were too slow.
    pub lost: u64,
    /// Directions whose decoding stopped early.
    pub undecoded: u64,
    rows: BTreeMap<(String, Fate, String), Row>,
    clients: BTreeMap<Client, Faces>,
}

/// Services for which a client refused, and accepted, our certificate.
#[derive(Clone, Debug, Default)]
struct Faces {
    refused: BTreeSet<String>,
    accepted: BTreeSet<String>,
}

impl Ledger {
    /// Counts a connection that ended, or that is still open at the end of the run.
    pub fn count(&mut self, record: &ConnectionRecord) {
        let fate = Fate::of(record);
        self.seen += 1;
        *match fate {
            Fate::Decrypted => &mut self.decrypted,
            Fate::Plain => &mut self.plain,
            Fate::Relayed => &mut self.relayed,
            Fate::Refused => &mut self.refused,
            Fate::Failed => &mut self.failed,
        } += 1;
        self.exchanges = self.exchanges.saturating_add(record.exchanges);
        let bytes = match &record.closed {
            Some((_, Closed { to_server, to_client, .. })) => {
                self.lost = self.lost.saturating_add(to_server.lost).saturating_add(to_client.lost);
                [to_server.bytes, to_client.bytes]
            }
            None => [0, 0],
        };
        self.count_row(record, fate, bytes);
        self.count_face(record);
    }

    fn count_row(&mut self, record: &ConnectionRecord, fate: Fate, bytes: [u64; 2]) {
        let because = because(record, fate);
        let mut key = (record.service(), fate, because);
        if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&key) {
            key = ("further services".to_owned(), fate, String::new());
        }
        let row = self.rows.entry(key).or_insert_with_key(|(service, _, because)| Row {
            service: service.clone(),
            fate,
            because: because.clone(),
            connections: 0,
            exchanges: 0,
            bytes: [0, 0],
            finding: None,
        });
        row.connections += 1;
        row.exchanges = row.exchanges.saturating_add(record.exchanges);
        row.bytes[0] = row.bytes[0].saturating_add(bytes[0]);
        row.bytes[1] = row.bytes[1].saturating_add(bytes[1]);
        if row.finding.is_none() {
            row.finding = record.finding.as_deref().cloned();
        }
    }

    fn count_face(&mut self, record: &ConnectionRecord) {
        let refused = record.refused_our_certificate();
        if !refused && record.client_tls.is_none() {
            return;
        }
        let client = record.client();
        if self.clients.len() >= MOST_CLIENTS && !self.clients.contains_key(&client) {
            return;
        }
        let faces = self.clients.entry(client).or_default();
        let services = if refused { &mut faces.refused } else { &mut faces.accepted };
        if services.len() < MOST_HOSTS {
            services.insert(record.service());
        }
    }

    /// The rows: by fate, then by service.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by_key(|row| row.fate);
        rows
    }

    /// Clients that refused our certificate and never accepted it for that service.
    pub fn refusers(&self) -> Vec<Refuser> {
        let refuser = |(client, faces): (&Client, &Faces)| {
            let services: Vec<String> = faces.refused.difference(&faces.accepted).cloned().collect();
            let pinned = !faces.accepted.is_empty();
            (!services.is_empty()).then(|| Refuser { client: client.clone(), services, pinned })
        };
        self.clients.iter().filter_map(refuser).collect()
    }
}

/// Why a connection met its fate. Times in the engine's clauses differ from one connection to the next; a finding's summary
/// may name a port of the client. Both would make a row of every connection, so the row keeps what they have in common.
fn because(record: &ConnectionRecord, fate: Fate) -> String {
    let clause = record.decision.as_ref().map_or("", |decision| decision.because.as_str());
    match (fate, &record.finding) {
        (Fate::Decrypted | Fate::Plain, _) => String::new(),
        (Fate::Failed, Some(finding)) => finding.cause.code().to_owned(),
        _ if clause.starts_with("refused our certificate") => "refused our certificate before".to_owned(),
        (Fate::Failed, None) => "ended during its handshake".to_owned(),
        _ => clause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sidelight_model::finding::Cause;
    use sidelight_model::flow::{ConnId, Decision, EventKind, How, Opened, Tally, TlsSide, TlsVersion, Verdict};
    use sidelight_model::time::Timestamp;

    use super::*;

    fn side() -> Arc<TlsSide> {
        Arc::new(TlsSide {
            version: TlsVersion(0x0304),
            cipher: "TLS_AES_128_GCM_SHA256".into(),
            group: None,
            alpn: None,
            sni: None,
            hello: None,
            resumed: false,
            chain: Vec::new(),
            verified: None,
        })
    }

    fn record(client: &str, service: &str, verdict: Verdict, because: &str) -> ConnectionRecord {
        let mut record = ConnectionRecord::new(ConnId(1), Timestamp(0));
        let opened =
            Opened { client: client.parse().unwrap(), local: "127.0.0.1:8080".parse().unwrap(), mode: "x".into() };
        let decision = Decision { verdict, because: because.into() };
        let tally = Tally { bytes: 10, lost: 1 };
        let closed = Closed { to_server: tally, to_client: tally, how: How::Clean };
        for kind in [
            EventKind::Opened(opened),
            EventKind::Target(service.parse().unwrap()),
            EventKind::Decided(decision),
            EventKind::Closed(closed),
        ] {
            record.learn(Timestamp(1), &kind);
        }
        record
    }

    fn decrypted(client: &str, service: &str) -> ConnectionRecord {
        let mut record = record(client, service, Verdict::Intercept, "");
        record.client_tls = Some(side());
        record
    }

    fn refusing(client: &str, service: &str) -> ConnectionRecord {
        let mut record = record(client, service, Verdict::Intercept, "");
        let finding = Finding::new(Cause::TlsIntercepted, "refused", "alert", client, "unknown_ca");
        record.learn(Timestamp(1), &EventKind::Finding(Box::new(finding)));
        record
    }

    #[test]
    fn counts_add_up_and_rows_gather() {
        let mut ledger = Ledger::default();
        ledger.count(&decrypted("10.0.0.1:1", "a.test:443"));
        ledger.count(&decrypted("10.0.0.1:2", "a.test:443"));
        ledger.count(&record("10.0.0.1:3", "b.test:443", Verdict::Relay, "matches --pass b.test"));
        ledger.count(&record("10.0.0.1:3", "c.test:443", Verdict::Relay, "refused our certificate 3 s ago"));
        ledger.count(&record("10.0.0.1:3", "c.test:443", Verdict::Relay, "refused our certificate 9 s ago"));
        ledger.count(&record("10.0.0.1:4", "a.test:80", Verdict::Plain, "no TLS"));
        ledger.count(&record("8.8.8.8:4", "a.test:80", Verdict::Refuse, "from a public address"));
        ledger.count(&refusing("10.0.0.1:5", "c.test:443"));
        assert_eq!(ledger.seen, 8);
        let parts = [ledger.decrypted, ledger.plain, ledger.relayed, ledger.refused, ledger.failed];
        assert_eq!(parts, [2, 1, 3, 1, 1]);
        assert_eq!(ledger.lost, 16);
        let rows: Vec<_> =
            ledger.rows().iter().map(|row| (row.service.as_str(), row.because.as_str(), row.connections)).collect();
        assert_eq!(
            rows,
            [
                ("a.test:443", "", 2),
                ("a.test:80", "", 1),
                ("b.test:443", "matches --pass b.test", 1),
                ("c.test:443", "refused our certificate before", 2),
                ("a.test:80", "from a public address", 1),
                ("c.test:443", "tls_intercepted", 1),
            ]
        );
    }

    #[test]
    fn a_pinned_client_is_told_from_one_that_does_not_trust_us() {
        let mut ledger = Ledger::default();
        ledger.count(&decrypted("10.0.0.1:1", "a.test:443"));
        ledger.count(&refusing("10.0.0.1:2", "pinned.test:443"));
        ledger.count(&refusing("10.0.0.2:1", "a.test:443"));
        // One that was refused first and accepted later is neither.
        ledger.count(&refusing("10.0.0.3:1", "a.test:443"));
        ledger.count(&decrypted("10.0.0.3:1", "a.test:443"));
        let refusers: Vec<_> =
            ledger.refusers().into_iter().map(|it| (it.client.to_string(), it.services, it.pinned)).collect();
        assert_eq!(
            refusers,
            [
                ("10.0.0.1".to_owned(), vec!["pinned.test:443".to_owned()], true),
                ("10.0.0.2".to_owned(), vec!["a.test:443".to_owned()], false),
            ]
        );
    }

    #[test]
    fn rows_stay_bounded_and_nothing_is_lost() {
        let mut ledger = Ledger::default();
        for n in 0..3_000 {
            ledger.count(&decrypted(&format!("10.0.{}.{}:1", n / 250, n % 250), &format!("h{n}.test:443")));
        }
        assert!(ledger.rows().len() <= MOST_ROWS + 5);
        assert_eq!(ledger.rows().iter().map(|row| row.connections).sum::<u64>(), 3_000);
        assert!(ledger.clients.len() <= MOST_CLIENTS);
    }
}
