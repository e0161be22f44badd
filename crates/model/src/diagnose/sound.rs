//! A connection that works, and what is odd about one all the same. In: facts and the path. Out: the finding `ok`; warnings, one
//! sentence each, for whatever else would surprise.

use super::chain::{Climbed, refused_by};
use super::facts::{End, Facts, Late, Variant};
use super::handshake::words;
use crate::finding::{Cause, Finding};
use crate::flow::TlsVersion;
use crate::time::Timestamp;
use crate::x509::Certificate;
use crate::x509::path::{Profile, Stack};

/// Days from which on a certificate's end is worth a warning.
const SOON: i64 = 21;
/// Java reads certificate messages up to this size, and chains up to ten certificates.
const JAVA_MESSAGE: usize = 32_768;
const JAVA_CERTIFICATES: usize = 10;

/// Whole days until `end`, counted so that a day that has begun counts; negative when it has passed.
pub fn days_left(end: Timestamp, at: Timestamp) -> i64 {
    (end.as_secs() - at.as_secs()).div_euclid(86_400)
}

/// The connection works.
pub(super) fn finding(facts: &Facts, climbed: &Climbed) -> Finding {
    let target = &facts.question.target;
    let root = climbed.path.last().map_or("", Certificate::short_name);
    let text = format!(
        "{target} is well: its certificate is valid for `{}` and leads to the trusted root `{root}`",
        facts.question.name
    );
    let used = facts.certified();
    let value = used.map_or_else(String::new, words);
    let finding = Finding::new(Cause::Ok, text, "handshake", target.to_string(), value);
    match super::revocation::summary(facts, climbed) {
        Some(summary) => finding.with_evidence("OCSP", target.to_string(), summary),
        None => finding,
    }
}

/// What is odd, beside the cause.
pub(super) fn warnings(facts: &Facts, climbed: &Climbed, cause: Cause) -> Vec<String> {
    let mut all = Vec::new();
    if cause == Cause::Ok {
        roundabout(facts, &mut all);
        soon(facts, climbed, &mut all);
        parameters(facts, &mut all);
        pickier_clients(facts, &mut all);
    }
    chain(facts, climbed, &mut all);
    places(facts, &mut all);
    client(facts, cause, &mut all);
    all.extend(facts.roots.notes.iter().filter(|_| !matches!(cause, Cause::Ok | Cause::TrustStoreEmpty)).cloned());
    all
}

/// It works, but not in the way in which it was asked first.
fn roundabout(facts: &Facts, all: &mut Vec<String>) {
    let Some(main) = facts.main() else { return };
    if main.finished() || main.request.is_some() {
        return;
    }
    let used = facts.certified().filter(|used| used.variant != Variant::AsAsked);
    match used.map(|used| (&used.variant, used)) {
        Some((Variant::Every(_), used)) => all.push(format!(
            "only suites of old are taken ({}): clients on OpenSSL and Java connect, those in Go, Rust and browsers do not",
            words(used)
        )),
        Some((Variant::WithoutAlpn, _)) => {
            all.push("the server refuses the application protocols h2 and http/1.1; without any it answers".to_owned());
        }
        _ => {}
    }
}

fn soon(facts: &Facts, climbed: &Climbed, all: &mut Vec<String>) {
    for (index, cert) in climbed.path.iter().enumerate() {
        let days = days_left(cert.not_after, facts.question.at);
        if days < SOON {
            let what = if index == 0 { "the certificate".to_owned() } else { format!("`{}`", cert.short_name()) };
            all.push(format!("{what} expires in {days} days ({})", cert.not_after.date()));
        }
    }
}

fn parameters(facts: &Facts, all: &mut Vec<String>) {
    let versions = facts.versions();
    let old: Vec<_> =
        versions.iter().filter(|version| **version < 0x0303).map(|version| TlsVersion(*version).name()).collect();
    if !old.is_empty() {
        all.push(format!("the server still speaks {}", old.join(", ")));
    }
    if !versions.is_empty() && !versions.contains(&0x0304) {
        all.push("the server does not speak TLS 1.3".to_owned());
    }
    let weak = ["_CBC_", "_3DES_", "_RC4_", "_NULL_", "TLS_RSA_"];
    let suites: Vec<_> = facts
        .suites
        .iter()
        .flat_map(|(_, names)| names)
        .filter(|name| weak.iter().any(|part| name.contains(part)))
        .collect();
    if !suites.is_empty() {
        let shown: Vec<_> = suites.iter().take(3).map(|name| name.as_str()).collect();
        let more = suites.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        all.push(format!("weak suites are offered beside good ones: {}{more}", shown.join(", ")));
    }
    let weak_group = facts.attempts.iter().find_map(|attempt| attempt.dh_bits.filter(|bits| *bits < 2048));
    if let Some(bits) = weak_group {
        all.push(format!("clients that choose finite-field Diffie-Hellman get a group of {bits} bits only"));
    }
}

fn chain(facts: &Facts, climbed: &Climbed, all: &mut Vec<String>) {
    let Some(attempt) = facts.certified() else { return };
    let sent: Vec<Certificate> = attempt.chain.iter().take(64).filter_map(|der| Certificate::parse(der).ok()).collect();
    let on_path = |cert: &Certificate| climbed.path.iter().position(|it| it.der == cert.der);
    if let Some(root) = sent.iter().skip(1).find(|cert| cert.is_self_issued()) {
        all.push(format!("the server sends the root `{}`, which clients do not need", root.short_name()));
    }
    let positions: Vec<usize> = sent.iter().filter_map(on_path).collect();
    if !positions.is_sorted() {
        all.push("the certificates are not sent in order: leaf, then each issuer".to_owned());
    }
    let outside = |cert: &Certificate| facts.question.at < cert.not_before || facts.question.at > cert.not_after;
    for cert in sent.iter().skip(1).filter(|cert| on_path(cert).is_none() && !cert.is_self_issued()) {
        let how = if outside(cert) { "an expired certificate" } else { "a certificate" };
        all.push(format!("the server sends {how} that is not needed on the path: `{}`", cert.short_name()));
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    for cert in &sent {
        if seen.contains(&cert.der.as_slice()) {
            all.push(format!("the server sends `{}` twice", cert.short_name()));
        }
        seen.push(&cert.der);
    }
    let size: usize = attempt.chain.iter().map(|der| der.len() + 5).sum();
    if size > JAVA_MESSAGE || attempt.chain.len() > JAVA_CERTIFICATES {
        all.push(format!(
            "the chain of {} certificates ({size} bytes) is longer than Java accepts by default",
            attempt.chain.len()
        ));
    }
}

/// Clients that would not take this chain, though it is good by the rules that it is judged by.
fn pickier_clients(facts: &Facts, all: &mut Vec<String>) {
    let mut reasons: Vec<(String, Vec<&'static str>)> = Vec::new();
    for stack in Stack::all().filter(|stack| stack.is_measured()) {
        let Some(why) = refused_by(facts, Profile::Stack(stack)) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, stacks)) => stacks.push(stack.name()),
            None => reasons.push((why, vec![stack.name()])),
        }
    }
    for (why, stacks) in reasons {
        all.push(format!("clients that refuse this chain: {} ({why})", stacks.join(", ")));
    }
}

/// Addresses that differ, and interception that is trusted.
fn places(facts: &Facts, all: &mut Vec<String>) {
    let Some(main) = facts.main() else { return };
    let leaf = |chain: &[Vec<u8>]| chain.first().cloned();
    for attempt in &facts.attempts {
        let Variant::At(address) = attempt.variant else { continue };
        if let End::NotConnected(why) = &attempt.end {
            // Programs that serve `localhost` seldom listen on both of its addresses.
            if !address.ip().is_loopback() {
                all.push(format!("{address}, which is {} too, is not reached: {why}", facts.question.target.host));
            }
        } else if attempt.answered != main.answered || attempt.finished() != main.finished() {
            all.push(format!("{address} answers otherwise: it {}", words(attempt)));
        } else if attempt.finished() && leaf(&attempt.chain) != leaf(&main.chain) {
            all.push(format!("{address} shows another certificate"));
        }
    }
    for reach in facts.reached.iter().filter(|reach| reach.outcome.is_err()) {
        if facts.reached.iter().any(|other| other.outcome.is_ok()) {
            all.push(format!("{} cannot be reached, while another address of the name can", reach.address));
        }
    }
    let subject = |chain: &[Vec<u8>]| leaf(chain).and_then(|der| Certificate::parse(&der).ok()).map(|cert| cert.issuer);
    if let (Some(direct), true) = (facts.attempt(&Variant::Direct), main.finished()) {
        let (through, around) = (subject(&main.chain), subject(&direct.chain));
        if direct.finished() && through != around {
            all.push(format!(
                "the proxy opens TLS: through it the issuer is {}, around it {}",
                through.unwrap_or_default(),
                around.unwrap_or_default()
            ));
        }
    }
    let again = facts.attempt(&Variant::Again);
    if again.is_some_and(|again| again.answered) && !main.answered && !matches!(main.end, End::NotTls(..)) {
        all.push("the very same ClientHello was answered a moment later: the server, or a balancer's backend, is not always well".to_owned());
    }
}

fn client(facts: &Facts, cause: Cause, all: &mut Vec<String>) {
    let Some(client) = &facts.question.client else { return };
    let Some(main) = facts.main() else { return };
    if main.finished() && main.request.is_none() {
        all.push(format!("the server does not ask for a client certificate: {} is not used", client.cert_file));
    }
    let outdated = client.chain.first().filter(|leaf| facts.question.at > leaf.not_after);
    if let Some(leaf) = outdated
        && cause != Cause::ClientCertExpired
    {
        all.push(format!("the client certificate in {} expired on {}", client.cert_file, leaf.not_after.date()));
    }
    if cause == Cause::Ok && main.request.is_some() && matches!(main.late, Some(Late::Quiet)) && !main.presented {
        all.push("the server asks for a client certificate, and goes on without one".to_owned());
    }
}
