//! Causes between the first byte and the certificates: no TLS, versions, suites, names, what cuts the connection.
//! In: facts, the differences between attempts above all. Out: a finding, when one of them is the cause.

use super::again;
use super::chain::Climbed;
use super::facts::{AlertSeen, Attempt, End, Facts, PlainWords, Spoken, Variant};
use super::plan::OTHER_NAME;
use crate::finding::{Cause, Finding};
use crate::flow::{Host, TlsVersion};
use crate::x509::{Certificate, name_matches};

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
    attempts.fold(finding, |finding, attempt| {
        finding.with_evidence(name(facts, &attempt.variant), place(facts, attempt), words(attempt))
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

fn not_tls(facts: &Facts, main: &Attempt) -> Option<Finding> {
    let target = &facts.question.target;
    if let End::StarttlsRefused(why) = &main.end {
        let protocol = facts.question.starttls.unwrap_or("STARTTLS");
        let text = format!("{target} speaks no TLS after STARTTLS ({protocol}): {why}");
        return Some(Finding::new(Cause::NotTls, text, "STARTTLS", target.to_string(), why.clone()).with_fix(
            "Switch TLS on in the server, or name the protocol that the port speaks",
            again(facts, "--starttls PROTOCOL"),
        ));
    }
    let (heard, spoken) = match &main.end {
        End::NotTls(heard, spoken) => (heard.clone(), *spoken),
        _ => {
            if facts.attempts.iter().any(Attempt::spoke_tls) {
                return None;
            }
            let told = facts.plain.iter().find(|plain| !plain.heard.is_empty())?;
            match told.words {
                PlainWords::Starttls(name) if told.upgrades => (told.heard.clone(), Spoken::Upgrades(name)),
                _ => (told.heard.clone(), told.spoken),
            }
        }
    };
    let line = first_line(&heard);
    let evidence =
        |finding: (Cause, String)| Finding::new(finding.0, finding.1, "first bytes", target.to_string(), line.clone());
    Some(match spoken {
        Spoken::Http => evidence((Cause::PlainHttp, format!("{target} speaks HTTP without TLS")))
            .with_fix("Use the port that speaks TLS, or enable TLS on this one", format!("curl -v http://{target}/"))
            .with_fix(
                "If this is a registry for tests, let docker use it without TLS",
                format!("/etc/docker/daemon.json: {{\"insecure-registries\": [\"{target}\"]}}"),
            ),
        Spoken::Upgrades(name) => evidence((
            Cause::StarttlsNeeded,
            format!("{target} speaks {} and turns into TLS only after STARTTLS", name.to_uppercase()),
        ))
        .with_fix("Let the client use STARTTLS", again(facts, &format!("--starttls {name}")))
        .with_fix("Or use the port that speaks TLS from the start", implicit_port(name)),
        Spoken::Other(name) => evidence((Cause::NotTls, format!("{target} speaks {name}, not TLS")))
            .with_fix("Check the port", format!("ss -ltnp 'sport = :{}' on the server", target.port)),
        Spoken::Unknown => evidence((Cause::NotTls, format!("{target} answers with something that is not TLS")))
            .with_fix(
                "Check the port: see what the server says",
                format!("nc {} {} </dev/null | xxd | head", target.host, target.port),
            ),
    })
}

fn implicit_port(protocol: &str) -> String {
    match protocol {
        "smtp" => "port 465 (submissions)".to_owned(),
        "imap" => "port 993 (imaps)".to_owned(),
        "pop3" => "port 995 (pop3s)".to_owned(),
        "ldap" => "port 636 (ldaps)".to_owned(),
        "ftp" => "port 990 (ftps)".to_owned(),
        other => format!("the server's port for {other} over TLS, where it has one"),
    }
}

/// Whether some attempt that sent the name got a certificate for it, where the one without did not.
fn sni_needed(facts: &Facts, main: &Attempt, climbed: &Climbed) -> Option<Finding> {
    let Host::Name(wanted) = &facts.question.name else { return None };
    if facts.question.sni.is_some() {
        return None;
    }
    let named = facts.attempt(&Variant::WithSni(wanted.clone()))?;
    let leaf = |chain: &[Vec<u8>]| chain.first().and_then(|der| Certificate::parse(der).ok());
    let good = leaf(&named.chain)?;
    let fits = |cert: &Certificate| name_matches(&cert.sans, &facts.question.name);
    let before = leaf(&main.chain);
    let without_was_wrong = match &before {
        Some(cert) => !fits(cert) || (!climbed.anchored && cert.der != good.der),
        None => true,
    };
    if !without_was_wrong || !fits(&good) {
        return None;
    }
    let target = &facts.question.target;
    let text = format!(
        "{target} gives the certificate for `{wanted}` only to clients that send the server name, and none was sent"
    );
    let got = before.map_or_else(|| words(main), |cert| format!("certificate of {}", cert.subject));
    Some(
        Finding::new(Cause::SniNeeded, text, "without a server name", target.to_string(), got)
            .with_evidence("with the server name", target.to_string(), format!("certificate of {}", good.subject))
            .with_fix("Let the client send the server name", again(facts, &format!("--sni {wanted}")))
            .with_fix(
                "Most clients send it when they connect by name rather than by address",
                format!("https://{wanted}:{}/", target.port),
            ),
    )
}

fn unrecognized(facts: &Facts, alert: &AlertSeen) -> Finding {
    let target = &facts.question.target;
    let (cause, text, fix) = match &facts.question.sni {
        Some(name) => (
            Cause::SniUnrecognized,
            format!("{target} refuses the server name `{name}`: no site of that name is set up there"),
            format!("add `{name}` to the server's configuration (nginx: server_name {name};)"),
        ),
        None => (
            Cause::SniNeeded,
            format!("{target} refuses clients that send no server name"),
            format!("connect by name, or set it: --sni {}", facts.question.name),
        ),
    };
    let finding = Finding::new(cause, text, "alert", target.to_string(), format!("{} ({})", alert.name, alert.number));
    let others =
        facts.attempts.iter().skip(1).filter(|it| matches!(it.variant, Variant::WithoutSni | Variant::WithSni(_)));
    with_attempts(finding, facts, others).with_fix("Set the name up on the server, or ask for a name that it has", fix)
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
            .with_fix(
                "Replace the damaged certificate in the server's certificate file",
                "openssl x509 -in FILE -noout -text shows whether it can be read",
            ),
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

/// What one small difference between hellos tells.
fn differences(facts: &Facts, main: &Attempt) -> Option<Finding> {
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
                .with_fix("Update the firewall, load balancer or server that reads the ClientHello from one packet", format!("the device in front of {target}"))
                .with_fix("Until then, leave the post-quantum key share out (Go; OpenSSL 3.5: `Groups = X25519:P-256` in openssl.cnf)", "export GODEBUG=tlsmlkem=0"),
        );
    }
    if answered(&Variant::Tls12).is_some() {
        let text =
            format!("{target}: the connection is cut when TLS 1.3 is offered, and answered when only TLS 1.2 is");
        return Some(
            finding(Cause::VersionIntolerant, text)
                .with_fix(
                    "Update the middlebox or server that does not know TLS 1.3",
                    format!("the device in front of {target}"),
                )
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
fn acceptable(attempt: &Attempt) -> bool {
    const REFUSED: &[&str] =
        &["RC4", "3DES", "DES_CBC", "DES40", "RC2", "NULL", "anon", "EXPORT", "MD5", "IDEA", "SEED"];
    let Some(suite) = &attempt.suite else { return false };
    attempt.answered
        && attempt.version.is_some_and(|version| version >= 0x0303)
        && !REFUSED.iter().any(|part| suite.contains(part))
        && attempt.dh_bits.is_none_or(|bits| bits >= 2048)
}

/// What old versions and suites bring where present ones bring nothing.
fn legacy(facts: &Facts) -> Option<Finding> {
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

/// The finding when only the end of the attempt is known.
fn ended(facts: &Facts, main: &Attempt) -> Finding {
    let target = &facts.question.target;
    let seconds = facts.question.patience.as_secs_f32();
    let (cause, text, fix): (Cause, String, (&str, String)) = match &main.end {
        _ if main.answered => (
            Cause::HandshakeStalledMidway,
            format!("{target} begins the handshake and then stops: it {}", words(main)),
            (
                "Look for packets that get lost for their size (tunnels, overlay networks): lower the MTU to try",
                format!("ping -M do -s 1400 {}", target.host),
            ),
        ),
        End::Reset => (
            Cause::ConnectionReset,
            format!("{target} resets the connection after the ClientHello, whatever it holds"),
            (
                "Connect from beside the server: if that works, something on the way cuts it; if not, read the server's log",
                again(facts, "--timeout 5s"),
            ),
        ),
        End::Closed => (
            Cause::ConnectionClosed,
            format!("{target} closes the connection after the ClientHello, without saying why"),
            (
                "Read the server's log of this second: a balancer without a backend, a port that expects the PROXY protocol, or a name that it silently refuses",
                format!("journalctl --since -5min on {}", target.host),
            ),
        ),
        End::TimedOut => (
            Cause::HandshakeTimeout,
            format!(
                "{target} takes the connection and then says nothing: no answer to the ClientHello within {seconds} s"
            ),
            (
                "See whether the server is overloaded or waits for something else",
                format!("ss -ltn 'sport = :{}' on the server: Recv-Q is what nobody has accepted yet", target.port),
            ),
        ),
        End::Alert(alert) if alert.number == 70 => (
            Cause::ProtocolTooOld,
            format!("{target} refuses every version of TLS that was offered"),
            ("Let the server offer TLS 1.2 and 1.3", "nginx: ssl_protocols TLSv1.2 TLSv1.3;".to_owned()),
        ),
        End::Alert(alert) if matches!(alert.number, 40 | 71) => (
            Cause::CipherMismatch,
            format!("{target} finds nothing in common with what was offered, old suites included"),
            (
                "Let the server offer ECDHE with AES-GCM, and see that it has a certificate for this name",
                "nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;".to_owned(),
            ),
        ),
        End::Alert(alert) => (
            Cause::ServerInternalAlert,
            format!("{target} ends the handshake with the alert {}: it {}", alert.name, alert.meaning),
            (
                "Read the server's log: its certificate for this name may be missing or unreadable",
                format!("journalctl --since -5min on {}", target.host),
            ),
        ),
        End::Incompatible(why) => (
            Cause::CipherMismatch,
            format!("{target} and this client have nothing in common: {why}"),
            ("Let the server offer TLS 1.2 or 1.3 with ECDHE", "nginx: ssl_protocols TLSv1.2 TLSv1.3;".to_owned()),
        ),
        End::NotConnected(why) => (
            Cause::ConnectionRefused,
            format!("{target} took a connection and then no more: {why}"),
            ("See whether the server is up all the time", format!("nc -vz {} {}", target.host, target.port)),
        ),
        _ => (
            Cause::HandshakeStalledMidway,
            format!("{target} sends a handshake that cannot be followed: it {}", words(main)),
            ("Read the server's log, and update its TLS library", format!("openssl s_client -connect {target}")),
        ),
    };
    let finding = Finding::new(cause, text, name(facts, &main.variant), place(facts, main), words(main));
    let finding = with_attempts(finding, facts, facts.attempts.iter().skip(1).take(8));
    finding.with_fix(fix.0, fix.1)
}
