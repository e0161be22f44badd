//! The shape of the account of a recording: `"type":"stats"`. In: [`crate::stats::Stats`]. Out: a value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::View;
use super::connection::Finding;
use crate::stats;

/// What a program talks to.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// When it was made.
    time: String,
    since: Option<String>,
    until: Option<String>,
    flows: u64,
    connections: u64,
    exchanges: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    /// What became of the connections.
    fates: BTreeMap<&'static str, u64>,
    services: Vec<Service>,
    flows_left_out: u64,
    certificates: Vec<Certificate>,
    causes: Vec<Cause>,
    clients: Vec<Client>,
    losses: Vec<Loss>,
    /// What is not as it was asserted; absent without assertions.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
}

#[derive(Debug, Serialize)]
struct Service {
    service: String,
    connections: u64,
    fates: BTreeMap<&'static str, u64>,
    exchanges: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    statuses: BTreeMap<u16, u64>,
    unanswered: u64,
    cut: u64,
    first_byte_ms: Option<Latency>,
    total_ms: Option<Latency>,
    tls: BTreeMap<String, u64>,
    ciphers: BTreeMap<String, u64>,
    verified: u64,
    unverified: BTreeMap<String, u64>,
    certificates: Vec<String>,
    causes: BTreeMap<&'static str, u64>,
    clients: Vec<String>,
}

/// In milliseconds.
#[derive(Debug, Serialize)]
struct Latency {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Certificate {
    sha256: String,
    subject: String,
    issuer: String,
    not_before: Option<String>,
    not_after: Option<String>,
    days_left: Option<i64>,
    leaf: bool,
    connections: u64,
    services: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Cause {
    cause: &'static str,
    fault: &'static str,
    findings: u64,
    services: Vec<String>,
    example: String,
}

#[derive(Debug, Serialize)]
struct Client {
    client: String,
    connections: u64,
    exchanges: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    services: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Loss {
    what: String,
    since: String,
    until: String,
    connections: u64,
    flows: u64,
    messages: u64,
    bytes: u64,
    because: String,
}

impl Stats {
    /// The shape of `stats`, with what was found of assertions, if there were any.
    pub fn new(stats: &stats::Stats, findings: Option<&[sidelight_model::finding::Finding]>, view: View) -> Self {
        let loss = |it: &crate::store::Loss| Loss {
            what: it.what.clone(),
            since: it.since.rfc3339(),
            until: it.until.rfc3339(),
            connections: it.connections,
            flows: it.flows,
            messages: it.messages,
            bytes: it.bytes,
            because: it.reason.clone(),
        };
        let cause = |it: &stats::CauseUse| Cause {
            cause: it.cause.code(),
            fault: it.fault.name(),
            findings: it.findings,
            services: it.services.iter().cloned().collect(),
            example: view.redactor.text(&it.example),
        };
        let client = |it: &stats::ClientUse| Client {
            client: it.name.clone(),
            connections: it.connections,
            exchanges: it.exchanges,
            bytes_to_server: it.bytes[0],
            bytes_to_client: it.bytes[1],
            services: it.services.iter().cloned().collect(),
        };
        Self {
            time: stats.now.rfc3339(),
            since: stats.times.map(|(since, _)| since.rfc3339()),
            until: stats.times.map(|(_, until)| until.rfc3339()),
            flows: stats.flows,
            connections: stats.connections,
            exchanges: stats.exchanges,
            bytes_to_server: stats.bytes[0],
            bytes_to_client: stats.bytes[1],
            fates: stats.fates.iter().map(|(fate, count)| (fate.name(), *count)).collect(),
            services: stats.services.iter().map(|it| Service::new(it, view)).collect(),
            flows_left_out: stats.flows_left_out,
            certificates: stats.certificates.iter().map(|it| Certificate::new(it, stats)).collect(),
            causes: stats.causes.iter().map(cause).collect(),
            clients: stats.clients.iter().map(client).collect(),
            losses: stats.losses.iter().map(loss).collect(),
            findings: findings.map(|all| all.iter().map(|it| Finding::new(it, view.redactor)).collect()),
        }
    }
}

impl Service {
    fn new(it: &stats::Service, view: View) -> Self {
        Self {
            service: it.name.clone(),
            connections: it.connections,
            fates: it.fates.iter().map(|(fate, count)| (fate.name(), *count)).collect(),
            exchanges: it.exchanges,
            bytes_to_server: it.bytes[0],
            bytes_to_client: it.bytes[1],
            statuses: it.statuses.clone(),
            unanswered: it.unanswered,
            cut: it.cut,
            first_byte_ms: latency(&it.first_byte),
            total_ms: latency(&it.total),
            tls: it.tls.iter().map(|(version, count)| (version.name(), *count)).collect(),
            ciphers: it.ciphers.clone(),
            verified: it.verified,
            unverified: it.unverified.iter().map(|(why, count)| (view.redactor.text(why), *count)).collect(),
            certificates: it.certificates.iter().cloned().collect(),
            causes: it.causes.iter().map(|(cause, count)| (cause.code(), *count)).collect(),
            clients: it.clients.iter().cloned().collect(),
        }
    }
}

impl Certificate {
    fn new(it: &stats::CertificateUse, stats: &stats::Stats) -> Self {
        Self {
            sha256: it.sha256.clone(),
            subject: it.subject.clone(),
            issuer: it.issuer.clone(),
            not_before: it.not_before.map(|at| at.rfc3339()),
            not_after: it.not_after.map(|at| at.rfc3339()),
            days_left: it.days_left(stats.now),
            leaf: it.is_leaf,
            connections: it.connections,
            services: it.services.iter().cloned().collect(),
        }
    }
}

fn latency(spread: &stats::Quantiles) -> Option<Latency> {
    let millis = |micros: u64| micros as f64 / 1000.0;
    let percentile = |percent| spread.percentile(percent).map(millis);
    Some(Latency {
        count: spread.count(),
        p50: percentile(50)?,
        p90: percentile(90)?,
        p99: percentile(99)?,
        max: millis(spread.greatest()?),
    })
}
