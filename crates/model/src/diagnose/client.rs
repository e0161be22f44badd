//! Causes in the client's own certificate. In: what the server asked for, what was sent, and how it answered, also after the
//! handshake (TLS 1.3 refuses late, nginx answers in HTTP). Out: a finding, when one of them is the cause.

use super::again;
use super::facts::{Attempt, ClientIdentity, ClientRequest, End, Facts, Late, Variant};
use crate::finding::{Cause, Finding};
use crate::x509::Certificate;

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const ANY_PURPOSE: &str = "2.5.29.37.0";

const UNSUPPORTED_CERTIFICATE: u8 = 43;
const CERTIFICATE_EXPIRED: u8 = 45;
const UNKNOWN_CA: u8 = 48;

/// How the server refused the client.
struct Refusal {
    /// What was seen, and where in the conversation.
    seen: &'static str,
    words: String,
    alert: Option<u8>,
}

/// Judges the client's certificate.
pub(super) fn judge(facts: &Facts) -> Option<Finding> {
    if let Some(client) = facts.question.client.as_ref().filter(|client| !client.key_matches) {
        return Some(key_mismatch(facts, client));
    }
    let main = facts.main()?;
    let request = main.request.as_ref()?;
    let refusal = refusal(main).or_else(|| facts.attempt(&Variant::Http).and_then(refusal))?;
    let finding = match facts.question.client.as_ref().filter(|_| main.presented) {
        None => required(facts, request, &refusal),
        Some(client) => refused(facts, client, request, &refusal),
    };
    Some(with_request(finding, facts, request))
}

/// What is wrong with the server comes first; that the client would be refused too is said with it, not found out an hour later.
pub(super) fn besides(facts: &Facts, finding: Finding) -> Finding {
    match judge(facts) {
        Some(client) => finding.with_warning(format!("this is not all: {}", client.summary)),
        None => finding,
    }
}

fn refusal(attempt: &Attempt) -> Option<Refusal> {
    let alert = |alert: &super::facts::AlertSeen, seen| Refusal {
        seen,
        words: format!("{} ({}): it {}", alert.name, alert.number, alert.meaning),
        alert: Some(alert.number),
    };
    let plain = |seen, words: &str| Refusal { seen, words: words.to_owned(), alert: None };
    match (&attempt.end, &attempt.late) {
        (End::Alert(seen), _) => Some(alert(seen, "alert in the handshake")),
        (End::Reset | End::Closed, _) if attempt.request.is_some() => {
            Some(plain("end of the handshake", "the connection was cut after the server asked for a certificate"))
        }
        (End::Finished, Some(Late::Alert(seen))) => Some(alert(seen, "alert after the handshake")),
        (End::Finished, Some(Late::Cut)) => {
            Some(plain("after the handshake", "the connection was cut as soon as the client had finished"))
        }
        (End::Finished, Some(Late::Http(status, text))) if speaks_of_certificates(*status, text) => {
            Some(Refusal { seen: "HTTP answer", words: format!("{status}: {}", first_words(text)), alert: None })
        }
        _ => None,
    }
}

fn speaks_of_certificates(status: u16, text: &str) -> bool {
    let lower = text.to_lowercase();
    matches!(status, 495 | 496)
        || matches!(status, 400 | 401 | 403 | 421)
            && lower.contains("certificate")
            && (lower.contains("ssl") || lower.contains("client") || lower.contains("tls"))
}

fn first_words(text: &str) -> String {
    let plain: String = text
        .split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, words)| words.trim())
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let words = if plain.is_empty() { text.trim() } else { &plain };
    words.chars().take(120).collect()
}

/// What the server accepts, as evidence.
fn with_request(finding: Finding, facts: &Facts, request: &ClientRequest) -> Finding {
    let target = facts.question.target.to_string();
    if request.authority_names.is_empty() {
        return finding.with_evidence("accepted issuers", target, "the server does not say which");
    }
    request
        .authority_names
        .iter()
        .take(12)
        .fold(finding, |finding, name| finding.with_evidence("accepted issuer", target.clone(), name.clone()))
}

fn required(facts: &Facts, request: &ClientRequest, refusal: &Refusal) -> Finding {
    let target = &facts.question.target;
    let text = format!("{target} demands a client certificate, and none was shown");
    let whose = match request.authority_names.as_slice() {
        [] => "Get a certificate of a CA that the service trusts".to_owned(),
        [one] => format!("Get a certificate issued by `{one}`"),
        [first, ..] => format!("Get a certificate issued by one of the accepted issuers, such as `{first}`"),
    };
    Finding::new(Cause::ClientCertRequired, text, refusal.seen, target.to_string(), refusal.words.clone())
        .with_fix(whose, again(facts, "--cert client.pem --key client.key"))
        .with_fix(
            "See that the client really uses it",
            format!("curl --cert client.pem --key client.key https://{target}/"),
        )
}

/// Whether the server's list, if it has one, holds an issuer of the client's chain.
fn accepted(client: &ClientIdentity, request: &ClientRequest) -> bool {
    request.authorities.is_empty()
        || client.chain.iter().any(|cert| {
            request.authorities.contains(&cert.issuer_der) || request.authorities.contains(&cert.subject_der)
        })
}

fn for_clients(leaf: &Certificate) -> bool {
    leaf.purposes.as_ref().is_none_or(|list| list.iter().any(|oid| oid == CLIENT_AUTH || oid == ANY_PURPOSE))
}

/// The alert tells the reason where it is one of the precise ones; many servers send the same for everything, and then the
/// certificate itself is looked at.
fn refused(facts: &Facts, client: &ClientIdentity, request: &ClientRequest, refusal: &Refusal) -> Finding {
    let Some(leaf) = client.chain.first() else { return required(facts, request, refusal) };
    let at = facts.question.at;
    let outdated = at < leaf.not_before || at > leaf.not_after;
    let cause = match refusal.alert {
        Some(UNKNOWN_CA) => Cause::ClientCertUntrusted,
        Some(CERTIFICATE_EXPIRED) => Cause::ClientCertExpired,
        Some(UNSUPPORTED_CERTIFICATE) if !for_clients(leaf) => Cause::ClientCertWrongUsage,
        _ if outdated => Cause::ClientCertExpired,
        _ if !for_clients(leaf) => Cause::ClientCertWrongUsage,
        _ => Cause::ClientCertUntrusted,
    };
    let target = &facts.question.target;
    let file = &client.cert_file;
    let finding = |text: String| Finding::new(cause, text, refusal.seen, target.to_string(), refusal.words.clone());
    let about =
        format!("{} issued by {}, {} to {}", leaf.subject, leaf.issuer, leaf.not_before.date(), leaf.not_after.date());
    match cause {
        Cause::ClientCertExpired => finding(format!(
            "{target} refuses the client certificate in {file}: it is valid from {} to {}",
            leaf.not_before.date(),
            leaf.not_after.date()
        ))
        .with_evidence("client certificate", file.clone(), about)
        .with_fix("Renew the client certificate", format!("openssl x509 -in {file} -noout -dates")),
        Cause::ClientCertWrongUsage => {
            let listed = leaf.purposes.clone().unwrap_or_default().join(", ");
            finding(format!("{target} refuses the client certificate in {file}: its extended key usage excludes client authentication"))
                .with_evidence("client certificate", file.clone(), format!("{about}, extendedKeyUsage {listed}"))
                .with_fix("Issue the client's certificate for clients", "extendedKeyUsage = clientAuth".to_owned())
        }
        _ => {
            let issuer = &leaf.issuer;
            let listed =
                if accepted(client, request) { "" } else { ", which is not among the issuers that it accepts" };
            let hint = if accepted(client, request) && client.chain.len() == 1 {
                format!("cat {file} intermediate.pem > chain.pem, and give chain.pem as --cert")
            } else {
                format!("openssl x509 -in {file} -noout -issuer   # must be one of the accepted issuers")
            };
            finding(format!(
                "{target} does not trust the issuer of the client certificate in {file}: `{issuer}`{listed}"
            ))
            .with_evidence("client certificate", file.clone(), about)
            .with_fix("Use a certificate of an accepted issuer, with its intermediates in the file", hint)
            .with_fix(
                "Or let the service trust this issuer",
                format!("nginx: ssl_client_certificate with the certificate of `{issuer}`"),
            )
        }
    }
}

fn key_mismatch(facts: &Facts, client: &ClientIdentity) -> Finding {
    let target = &facts.question.target;
    let (cert, key) = (&client.cert_file, &client.key_file);
    let text =
        format!("{key} is not the key of the client certificate in {cert}, so that no client can show it to {target}");
    let subject = client.chain.first().map_or_else(String::new, |leaf| leaf.subject.clone());
    Finding::new(
        Cause::ClientKeyMismatch,
        text,
        "public key",
        key.clone(),
        format!("another than that of {subject} in {cert}"),
    )
    .with_evidence("handshake", target.to_string(), "made without a client certificate")
    .with_fix(
        "Give the key that belongs to the certificate: both commands must print the same",
        format!("openssl x509 -in {cert} -noout -pubkey\nopenssl pkey -in {key} -pubout"),
    )
}
