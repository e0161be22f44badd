//! Findings about handshakes. In: what failed, between whom. Out: cause, evidence, what to do.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription as Alert, Error};
use sidelight_model::finding::{Cause, Finding, Party};
use sidelight_model::flow::{Authority, Host};
use sidelight_wire::tls::alert::AlertDescription;

use crate::ca::{Authority as Ca, CaError};
use crate::engine::OnUntrusted;
use crate::tls::{FaceError, ServiceError};

/// Why there is no TLS with the service.
pub(crate) fn service_failed(target: &Authority, error: &ServiceError) -> Finding {
    let (cause, why, action, how) = match error {
        ServiceError::Tls(Error::AlertReceived(alert)) => return refused_by_service(target, *alert),
        ServiceError::Tls(error) => return library_gave_up(target, error),
        ServiceError::NotTls(first) => return not_tls(target, first),
        ServiceError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => (
            Cause::ConnectionReset,
            "resets the connection when it gets a ClientHello".to_owned(),
            "Look for a firewall between here and there",
            format!("openssl s_client -connect {target}"),
        ),
        ServiceError::Io(error) => (
            Cause::ConnectionClosed,
            format!("closes the connection in the handshake, without an alert ({error})"),
            "Look at the service's own log; ask it with another client",
            format!("openssl s_client -connect {target}"),
        ),
        ServiceError::TimedOut(limit) => (
            Cause::HandshakeTimeout,
            format!("accepts the connection and does not answer the ClientHello within {} s", limit.as_secs()),
            "Check that the service speaks TLS on this port, and that it is alive",
            format!("openssl s_client -connect {target}"),
        ),
        ServiceError::CertificateWanted => (
            Cause::ClientCertRequired,
            "asks for a client certificate; only the client has its key, so this connection cannot be opened"
                .to_owned(),
            "Give sidelight the client's certificate, or say that the service goes on without one",
            format!(
                "--upstream-cert '{host}=client.pem' --upstream-key '{host}=client.key', or --upstream-cert '{host}=none'",
                host = target.host
            ),
        ),
        ServiceError::Name(name) => (
            Cause::HostnameMismatch,
            format!("is asked for by a name that no certificate can hold (`{name}`)"),
            "Call the service by a DNS name or an address",
            name.clone(),
        ),
    };
    Finding::new(cause, format!("{target} {why}"), "error", target.to_string(), error.to_string()).with_fix(action, how)
}

/// The port speaks something else; its first bytes tell what.
pub(super) fn not_tls(target: &Authority, first: &[u8]) -> Finding {
    let line = first.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default().escape_ascii().to_string();
    let greets = |word: &[u8]| first.starts_with(word);
    let (cause, why, action, how) = if greets(b"HTTP/") {
        (
            Cause::PlainHttp,
            "speaks HTTP without TLS on this port",
            "Call it by http://, or by the port that has TLS",
            format!("http://{target}/"),
        )
    } else if greets(b"220 ") || greets(b"220-") || greets(b"* OK") || greets(b"+OK") {
        let what = "speaks a plain protocol on this port, which becomes TLS by STARTTLS";
        (
            Cause::StarttlsNeeded,
            what,
            "Let the client begin in plain and upgrade",
            "choose STARTTLS in place of SSL/TLS in the client".to_owned(),
        )
    } else {
        let what = if greets(b"SSH-") {
            "speaks SSH on this port, not TLS"
        } else {
            "answers the ClientHello with something that is not TLS"
        };
        (Cause::NotTls, what, "Check the port", format!("nc {} {}", target.host, target.port))
    };
    Finding::new(cause, format!("{target} {why}"), "first bytes", target.to_string(), line).with_fix(action, how)
}

fn refused_by_service(target: &Authority, alert: Alert) -> Finding {
    let number = AlertDescription(u8::from(alert));
    let cause = match alert {
        Alert::ProtocolVersion => Cause::ProtocolTooOld,
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Cause::CipherMismatch,
        Alert::UnrecognisedName => Cause::SniUnrecognized,
        Alert::NoApplicationProtocol => Cause::AlpnMismatch,
        Alert::CertificateRequired => Cause::ClientCertRequired,
        Alert::UnknownCA | Alert::BadCertificate | Alert::AccessDenied | Alert::CertificateUnknown => {
            Cause::ClientCertUntrusted
        }
        Alert::CertificateExpired => Cause::ClientCertExpired,
        Alert::UnsupportedCertificate => Cause::ClientCertWrongUsage,
        _ => Cause::ServerInternalAlert,
    };
    let text = format!("{target} refuses the handshake: alert {} ({})", number.name(), number.meaning());
    let finding = Finding::new(cause, text, "alert", target.to_string(), format!("{} ({})", number.name(), number.0));
    match cause {
        Cause::ProtocolTooOld => finding
            .with_evidence("offered", "sidelight", "TLS 1.2, TLS 1.3")
            .with_fix("Let the service offer TLS 1.2 or later", "for example nginx: ssl_protocols TLSv1.2 TLSv1.3;"),
        Cause::CipherMismatch => {
            finding.with_evidence("offered", "sidelight", "ECDHE with AES-GCM or ChaCha20-Poly1305").with_fix(
                "Let the service offer an ECDHE suite with AES-GCM",
                format!("openssl s_client -connect {target} shows what it takes"),
            )
        }
        Cause::ClientCertRequired
        | Cause::ClientCertUntrusted
        | Cause::ClientCertExpired
        | Cause::ClientCertWrongUsage => finding.with_fix(
            "Give sidelight a client certificate that the service accepts",
            format!("--upstream-cert '{host}=client.pem' --upstream-key '{host}=client.key'", host = target.host),
        ),
        _ => finding,
    }
}

fn library_gave_up(target: &Authority, error: &Error) -> Finding {
    let (cause, why) = match error {
        Error::PeerIncompatible(_) => {
            (Cause::ProtocolTooOld, "speaks only versions or cipher suites of TLS that sidelight does not")
        }
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            (Cause::NotTls, "answers the ClientHello with something that is not TLS")
        }
        Error::InvalidCertificate(rustls::CertificateError::BadSignature) | Error::PeerMisbehaved(_) => (
            Cause::ServerKeyMismatch,
            "breaks the rules of the handshake, or signs it with a key other than its certificate's",
        ),
        Error::InvalidCertificate(_) => (Cause::BadCertificateEncoding, "sends a certificate that cannot be used"),
        Error::NoCertificatesPresented => (Cause::BadCertificateEncoding, "sends no certificate"),
        _ => (Cause::ConnectionClosed, "does not finish the handshake"),
    };
    Finding::new(cause, format!("{target} {why}"), "error", target.to_string(), error.to_string()).with_fix(
        "Ask the service with another client to see what it speaks",
        format!("openssl s_client -connect {target}"),
    )
}

/// Adds what the client is shown.
pub(super) fn with_policy(finding: &Finding, policy: OnUntrusted, name: &Host) -> Finding {
    let shown = match policy {
        OnUntrusted::Mirror => "the client is shown a certificate with the same fault (--on-untrusted mirror)",
        OnUntrusted::Refuse => "the client is refused (--on-untrusted refuse)",
        OnUntrusted::Warn => "the client is shown a sound certificate (--on-untrusted warn)",
    };
    finding
        .clone()
        .with_evidence("policy", "sidelight", shown)
        .with_fix("To see the traffic all the same, for this service only", format!("--insecure-upstream {name}"))
}

/// Whether a failed handshake means that the client does not take our certificate.
pub(super) fn is_refusal(error: &FaceError) -> bool {
    match error {
        FaceError::Alert(alert) => AlertDescription(*alert).refuses_certificate(),
        FaceError::Closed => true,
        FaceError::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
        FaceError::Tls(_) | FaceError::TimedOut(_) => false,
    }
}

/// Whether it said nothing: it may as well have had no use for the connection.
pub(super) fn is_silent(error: &FaceError) -> bool {
    matches!(error, FaceError::Closed | FaceError::Io(_))
}

/// Why there is no TLS with the client.
pub(super) fn client_refused(
    client: &str,
    target: &Authority,
    error: &FaceError,
    left_alone: Duration,
    ca: &Ca,
) -> Finding {
    let (what, value, text) = match error {
        FaceError::Alert(number) => {
            let alert = AlertDescription(*number);
            let text = format!(
                "{client} refuses sidelight's certificate for {target}: alert {} ({})",
                alert.name(),
                alert.meaning()
            );
            ("alert", format!("{} ({number})", alert.name()), text)
        }
        FaceError::Closed => {
            let text = format!(
                "{client} closed the connection to {target} as soon as it saw sidelight's certificate, without an alert"
            );
            ("end", error.to_string(), text)
        }
        other => ("error", other.to_string(), format!("{client} did not finish the handshake for {target}: {other}")),
    };
    let finding = Finding::new(Cause::TlsIntercepted, text, what, client, value).with_evidence(
        "certificate authority",
        "sidelight",
        format!("{}, sha256 {}", ca.certificate().subject, ca.certificate().sha256()),
    );
    if !is_refusal(error) {
        return finding.blaming(Party::Client).with_fix("See what the client offers", "its ClientHello, in a capture");
    }
    let finding = finding
        .with_fix(
            "Let the client trust sidelight's CA",
            "sidelight run -- COMMAND does so for one command; sidelight ca install for this host",
        )
        .with_fix("If it pins its certificates, leave it alone", format!("--pass {}", target.host));
    if left_alone.is_zero() {
        return finding;
    }
    finding.with_warning(format!(
        "until {} min from now this client is relayed untouched to {} (--fail-open-for), so trying again works",
        left_alone.as_secs().div_ceil(60),
        target.host
    ))
}

/// A certificate could not be minted.
pub(crate) fn not_minted(target: &Authority, error: &CaError) -> Finding {
    let text = format!("no certificate could be made for {target}: {error}");
    Finding::new(Cause::TlsIntercepted, text, "error", "sidelight", error.to_string())
}
