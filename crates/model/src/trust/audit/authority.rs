//! T04, T05: certificates that are trusted but cannot do what a root does. In: certificates that are trusted. Out: issues.
//! Measured with OpenSSL 3.0, curl 7.88, Go 1.27, GnuTLS 3.7, OpenJDK 17, Node 20, Python 3.11 to 3.13, rustls 0.23.

use std::collections::BTreeMap;

use super::ground::{Ground, Held, Reads, about};
use super::issue::{Check, Issue, Severity};
use super::words::{count, listed};
use crate::trust::Runtime;
use crate::x509::San;

/// What is wrong with it as an authority.
struct Fault {
    severity: Severity,
    what: &'static str,
    /// The same, after `each`.
    each: &'static str,
    rule: &'static str,
    effect: fn(&Reads) -> Option<&'static str>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let mut by_fault: BTreeMap<&str, (Fault, Vec<&Held<'_>>)> = BTreeMap::new();
    for (held, fault) in ground.held_for(Check::T04).filter_map(|held| Some((held, fault_of(held)?))) {
        by_fault.entry(fault.what).or_insert_with(|| (fault, Vec::new())).1.push(held);
    }
    let mut issues: Vec<Issue> =
        by_fault.values().filter_map(|(fault, found)| no_authority(ground, found, fault)).collect();
    issues.extend(strict(ground));
    issues
}

fn fault_of(held: &Held<'_>) -> Option<Fault> {
    let cert = held.cert;
    let has_names = cert.sans.iter().any(|san| !matches!(san, San::Other(_)));
    let is_ca = cert.is_ca == Some(true) || cert.is_ca.is_none() && held.facts.version == 1;
    let for_servers = cert
        .purposes
        .as_ref()
        .is_none_or(|list| list.iter().any(|oid| oid == "1.3.6.1.5.5.7.3.1" || oid == "2.5.29.37.0"));
    match (cert.is_self_issued(), is_ca) {
        (true, false) if has_names => Some(OWN_CERTIFICATE),
        (true, false) => Some(NOT_CA),
        (true, true) if held.facts.cert_sign == Some(false) => Some(NO_CERT_SIGN),
        (true, true) if !for_servers => Some(OTHER_PURPOSE),
        (true, true) if has_names && !held.is_public() => Some(CA_LEAF),
        (true, true) => None,
        (false, true) if held.is_public() => None,
        (false, true) => Some(INTERMEDIATE),
        (false, false) => Some(LEAF),
    }
}

fn only_rustls(reader: &Reads) -> Option<&'static str> {
    Some(match reader.runtime {
        Runtime::RustNative | Runtime::RustWebpki => "accepts it as a root all the same",
        _ => "refuses what it issued",
    })
}

const NOT_CA: Fault = Fault {
    severity: Severity::Error,
    what: "is trusted, but does not say that it is an authority (basicConstraints CA)",
    each: "trusted, but without saying that it is an authority (basicConstraints CA)",
    rule: "a root without CA:TRUE is refused by OpenSSL, curl, GnuTLS, Go, Java, Node and Python; rustls does not look",
    effect: only_rustls,
};

const NO_CERT_SIGN: Fault = Fault {
    severity: Severity::Error,
    what: "is trusted, but its keyUsage does not allow it to sign certificates",
    each: "trusted, with a keyUsage that does not allow it to sign certificates",
    rule: "a root whose keyUsage lacks keyCertSign is refused by OpenSSL, curl, GnuTLS, Go, Java, Node and Python; rustls does not look",
    effect: only_rustls,
};

const OTHER_PURPOSE: Fault = Fault {
    severity: Severity::Error,
    what: "is trusted, but its extendedKeyUsage is not for servers",
    each: "trusted, with an extendedKeyUsage that is not for servers",
    rule: "GnuTLS, Java and rustls take such a root; OpenSSL, curl, Go, Node and Python refuse it",
    effect: |reader| {
        Some(match reader.runtime {
            Runtime::GnuTls
            | Runtime::Git
            | Runtime::Wget
            | Runtime::Java
            | Runtime::RustNative
            | Runtime::RustWebpki => "accepts it for servers all the same",
            _ => "refuses what it issued",
        })
    },
};

const INTERMEDIATE: Fault = Fault {
    severity: Severity::Warn,
    what: "is trusted, but is an intermediate: another authority issued it",
    each: "trusted, but an intermediate that another authority issued",
    rule: "curl, Go, GnuTLS, Java, rustls and Python from 3.13 on take it as an anchor; OpenSSL's own programs, Node and Python before 3.13 want the root",
    effect: |reader| {
        Some(if reader.takes_intermediates() { "takes it as an anchor" } else { "does not: it wants the root" })
    },
};

const LEAF: Fault = Fault {
    severity: Severity::Warn,
    what: "is trusted, but is a server's own certificate, issued by an authority",
    each: "trusted, but a server's own certificate, issued by an authority",
    rule: "only curl, Go, GnuTLS, Java and Python from 3.13 on take it; it must be replaced whenever the server renews",
    effect: |reader| {
        let refuses =
            matches!(reader.runtime, Runtime::RustNative | Runtime::RustWebpki) || !reader.takes_intermediates();
        Some(if refuses { "does not take it" } else { "takes it for that one server" })
    },
};

const OWN_CERTIFICATE: Fault = Fault {
    severity: Severity::Info,
    what: "is a server's own, self-signed certificate: it is trusted for that server alone",
    each: "a server's own, self-signed, and trusted for that server alone",
    rule: "every client takes it; it must be replaced whenever the server renews",
    effect: |_| None,
};

const CA_LEAF: Fault = Fault {
    severity: Severity::Warn,
    what: "is a server's self-signed certificate that is an authority as well",
    each: "a server's own, self-signed, and an authority as well",
    rule: "whoever has that server's key can issue for every name; rustls refuses it as the server's own certificate",
    effect: |reader| {
        matches!(reader.runtime, Runtime::RustNative | Runtime::RustWebpki).then_some("refuses it as the server's own")
    },
};

/// All certificates with one fault.
fn no_authority<'a>(ground: &Ground<'a>, found: &[&Held<'a>], fault: &Fault) -> Option<Issue> {
    let first = found.first()?;
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let summary = if found.len() == 1 {
        format!("{} {}", first.name(), fault.what)
    } else {
        format!("{} certificates, each {}: {}", found.len(), fault.each, listed(&names))
    };
    let mut issue = Issue::new(Check::T04, fault.severity, about(found), summary)
        .with_affected(ground.affected_by(found, fault.effect));
    for held in found {
        let value = format!("{}, issued by {}", held.cert.subject, held.cert.issuer);
        issue =
            issue.with_certs([held.id]).with_places(held.places()).with_evidence("subject", held.first_path(), value);
    }
    let hash = first.cert.sha256();
    let fix = format!("{}\n{}", ground.add_command("ROOT.pem"), ground.remove_command(&hash));
    Some(
        issue
            .with_evidence("rule", "measured", fault.rule)
            .with_fix("Trust the root that issued it, or that should have, instead", fix),
    )
}

/// What strict verification dislikes about a root.
fn unfit(held: &Held<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    if held.facts.version < 3 {
        found.push("it is of X.509 version 1");
    } else if held.facts.basic_critical == Some(false) {
        found.push("its basicConstraints is not critical");
    }
    if held.facts.version >= 3 && held.facts.cert_sign.is_none() {
        found.push("it has no keyUsage");
    }
    if held.facts.version >= 3 && held.cert.subject_key_id.is_none() {
        found.push("it has no subject key identifier");
    }
    found
}

/// Private anchors that strict verification refuses.
fn unfit_anchors<'a>(ground: &Ground<'a>, found: &[(&Held<'a>, Vec<&str>)]) -> Option<Issue> {
    let (first, faults) = found.first()?;
    let held: Vec<&Held<'a>> = found.iter().map(|(held, _)| *held).collect();
    let names: Vec<String> = held.iter().map(|held| held.name()).collect();
    let summary = if found.len() == 1 {
        format!("{} works everywhere but in Python 3.13 and later: {}", first.name(), faults.join(", and "))
    } else {
        format!("{} private roots work everywhere but in Python 3.13 and later: {}", found.len(), listed(&names))
    };
    let strict = |reader: &Reads| reader.is_strict().then_some("refuses what it issued");
    let mut issue =
        Issue::new(Check::T05, Severity::Warn, about(&held), summary).with_affected(ground.affected_by(&held, strict));
    for (held, faults) in found {
        let value = format!("{}: {}", held.name(), faults.join(", and "));
        issue = issue.with_certs([held.id]).with_places(held.places()).with_evidence("root", held.first_path(), value);
    }
    Some(
        issue
            .with_evidence("rule", "VERIFY_X509_STRICT", "Python's default context has it since 3.13; no other client here has")
            .with_fix(
                "Make the root anew with critical basicConstraints and keyUsage, and trust the new one",
                "openssl x509 -in ROOT.pem -signkey ROOT.key -days 3650 -out NEW.pem -extfile <(printf 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign,cRLSign\\nsubjectKeyIdentifier=hash\\n')",
            )
            .with_fix(
                "Or let that program verify as before",
                "context = ssl.create_default_context(); context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
            ),
    )
}

fn strict(ground: &Ground<'_>) -> Vec<Issue> {
    let roots = ground.held_for(Check::T05).filter(|held| held.cert.is_self_issued() && fault_of(held).is_none());
    let found: Vec<(&Held<'_>, Vec<&str>)> =
        roots.map(|held| (held, unfit(held))).filter(|(_, faults)| !faults.is_empty()).collect();
    let (public, private): (Vec<_>, Vec<_>) = found.into_iter().partition(|(held, _)| held.is_public());
    let mut issues = Vec::from_iter(unfit_anchors(ground, &private));
    if !public.is_empty() {
        let names: Vec<String> = public.iter().map(|(held, _)| held.name()).collect();
        let summary = format!(
            "{} would not pass the strict verification of Python 3.13: {}",
            count(public.len(), "public root"),
            listed(&names)
        );
        let mut issue = Issue::new(Check::T05, Severity::Info, "public", summary);
        for (held, faults) in &public {
            let at = held.spots.first().map_or("", |spot| spot.file.path.as_str());
            issue = issue.with_certs([held.id]).with_evidence(
                "root",
                at,
                format!("{}: {}", held.name(), faults.join(", and ")),
            );
        }
        issues.push(
            issue.with_fix(
                "Nothing, unless a service that you need is below one of them",
                "sidelight trust list --wide",
            ),
        );
    }
    issues
}
