//! Does the chain lead to a trusted root? In: facts and the path. Out: a finding when it does not, and where the root belongs.

use super::super::again;
use super::super::chain::{Climbed, Top, fetched};
use super::super::details::Details;
use super::super::facts::{Facts, Variant};
use super::one_line;
use crate::finding::{Cause, Finding};
use crate::x509::{Certificate, sounds_intermediate};

pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
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
            Some(_) => trust_it(finding, facts, climbed, "the root of its chain").with_fix(
                "Or install the distribution's roots",
                "apt-get install -y ca-certificates   # apk add ca-certificates",
            ),
            None => finding.with_fix(
                "Give a trust store that holds roots",
                "apt-get install -y ca-certificates   # apk add ca-certificates; or name a file with --roots",
            ),
        });
    }
    let top = climbed.path.last()?;
    match climbed.top {
        Top::Trusted if sent_all(facts, climbed) => None,
        Top::Trusted => Some(missing_intermediate(facts, climbed)),
        Top::BadSignature => Some(bad_signature(facts, top)),
        Top::NotRoot => Some(not_root(facts, climbed, top)),
        Top::Nothing => None,
        _ if interceptor(climbed).is_some() || differs_behind_proxy(facts).is_some() => {
            Some(intercepted(facts, climbed))
        }
        Top::SelfSigned => Some(self_signed(facts, climbed, top)),
        Top::UnknownRoot => Some(unknown_root(facts, climbed, top)),
        Top::Rekeyed => Some(rekeyed(facts, climbed, top)),
        Top::NoIssuer => Some(no_issuer(facts, climbed, top)),
    }
}

/// Whether the server sent every certificate of the path, but for the root.
fn sent_all(facts: &Facts, climbed: &Climbed) -> bool {
    let fetched = fetched(facts);
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

/// Some clients take any trusted certificate for the end of a path, these rules do not.
fn not_root(facts: &Facts, climbed: &Climbed, top: &Certificate) -> Finding {
    let target = &facts.question.target;
    let roots = &facts.roots.source;
    let text = format!(
        "{target} has a chain up to `{}`, which {roots} holds, but which is no root: this client looks for the root above it",
        top.short_name()
    );
    let finding = Finding::new(Cause::RootNotTrusted, text, "trusted certificate", roots.clone(), one_line(top));
    trust_it(finding, facts, climbed, "that root")
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

/// Where the missing root is to be put: the file that `--save-chain` writes where the root was seen, else where to get it.
fn trust_it(finding: Finding, facts: &Facts, climbed: &Climbed, what: &str) -> Finding {
    let adding = &facts.question.adding;
    if climbed.unknown_root().is_some() {
        let save = again(facts, "--save-chain chain.pem");
        return finding.with_fix(
            format!("If {what} is right for this service, save it and add it"),
            format!("{save}\n{}", adding.root("chain-root.pem")),
        );
    }
    let issuer = climbed.path.last().map_or("", |top| top.issuer.as_str());
    let failed: Vec<_> = facts.issuers.iter().filter(|it| it.body.is_err()).map(|it| it.url.as_str()).collect();
    let fetched = match (failed.is_empty(), facts.question.may_fetch) {
        (false, _) => format!("could not be fetched from {}", failed.join(", ")),
        (true, true) => "is neither sent nor named in the certificates".to_owned(),
        (true, false) => "was not looked for (--no-fetch)".to_owned(),
    };
    finding
        .with_fix(
            format!("Get `{issuer}` as ROOT.pem from whoever issues it (it {fetched}); see whether it is right"),
            format!("sidelight diagnose {} --roots ROOT.pem", facts.question.target),
        )
        .with_fix("and add it", adding.root("ROOT.pem"))
}

/// Other sets of roots that hold an issuer of this name.
fn known_elsewhere(finding: Finding, facts: &Facts, top: &Certificate) -> Finding {
    let held = facts.others.iter().filter(|(_, anchors)| {
        anchors.holds(top) || anchors.named(&top.issuer_der).iter().any(|root| top.is_signed_by(&root.public_key))
    });
    held.fold(finding, |finding, (name, anchors)| {
        finding.with_evidence(
            "for comparison",
            name.clone(),
            format!("trusts it ({})", super::super::roots(anchors.len())),
        )
    })
}

fn self_signed(facts: &Facts, climbed: &Climbed, leaf: &Certificate) -> Finding {
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
    trust_it(finding, facts, climbed, "this certificate")
}

fn unknown_root(facts: &Facts, climbed: &Climbed, root: &Certificate) -> Finding {
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
    trust_it(known_elsewhere(finding, facts, root), facts, climbed, "that root")
}

fn rekeyed(facts: &Facts, climbed: &Climbed, top: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!("{target}: {} holds a root named `{}`, but with another key", facts.roots.source, top.issuer);
    let held = facts.roots.anchors.named(&top.issuer_der);
    let finding = Finding::new(Cause::RootRekeyed, text, "issuer", target.to_string(), top.issuer.clone());
    let finding = held.iter().take(3).fold(finding, |finding, root| {
        finding.with_evidence("root of that name", facts.roots.source.clone(), one_line(root))
    });
    let finding = known_elsewhere(finding, facts, top);
    trust_it(finding, facts, climbed, "the new root")
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
    let finding = trust_it(finding, facts, climbed, "that root");
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

/// Whose interception the path shows.
fn interceptor(climbed: &Climbed) -> Option<String> {
    crate::x509::interceptor(&climbed.path).map(str::to_owned)
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
    trust_it(finding, facts, climbed, "this interception (a company's proxy, a sandbox, a debugging tool)")
        .with_fix("Or go around it for this host", format!("export NO_PROXY={}", target.host))
}
