//! Judges a recording. In: [`Stats`] and [`Assertions`]. Out: a finding for each service, certificate or sum that is not as it must be.
//!
//! What is wrong with TLS has its own cause. Of the rest, TLS is in order: the cause is `ok`, and the summary says what is not.

use std::net::IpAddr;

use sidelight_model::filter::Field;
use sidelight_model::finding::{Cause, Finding, Party};
use sidelight_model::flow::Fate;
use sidelight_model::policy::Subject;
use sidelight_model::time::Timestamp;

use super::assertion::{Assertion, Assertions, Counted, What, holds, holds_of};
use super::{CertificateUse, Service, Stats};

impl Assertions {
    /// What of `stats` is not as it must be, in the order of the assertions; empty when all is.
    pub fn check(&self, stats: &Stats) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.all.iter().flat_map(|it| check(it, stats)).collect();
        if stats.flows_left_out > 0 {
            let words =
                format!("{} flows are of services beyond the first {}", stats.flows_left_out, stats.services.len());
            let summary = format!("not every service could be checked: {words}");
            let finding = Finding::new(Cause::Ok, summary, "flows", "the recording", words);
            findings.push(finding.with_fix(
                "Check the recording in parts",
                "sidelight flows stats --filter '~id 1..1000000' --assert …",
            ));
        }
        findings
    }
}

fn check(assertion: &Assertion, stats: &Stats) -> Vec<Finding> {
    let text = assertion.text.as_str();
    let each = |judge: &dyn Fn(&Service) -> Option<Finding>| {
        stats.services.iter().filter_map(judge).map(|it| it.with_evidence("assertion", "--assert", text)).collect()
    };
    match &assertion.what {
        What::Tls => each(&plain),
        What::TlsVersion(versions) => each(&|service| {
            let wrong = service.tls.iter().find(|(version, _)| !holds(versions, i64::from(version.0)))?;
            Some(version(service, &wrong.0.name(), *wrong.1))
        }),
        What::Verified => each(&unverified),
        What::Status(statuses) => each(&|service| {
            let wrong: Vec<(u16, u64)> = service
                .statuses
                .iter()
                .filter(|(status, _)| !holds(statuses, i64::from(**status)))
                .map(|(status, count)| (*status, *count))
                .collect();
            (!wrong.is_empty()).then(|| status(service, &wrong))
        }),
        What::Latency { percent, is_first_byte, numbers } => each(&|service| {
            let spread = if *is_first_byte { &service.first_byte } else { &service.total };
            let value = spread.percentile(*percent)?;
            let is_wrong = !holds(numbers, i64::try_from(value).unwrap_or(i64::MAX));
            is_wrong.then(|| latency(service, *percent, *is_first_byte, value, spread.count()))
        }),
        What::Hosts { file, patterns } => each(&|service| {
            let (host, port) = (service.host.as_str(), port_of(service));
            let address: Option<IpAddr> = host.parse().ok();
            let names = [host];
            let subject = Subject { names: &names, address, port };
            (!patterns.iter().any(|it| it.matches(&subject))).then(|| unlisted(service, file))
        }),
        What::Expires(times) => {
            let wrong = |it: &&CertificateUse| {
                let holds = |end: Timestamp| {
                    holds_of(times, &|field| match field {
                        Field::ExpiresAt => end.0,
                        _ => end.0.saturating_sub(stats.now.0),
                    })
                };
                it.is_leaf && it.not_after.is_some_and(|end| !holds(end))
            };
            let found = stats.certificates.iter().filter(wrong).map(|it| expiry(it, stats));
            found.map(|it| it.with_evidence("assertion", "--assert", text)).collect()
        }
        What::Causes(allowed) => causes(stats, allowed, text),
        What::Count(counted, numbers) => {
            let (number, name) = match counted {
                Counted::Flows => (stats.flows, "flows"),
                Counted::Connections => (stats.connections, "connections"),
                Counted::Exchanges => (stats.exchanges, "exchanges"),
            };
            let is_wrong = !holds(numbers, i64::try_from(number).unwrap_or(i64::MAX));
            let summary = format!("the recording has {number} {name}");
            let made = || Finding::new(Cause::Ok, summary, name, "the recording", number.to_string());
            is_wrong.then(made).map(|it| it.with_evidence("assertion", "--assert", text)).into_iter().collect()
        }
        What::Losses => losses(stats, text),
    }
}

fn port_of(service: &Service) -> u16 {
    service.name.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

/// The filter that selects the flows of a service, and `further`.
fn list(service: &Service, further: &str) -> String {
    let host = regex_of(&service.host);
    let further = if further.is_empty() { String::new() } else { format!(" & {further}") };
    format!("sidelight flows list --filter '~{} ^{host}${further}'", Field::Domain.operator())
}

/// A host as a regular expression.
fn regex_of(host: &str) -> String {
    let special =
        |c: char| matches!(c, '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' | '\\');
    host.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn connections(number: u64) -> String {
    format!("{number} connection{}", if number == 1 { "" } else { "s" })
}

fn plain(service: &Service) -> Option<Finding> {
    let number = *service.fates.get(&Fate::Plain)?;
    let summary = format!("{} is spoken to without TLS", service.name);
    let finding = Finding::new(
        Cause::PlainHttp,
        summary,
        "connections",
        &service.name,
        format!("{} without TLS", connections(number)),
    );
    Some(finding.with_fix(format!("See what passes in the clear to {}", service.name), list(service, "!~tls")))
}

fn version(service: &Service, version: &str, number: u64) -> Finding {
    let summary = format!("{} speaks {version}", service.name);
    let value = format!("{version} on {}", connections(number));
    let digits = version.strip_prefix("TLS ").unwrap_or("ssl3");
    Finding::new(Cause::ProtocolTooOld, summary, "version", &service.name, value).with_fix(
        format!("Let {} offer a newer version; these are the flows", service.name),
        list(service, &format!("~tls {digits}")),
    )
}

fn unverified(service: &Service) -> Option<Finding> {
    let (because, number) = service.unverified.iter().max_by_key(|(_, number)| **number)?;
    let cause = service.causes.keys().copied().find(|it| *it != Cause::Ok && it.party() != Party::Proxy);
    let summary = format!("the certificate of {} is not trusted: {because}", service.name);
    let value = format!("{because} on {}", connections(*number));
    let finding = Finding::new(cause.unwrap_or(Cause::RootNotTrusted), summary, "certificate", &service.name, value);
    Some(finding.with_fix("See what was found about it", list(service, "~tls & !~verified")))
}

fn status(service: &Service, wrong: &[(u16, u64)]) -> Finding {
    let words: Vec<String> = wrong.iter().map(|(status, number)| format!("{number} × {status}")).collect();
    let words = words.join(", ");
    let filter: Vec<String> = wrong.iter().take(8).map(|(status, _)| format!("~c {status}")).collect();
    let filter = if filter.len() == 1 { filter.concat() } else { format!("({})", filter.join(" | ")) };
    let party = if wrong.iter().any(|(status, _)| *status >= 500) { Party::Server } else { Party::Client };
    Finding::new(Cause::Ok, format!("{} answers {words}", service.name), "status", &service.name, words)
        .blaming(party)
        .with_fix("See these exchanges", list(service, &filter))
}

fn latency(service: &Service, percent: u8, is_first_byte: bool, value: u64, count: u64) -> Finding {
    let (what, field) = if is_first_byte { ("the first byte", "~ttfb") } else { ("the whole response", "~time") };
    let millis = value as f64 / 1000.0;
    let summary = format!("{} takes {millis:.1} ms to {what} at the {percent}th percentile", service.name);
    let value_words = format!("{millis:.1} ms over {count} exchanges");
    Finding::new(Cause::Ok, summary, format!("p{percent}"), &service.name, value_words)
        .blaming(Party::Server)
        .with_fix("See the slowest of them", list(service, &format!("{field} >= {value}us")))
}

fn unlisted(service: &Service, file: &str) -> Finding {
    let clients: Vec<&str> = service.clients.iter().take(4).map(String::as_str).collect();
    let summary = format!("{} is not in {file}, but {} talked to it", service.name, clients.join(", "));
    let value = format!("{}, {} exchanges", connections(service.connections), service.exchanges);
    let mut finding = Finding::new(Cause::Ok, summary, "host", &service.name, value).blaming(Party::Client);
    for client in clients {
        finding = finding.with_evidence("client", client, format!("talked to {}", service.name));
    }
    finding.with_fix("See what was asked of it", list(service, "")).with_fix(
        "If it is meant to be talked to, list it",
        format!("echo {} >> {}", quoted(&service.name), quoted(file)),
    )
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./:_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn expiry(certificate: &CertificateUse, stats: &Stats) -> Finding {
    let days = certificate.days_left(stats.now).unwrap_or_default();
    let end = certificate.not_after.unwrap_or_default();
    let services: Vec<&str> = certificate.services.iter().take(4).map(String::as_str).collect();
    let more = certificate.services.len().saturating_sub(services.len());
    let whose = services.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
    let left = match days {
        ..0 => format!("expired {} days ago", -days),
        0 => "expires today".to_owned(),
        1 => "expires tomorrow".to_owned(),
        _ => format!("expires in {days} days"),
    };
    let summary = format!("the certificate of {whose} {left}, on {}", end.date());
    Finding::new(Cause::CertExpired, summary, "not after", certificate.sha256.as_str(), end.rfc3339())
        .with_evidence("subject", certificate.sha256.as_str(), certificate.subject.as_str())
        .with_evidence("issuer", certificate.sha256.as_str(), certificate.issuer.as_str())
        .with_fix(
            format!("Renew it before {}; these are the flows that met it", end.date()),
            format!("sidelight flows list --filter '~cert {}'", certificate.sha256.get(..16).unwrap_or_default()),
        )
}

fn causes(stats: &Stats, allowed: &[Cause], text: &str) -> Vec<Finding> {
    let wrong = stats.causes.iter().filter(|it| !allowed.contains(&it.cause) && it.cause != Cause::Ok);
    let finding = |it: &super::CauseUse| {
        let services: Vec<&str> = it.services.iter().take(8).map(String::as_str).collect();
        let place = if services.is_empty() { "the recording".to_owned() } else { services.join(", ") };
        let number = format!("{} finding{}", it.findings, if it.findings == 1 { "" } else { "s" });
        Finding::new(it.cause, it.example.clone(), "findings", place, number)
            .blaming(it.fault)
            .with_evidence("assertion", "--assert", text)
            .with_fix("See each with what to do", format!("sidelight flows list --filter '~cause {}'", it.cause.code()))
    };
    wrong.map(finding).collect()
}

fn losses(stats: &Stats, text: &str) -> Vec<Finding> {
    let loss = |it: &crate::store::Loss| {
        let summary = format!("the recording is not whole: {}", it.reason);
        let value = format!("{} connections, {} flows, {} bytes", it.connections, it.flows, it.bytes);
        let place = format!("{} to {}", it.since.rfc3339(), it.until.rfc3339());
        let made = Finding::new(Cause::Ok, summary, "loss", place, value).blaming(Party::None);
        let (action, how) = match it.what.as_str() {
            "sinks" => ("Let the traffic wait for the recording", "sidelight proxy --on-overload wait"),
            _ => ("Record where there is room", "sidelight proxy --store /elsewhere/recording.sidelight"),
        };
        made.with_evidence("assertion", "--assert", text).with_fix(action, how)
    };
    stats.losses.iter().map(loss).collect()
}
