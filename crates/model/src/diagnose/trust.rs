//! Causes in the chain: trust, validity, names, usage. In: facts and the best path. Out: a finding, when one of them is the cause.
//! Order: as docs/causes.md has it. What an accepted library refuses and nothing here explains is told in its words.

use super::again;
use super::chain::{Climbed, Top};
use super::details::Details;
use super::facts::{Facts, Variant};
use crate::finding::{Cause, Finding};
use crate::flow::Host;
use crate::time::Timestamp;
use crate::trust::reference::{Intruder, IntruderKind, intruder, intruder_named};
use crate::x509::{Certificate, San, name_matches};

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const ANY_PURPOSE: &str = "2.5.29.37.0";

/// Judges the chain.
pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let leaf = climbed.path.first()?;
    let finding = untrusted(facts, climbed)
        .or_else(|| outdated(facts, climbed))
        .or_else(|| wrong_name(facts, leaf))
        .or_else(|| wrong_usage(facts, climbed))
        .or_else(|| weak(facts, climbed))
        .or_else(|| in_the_library_s_words(facts, climbed))?;
    Some(with_chain(finding, facts, climbed))
}

/// Every certificate that was sent, what the library says, and the roots.
fn with_chain(finding: Finding, facts: &Facts, climbed: &Climbed) -> Finding {
    let target = &facts.question.target;
    let sent = facts.certified().map_or(&[][..], |attempt| attempt.chain.as_slice());
    let sent = sent.iter().take(16).filter_map(|der| Certificate::parse(der).ok());
    let finding = sent.enumerate().fold(finding, |finding, (index, cert)| {
        finding.with_evidence("certificate", format!("{target} chain[{index}]"), one_line(&cert))
    });
    let fetched = super::chain::fetched(facts);
    let finding = climbed
        .path
        .iter()
        .filter(|cert| fetched.iter().any(|it| it.der == cert.der))
        .fold(finding, |finding, cert| finding.with_evidence("fetched (AIA)", url_of(facts, cert), one_line(cert)));
    let finding = match &facts.library {
        Some(Err(words)) => finding.with_evidence("verifier", "rustls-webpki", words.clone()),
        _ => finding,
    };
    finding.with_evidence("roots", facts.roots.source.clone(), format!("{} roots", facts.roots.anchors.len()))
}

fn url_of(facts: &Facts, cert: &Certificate) -> String {
    let holds = |body: &Result<Vec<u8>, String>| body.as_ref().is_ok_and(|der| *der == cert.der);
    facts.issuers.iter().find(|it| holds(&it.body)).map_or_else(String::new, |it| it.url.clone())
}

fn one_line(cert: &Certificate) -> String {
    format!(
        "{} issued by {}, {} to {}, sha256 {}",
        cert.subject,
        cert.issuer,
        cert.not_before.date(),
        cert.not_after.date(),
        cert.sha256()
    )
}

fn untrusted(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let roots = &facts.roots.source;
    if facts.roots.anchors.is_empty() {
        let text = format!("{target} cannot be verified: {roots} holds no usable CA certificate");
        let finding = Finding::new(Cause::TrustStoreEmpty, text, "trust store", roots.clone(), "0 roots");
        let finding = facts
            .roots
            .notes
            .iter()
            .fold(finding, |finding, note| finding.with_evidence("trust store", roots.clone(), note.clone()));
        return Some(match &facts.question.source {
            Some(source) => finding
                .with_fix("Put the root into the image", format!("sidelight trust add root.pem --into {source}"))
                .with_fix(
                    "Or install the distribution's roots",
                    "apt-get install -y ca-certificates   # apk add ca-certificates",
                ),
            None => finding.with_fix(
                "Give a trust store that holds roots",
                "apt-get install -y ca-certificates   # or: --roots FILE",
            ),
        });
    }
    let top = climbed.path.last()?;
    match climbed.top {
        Top::Trusted if sent_all(facts, climbed) => None,
        Top::Trusted => Some(missing_intermediate(facts, climbed)),
        Top::BadSignature => Some(bad_signature(facts, top)),
        Top::Nothing => None,
        _ if interceptor(climbed).is_some() || differs_behind_proxy(facts).is_some() => {
            Some(intercepted(facts, climbed))
        }
        Top::SelfSigned => Some(self_signed(facts, top)),
        Top::UnknownRoot => Some(unknown_root(facts, top)),
        Top::Rekeyed => Some(rekeyed(facts, top)),
        Top::NoIssuer => Some(no_issuer(facts, climbed, top)),
    }
}

/// Whether the server sent every certificate of the path, but for the root.
fn sent_all(facts: &Facts, climbed: &Climbed) -> bool {
    let fetched = super::chain::fetched(facts);
    let sent = facts.certified().map_or(&[][..], |attempt| attempt.chain.as_slice());
    climbed.path.iter().all(|cert| {
        sent.contains(&cert.der) || !fetched.iter().any(|it| it.der == cert.der) || facts.roots.anchors.holds(cert)
    })
}

fn missing_intermediate(facts: &Facts, climbed: &Climbed) -> Finding {
    let target = &facts.question.target;
    let sent = facts.certified().map_or(&[][..], |attempt| attempt.chain.as_slice());
    let missing: Vec<&Certificate> =
        climbed.path.iter().filter(|cert| !sent.contains(&cert.der) && !facts.roots.anchors.holds(cert)).collect();
    let names: Vec<_> = missing.iter().map(|cert| format!("`{}`", cert.short_name())).collect();
    let root = climbed.path.last().map_or("", Certificate::short_name);
    let text = format!(
        "{target} does not send the intermediate {}, which leads to the trusted root `{root}`",
        names.join(", ")
    );
    let below = climbed.path.iter().find(|cert| missing.iter().any(|it| it.subject_der == cert.issuer_der));
    let finding = Finding::new(
        Cause::MissingIntermediate,
        text,
        "issuer that was not sent",
        target.to_string(),
        below.map_or_else(String::new, |cert| cert.issuer.clone()),
    );
    let order: Vec<_> = climbed.path[..climbed.path.len() - 1].iter().map(|cert| cert.subject.clone()).collect();
    finding
        .with_fix(
            "Let the server send its whole chain: leaf first, then each intermediate, without the root",
            order.join("\n"),
        )
        .with_fix("The chain it should send is written by", again(facts, "--save-chain fullchain.pem"))
        .with_warning("browsers fetch missing intermediates by themselves; most other clients do not")
}

fn bad_signature(facts: &Facts, cert: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!(
        "{target}: the signature on `{}` was not made by the key of its issuer `{}`",
        cert.short_name(),
        cert.issuer
    );
    Finding::new(
        Cause::BadSignature,
        text,
        "signature",
        format!("{target}: {}", cert.subject),
        format!("does not verify with the key of {}", cert.issuer),
    )
    .with_fix(
        "Let the server send the chain that belongs to its certificate, undamaged",
        "openssl verify -untrusted chain.pem -CAfile root.pem server.pem   # on the server's own files",
    )
}

/// Where the missing root is to be put.
fn trust_it(finding: Finding, facts: &Facts, what: &str) -> Finding {
    let save = again(facts, "--save-chain chain.pem");
    match &facts.question.source {
        Some(source) => finding
            .with_fix(
                format!("If {what} is right for this service, write it to a file"),
                format!("{save}   # the root is written beside it, as chain-root.pem, where it is known"),
            )
            .with_fix(
                "and add it to what is started from there",
                format!("sidelight trust add chain-root.pem --into {source}"),
            ),
        None => finding
            .with_fix(
                format!("If {what} is right for this service, write it to a file"),
                format!("{save}   # the root is written beside it, as chain-root.pem, where it is known"),
            )
            .with_fix("and let the client trust it", "sidelight trust add chain-root.pem --into host".to_owned()),
    }
}

/// Other sets of roots that hold an issuer of this name.
fn known_elsewhere(finding: Finding, facts: &Facts, top: &Certificate) -> Finding {
    let held = facts.others.iter().filter(|(_, anchors)| {
        anchors.holds(top) || anchors.named(&top.issuer_der).iter().any(|root| top.is_signed_by(&root.public_key))
    });
    held.fold(finding, |finding, (name, anchors)| {
        finding.with_evidence("for comparison", name.clone(), format!("trusts it ({} roots)", anchors.len()))
    })
}

fn self_signed(facts: &Facts, leaf: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!(
        "{target} shows a self-signed certificate (`{}`), which {} does not hold",
        leaf.short_name(),
        facts.roots.source
    );
    let finding =
        Finding::new(Cause::SelfSignedLeaf, text, "issuer", target.to_string(), format!("{}: itself", leaf.issuer))
            .with_fix(
                "Give the server a certificate of a CA that its clients trust",
                "subjectAltName must hold the name; issued by your CA".to_owned(),
            );
    trust_it(finding, facts, "this certificate")
}

fn unknown_root(facts: &Facts, root: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!(
        "{target} has a chain up to the root `{}`, which {} does not hold",
        root.short_name(),
        facts.roots.source
    );
    let finding = Finding::new(
        Cause::RootNotTrusted,
        text,
        "root",
        target.to_string(),
        format!("{}, sha256 {}", root.subject, root.sha256()),
    );
    trust_it(known_elsewhere(finding, facts, root), facts, "that root")
}

fn rekeyed(facts: &Facts, top: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!("{target}: {} holds a root named `{}`, but with another key", facts.roots.source, top.issuer);
    let held = facts.roots.anchors.named(&top.issuer_der);
    let finding = Finding::new(Cause::RootRekeyed, text, "issuer", target.to_string(), top.issuer.clone());
    let finding = held.iter().take(3).fold(finding, |finding, root| {
        finding.with_evidence("root of that name", facts.roots.source.clone(), one_line(root))
    });
    let finding = known_elsewhere(finding, facts, top);
    trust_it(finding, facts, "the new root")
}

/// The issuer is neither sent nor trusted: an intermediate that was left out, or a root that is not trusted.
fn no_issuer(facts: &Facts, climbed: &Climbed, top: &Certificate) -> Finding {
    let target = &facts.question.target;
    let anchors = &facts.roots.anchors;
    let leaf_alone = climbed.path.len() == 1;
    let above_is_trusted = Details::of(top)
        .issuer_of_issuer
        .is_some_and(|name| name != top.issuer_der && !anchors.named(&name).is_empty());
    let related = anchors.knows_organization(&top.issuer_organizations);
    let sounds_like_one = sounds_intermediate(&top.issuer);
    if above_is_trusted || leaf_alone && (related || sounds_like_one) {
        let text = format!("{target} does not send the intermediate `{}` that issued its certificate", top.issuer);
        let finding = Finding::new(
            Cause::MissingIntermediate,
            text,
            "issuer that was not sent",
            target.to_string(),
            top.issuer.clone(),
        );
        let finding = failed_fetches(finding, facts);
        return finding
            .with_fix(
                "Let the server send its whole chain: leaf first, then each intermediate",
                format!("append the certificate of `{}` to the server's certificate file", top.issuer),
            )
            .with_warning(
                "the intermediate could not be fetched, so that it is not proved that a trusted root lies above it",
            );
    }
    let text = format!("{target} has a chain up to `{}`, which {} does not hold", top.issuer, facts.roots.source);
    let finding = Finding::new(Cause::RootNotTrusted, text, "issuer", target.to_string(), top.issuer.clone());
    let finding = failed_fetches(known_elsewhere(finding, facts, top), facts);
    let finding = trust_it(finding, facts, "that root");
    if leaf_alone {
        finding.with_warning(format!(
            "the server sends its leaf alone: if `{}` is an intermediate, the server has to send it",
            top.issuer
        ))
    } else {
        finding
    }
}

fn failed_fetches(finding: Finding, facts: &Facts) -> Finding {
    let failed = facts.issuers.iter().filter_map(|it| it.body.as_ref().err().map(|why| (it.url.clone(), why.clone())));
    failed.fold(finding, |finding, (url, why)| finding.with_evidence("AIA caIssuers", url, why))
}

/// Whether a name is one that intermediates have.
fn sounds_intermediate(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |part: &str| lower.contains(part);
    !has("root")
        && (has("intermediate")
            || has("issuing")
            || has("sub ca")
            || has("subca")
            || has("sub-ca")
            || has("subordinate"))
}

/// Whose interception the path shows. CAs that are at home in their own network are none.
fn interceptor(climbed: &Climbed) -> Option<String> {
    let opens_tls = |it: &Intruder| it.kind != IntruderKind::Internal;
    let top = climbed.path.last()?;
    let by_issuer = climbed.path.iter().skip(1).find_map(|cert| intruder(cert).filter(opens_tls));
    by_issuer.or_else(|| intruder_named(&top.issuer).filter(opens_tls)).map(|it| it.who.to_owned())
}

/// The certificate that the service shows around the proxy, when its issuer is another.
fn differs_behind_proxy(facts: &Facts) -> Option<(Certificate, Certificate)> {
    let leaf = |chain: &[Vec<u8>]| chain.first().and_then(|der| Certificate::parse(der).ok());
    let direct = leaf(&facts.attempt(&Variant::Direct)?.chain)?;
    let through = leaf(&facts.main()?.chain)?;
    (direct.issuer_der != through.issuer_der && direct.public_key != through.public_key).then_some((through, direct))
}

fn intercepted(facts: &Facts, climbed: &Climbed) -> Finding {
    let target = &facts.question.target;
    let issuer = climbed.path.last().map_or_else(String::new, |top| top.issuer.clone());
    let who = interceptor(climbed).unwrap_or_else(|| "the proxy".to_owned());
    let text = format!(
        "{target}: TLS is opened on the way by {who}: its certificate comes from `{issuer}`, which {} does not hold",
        facts.roots.source
    );
    let finding = Finding::new(Cause::TlsIntercepted, text, "issuer", target.to_string(), issuer);
    let finding = match differs_behind_proxy(facts) {
        Some((through, direct)) => finding
            .with_evidence("through the proxy", target.to_string(), one_line(&through))
            .with_evidence("around the proxy", target.to_string(), one_line(&direct)),
        None => finding,
    };
    trust_it(finding, facts, "this interception (a company's proxy, a sandbox, a debugging tool)")
        .with_fix("Or go around it for this host", format!("export NO_PROXY={}", target.host))
}

fn outside(cert: &Certificate, at: Timestamp) -> bool {
    at < cert.not_before || at > cert.not_after
}

fn outdated(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let at = facts.question.at;
    let validity = |cert: &Certificate| format!("{} to {}", cert.not_before.rfc3339(), cert.not_after.rfc3339());
    let (root, below) = climbed.path.split_last()?;
    if climbed.anchored && !below.is_empty() && outside(root, at) {
        let text = format!(
            "{target}: the only path ends at the root `{}`, which expired on {}",
            root.short_name(),
            root.not_after.date()
        );
        let finding =
            Finding::new(Cause::RootExpired, text, "validity of the root", facts.roots.source.clone(), validity(root))
                .with_fix(
                    "Let the server use a chain to a root that is valid",
                    format!("ask the CA that issued it for the chain that replaces `{}`", root.short_name()),
                );
        return Some(trust_it(finding, facts, "the root that replaced it"));
    }
    let intermediates =
        climbed.path.iter().skip(1).take(climbed.path.len().saturating_sub(1 + usize::from(climbed.anchored)));
    if let Some(cert) = intermediates.filter(|cert| outside(cert, at)).last() {
        let text = format!(
            "{target}: the intermediate `{}` is valid only from {} to {}",
            cert.short_name(),
            cert.not_before.date(),
            cert.not_after.date()
        );
        return Some(
            Finding::new(
                Cause::IntermediateExpired,
                text,
                "validity of the intermediate",
                target.to_string(),
                validity(cert),
            )
            .with_fix(
                "Let the server send the intermediate that replaced it",
                format!("ask the CA for the present certificate of `{}`", cert.short_name()),
            ),
        );
    }
    let leaf = climbed.path.first().filter(|leaf| outside(leaf, at))?;
    let clock = format!("judged for {}", at.rfc3339());
    let (cause, text) = if at < leaf.not_before {
        (Cause::CertNotYetValid, format!("{target}: the certificate is not valid before {}", leaf.not_before.rfc3339()))
    } else {
        let days = at.since(leaf.not_after).as_secs() / 86_400;
        let ago = if days == 0 { "less than a day ago".to_owned() } else { format!("{days} days ago") };
        (Cause::CertExpired, format!("{target}: the certificate expired on {} ({ago})", leaf.not_after.date()))
    };
    Some(
        Finding::new(cause, text, "validity", target.to_string(), validity(leaf))
            .with_evidence("time", "this machine", clock)
            .with_fix(
                "Renew the server's certificate, and see that the server was reloaded",
                format!("openssl x509 -in FILE -noout -dates   # for `{}`", leaf.short_name()),
            )
            .with_warning("if the date of this machine is wrong, set its clock instead"),
    )
}

fn wrong_name(facts: &Facts, leaf: &Certificate) -> Option<Finding> {
    let asked = &facts.question.name;
    let target = &facts.question.target;
    if name_matches(&leaf.sans, asked) {
        return None;
    }
    let kind = if matches!(asked, Host::Ip(_)) { "IP" } else { "DNS" };
    let issue = format!("subjectAltName = {kind}:{asked}");
    if leaf.sans.is_empty() && leaf.common_name.as_deref().is_some_and(|name| in_common_name(name, asked)) {
        let text = format!(
            "{target}: the certificate has no subject alternative name; `{asked}` stands only in its common name, which clients no longer read"
        );
        return Some(
            Finding::new(Cause::NoSan, text, "subject", target.to_string(), leaf.subject.clone())
                .with_fix("Issue the certificate with the name as a subject alternative name", issue),
        );
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
    let shown = if listed.is_empty() { "no name at all".to_owned() } else { shortened(&listed) };
    let text = format!("{target}: the certificate is for {shown}, not for `{asked}`");
    let finding = Finding::new(Cause::HostnameMismatch, text, "subjectAltName", target.to_string(), shortened(&listed));
    let finding = match listed.iter().find(|name| !name.contains('*')) {
        Some(name) => finding.with_fix(
            "Call the service by a name that its certificate holds",
            format!("sidelight diagnose {name}:{}", target.port),
        ),
        None => finding,
    };
    Some(finding.with_fix("Or issue the certificate with this name", issue))
}

/// The first names of a long list.
fn shortened(names: &[String]) -> String {
    match names.len() {
        0..=6 => names.join(", "),
        count => format!("{} and {} more", names[..5].join(", "), count - 5),
    }
}

fn in_common_name(common_name: &str, asked: &Host) -> bool {
    match asked {
        Host::Name(_) => name_matches(&[San::Dns(common_name.to_owned())], asked),
        Host::Ip(address) => common_name.parse() == Ok(*address),
    }
}

fn wrong_usage(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let leaf = climbed.path.first()?;
    let excluded = |cert: &Certificate| {
        cert.purposes.as_ref().is_some_and(|list| !list.iter().any(|oid| oid == SERVER_AUTH || oid == ANY_PURPOSE))
    };
    if excluded(leaf) {
        let text = format!("{target}: the certificate's extended key usage excludes server authentication");
        let listed = leaf.purposes.clone().unwrap_or_default().join(", ");
        return Some(
            Finding::new(Cause::LeafNotForServer, text, "extendedKeyUsage", target.to_string(), listed)
                .with_fix("Issue the server's certificate for servers", "extendedKeyUsage = serverAuth"),
        );
    }
    if leaf.is_ca == Some(true) && climbed.path.len() > 1 {
        let text = format!("{target}: the server's own certificate is a CA certificate");
        return Some(
            Finding::new(
                Cause::LeafIsCa,
                text,
                "basicConstraints",
                target.to_string(),
                format!("CA:TRUE on {}", leaf.subject),
            )
            .with_fix("Issue a certificate for the server that is no CA", "basicConstraints = critical,CA:FALSE"),
        );
    }
    let issuers = climbed.path.iter().skip(1);
    let sent_issuers = || issuers.clone().filter(|cert| !facts.roots.anchors.holds(cert));
    let not_ca = |cert: &&Certificate| cert.is_ca != Some(true) || Details::of(cert).may_sign == Some(false);
    let root_not_ca = |cert: &&Certificate| cert.is_ca == Some(false) || Details::of(cert).may_sign == Some(false);
    let wrong = sent_issuers()
        .find(not_ca)
        .or_else(|| issuers.clone().filter(|it| facts.roots.anchors.holds(it)).find(root_not_ca));
    if let Some(cert) = wrong {
        let text = format!("{target}: `{}` issued a certificate of the chain but is not a CA", cert.short_name());
        let value = match (cert.is_ca, Details::of(cert).may_sign) {
            (Some(true), Some(false)) => "keyUsage without keyCertSign",
            (Some(false), _) => "basicConstraints CA:FALSE",
            _ => "no basicConstraints",
        };
        return Some(
            Finding::new(Cause::IssuerNotCa, text, "issuer", cert.subject.clone(), value)
                .with_fix("Let the certificate be issued by a CA", format!("basicConstraints = critical,CA:TRUE and keyUsage = keyCertSign on the issuer of the certificate for {}", target.host)),
        );
    }
    path_length(facts, climbed).or_else(|| name_constraint(facts, climbed)).or_else(|| unknown_critical(facts, climbed))
}

fn path_length(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let limited = climbed
        .path
        .iter()
        .enumerate()
        .skip(1)
        .filter_map(|(index, cert)| Some((index, cert, Details::of(cert).path_length?)));
    let below = |index: usize| climbed.path[1..index].iter().filter(|cert| !cert.is_self_issued()).count();
    let (index, cert, limit) =
        limited.into_iter().find(|(index, _, limit)| below(*index) > usize::try_from(*limit).unwrap_or(usize::MAX))?;
    let count = below(index);
    let text =
        format!("{target}: `{}` allows {limit} intermediates below it, and there are {count}", cert.short_name());
    Some(
        Finding::new(
            Cause::PathLengthExceeded,
            text,
            "basicConstraints",
            cert.subject.clone(),
            format!("pathlen:{limit}"),
        )
        .with_fix(
            "Issue the server's certificate from a CA that is allowed to stand so deep, or issue that CA anew",
            format!(
                "basicConstraints = critical,CA:TRUE,pathlen:{count} on `{}` for {}",
                cert.short_name(),
                target.host
            ),
        ),
    )
}

fn name_constraint(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let words = facts.library.as_ref()?.as_ref().err()?;
    if !words.contains("NameConstraintViolation") {
        return None;
    }
    let target = &facts.question.target;
    let constrained = climbed.path.iter().skip(1).find_map(|cert| Some((cert, Details::of(cert).name_constraints?)));
    let (place, value) =
        constrained.map_or_else(|| (target.to_string(), words.clone()), |(cert, value)| (cert.subject.clone(), value));
    let leaf = climbed.path.first()?;
    let text = format!(
        "{target}: a name in the certificate of `{}` lies outside what `{place}` may issue for",
        leaf.short_name()
    );
    Some(Finding::new(Cause::NameConstraintViolation, text, "nameConstraints", place, value).with_fix(
        "Use a name that the CA may issue for, or a CA without that limit",
        format!("the CA of the certificate for {}", target.host),
    ))
}

fn unknown_critical(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let (cert, oid) = climbed
        .path
        .iter()
        .filter(|cert| !facts.roots.anchors.holds(cert) || climbed.path.len() == 1)
        .find_map(|cert| Some((cert, Details::of(cert).unknown_critical.first().cloned()?)))?;
    let text = format!("{target}: `{}` holds a critical extension that clients do not know ({oid})", cert.short_name());
    Some(
        Finding::new(
            Cause::UnknownCriticalExtension,
            text,
            "critical extension",
            format!("{target}: {}", cert.subject),
            oid,
        )
        .with_fix(
            "Issue the certificate without it, or with it marked as not critical",
            format!("the certificate `{}` of {}", cert.short_name(), target.host),
        ),
    )
}

fn weak(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let target = &facts.question.target;
    let below = climbed.path.iter().take(climbed.path.len() - usize::from(climbed.anchored && climbed.path.len() > 1));
    if let Some((cert, digest)) = below.clone().find_map(|cert| Some((cert, Details::of(cert).broken_digest?))) {
        if !cert.is_self_issued() {
            let text =
                format!("{target}: `{}` is signed with {digest}, which clients no longer accept", cert.short_name());
            return Some(
                Finding::new(Cause::WeakSignature, text, "signature", format!("{target}: {}", cert.subject), digest)
                    .with_fix(
                        "Issue the certificate anew with SHA-256",
                        format!("openssl x509 -req -sha256 …   # for `{}`", cert.short_name()),
                    ),
            );
        }
    }
    let (cert, bits) =
        climbed.path.iter().find_map(|cert| Some((cert, Details::of(cert).rsa_bits.filter(|bits| *bits < 2048)?)))?;
    let text = format!("{target}: `{}` has an RSA key of {bits} bits; clients want 2048 or more", cert.short_name());
    Some(
        Finding::new(Cause::WeakKey, text, "key", format!("{target}: {}", cert.subject), format!("RSA {bits}"))
            .with_fix(
                "Issue the certificate anew with a larger key",
                format!(
                    "openssl ecparam -name prime256v1 -genkey -noout -out server.key   # for `{}`",
                    cert.short_name()
                ),
            ),
    )
}

/// Faults that only the library sees.
fn in_the_library_s_words(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let words = facts.library.as_ref()?.as_ref().err()?;
    let target = &facts.question.target;
    let trusted_itself = climbed.path.len() == 1 && climbed.anchored;
    if trusted_itself || words.contains("UnsupportedSignatureAlgorithm") {
        return None;
    }
    let table = [
        ("Revoked", Cause::Revoked, "its certificate is revoked"),
        ("CaUsedAsEndEntity", Cause::LeafIsCa, "its leaf is a CA certificate"),
        ("PathLenConstraintViolated", Cause::PathLengthExceeded, "the chain is longer than an issuer allows"),
        ("CriticalExtension", Cause::UnknownCriticalExtension, "a critical extension is unknown"),
        ("Signature", Cause::BadSignature, "a signature in the chain does not verify"),
        ("Purpose", Cause::LeafNotForServer, "an extended key usage in the chain excludes server authentication"),
        ("Encoding", Cause::BadCertificateEncoding, "a certificate cannot be parsed"),
        ("UnknownIssuer", Cause::RootNotTrusted, "no path leads to a trusted root"),
        ("Expired", Cause::CertExpired, "a certificate on the path has expired"),
    ];
    let found = table.into_iter().find(|(mark, ..)| words.contains(mark));
    let (_, cause, meaning) = found.unwrap_or(("", Cause::BadCertificateEncoding, "its chain is not accepted"));
    let leaf = climbed.path.first()?;
    Some(
        Finding::new(
            cause,
            format!("{target}: {meaning} ({words})"),
            "subject",
            target.to_string(),
            leaf.subject.clone(),
        )
        .with_fix("See the chain in full", again(facts, "--showcerts")),
    )
}
