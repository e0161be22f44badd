//! Handshakes that are cut or refused: what one small difference between hellos tells, what old versions and suites bring, and
//! in the end how the attempt ended. In: attempts. Out: a finding.

use super::super::again;
use super::super::facts::{AlertSeen, Attempt, End, Facts, Variant};
use super::super::plan::OTHER_NAME;
use super::{UNRECOGNIZED_NAME, agreed, name, place, with_attempts, words};
use crate::finding::{Cause, Finding};
use crate::flow::{Authority, TlsVersion};

/// What one small difference between hellos tells.
pub(super) fn differences(facts: &Facts, main: &Attempt) -> Option<Finding> {
    let target = &facts.question.target;
    let odd_alert = matches!(&main.end, End::Alert(alert) if !matches!(alert.number, 40 | 70 | 71 | UNRECOGNIZED_NAME));
    if main.answered || !(main.cut_at_hello() || odd_alert || matches!(main.end, End::Broken(_))) {
        return None;
    }
    let answered = |variant: &Variant| facts.attempt(variant).filter(|attempt| attempt.answered);
    if answered(&Variant::Again).is_some() {
        return None;
    }
    let cut = words(main);
    let finding = |cause, text: String| {
        let finding = Finding::new(
            cause,
            text,
            name(facts, &main.variant),
            place(facts, main),
            format!("{cut} ({} bytes)", main.hello_size),
        );
        with_attempts(finding, facts, facts.attempts.iter().skip(1).filter(|it| it.spoke_tls()))
    };
    if let Some(small) = answered(&Variant::Small) {
        let text = format!(
            "{target}: something on the way drops a ClientHello of {} bytes; one of {} bytes is answered",
            main.hello_size, small.hello_size
        );
        return Some(
            finding(Cause::LargeClientHelloDropped, text)
                .with_fix("Update the firewall, load balancer or server that reads the ClientHello from one packet", find_hops(target))
                .with_fix("Until then, leave the post-quantum key share out (Go; OpenSSL 3.5: `Groups = X25519:P-256` in openssl.cnf)", "export GODEBUG=tlsmlkem=0"),
        );
    }
    if answered(&Variant::Tls12).is_some() {
        let text =
            format!("{target}: the connection is cut when TLS 1.3 is offered, and answered when only TLS 1.2 is");
        return Some(
            finding(Cause::VersionIntolerant, text)
                .with_fix("Update the middlebox or server that does not know TLS 1.3", find_hops(target))
                .with_fix("Until then, limit the client to TLS 1.2", format!("curl --tls-max 1.2 https://{target}/")),
        );
    }
    let sni = facts.question.sni.as_ref()?;
    if !main.cut_at_hello() {
        return None;
    }
    let other = facts.attempt(&Variant::WithSni(OTHER_NAME.to_owned())).filter(|it| it.spoke_tls());
    let without = facts.attempt(&Variant::WithoutSni).filter(|it| it.spoke_tls());
    other.or(without)?;
    let text =
        format!("{target}: connections are cut when the ClientHello names `{sni}`, and answered when it does not");
    Some(
        finding(Cause::SniFiltered, text)
            .with_fix(
                format!("Have `{sni}` allowed by the filter on the way"),
                format!("the firewall between here and {target}"),
            )
            .with_fix("Or go through the proxy that is meant for it", again(facts, "--proxy http://PROXY:PORT")),
    )
}

/// Whether clients of today accept what was agreed.
pub(super) fn acceptable(attempt: &Attempt) -> bool {
    const REFUSED: &[&str] =
        &["RC4", "3DES", "DES_CBC", "DES40", "RC2", "NULL", "anon", "EXPORT", "MD5", "IDEA", "SEED"];
    let Some(suite) = &attempt.suite else { return false };
    attempt.answered
        && attempt.version.is_some_and(|version| version >= 0x0303)
        && !REFUSED.iter().any(|part| suite.contains(part))
        && attempt.dh_bits.is_none_or(|bits| bits >= 2048)
}

/// What old versions and suites bring where present ones bring nothing.
pub(super) fn legacy(facts: &Facts) -> Option<Finding> {
    let target = &facts.question.target;
    let old = facts.attempts.iter().filter(|it| matches!(it.variant, Variant::Every(_)) && it.answered);
    let best = old.max_by_key(|attempt| attempt.version)?;
    let version = best.version.unwrap_or_default();
    let evidence = |cause, text: String| {
        let finding = Finding::new(cause, text, "agreed with every suite offered", place(facts, best), agreed(best));
        with_attempts(finding, facts, facts.main().into_iter())
    };
    if version < 0x0303 {
        let text = format!("{target} offers {} at the most; clients want TLS 1.2 or later", TlsVersion(version).name());
        return Some(evidence(Cause::ProtocolTooOld, text).with_fix(
            "Let the server offer TLS 1.2 and 1.3",
            "nginx: ssl_protocols TLSv1.2 TLSv1.3;  Apache: SSLProtocol -all +TLSv1.2 +TLSv1.3  HAProxy: ssl-min-ver TLSv1.2",
        ));
    }
    if let Some(bits) = best.dh_bits.filter(|bits| *bits < 2048) {
        let text = format!("{target} uses a Diffie-Hellman group of {bits} bits; clients want 2048 or more");
        return Some(
            evidence(Cause::WeakDh, text)
                .with_fix("Let the server use ECDHE", "nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;")
                .with_fix("Or give it a larger group", "openssl dhparam -out dhparam.pem 2048"),
        );
    }
    if acceptable(best) {
        return None;
    }
    let text = format!(
        "{target} offers no cipher suite that clients accept; the best is {}",
        best.suite.clone().unwrap_or_default()
    );
    Some(evidence(Cause::CipherMismatch, text).with_fix(
        "Let the server offer ECDHE with AES-GCM or ChaCha20-Poly1305",
        "nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;  (an ECDSA suite needs an ECDSA certificate)",
    ))
}

/// A cause, its sentence, and what to do: in words, and the command.
type Told = (Cause, String, &'static str, String);

/// The finding when only the end of the attempt is known.
pub(super) fn ended(facts: &Facts, main: &Attempt) -> Finding {
    let (cause, text, action, how) = match &main.end {
        _ if main.answered => stalled(facts, main),
        End::Alert(alert) => refused(facts, alert),
        End::Reset | End::Closed | End::TimedOut => cut(facts, main),
        _ => not_followed(facts, main),
    };
    let finding = Finding::new(cause, text, name(facts, &main.variant), place(facts, main), words(main));
    with_attempts(finding, facts, facts.attempts.iter().skip(1).take(8)).with_fix(action, how)
}

fn stalled(facts: &Facts, main: &Attempt) -> Told {
    let target = &facts.question.target;
    (
        Cause::HandshakeStalledMidway,
        format!("{target} begins the handshake and then stops: it {}", words(main)),
        "Look for packets that get lost for their size (tunnels, overlay networks): lower the MTU to try",
        format!("ping -M do -s 1400 {}", target.host),
    )
}

fn cut(facts: &Facts, main: &Attempt) -> Told {
    let target = &facts.question.target;
    match &main.end {
        End::Reset => (
            Cause::ConnectionReset,
            format!("{target} resets the connection after the ClientHello, whatever it holds"),
            "Connect from beside the server: if that works, something on the way cuts it; if not, read the server's log",
            again(facts, "--timeout 5s"),
        ),
        End::Closed => (
            Cause::ConnectionClosed,
            format!("{target} closes the connection after the ClientHello, without saying why"),
            "Read the server's log of this second: a balancer without a backend, a port that expects the PROXY protocol, or a name that it silently refuses",
            format!("journalctl --since -5min   # on {}", target.host),
        ),
        _ => (
            Cause::HandshakeTimeout,
            format!(
                "{target} takes the connection and then says nothing: no answer to the ClientHello within {} s",
                facts.question.patience.as_secs_f32()
            ),
            "See whether the server is overloaded or waits for something else: Recv-Q is what nobody has accepted yet",
            format!("ss -ltn 'sport = :{}'   # on {}", target.port, target.host),
        ),
    }
}

fn refused(facts: &Facts, alert: &AlertSeen) -> Told {
    let target = &facts.question.target;
    match alert.number {
        70 => (
            Cause::ProtocolTooOld,
            format!("{target} refuses every version of TLS that was offered"),
            "Let the server offer TLS 1.2 and 1.3",
            "nginx: ssl_protocols TLSv1.2 TLSv1.3;".to_owned(),
        ),
        40 | 71 => (
            Cause::CipherMismatch,
            format!("{target} finds nothing in common with what was offered, old suites included"),
            "Let the server offer ECDHE with AES-GCM, and see that it has a certificate for this name",
            "nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;".to_owned(),
        ),
        _ => (
            Cause::ServerInternalAlert,
            format!("{target} ends the handshake with the alert {}: it {}", alert.name, alert.meaning),
            "Read the server's log: its certificate for this name may be missing or unreadable",
            format!("journalctl --since -5min   # on {}", target.host),
        ),
    }
}

fn not_followed(facts: &Facts, main: &Attempt) -> Told {
    let target = &facts.question.target;
    match &main.end {
        End::Incompatible(why) => (
            Cause::CipherMismatch,
            format!("{target} and this client have nothing in common: {why}"),
            "Let the server offer TLS 1.2 or 1.3 with ECDHE",
            "nginx: ssl_protocols TLSv1.2 TLSv1.3;".to_owned(),
        ),
        End::NotConnected(why) => (
            Cause::ConnectionRefused,
            format!("{target} took a connection and then no more: {why}"),
            "See whether the server is up all the time",
            format!("nc -vz {} {}", target.host, target.port),
        ),
        _ => (
            Cause::HandshakeStalledMidway,
            format!("{target} sends a handshake that cannot be followed: it {}", words(main)),
            "Read the server's log, and update its TLS library",
            format!("openssl s_client -connect {target}"),
        ),
    }
}

/// The command that shows what stands on the way, hop by hop, as far as the port is let through.
fn find_hops(target: &Authority) -> String {
    format!("traceroute -T -p {} {}   # it is the server, or one of these hops", target.port, target.host)
}
