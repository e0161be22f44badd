//! From faults to the finding: the first thing that must change, with evidence and what to do.
//! In: a judged chain, the library's own words. Out: [`Finding`]. Order of causes: docs/causes.md.

use super::{Anchors, Certificate, Judged, San, Trust};
use crate::finding::{Cause, Finding};
use crate::flow::Authority;
use crate::time::Timestamp;
use crate::trust::reference::{Intruder, IntruderKind, intruder, intruder_named};

/// Explains why `target` is not trusted. `library` is what the verifier said; `roots` names where the anchors came from.
pub fn explain(
    judged: &Judged,
    anchors: &Anchors,
    target: &Authority,
    now: Timestamp,
    library: &str,
    roots: &str,
) -> Finding {
    let leaf = &judged.chain[0];
    let finding = interception(judged, target, roots)
        .filter(|_| !anchors.is_empty())
        .or_else(|| trust_fault(judged, anchors, target, roots))
        .or_else(|| issuer_fault(judged, target, now))
        .or_else(|| leaf_fault(judged, target, now))
        .unwrap_or_else(|| by_library(library, leaf, target));
    let finding = judged.chain.iter().enumerate().fold(finding, |finding, (index, cert)| {
        finding.with_evidence("certificate", format!("{target} chain[{index}]"), one_line(cert))
    });
    finding.with_evidence("verifier", "sidelight", library).with_evidence(
        "trust store",
        roots,
        format!("{} roots", anchors.len()),
    )
}

fn one_line(cert: &Certificate) -> String {
    format!(
        "{} ← {}, {} to {}, sha256 {}",
        cert.subject,
        cert.issuer,
        cert.not_before.date(),
        cert.not_after.date(),
        cert.sha256()
    )
}

/// A chain that is not trusted, and whose issuer is known to open TLS on the way.
fn interception(judged: &Judged, target: &Authority, roots: &str) -> Option<Finding> {
    if !matches!(judged.faults.trust, Trust::UnknownRoot(_) | Trust::NoIssuer(_)) {
        return None;
    }
    let top = judged.path.last()?;
    let who = interceptor(&judged.path)?;
    let text = format!(
        "{target}: TLS is opened on the way by {who}: its certificate comes from `{}`, which {roots} does not hold",
        top.issuer
    );
    Some(
        Finding::new(Cause::TlsIntercepted, text, "issuer", target.to_string(), top.issuer.clone())
            .with_fix("If this interception is right for this service, trust its root", "sidelight … --roots root.pem")
            .with_fix("Or go around it for this host", format!("NO_PROXY={}", target.host)),
    )
}

/// Whose interception a path (leaf first) shows. CAs that are at home in their own network are none.
pub(crate) fn interceptor(path: &[Certificate]) -> Option<&'static str> {
    let opens_tls = |it: &Intruder| it.kind != IntruderKind::Internal;
    let by_issuer = path.iter().skip(1).find_map(|cert| intruder(cert).filter(opens_tls));
    by_issuer.or_else(|| intruder_named(&path.last()?.issuer).filter(opens_tls)).map(|it| it.who)
}

/// Whether a name is one that intermediates have.
pub(crate) fn sounds_intermediate(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |part: &str| lower.contains(part);
    !has("root") && ["intermediate", "issuing", "sub ca", "subca", "sub-ca", "subordinate"].iter().any(|it| has(it))
}

fn trust_fault(judged: &Judged, anchors: &Anchors, target: &Authority, roots: &str) -> Option<Finding> {
    if anchors.is_empty() {
        let text = format!("{target} cannot be verified: the trust store holds no usable CA certificate");
        return Some(
            Finding::new(Cause::TrustStoreEmpty, text, "trust store", roots, "0 roots")
                .with_fix("Give sidelight a trust store", "--roots FILE, or install the ca-certificates package"),
        );
    }
    let found = match &judged.faults.trust {
        Trust::Anchored(_) => return None,
        Trust::SelfSigned => {
            let leaf = &judged.chain[0];
            let text =
                format!("{target} presents a self-signed certificate ({}), which is not trusted", leaf.short_name());
            Finding::new(Cause::SelfSignedLeaf, text, "issuer", target.to_string(), leaf.issuer.clone())
                .with_fix("If this service is the right one, trust its certificate", "sidelight … --roots service.pem")
        }
        Trust::UnknownRoot(root) => unknown_root(root, target, roots),
        Trust::Rekeyed(cert) => {
            let text = format!("{target}: the trust store holds a root named `{}`, but with another key", cert.issuer);
            Finding::new(Cause::RootRekeyed, text, "issuer", target.to_string(), cert.issuer.clone())
                .with_fix("Replace the old root by the present one", "--roots FILE with the present root")
        }
        Trust::NoIssuer(cert) => no_issuer(judged, cert, anchors, target, roots),
        Trust::BadSignature(cert) => {
            let text =
                format!("{target}: the signature on `{}` was not made by the key of its issuer", cert.short_name());
            Finding::new(Cause::BadSignature, text, "issuer", target.to_string(), cert.issuer.clone()).with_fix(
                "Let the server send the chain that belongs to its certificate",
                "fix the server's certificate file",
            )
        }
    };
    Some(found)
}

fn unknown_root(root: &Certificate, target: &Authority, roots: &str) -> Finding {
    let text = format!("{target} chains to `{}`, which {roots} does not hold", root.short_name());
    Finding::new(
        Cause::RootNotTrusted,
        text,
        "root",
        target.to_string(),
        format!("{}, sha256 {}", root.subject, root.sha256()),
    )
    .with_fix("If that root is right for this service, trust it", "sidelight … --roots root.pem")
}

/// A chain that stops early: either the server left an intermediate out, or the issuer is a root that nobody here knows.
fn no_issuer(judged: &Judged, cert: &Certificate, anchors: &Anchors, target: &Authority, roots: &str) -> Finding {
    let leaf_alone = judged.path.len() == 1;
    let published = !cert.issuer_urls.is_empty();
    let related = anchors.knows_organization(&cert.issuer_organizations);
    if leaf_alone && (published || related || sounds_intermediate(&cert.issuer)) {
        let text = format!("{target} does not send the intermediate `{}` that issued its certificate", cert.issuer);
        let finding = Finding::new(Cause::MissingIntermediate, text, "issuer", target.to_string(), cert.issuer.clone());
        let finding = cert
            .issuer_urls
            .iter()
            .fold(finding, |finding, url| finding.with_evidence("AIA caIssuers", cert.subject.clone(), url.clone()));
        return finding.with_fix(
            "Let the server send its whole chain: leaf first, then each intermediate",
            format!("append the certificate of `{}` to the server's certificate file", cert.issuer),
        );
    }
    let text = format!("{target} chains to `{}`, which {roots} does not hold and the server did not send", cert.issuer);
    Finding::new(Cause::RootNotTrusted, text, "issuer", target.to_string(), cert.issuer.clone())
        .with_fix("If that issuer is right for this service, trust it", "sidelight … --roots root.pem")
        .with_warning(format!("if `{}` is an intermediate, the server should send it", cert.issuer))
}

fn issuer_fault(judged: &Judged, target: &Authority, now: Timestamp) -> Option<Finding> {
    if let Some(cert) = judged.faults.issuers_not_ca.first() {
        let text = format!("{target}: `{}` issued a certificate in the chain but is not a CA", cert.short_name());
        return Some(Finding::new(Cause::IssuerNotCa, text, "certificate", target.to_string(), cert.subject.clone()));
    }
    let cert = judged.faults.issuers_outside_validity.first()?;
    let is_root = matches!(&judged.faults.trust, Trust::Anchored(root) if **root == *cert);
    let (cause, what) =
        if is_root { (Cause::RootExpired, "root") } else { (Cause::IntermediateExpired, "intermediate") };
    let text = format!(
        "{target}: the {what} `{}` is valid only from {} to {}",
        cert.short_name(),
        cert.not_before.date(),
        cert.not_after.date()
    );
    Some(
        Finding::new(cause, text, "time", "this machine", now.rfc3339())
            .with_fix(format!("Replace the expired {what}"), "send or trust the one that replaced it"),
    )
}

fn leaf_fault(judged: &Judged, target: &Authority, now: Timestamp) -> Option<Finding> {
    let leaf = &judged.chain[0];
    let faults = &judged.faults;
    if faults.leaf_outside_validity {
        let (cause, text) = if now < leaf.not_before {
            (
                Cause::CertNotYetValid,
                format!("{target}: the certificate is valid from {} only", leaf.not_before.rfc3339()),
            )
        } else {
            let days = now.since(leaf.not_after).as_secs() / 86_400;
            let ago = if days == 0 { "today".to_owned() } else { format!("{days} days ago") };
            (Cause::CertExpired, format!("{target}: the certificate expired on {} ({ago})", leaf.not_after.date()))
        };
        return Some(
            Finding::new(cause, text, "time", "this machine", now.rfc3339())
                .with_fix("Renew the server's certificate", format!("the one for `{}`", leaf.short_name()))
                .with_warning("if the date of this machine is wrong, set its clock instead"),
        );
    }
    if faults.wrong_name {
        return Some(wrong_name(leaf, target));
    }
    if faults.not_for_server {
        let listed = leaf.purposes.clone().unwrap_or_default().join(", ");
        let text = format!("{target}: the certificate's extended key usage excludes server authentication");
        return Some(
            Finding::new(Cause::LeafNotForServer, text, "extendedKeyUsage", target.to_string(), listed)
                .with_fix("Issue the server's certificate with serverAuth", "extendedKeyUsage = serverAuth"),
        );
    }
    None
}

fn wrong_name(leaf: &Certificate, target: &Authority) -> Finding {
    let asked = &target.host;
    if leaf.sans.is_empty() {
        let name = leaf.common_name.clone().unwrap_or_default();
        let text = format!(
            "{target}: the certificate has no subject alternative name; `{name}` stands only in its common name"
        );
        return Finding::new(Cause::NoSan, text, "subject", target.to_string(), leaf.subject.clone())
            .with_fix("Issue the certificate with the name as a SAN", format!("subjectAltName = DNS:{asked}"));
    }
    let listed: Vec<_> = leaf
        .sans
        .iter()
        .map(|san| match san {
            San::Dns(name) => name.clone(),
            San::Ip(address) => address.to_string(),
            San::Other(other) => other.clone(),
        })
        .collect();
    let text = format!("{target}: the certificate is for {}, not for `{asked}`", listed.join(", "));
    Finding::new(Cause::HostnameMismatch, text, "subjectAltName", target.to_string(), listed.join(", "))
        .with_fix("Call the service by a name that its certificate holds", listed.first().cloned().unwrap_or_default())
        .with_fix("Or issue the certificate with this name", format!("subjectAltName = DNS:{asked}"))
}

/// Faults that only the library looks at, by its words.
fn by_library(library: &str, leaf: &Certificate, target: &Authority) -> Finding {
    let table = [
        ("Revoked", Cause::Revoked, "its certificate is revoked"),
        ("CaUsedAsEndEntity", Cause::LeafIsCa, "its leaf is a CA certificate"),
        ("NameConstraintViolation", Cause::NameConstraintViolation, "a name lies outside an issuer's name constraints"),
        ("PathLenConstraintViolated", Cause::PathLengthExceeded, "the chain is longer than an issuer allows"),
        ("UnhandledCriticalExtension", Cause::UnknownCriticalExtension, "a critical extension is unknown"),
        ("UnsupportedCriticalExtension", Cause::UnknownCriticalExtension, "a critical extension is unknown"),
        (
            "UnsupportedSignatureAlgorithm",
            Cause::WeakSignature,
            "a certificate is signed with an algorithm that is no longer accepted",
        ),
        ("BadSignature", Cause::BadSignature, "a signature in the chain does not verify"),
        (
            "InvalidPurpose",
            Cause::LeafNotForServer,
            "an extended key usage in the chain excludes server authentication",
        ),
        ("BadEncoding", Cause::BadCertificateEncoding, "a certificate cannot be parsed"),
        ("UnknownIssuer", Cause::RootNotTrusted, "no path leads to a trusted root"),
    ];
    let (_, cause, words) = table.into_iter().find(|(mark, _, _)| library.contains(mark)).unwrap_or((
        "",
        Cause::BadCertificateEncoding,
        "its chain is not accepted",
    ));
    Finding::new(cause, format!("{target}: {words}"), "subject", target.to_string(), leaf.subject.clone())
}
