//! Why a captured connection did not work, and how it ended. In: what was seen of it. Out: a finding, where it explains
//! something, and the way it ended. Source of record sizes without keys: measured with OpenSSL, Go and rustls (RFC 8446 §5.2).

use std::net::SocketAddr;
use std::time::Duration;

use sidelight_model::finding::{Cause, Finding, Party};
use sidelight_model::flow::{Authority, Direction, How, TlsVersion};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::{Anchors, Certificate, Trust, judge};
use sidelight_wire::tls::alert::{AlertDescription, FATAL};
use sidelight_wire::tls::decrypt::Session;

use super::layers::Layers;

/// How long nothing must come back before it is said that nothing does.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same for an answer to a ClientHello.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);
/// A sealed alert of TLS 1.3: level, description, type, tag.
const SEALED_ALERT: u16 = 19;

/// What is known of a connection at its end.
pub(super) struct End {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    /// Anything but a reset came from the server.
    pub(super) answered: bool,
    pub(super) syns: u32,
    /// From its first packet to its end, or to the end of the capture.
    pub(super) waited: Duration,
    pub(super) reset: Option<Direction>,
    /// It ended by itself.
    pub(super) over: bool,
    /// Bytes of content that the client sent.
    pub(super) said: u64,
    pub(super) at: Timestamp,
}

/// How it ended, when nothing failed.
pub(super) fn how(end: &End, layers: &Layers) -> How {
    let fatal = layers.facts.alerts.iter().find(|(_, level, alert)| *level == FATAL && alert.0 != 90);
    match (fatal, end.reset) {
        (Some((Direction::ToServer, _, alert)), _) => How::ClientCut(format!("alert {}", alert.name())),
        (Some((Direction::ToClient, _, alert)), _) => How::ServerCut(format!("alert {}", alert.name())),
        (None, Some(Direction::ToServer)) => How::ClientCut("reset the connection".into()),
        (None, Some(Direction::ToClient)) => How::ServerCut("reset the connection".into()),
        (None, None) if end.over => How::Clean,
        (None, None) => How::Ended("the capture ends here".into()),
    }
}

/// What explains why it did not work.
pub(super) fn finding(end: &End, layers: &Layers) -> Option<Finding> {
    let target = layers.facts.target.clone().unwrap_or_else(|| Authority::from(end.server));
    if !end.answered {
        return unreachable(end, &target);
    }
    let session = layers.session()?;
    if session.is_finished(Direction::ToServer) && session.is_finished(Direction::ToClient) {
        return after_the_handshake(end, &target, layers, session);
    }
    let alert = layers.facts.alerts.iter().find(|(_, level, _)| *level == FATAL);
    match alert {
        Some((Direction::ToClient, _, alert)) => return Some(refused_by_service(&target, *alert)),
        Some((Direction::ToServer, _, alert)) => {
            return Some(refused_by_client(end, &target, session, Refusal::Alert(*alert)));
        }
        None if layers.facts.agreed => return None,
        None => {}
    }
    if !layers.facts.chosen {
        return layers.facts.hello.and_then(|since| unanswered(end, &target, layers, since));
    }
    sealed_refusal(end, &target, session)
}

/// Nothing, or a reset, came back.
fn unreachable(end: &End, target: &Authority) -> Option<Finding> {
    if end.syns == 0 {
        return None;
    }
    let place = end.server.to_string();
    if end.reset == Some(Direction::ToClient) {
        let text = format!("{target} refuses the connection: nothing listens on that port, or a firewall rejects it");
        let finding = Finding::new(Cause::ConnectionRefused, text, "packet", place, "RST in answer to SYN");
        return Some(
            finding.with_fix("Check the port, and that the service runs", format!("ss -ltn on {}", end.server.ip())),
        );
    }
    if end.reset.is_some() || end.waited < PATIENCE && end.syns < 3 {
        return None;
    }
    let text = format!("{target} does not answer: {} SYN in {:.1} s, nothing back", end.syns, end.waited.as_secs_f64());
    let finding =
        Finding::new(Cause::ConnectTimeout, text, "packets", place, format!("{} SYN without answer", end.syns));
    Some(finding.with_fix(
        "Look for a firewall that drops packets, or a wrong address",
        format!("traceroute {}", end.server.ip()),
    ))
}

/// A ClientHello that no ServerHello answers.
fn unanswered(end: &End, target: &Authority, layers: &Layers, since: Timestamp) -> Option<Finding> {
    let place = end.server.to_string();
    let first = &layers.facts.first;
    if !first.is_empty() && first.first() != Some(&22) && first.first() != Some(&21) {
        return Some(not_tls(target, place, first));
    }
    let (cause, why, value) = if end.reset == Some(Direction::ToClient) {
        (Cause::ConnectionReset, "resets the connection when it gets the ClientHello", "RST after the ClientHello")
    } else if end.over {
        let why = "closes the connection after the ClientHello, without an alert";
        (Cause::ConnectionClosed, why, "FIN after the ClientHello")
    } else if end.at.since(since) >= HELLO_PATIENCE {
        (Cause::HandshakeTimeout, "does not answer the ClientHello", "no bytes after the ClientHello")
    } else {
        return None;
    };
    let finding = Finding::new(cause, format!("{target} {why}"), "packets", place, value);
    Some(finding.with_fix("Ask it with another client", format!("openssl s_client -connect {target}")))
}

fn not_tls(target: &Authority, place: String, first: &[u8]) -> Finding {
    let line = first.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default().escape_ascii().to_string();
    let greets = |words: &[&[u8]]| {
        words.iter().any(|word| first.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
    };
    let (cause, why, action) = if greets(&[b"HTTP/", b"<!DOCTYPE", b"<html"]) {
        (Cause::PlainHttp, "speaks HTTP without TLS on this port", "Call it by http://, or by the port that has TLS")
    } else if greets(&[b"220 ", b"220-", b"* OK", b"+OK"]) {
        let why = "speaks a plain protocol on this port, which becomes TLS by STARTTLS";
        (Cause::StarttlsNeeded, why, "Choose STARTTLS in place of SSL/TLS in the client")
    } else {
        (Cause::NotTls, "answers the ClientHello with something that is not TLS", "Check the port")
    };
    let how = format!("nc {} {}", target.host, target.port);
    Finding::new(cause, format!("{target} {why}"), "first bytes", place, line).with_fix(action, how)
}

fn refused_by_service(target: &Authority, alert: AlertDescription) -> Finding {
    let cause = match alert.0 {
        70 | 86 => Cause::ProtocolTooOld,
        40 | 71 => Cause::CipherMismatch,
        112 => Cause::SniUnrecognized,
        120 => Cause::AlpnMismatch,
        116 => Cause::ClientCertRequired,
        42 | 46 | 48 | 49 => Cause::ClientCertUntrusted,
        43 => Cause::ClientCertWrongUsage,
        45 => Cause::ClientCertExpired,
        _ => Cause::ServerInternalAlert,
    };
    let text = format!("{target} refuses the handshake: alert {} ({})", alert.name(), alert.meaning());
    let finding = Finding::new(cause, text, "alert", target.to_string(), format!("{} ({})", alert.name(), alert.0));
    // A server chooses; what it did not take came from the client.
    if matches!(cause, Cause::ProtocolTooOld | Cause::CipherMismatch) {
        return finding.with_fix("See what both sides offer", format!("openssl s_client -connect {target}"));
    }
    finding
}

/// How a client says no.
enum Refusal {
    Alert(AlertDescription),
    /// A sealed record of an alert's length where the end of its handshake belongs.
    Sealed,
    /// It went away.
    Left,
}

/// The client does not go on after the server's part of the handshake.
fn refused_by_client(end: &End, target: &Authority, session: &Session, refusal: Refusal) -> Finding {
    let client = end.client.to_string();
    let (what, value, text) = match &refusal {
        Refusal::Alert(alert) => (
            "alert",
            format!("{} ({})", alert.name(), alert.0),
            format!("{client} refuses the handshake with {target}: alert {} ({})", alert.name(), alert.meaning()),
        ),
        Refusal::Sealed => (
            "record",
            format!("{SEALED_ALERT} sealed bytes"),
            format!(
                "{client} answers {target}'s part of the handshake with what has the length of an alert; most likely it refuses the certificate"
            ),
        ),
        Refusal::Left => (
            "end",
            "no record of the client after the ServerHello".to_owned(),
            format!(
                "{client} leaves in the middle of the handshake with {target}; most likely it refuses the certificate"
            ),
        ),
    };
    let chain = session.agreed().map(|side| side.chain).unwrap_or_default();
    let (cause, evidence) = certificate_fault(&chain, target, end.at, &refusal);
    let finding = Finding::new(cause, text, what, client, value);
    let finding = evidence
        .into_iter()
        .fold(finding, |finding, text| finding.with_evidence("certificate", target.to_string(), text));
    match refusal {
        Refusal::Alert(alert) if !alert.refuses_certificate() => finding.blaming(Party::Client),
        Refusal::Alert(_) => finding
            .with_fix("See the chain that is presented", format!("openssl s_client -showcerts -connect {target}")),
        Refusal::Sealed | Refusal::Left => finding
            .with_fix("Read the alert: capture again with a key log of the client", "SSLKEYLOGFILE=keys.log")
            .with_fix("See the chain that is presented", format!("openssl s_client -showcerts -connect {target}")),
    }
}

/// What is wrong with a chain whatever the roots, or what the client's alert says of it.
fn certificate_fault(
    chain: &[Vec<u8>],
    target: &Authority,
    at: Timestamp,
    refusal: &Refusal,
) -> (Cause, Option<String>) {
    let by_alert = match refusal {
        Refusal::Alert(AlertDescription(44)) => Cause::Revoked,
        Refusal::Alert(AlertDescription(45)) => Cause::CertExpired,
        Refusal::Alert(AlertDescription(70 | 71)) => Cause::ProtocolTooOld,
        Refusal::Alert(AlertDescription(40 | 47)) => Cause::CipherMismatch,
        Refusal::Alert(AlertDescription(120)) => Cause::AlpnMismatch,
        Refusal::Alert(AlertDescription(51)) => Cause::BadSignature,
        Refusal::Alert(_) | Refusal::Sealed | Refusal::Left => Cause::RootNotTrusted,
    };
    let roots: [&[u8]; 0] = [];
    let Some(judged) = judge(chain, &Anchors::new(roots), &target.host, at) else { return (by_alert, None) };
    let Some(leaf) = judged.chain.first() else { return (by_alert, None) };
    let is_about_certificate = by_alert == Cause::RootNotTrusted || by_alert == Cause::CertExpired;
    let cause = match &judged.faults {
        _ if !is_about_certificate => by_alert,
        faults if faults.leaf_outside_validity && at < leaf.not_before => Cause::CertNotYetValid,
        faults if faults.leaf_outside_validity => Cause::CertExpired,
        faults if faults.wrong_name => Cause::HostnameMismatch,
        faults if faults.trust == Trust::SelfSigned => Cause::SelfSignedLeaf,
        _ => by_alert,
    };
    (cause, Some(line(leaf)))
}

fn line(leaf: &Certificate) -> String {
    format!(
        "{} ← {}, {} to {}, sha256 {}",
        leaf.subject,
        leaf.issuer,
        leaf.not_before.date(),
        leaf.not_after.date(),
        leaf.sha256()
    )
}

/// What lengths and ends tell of a handshake that cannot be opened.
fn sealed_refusal(end: &End, target: &Authority, session: &Session) -> Option<Finding> {
    let side = session.agreed()?;
    let sizes = session.sealed_sizes(Direction::ToServer);
    if side.version >= TlsVersion(0x0304) && sizes.first() == Some(&SEALED_ALERT) {
        return Some(refused_by_client(end, target, session, Refusal::Sealed));
    }
    let left = end.over && end.reset != Some(Direction::ToClient) && sizes.is_empty();
    left.then(|| refused_by_client(end, target, session, Refusal::Left))
}

/// A service may refuse the client's certificate once the handshake is over (RFC 8446 §4.4.2.4); and some clients look at the
/// name in the service's certificate only then.
fn after_the_handshake(end: &End, target: &Authority, layers: &Layers, session: &Session) -> Option<Finding> {
    let refuses = |(direction, level, alert): &&(Direction, u8, AlertDescription)| {
        *direction == Direction::ToClient && *level == FATAL && (alert.refuses_certificate() || alert.0 == 116)
    };
    if let Some((_, _, alert)) = layers.facts.alerts.iter().find(refuses) {
        return session.wants_client_certificate().then(|| refused_by_service(target, *alert));
    }
    if end.said > 0 || !end.over || end.reset == Some(Direction::ToClient) {
        return None;
    }
    let chain = session.agreed()?.chain;
    let (cause, certificate) = certificate_fault(&chain, target, end.at, &Refusal::Left);
    let client = end.client.to_string();
    // Without a fault in the certificate a client that says nothing has its own reasons.
    let (Some(certificate), false) = (certificate, cause == Cause::RootNotTrusted) else { return None };
    let text = format!(
        "{client} leaves without a word after the handshake with {target}; most likely it refuses the certificate"
    );
    let finding = Finding::new(cause, text, "end", client, "no data of the client after the handshake");
    Some(
        finding
            .with_evidence("certificate", target.to_string(), certificate)
            .with_fix("See the chain that is presented", format!("openssl s_client -showcerts -connect {target}")),
    )
}
