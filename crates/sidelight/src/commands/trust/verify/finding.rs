//! The verdict of `trust verify` as a finding. In: what was asked and found. Out: a [`Finding`]: the answer, the certificates of the nearest
//! path as evidence, and what to do with the files that were named.

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::x509::Certificate;
use sidelight_model::x509::path::{Exploration, Fault, Origin, Profile, Question};

use super::reason;
use crate::cli::TrustVerify;

/// The finding.
pub(super) fn of(
    options: &TrustVerify,
    question: &Question<'_>,
    exploration: &Exploration,
    notes: &[String],
) -> Finding {
    let cause = exploration.cause();
    let file = options.chain.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let why = exploration
        .best()
        .map_or_else(|| reason::words(&reason::short(exploration)), |best| reason::of_path(exploration, best));
    let finding = Finding::new(cause, summary(options, question, exploration, &file), "reason", file.clone(), why);
    let finding = certificates(exploration)
        .fold(finding, |finding, (place, text)| finding.with_evidence("certificate", place, text));
    let finding = notes.iter().fold(finding, |finding, note| finding.with_warning(note.clone()));
    let finding = if exploration.cut_short {
        finding.with_warning("the search was given up at its limits; there may be more paths")
    } else {
        finding
    };
    match fix(options, exploration, cause, &file) {
        Some((action, how)) => finding.with_fix(action, how),
        None => finding,
    }
}

fn summary(options: &TrustVerify, question: &Question<'_>, exploration: &Exploration, file: &str) -> String {
    let name = question.name.map(|name| format!(" for {name}")).unwrap_or_default();
    let rules = match question.profile {
        Profile::Strict => "by RFC 5280 and the web PKI's rules".to_owned(),
        Profile::Lenient => "by rustls-webpki's rules".to_owned(),
        Profile::Stack(stack) => format!("by {stack}"),
    };
    let at = options.at.map(|at| format!(" at {}", at.rfc3339_seconds())).unwrap_or_default();
    match exploration.best() {
        None => format!("{file} cannot be judged: {}", reason::words(&reason::short(exploration))),
        Some(best) if best.is_good() => {
            let root = best.certificates.last().map(|root| reason::subject(exploration, *root)).unwrap_or_default();
            format!("{file} is trusted{name} {rules}{at}, by {root}")
        }
        Some(best) => format!("{file} is not trusted{name} {rules}{at}: {}", reason::of_path(exploration, best)),
    }
}

/// The nearest path, the leaf first.
fn certificates(exploration: &Exploration) -> impl Iterator<Item = (String, String)> {
    let numbers = exploration.best().map(|best| best.certificates.as_slice()).unwrap_or_default();
    numbers.iter().map(|number| {
        let known = &exploration.certificates[*number];
        let place = match known.origin {
            Origin::Leaf => "chain[0]".to_owned(),
            Origin::Sent(index) => format!("chain[{index}]"),
            Origin::Anchor(index) => format!("roots[{index}]"),
        };
        let strict = &known.certificate;
        let subject = Certificate::parse(&strict.der).map(|parsed| parsed.subject).unwrap_or_default();
        let (from, until) = (strict.not_before.at.date(), strict.not_after.at.date());
        (place, format!("{subject}, {}, {from} to {until}, sha256 {}", strict.key.kind, strict.fingerprint()))
    })
}

/// What helps, with the files at hand.
fn fix(options: &TrustVerify, exploration: &Exploration, cause: Cause, file: &str) -> Option<(&'static str, String)> {
    let best = exploration.best()?;
    let roots = options.roots.first()?.display();
    let last = exploration.certificate(*best.certificates.last()?);
    let parsed = Certificate::parse(&last.der).ok()?;
    Some(match cause {
        Cause::MissingIntermediate => {
            let how = match parsed.issuer_urls.first() {
                Some(url) => format!("curl -s {url} | openssl x509 -inform DER >> {file}"),
                None => format!("cat intermediate.pem >> {file}    # the certificate of {}", parsed.issuer),
            };
            ("Put the intermediate behind the leaf; if its issuer is a root, trust that instead", how)
        }
        Cause::SelfSignedLeaf => {
            ("If this is the right service, trust its certificate", format!("cat {file} >> {roots}"))
        }
        Cause::RootNotTrusted | Cause::RootRekeyed | Cause::TrustStoreEmpty => (
            "If the root is right for this service, add it to the roots",
            format!("cat root.pem >> {roots}    # the certificate of {}", parsed.issuer),
        ),
        Cause::CertExpired | Cause::IntermediateExpired => (
            "Have it issued anew, or see whether it would be good at another time",
            format!("sidelight trust verify --roots {roots} --chain {file} --at {}", last_good_day(exploration)?),
        ),
        Cause::RootExpired => ("Replace the root by the one that followed it", format!("edit {roots}")),
        Cause::HostnameMismatch | Cause::NoSan => {
            let presented = best.faults.iter().find_map(|found| match &found.fault {
                Fault::NameMismatch { presented, .. } => presented.first().cloned(),
                _ => None,
            })?;
            let how = format!(
                "sidelight trust verify --roots {roots} --chain {file} --name {}",
                presented.replace('*', "www")
            );
            ("Use a name that it is for, or have it issued for this one", how)
        }
        _ => return None,
    })
}

/// The day before the first certificate of the nearest path expired.
fn last_good_day(exploration: &Exploration) -> Option<String> {
    let best = exploration.best()?;
    let ends = best.certificates.iter().map(|number| exploration.certificate(*number).not_after.at);
    ends.min().map(|end| end.rfc3339_seconds())
}
