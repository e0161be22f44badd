//! Was the certificate revoked? In: stapled and fetched OCSP responses, fetched revocation lists. Out: a finding, when one that is
//! signed with authority says so, or when the certificate demands a stapled response and none came. Spec: RFC 6960, RFC 5280 §5,
//! RFC 7633.

use x509_parser::prelude::{CertificateRevocationList, FromDer as _};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::chain::Climbed;
use super::details::Details;
use super::facts::Facts;
use crate::finding::{Cause, Finding};
use crate::time::Timestamp;
use crate::x509::{Certificate, revoked_at};

/// Judges revocation.
pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let [leaf, issuer, ..] = climbed.path.as_slice() else { return None };
    let attempt = facts.certified()?;
    let stapled = [("stapled OCSP response", attempt.stapled.as_slice())].into_iter();
    let fetched = facts.ocsp.iter().filter_map(|it| Some((it.url.as_str(), it.body.as_ref().ok()?.as_slice())));
    if let Some((source, at)) =
        stapled.chain(fetched).find_map(|(name, der)| Some((name, revoked_at(der, leaf, issuer)?)))
    {
        return Some(revoked(facts, leaf, at, source));
    }
    let pairs = climbed.path.iter().zip(climbed.path.iter().skip(1));
    for (cert, above) in pairs {
        let lists = facts.lists.iter().filter_map(|it| Some((it.url.as_str(), it.body.as_ref().ok()?.as_slice())));
        if let Some((url, at)) = lists.into_iter().find_map(|(url, der)| Some((url, listed_at(der, cert, above)?))) {
            return Some(revoked(facts, cert, at, url));
        }
    }
    must_staple(facts, leaf)
}

fn revoked(facts: &Facts, cert: &Certificate, at: Timestamp, source: &str) -> Finding {
    let target = &facts.question.target;
    let text = format!("{target}: the certificate `{}` was revoked on {}", cert.short_name(), at.date());
    let serial = data_encoding::HEXLOWER.encode(&Details::of(cert).serial);
    Finding::new(Cause::Revoked, text, "revocation", source, format!("serial {serial} revoked {}", super::moment(at)))
        .with_fix(
            "Replace the server's certificate, with a new key",
            format!(
                "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -subj /CN={}",
                target.host
            ),
        )
}

/// When a list that the issuer signed names the certificate.
fn listed_at(der: &[u8], cert: &Certificate, issuer: &Certificate) -> Option<Timestamp> {
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&issuer.public_key).ok()?;
    if list.issuer().as_raw() != issuer.subject_der || list.verify_signature(&key).is_err() {
        return None;
    }
    let serial = Details::of(cert).serial;
    let entry = list.iter_revoked_certificates().find(|entry| entry.raw_serial() == serial)?;
    Some(Timestamp::from_secs(entry.revocation_date.timestamp()))
}

fn must_staple(facts: &Facts, leaf: &Certificate) -> Option<Finding> {
    let attempt = facts.certified()?;
    if !Details::of(leaf).must_staple || !attempt.stapled.is_empty() {
        return None;
    }
    let target = &facts.question.target;
    let text =
        format!("{target}: the certificate demands a stapled OCSP response (must-staple), and the server sends none");
    Some(
        Finding::new(
            Cause::MustStapleMissing,
            text,
            "TLS feature",
            target.to_string(),
            format!("status_request on {}", leaf.subject),
        )
        .with_fix(
            "Switch stapling on in the server",
            "nginx: ssl_stapling on; ssl_stapling_verify on;  Apache: SSLUseStapling on",
        )
        .with_fix("Or issue the certificate without must-staple", format!("the certificate for {}", target.host)),
    )
}

/// What is known of revocation, for people.
pub(super) fn summary(facts: &Facts, climbed: &Climbed) -> Option<String> {
    let [leaf, issuer, ..] = climbed.path.as_slice() else { return None };
    let attempt = facts.certified()?;
    if !attempt.stapled.is_empty() {
        return Some(match crate::x509::ocsp_says_good(&attempt.stapled, leaf, issuer) {
            true => "stapled: good".to_owned(),
            false => "stapled, but not one that says good with the issuer's signature".to_owned(),
        });
    }
    let good =
        facts.ocsp.iter().any(|it| it.body.as_ref().is_ok_and(|der| crate::x509::ocsp_says_good(der, leaf, issuer)));
    if good {
        return Some("not stapled; the responder says good".to_owned());
    }
    let lists = facts.lists.iter().filter(|it| it.body.is_ok()).count();
    let failed = facts.ocsp.iter().chain(&facts.lists).filter(|it| it.body.is_err()).count();
    Some(match (lists, failed) {
        (0, 0) => "not stapled; the certificate names no responder or list that was asked".to_owned(),
        (0, _) => "not stapled; what the certificate names could not be fetched".to_owned(),
        _ => "not stapled; not on the revocation list".to_owned(),
    })
}
