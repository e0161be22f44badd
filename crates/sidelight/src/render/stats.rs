//! The account of a recording as text. In: [`Stats`]. Out: sums, services with their latencies, certificates by the days they are
//! left, failures by cause, clients, losses.

use std::collections::BTreeSet;
use std::time::Duration;

use sidelight_sink::stats::{CertificateUse, Quantiles, Service, Stats};

use super::quantity::{bytes, count, duration, moment};
use super::style::{Meaning, of_status};
use super::{Look, escape};

/// Rows shown of each table; `--json` has them all.
const MOST_ROWS: usize = 100;

/// Columns of a name.
const NAME: usize = 40;

/// Days left from which on a certificate needs no attention.
const SOON: i64 = 30;

/// The account.
pub(crate) fn render(look: &Look, stats: &Stats) -> String {
    let mut text = sums(look, stats);
    if stats.flows == 0 {
        return text;
    }
    services(look, stats, &mut text);
    certificates(look, stats, &mut text);
    causes(look, stats, &mut text);
    clients(look, stats, &mut text);
    losses(look, stats, &mut text);
    text
}

fn sums(look: &Look, stats: &Stats) -> String {
    let fates: Vec<String> = stats.fates.iter().map(|(fate, number)| format!("{number} {}", fate.name())).collect();
    let fates = if fates.is_empty() { String::new() } else { format!(" ({})", fates.join(", ")) };
    let sums = format!(
        "{}: {} on {}{fates}; {} sent, {} received",
        count(stats.flows, "flow"),
        count(stats.exchanges, "exchange"),
        count(stats.connections, "connection"),
        bytes(stats.bytes[0]),
        bytes(stats.bytes[1])
    );
    let mut text = format!("{}\n", look.paint.as_(Meaning::Strong, &sums));
    if let Some((since, until)) = stats.times {
        let length = duration(until.since(since));
        let words = format!("{} to {} ({length})", moment(since, &look.zone), moment(until, &look.zone));
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &words)));
    }
    text
}

/// A heading over a table.
fn heading(look: &Look, words: &str, columns: &str, width: usize, text: &mut String) {
    let start = escape::pad(&format!("{words} "), width + 2);
    text.push_str(&format!(
        "\n{}{}\n",
        look.paint.as_(Meaning::Strong, &start),
        look.paint.as_(Meaning::Faint, columns)
    ));
}

/// How many rows there are beyond those that are shown.
fn more(look: &Look, all: usize, text: &mut String) {
    if all > MOST_ROWS {
        let words = format!("  … and {} more; --json has them all", all - MOST_ROWS);
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &words)));
    }
}

/// The columns that the longest of some names needs.
fn width<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    names.take(MOST_ROWS).map(|name| escape::columns(&shown(name))).max().unwrap_or_default().max(12)
}

fn shown(name: &str) -> String {
    escape::fit(&escape::line(name), NAME)
}

fn list(look: &Look, names: &BTreeSet<String>, most: usize) -> String {
    let mut words: Vec<String> = names.iter().take(most).map(|name| look.peer(name)).collect();
    if names.len() > most {
        words.push(format!("{} more", names.len() - most));
    }
    words.join(", ")
}

fn numbers(connections: u64, exchanges: u64, sums: [u64; 2]) -> String {
    format!(
        "{} {}  {} {}",
        escape::pad_left(&connections.to_string(), 6),
        escape::pad_left(&exchanges.to_string(), 7),
        escape::pad_left(&bytes(sums[0]), 7),
        escape::pad_left(&bytes(sums[1]), 7)
    )
}

fn spread(quantiles: &Quantiles) -> String {
    let one = |percent| {
        let value = quantiles.percentile(percent).map(|micros| duration(Duration::from_micros(micros)));
        escape::pad_left(&value.unwrap_or_else(|| "-".to_owned()), 7)
    };
    format!("{} {} {}", one(50), one(90), one(99))
}

fn services(look: &Look, stats: &Stats, text: &mut String) {
    let width = width(stats.services.iter().map(|it| it.name.as_str()));
    let columns = "  conn    exch     sent    rcvd   first byte p50, p90, p99   whole p50, p90, p99";
    heading(look, "Services", columns, width, text);
    for service in stats.services.iter().take(MOST_ROWS) {
        let name = escape::pad(&shown(&service.name), width);
        let line = format!(
            "  {name}{}   {}    {}",
            numbers(service.connections, service.exchanges, service.bytes),
            spread(&service.first_byte),
            spread(&service.total)
        );
        text.push_str(&format!("{}\n", line.trim_end()));
        let facts = facts(look, service).join(" · ");
        if !facts.is_empty() {
            text.push_str(&format!("    {facts}\n"));
        }
    }
    more(look, stats.services.len(), text);
    if stats.flows_left_out > 0 {
        let words =
            format!("! {} to further services are counted in the sums alone", count(stats.flows_left_out, "flow"));
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Caution, &words)));
    }
}

/// What else there is to say of a service, in few words each.
fn facts(look: &Look, service: &Service) -> Vec<String> {
    let paint = |meaning, words: String| look.paint.as_(meaning, &words);
    let mut facts = Vec::new();
    let statuses: Vec<String> = service
        .statuses
        .iter()
        .map(|(status, number)| paint(of_status(*status), format!("{status}×{number}")))
        .collect();
    if !statuses.is_empty() {
        facts.push(statuses.join(" "));
    }
    if service.unanswered > 0 {
        facts.push(paint(Meaning::Caution, format!("unanswered×{}", service.unanswered)));
    }
    if service.cut > 0 {
        facts.push(paint(Meaning::Caution, format!("cut×{}", service.cut)));
    }
    let versions: Vec<String> =
        service.tls.iter().map(|(version, number)| format!("{}×{number}", version.name())).collect();
    let ciphers: Vec<&str> = service.ciphers.keys().take(4).map(String::as_str).collect();
    if !versions.is_empty() {
        facts.push(format!("{} {}", versions.join(" "), escape::line(&ciphers.join(" "))));
    }
    for (because, number) in service.unverified.iter().take(3) {
        facts.push(paint(Meaning::Bad, format!("not trusted×{number}: {}", look.peer(because))));
    }
    if service.verified > 0 && service.unverified.is_empty() {
        facts.push(paint(Meaning::Good, "verified".to_owned()));
    }
    let unseen = service.fates.iter().filter(|(fate, _)| !matches!(fate.name(), "decrypted"));
    facts.extend(unseen.map(|(fate, number)| format!("{}×{number}", fate.name())));
    facts
}

fn certificates(look: &Look, stats: &Stats, text: &mut String) {
    if stats.certificates.is_empty() {
        return;
    }
    let width = width(stats.certificates.iter().map(|it| it.subject.as_str()));
    heading(look, "Certificates", " days left  not after   fingerprint       of", width, text);
    for certificate in stats.certificates.iter().take(MOST_ROWS) {
        let days = certificate.days_left(stats.now);
        let meaning = match days {
            Some(..0) | None => Meaning::Bad,
            Some(0..SOON) => Meaning::Caution,
            Some(_) => Meaning::Good,
        };
        let left = match days {
            Some(days @ ..0) => format!("expired {}", -days),
            Some(days) => days.to_string(),
            None => "unknown".to_owned(),
        };
        text.push_str(&format!(
            "  {} {}  {}  {}  {}\n",
            escape::pad(&shown(&look.peer(&certificate.subject)), width),
            look.paint.as_(meaning, &escape::pad_left(&left, 10)),
            certificate.not_after.map_or_else(|| "-".to_owned(), |end| end.date()),
            look.paint.as_(Meaning::Faint, certificate.sha256.get(..16).unwrap_or_default()),
            role(look, certificate)
        ));
    }
    more(look, stats.certificates.len(), text);
}

fn role(look: &Look, certificate: &CertificateUse) -> String {
    let services = list(look, &certificate.services, 3);
    if certificate.is_leaf { services } else { format!("issuer for {services}") }
}

fn causes(look: &Look, stats: &Stats, text: &mut String) {
    if stats.causes.is_empty() {
        return;
    }
    let width = width(stats.causes.iter().map(|it| it.cause.code()));
    heading(look, "Failures by cause", " number  to change    services", width.max(18), text);
    for cause in stats.causes.iter().take(MOST_ROWS) {
        let name = look.paint.as_(Meaning::Bad, &escape::pad(cause.cause.code(), width.max(18)));
        let number = escape::pad_left(&cause.findings.to_string(), 7);
        let services = list(look, &cause.services, 4);
        text.push_str(&format!("  {name} {number}  {}  {services}\n", escape::pad(cause.fault.name(), 11)));
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Faint, &look.peer(&cause.example))));
    }
}

fn clients(look: &Look, stats: &Stats, text: &mut String) {
    let width = width(stats.clients.iter().map(|it| it.name.as_str()));
    heading(look, "Clients", "  conn    exch     sent    rcvd   services", width, text);
    for client in stats.clients.iter().take(MOST_ROWS) {
        let name = escape::pad(&shown(&client.name), width);
        let numbers = numbers(client.connections, client.exchanges, client.bytes);
        text.push_str(format!("  {name}{numbers}   {}", list(look, &client.services, 4)).trim_end());
        text.push('\n');
    }
    more(look, stats.clients.len(), text);
}

fn losses(look: &Look, stats: &Stats, text: &mut String) {
    for loss in &stats.losses {
        let parts = [(loss.connections, "connection"), (loss.flows, "flow"), (loss.messages, "message")];
        let mut parts: Vec<String> =
            parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number, what)).collect();
        if loss.bytes > 0 {
            parts.push(bytes(loss.bytes));
        }
        let words = format!(
            "! not in the recording, from {} to {}: {}: {}",
            moment(loss.since, &look.zone),
            moment(loss.until, &look.zone),
            parts.join(", "),
            look.peer(&loss.reason)
        );
        text.push_str(&format!("\n{}\n", look.paint.as_(Meaning::Caution, &words)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sidelight_model::finding::{Cause, Party};
    use sidelight_model::flow::{Fate, TlsVersion};
    use sidelight_sink::stats::{CauseUse, ClientUse};
    use sidelight_sink::store::Loss;

    use super::super::fixtures::{START, later, look};
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn certificate(subject: &str, days: i64, is_leaf: bool) -> CertificateUse {
        CertificateUse {
            sha256: "5a039f".repeat(11),
            subject: subject.to_owned(),
            issuer: "CN=Root".to_owned(),
            not_before: Some(START),
            not_after: Some(later(days * 86_400_000 + 1)),
            is_leaf,
            connections: 3,
            services: set(&["registry.test:5000"]),
        }
    }

    fn client() -> ClientUse {
        ClientUse {
            name: "/usr/bin/containerd".into(),
            connections: 6,
            exchanges: 120,
            bytes: [1_200, 3_400_000],
            services: set(&["pinned.example:443", "registry.test:5000"]),
        }
    }

    fn loss() -> Loss {
        Loss {
            what: "sinks".into(),
            since: START,
            until: later(2_000),
            connections: 2,
            flows: 0,
            messages: 0,
            bytes: 5_000,
            reason: "recording was slower than the traffic".into(),
        }
    }

    fn filled() -> Stats {
        let mut registry = Service {
            name: "registry.test:5000".into(),
            connections: 4,
            fates: BTreeMap::from([(Fate::Decrypted, 3), (Fate::Failed, 1)]),
            exchanges: 120,
            bytes: [1_200, 3_400_000],
            statuses: BTreeMap::from([(200, 100), (401, 17), (503, 2)]),
            unanswered: 1,
            cut: 1,
            tls: BTreeMap::from([(TlsVersion(0x0303), 1), (TlsVersion(0x0304), 2)]),
            ciphers: BTreeMap::from([("TLS_AES_128_GCM_SHA256".into(), 3)]),
            verified: 2,
            unverified: BTreeMap::from([("UnknownIssuer".into(), 1)]),
            ..Service::default()
        };
        (1..=100).for_each(|n| registry.first_byte.add(n * 1_000));
        registry.total.add(2_500_000);
        let relayed = Service {
            name: "pinned.example:443".into(),
            connections: 2,
            fates: BTreeMap::from([(Fate::Relayed, 2)]),
            ..Service::default()
        };
        Stats {
            now: START,
            times: Some((START, later(65_000))),
            flows: 122,
            connections: 6,
            exchanges: 120,
            bytes: [1_200, 3_400_000],
            fates: BTreeMap::from([(Fate::Decrypted, 3), (Fate::Relayed, 2), (Fate::Failed, 1)]),
            services: vec![registry, relayed],
            flows_left_out: 0,
            certificates: vec![
                certificate("CN=old.example", -3, true),
                certificate("O=Example, CN=registry.test", 12, true),
                certificate("CN=Issuing\u{1b}[31m CA", 900, false),
            ],
            causes: vec![CauseUse {
                cause: Cause::RootNotTrusted,
                fault: Party::TrustStore,
                findings: 1,
                services: set(&["registry.test:5000"]),
                example: "registry.test:5000 is signed by a root that is not trusted".into(),
            }],
            clients: vec![client()],
            losses: vec![loss()],
        }
    }

    #[test]
    fn the_account_of_a_recording() {
        insta::assert_snapshot!(render(&look(None, 0), &filled()));
    }

    #[test]
    fn an_empty_recording_has_one_line() {
        let text = render(&look(None, 0), &Stats::default());
        assert_eq!(text, "0 flows: 0 exchanges on 0 connections; 0 B sent, 0 B received\n");
    }
}
