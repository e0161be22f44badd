//! Causes between the first byte and the certificates: no TLS, versions, suites, names, what cuts the connection.
//! In: facts, the differences between attempts above all. Out: a finding, when one of them is the cause.

mod cuts;
mod names;
mod plain;

use super::again;
use super::chain::Climbed;
use super::facts::{AlertSeen, Attempt, End, Facts, Variant};
use crate::finding::{Cause, Finding};
use crate::flow::TlsVersion;
use crate::x509::Certificate;

use cuts::{acceptable, differences, ended, legacy};
use names::{sni_needed, unrecognized};
use plain::not_tls;

const UNRECOGNIZED_NAME: u8 = 112;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Judges the handshake up to the certificates.
pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let main = facts.main()?;
    if let Some(finding) = not_tls(facts, main) {
        return Some(finding);
    }
    if let Some(finding) = sni_needed(facts, main, climbed) {
        return Some(finding);
    }
    if let End::ChainTooLarge(why) = &main.end {
        return Some(chain_too_large(facts, why));
    }
    if let Some(finding) = bad_encoding(facts) {
        return Some(finding);
    }
    if main.key_proved == Some(false) {
        return Some(key_mismatch(facts, main));
    }
    if main.finished() {
        return no_protocol_agreed(facts, main);
    }
    if main.request.is_some() {
        return None;
    }
    match &main.end {
        End::Alert(alert) if alert.number == UNRECOGNIZED_NAME => return Some(unrecognized(facts, alert)),
        End::Alert(alert) if alert.number == NO_APPLICATION_PROTOCOL => return refused_protocols(facts, alert),
        _ => {}
    }
    differences(facts, main).or_else(|| legacy(facts))
}

/// What is left when nothing told why: how the attempt ended.
pub(super) fn unexplained(facts: &Facts) -> Option<Finding> {
    let main = facts.main()?;
    if main.finished() || facts.attempts.iter().any(|attempt| sound_elsewhere(attempt, main)) {
        return None;
    }
    Some(ended(facts, main))
}

/// Whether another way of asking got a whole answer, so that there is a chain to judge.
fn sound_elsewhere(attempt: &Attempt, main: &Attempt) -> bool {
    let without_alpn = attempt.variant == Variant::WithoutAlpn && attempt.finished();
    let old_fashioned = matches!(attempt.variant, Variant::Every(0x0303)) && acceptable(attempt);
    !main.answered && (without_alpn || old_fashioned)
}

/// `TLS 1.2 with TLS_…`.
fn agreed(attempt: &Attempt) -> String {
    let version = attempt.version.map_or_else(String::new, |version| TlsVersion(version).name());
    match (&attempt.suite, attempt.dh_bits) {
        (Some(suite), Some(bits)) => format!("{version} with {suite}, Diffie-Hellman group of {bits} bits"),
        (Some(suite), None) => format!("{version} with {suite}"),
        (None, _) => version,
    }
}

/// How an attempt ended, as a clause about the server.
pub(super) fn words(attempt: &Attempt) -> String {
    let after = if attempt.answered { "after its ServerHello" } else { "after the ClientHello" };
    match &attempt.end {
        End::Finished => format!("answers: {}", agreed(attempt)),
        End::Alert(alert) => format!("sends the alert {} ({})", alert.name, alert.number),
        End::Reset => format!("resets the connection {after}"),
        End::Closed => format!("closes the connection {after}, without an alert"),
        End::TimedOut => format!("says nothing more {after}"),
        End::NotTls(heard, _) => format!("answers {:?}", first_line(heard)),
        End::Incompatible(why) | End::Broken(why) | End::ChainTooLarge(why) => format!("is given up: {why}"),
        End::StarttlsRefused(why) => format!("refuses STARTTLS: {why}"),
        End::NotConnected(why) => format!("is not reached: {why}"),
    }
}

/// How an attempt is called in evidence.
pub(super) fn name(facts: &Facts, variant: &Variant) -> String {
    match variant {
        Variant::AsAsked => match &facts.question.sni {
            Some(sni) => format!("TLS 1.3 and 1.2, server name {sni}"),
            None => "TLS 1.3 and 1.2, no server name".to_owned(),
        },
        Variant::Again => "the same once more".to_owned(),
        Variant::Small => "small ClientHello (no post-quantum key share)".to_owned(),
        Variant::Tls12 => "TLS 1.2 alone".to_owned(),
        Variant::WithoutSni => "without a server name".to_owned(),
        Variant::WithSni(name) => format!("with the server name {name}"),
        Variant::WithoutAlpn => "without application protocols".to_owned(),
        Variant::Http => "and one HTTP request".to_owned(),
        Variant::Anonymous => "without the client certificate".to_owned(),
        Variant::Direct => "around the proxy".to_owned(),
        Variant::At(address) => format!("at {address}"),
        Variant::Every(version) => format!("{} with every suite", TlsVersion(*version).name()),
        Variant::FiniteField(_) => "finite-field Diffie-Hellman alone".to_owned(),
    }
}

/// Adds what each of these attempts brought.
fn with_attempts<'a>(finding: Finding, facts: &Facts, attempts: impl Iterator<Item = &'a Attempt>) -> Finding {
    // Ways that end alike are one line: what differs is what tells something.
    let mut groups: Vec<(String, String, Vec<String>)> = Vec::new();
    for attempt in attempts {
        let (place, words, name) = (place(facts, attempt), words(attempt), name(facts, &attempt.variant));
        match groups.iter_mut().find(|(at, end, _)| *at == place && *end == words) {
            Some((_, _, names)) => names.push(name),
            None => groups.push((place, words, vec![name])),
        }
    }
    groups.into_iter().fold(finding, |finding, (place, words, names)| match names.as_slice() {
        [name] => finding.with_evidence(name.clone(), place, words),
        names => finding.with_evidence(
            format!("{} other ways", names.len()),
            place,
            format!("{words}: {}", names.join("; ")),
        ),
    })
}

/// The endpoint, with the address that was used.
fn place(facts: &Facts, attempt: &Attempt) -> String {
    let target = &facts.question.target;
    match attempt.peer {
        Some(peer) if target.host.ip() != Some(peer.ip()) && facts.question.proxy.is_none() => {
            format!("{target} ({})", peer.ip())
        }
        _ => target.to_string(),
    }
}

fn first_line(heard: &[u8]) -> String {
    let line = heard.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(100)]).trim_end().to_owned()
}

fn refused_protocols(facts: &Facts, alert: &AlertSeen) -> Option<Finding> {
    let without = facts.attempt(&Variant::WithoutAlpn);
    if facts.question.alpn.is_empty() && without.is_some_and(Attempt::finished) {
        return None;
    }
    let target = &facts.question.target;
    let offered = protocols(&facts.question.alpn);
    let text = format!("{target} speaks none of the application protocols that were offered ({offered})");
    let finding = Finding::new(
        Cause::AlpnMismatch,
        text,
        "alert",
        target.to_string(),
        format!("{} ({})", alert.name, alert.number),
    );
    Some(with_attempts(finding, facts, without.into_iter()).with_fix(
        "Enable the protocol on the server or its load balancer, or offer one that it has",
        again(facts, "--alpn h2,http/1.1"),
    ))
}

/// What was offered when the user named nothing.
const DEFAULT_PROTOCOLS: &str = "h2, http/1.1";

fn protocols(list: &[Vec<u8>]) -> String {
    if list.is_empty() {
        return DEFAULT_PROTOCOLS.to_owned();
    }
    list.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>().join(", ")
}

/// The user named protocols, and the server chose none: clients that need one give up.
fn no_protocol_agreed(facts: &Facts, main: &Attempt) -> Option<Finding> {
    if facts.question.alpn.is_empty() || main.alpn.is_some() {
        return None;
    }
    let target = &facts.question.target;
    let offered = protocols(&facts.question.alpn);
    let text = format!("{target} finishes the handshake but chooses none of the application protocols {offered}");
    Some(
        Finding::new(
            Cause::AlpnMismatch,
            text,
            "ALPN",
            target.to_string(),
            format!("offered {offered}; the server chose none"),
        )
        .with_fix(
            "Enable the protocol on the server or its load balancer",
            "nginx: http2 on;  HAProxy: alpn h2,http/1.1".to_owned(),
        )
        .with_warning("clients that can do without ALPN, such as those of HTTP/1.1, go on all the same"),
    )
}

fn chain_too_large(facts: &Facts, why: &str) -> Finding {
    let target = &facts.question.target;
    Finding::new(
        Cause::ChainTooLarge,
        format!("{target} sends more certificates than clients accept (over 64 KiB)"),
        "certificate message",
        target.to_string(),
        why,
    )
    .with_fix(
        "Let the server send its leaf and the intermediates above it, nothing else",
        "the server's certificate file: leaf first, then each intermediate; no roots, no bundle of a trust store",
    )
}

fn bad_encoding(facts: &Facts) -> Option<Finding> {
    let attempt = facts.certified()?;
    let wrong = |(index, der): (usize, &Vec<u8>)| Certificate::parse(der).err().map(|why| (index, why, der.len()));
    let (index, why, size) = attempt.chain.iter().enumerate().find_map(wrong)?;
    let target = &facts.question.target;
    let text =
        format!("{target}: certificate {} of {} that the server sends cannot be read", index + 1, attempt.chain.len());
    let value = format!("{size} bytes: {why}");
    Some(
        Finding::new(Cause::BadCertificateEncoding, text, "certificate", format!("{target} chain[{index}]"), value)
            .with_fix("Replace the damaged certificate in the server's certificate file", again(facts, "--showcerts")),
    )
}

fn key_mismatch(facts: &Facts, main: &Attempt) -> Finding {
    let target = &facts.question.target;
    let subject =
        main.chain.first().and_then(|der| Certificate::parse(der).ok()).map_or_else(String::new, |cert| cert.subject);
    let text = format!("{target}: the server signs the handshake with a key that is not its certificate's");
    Finding::new(
        Cause::ServerKeyMismatch,
        text,
        "signature of the handshake",
        target.to_string(),
        format!("not made by the key of {subject}"),
    )
    .with_fix(
        "Give the server the key that belongs to its certificate, or the certificate of its key",
        "openssl x509 -in server.pem -noout -pubkey; openssl pkey -in server.key -pubout   # both must print the same",
    )
}
