//! T06: weak keys. In: certificates that are trusted. Out: issues. A weak signature of a root on itself is no finding:
//! nobody checks it. Debian's weak keys of 2008 are not looked for: that needs lists of several megabytes.

use super::facts::{Key, is_roca};
use super::ground::{Ground, Held, Reads, about};
use super::issue::{Check, Issue, Severity};
use super::words::{count, listed};
use crate::trust::Runtime;

struct Weakness {
    severity: Severity,
    what: String,
    effect: fn(&Reads) -> Option<&'static str>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let found: Vec<(&Held<'_>, Weakness)> =
        ground.held_for(Check::T06).filter_map(|held| Some((held, weakness(held)?))).collect();
    let (public, private): (Vec<_>, Vec<_>) = found.into_iter().partition(|(held, _)| held.is_public());
    let mut issues: Vec<Issue> = Vec::new();
    for severity in Severity::ALL {
        let alike: Vec<&(&Held<'_>, Weakness)> = private.iter().filter(|(_, it)| it.severity == *severity).collect();
        issues.extend(anchors(ground, *severity, &alike));
    }
    if !public.is_empty() {
        let names: Vec<String> = public.iter().map(|(held, _)| held.name()).collect();
        // What Mozilla has accepted needs no warning, unless it has become too weak since.
        let worst = public.iter().map(|(_, weakness)| weakness.severity).max();
        let worst = worst.filter(|severity| *severity > Severity::Warn).unwrap_or(Severity::Info);
        let summary = format!("{} with a weak key: {}", count(public.len(), "public root"), listed(&names));
        let mut issue = Issue::new(Check::T06, worst, "public", summary);
        for (held, weakness) in &public {
            let at = held.spots.first().map_or("", |spot| spot.file.path.as_str());
            issue =
                issue.with_certs([held.id]).with_evidence("root", at, format!("{}: {}", held.name(), weakness.what));
        }
        issues.push(issue.with_fix("Update the package of roots", super::update_command(ground)));
    }
    issues
}

/// OpenSSL at its level 2 and rustls want 2048 bits.
fn short_rsa(reader: &Reads) -> Option<&'static str> {
    Some(match reader.runtime {
        Runtime::Go | Runtime::GnuTls | Runtime::Java | Runtime::Node => "still accepts it",
        _ => "refuses what it issued",
    })
}

fn weakness(held: &Held<'_>) -> Option<Weakness> {
    let weak = |severity, what: String| Some(Weakness { severity, what, effect: |_| None });
    match &held.facts.key {
        Key::Rsa { modulus, .. } if is_roca(modulus) => {
            weak(Severity::Critical, "its RSA key was made by a library whose keys can be factored (ROCA)".to_owned())
        }
        Key::Rsa { exponent: Some(1), .. } => {
            weak(Severity::Critical, "its RSA exponent is 1: anyone can sign for it".to_owned())
        }
        Key::Rsa { bits, .. } if *bits < 2048 => Some(Weakness {
            severity: Severity::Error,
            what: format!("its RSA key has {bits} bits, and 2048 are the least that is safe"),
            effect: short_rsa,
        }),
        Key::Rsa { exponent: Some(exponent), .. } if *exponent <= SMALL_EXPONENT => weak(
            Severity::Warn,
            format!("its RSA exponent is {exponent}, which programs that check signatures carelessly get wrong"),
        ),
        Key::Dsa => weak(Severity::Error, "its key is of DSA, which no TLS client takes any more".to_owned()),
        Key::Ec(curve) if !SOUND_CURVES.contains(&curve.as_str()) => weak(
            Severity::Warn,
            format!("its key is on the curve {}, which many clients do not know", curve_name(curve)),
        ),
        _ => None,
    }
}

/// Exponents up to this one have been attacked where signatures are checked carelessly.
const SMALL_EXPONENT: u64 = 17;

/// P-256, P-384, P-521.
const SOUND_CURVES: &[&str] = &["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];

fn curve_name(oid: &str) -> &str {
    match oid {
        "1.3.132.0.10" => "secp256k1",
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.33" => "P-224",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        other => other,
    }
}

/// Private anchors with weaknesses of one severity.
fn anchors<'a>(ground: &Ground<'a>, severity: Severity, found: &[&(&Held<'a>, Weakness)]) -> Option<Issue> {
    let (first, weakness) = found.first()?;
    let held: Vec<&Held<'a>> = found.iter().map(|(held, _)| *held).collect();
    let names: Vec<String> = held.iter().map(|held| held.name()).collect();
    let summary = if found.len() == 1 {
        format!("{}: {}", first.name(), weakness.what)
    } else {
        format!("{} private roots have a weak key: {}", found.len(), listed(&names))
    };
    let mut issue = Issue::new(Check::T06, severity, about(&held), summary);
    for (held, weakness) in found {
        issue = issue
            .with_certs([held.id])
            .with_places(held.places())
            .with_affected(ground.affected(held.id, weakness.effect))
            .with_evidence("root", held.first_path(), format!("{}: {}", held.cert.subject, weakness.what));
    }
    issue.affected.sort();
    issue.affected.dedup();
    Some(issue.with_fix("Have the authority make a new root, and trust that", ground.add_command("NEW_ROOT.pem")))
}
