//! Causes before a byte of TLS: names, TCP, the proxy. In: facts. Out: a finding, when one of them is the cause.

use std::net::SocketAddr;

use super::again;
use super::facts::{Facts, ProxyFailure, Unreached};
use crate::finding::{Cause, Finding};

/// Judges whether the endpoint was reached at all.
pub(super) fn judge(facts: &Facts) -> Option<Finding> {
    if let Some(failure) = &facts.proxy_failure {
        return Some(proxy(facts, failure));
    }
    if let Some(Err(why)) = &facts.resolution.addresses {
        return Some(unresolved(facts, why));
    }
    if facts.reached.is_empty() || facts.reached.iter().any(|reach| reach.outcome.is_ok()) {
        return None;
    }
    Some(unreached(facts))
}

fn unresolved(facts: &Facts, why: &str) -> Finding {
    let host = &facts.question.target.host;
    let resolver = &facts.resolution.resolver;
    let text = format!("{host} does not resolve: {why}");
    let mut finding = Finding::new(Cause::DnsFailure, text, "asked", resolver.clone(), format!("{host}: {why}"));
    if !facts.resolution.search.is_empty() {
        let list = facts.resolution.search.join(" ");
        finding = finding.with_evidence("search list", resolver.clone(), list);
    }
    finding.with_fix("Check the spelling, then ask the same resolver", format!("getent hosts {host}")).with_fix(
        "If the service has an address all the same, write it down where the client runs",
        format!("a line with the address and {host} in /etc/hosts (containers: --add-host)"),
    )
}

fn unreached(facts: &Facts) -> Finding {
    let target = &facts.question.target;
    // One refusal proves that packets get there: it tells more than silence from another address.
    let refused = facts.reached.iter().find(|reach| reach.outcome == Err(Unreached::Refused));
    let first = refused.or(facts.reached.first());
    let address = first.map(|reach| reach.address);
    let shown = address.map_or_else(|| target.to_string(), |address| address.to_string());
    // An address that the user wrote need not be said twice.
    let at = if shown == target.to_string() { String::new() } else { format!(" at {shown}") };
    let (cause, text) = match first.map(|reach| &reach.outcome) {
        Some(Err(Unreached::Refused)) => (
            Cause::ConnectionRefused,
            format!("{target} refuses the connection{at}: nothing listens on that port, or a firewall refuses"),
        ),
        Some(Err(Unreached::Other(why))) => (Cause::ConnectTimeout, format!("{target} cannot be reached{at}: {why}")),
        _ => (
            Cause::ConnectTimeout,
            format!("{target} does not answer{at} within {} s", facts.question.patience.as_secs_f32()),
        ),
    };
    let mut tried = facts.reached.iter().map(|reach| (reach.address, words(&reach.outcome)));
    let (place, value) = tried.next().map_or((shown, String::new()), |(at, words)| (at.to_string(), words));
    let place = if place == target.to_string() { place } else { format!("{place} ({})", target.host) };
    let finding = Finding::new(cause, text, "TCP", place, value);
    let finding = tried.fold(finding, |finding, (at, words)| finding.with_evidence("TCP", at.to_string(), words));
    let check = |address: Option<SocketAddr>| {
        address.map_or_else(|| target.to_string(), |it| format!("{} {}", it.ip(), it.port()))
    };
    if cause == Cause::ConnectionRefused {
        return finding
            .with_fix(
                "On the server, see whether it listens, and on which address",
                format!("ss -ltn 'sport = :{}'", target.port),
            )
            .with_fix("From here, see whether the port answers", format!("nc -vz {}", check(address)));
    }
    finding
        .with_fix(
            "Look at firewalls, security groups and routes on the way, and whether a proxy is needed",
            format!("ip route get {}", address.map_or_else(|| target.host.to_string(), |it| it.ip().to_string())),
        )
        .with_fix("Try through a proxy", again(facts, "--proxy http://PROXY:PORT"))
}

fn words(outcome: &Result<std::time::Duration, Unreached>) -> String {
    match outcome {
        Ok(took) => format!("connected in {} ms", took.as_millis()),
        Err(Unreached::Refused) => "connection refused".to_owned(),
        Err(Unreached::TimedOut) => "no answer".to_owned(),
        Err(Unreached::Other(why)) => why.clone(),
    }
}

fn proxy(facts: &Facts, failure: &ProxyFailure) -> Finding {
    let target = &facts.question.target;
    let (at, named) = facts
        .question
        .proxy
        .as_ref()
        .map_or_else(|| ("the proxy".to_owned(), String::new()), |(at, named)| (at.to_string(), named.clone()));
    let around = again(facts, "--proxy none");
    // The address is said already, and the number of an error says nothing to people.
    let short = |why: &str| {
        let why = why.strip_prefix(&format!("{at}: ")).unwrap_or(why);
        why.split(" (os error").next().unwrap_or(why).to_owned()
    };
    let (cause, text, said) = match failure {
        ProxyFailure::Unreachable(why) => (
            Cause::ProxyUnreachable,
            format!("{target}: the proxy {at} (from {named}) cannot be reached: {}", short(why)),
            why,
        ),
        ProxyFailure::Login(why) => {
            (Cause::ProxyAuthRequired, format!("{target}: the proxy {at} (from {named}) wants a login: {why}"), why)
        }
        ProxyFailure::Refused(why) => (
            Cause::ProxyDenied,
            format!("{target}: the proxy {at} (from {named}) refuses to connect there: {why}"),
            why,
        ),
    };
    let finding = Finding::new(cause, text, "CONNECT", format!("{at} for {target}"), said.clone());
    let finding = match facts.attempts.iter().find(|attempt| attempt.variant == super::Variant::Direct) {
        Some(direct) if direct.answered => {
            finding.with_evidence("without the proxy", target.to_string(), "the service answers in TLS")
        }
        Some(_) => finding.with_evidence("without the proxy", target.to_string(), "no TLS there either"),
        None => finding,
    };
    match failure {
        ProxyFailure::Unreachable(_) => finding
            .with_fix(
                format!("Correct the proxy's address in {named}, as seen from where the client runs"),
                format!("nc -vz {}", at.replace(':', " ")),
            )
            .with_fix("Or go around it for this host", format!("export NO_PROXY={}", target.host)),
        ProxyFailure::Login(_) => finding.with_fix(
            format!("Put user and password into the proxy's URL in {named} (special characters percent-encoded)"),
            format!("export HTTPS_PROXY=http://USER:PASSWORD@{at}"),
        ),
        ProxyFailure::Refused(_) => finding
            .with_fix(
                "Have the host and port allowed by those who run the proxy",
                format!("allow CONNECT {target} on {at}"),
            )
            .with_fix("Or go around it for this host", format!("export NO_PROXY={}", target.host)),
    }
    .with_fix("See whether the service itself is well", around)
}
