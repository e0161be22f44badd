//! The shape of the account at the end: `"type":"ledger"`. In: [`crate::ledger::Ledger`]. Out: a value.

use serde::Serialize;

use super::View;
use super::connection::Finding;
use crate::ledger;

/// What was seen, what was not, and why.
#[derive(Debug, Serialize)]
pub struct Ledger {
    seen: u64,
    decrypted: u64,
    plain: u64,
    relayed: u64,
    refused: u64,
    failed: u64,
    exchanges: u64,
    bytes_lost: u64,
    connections_shed: u64,
    undecoded: u64,
    rows: Vec<Row>,
    /// Clients that accept our certificate for some services, but not for these.
    pinned: Vec<Refuser>,
    /// Clients that accept it for none.
    distrusting: Vec<Refuser>,
}

#[derive(Debug, Serialize)]
struct Row {
    service: String,
    fate: &'static str,
    because: String,
    connections: u64,
    exchanges: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    finding: Option<Finding>,
}

#[derive(Debug, Serialize)]
struct Refuser {
    client: String,
    services: Vec<String>,
}

impl Ledger {
    /// The shape of `ledger`.
    pub fn new(ledger: &ledger::Ledger, view: View) -> Self {
        let row = |row: &ledger::Row| Row {
            service: row.service.clone(),
            fate: row.fate.name(),
            because: view.redactor.text(&row.because),
            connections: row.connections,
            exchanges: row.exchanges,
            bytes_to_server: row.bytes[0],
            bytes_to_client: row.bytes[1],
            finding: row.finding.as_ref().map(|finding| Finding::new(finding, view.redactor)),
        };
        let refusers = ledger.refusers();
        let those = |pinned: bool| {
            let alike = refusers.iter().filter(|it| it.pinned == pinned);
            alike.map(|it| Refuser { client: it.client.to_string(), services: it.services.clone() }).collect()
        };
        Self {
            seen: ledger.seen,
            decrypted: ledger.decrypted,
            plain: ledger.plain,
            relayed: ledger.relayed,
            refused: ledger.refused,
            failed: ledger.failed,
            exchanges: ledger.exchanges,
            bytes_lost: ledger.lost,
            connections_shed: ledger.shed,
            undecoded: ledger.undecoded,
            rows: ledger.rows().into_iter().map(row).collect(),
            pinned: those(true),
            distrusting: those(false),
        }
    }
}
