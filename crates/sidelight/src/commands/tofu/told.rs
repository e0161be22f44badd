//! What is said of a decision. In: what was seen, what is recorded, a decision. Out: sentences, with the command that helps.

use sidelight_host::first_use::Lasting;
use sidelight_model::finding::Cause;
use sidelight_model::flow::Host;
use sidelight_model::tofu::{Candidate, Decision, Match, Refusal, Refusing, Rule, Shown};
use sidelight_model::trust::Runtime;
use sidelight_model::x509::path::Stack;
use sidelight_model::x509::{Certificate, San, fingerprint};

use super::look::Seen;
use crate::exit::{Exit, Failure};
use crate::render::certificate_fault::words;
use crate::render::escape;

/// Names of a certificate that are told.
const MOST_NAMES: usize = 6;

/// `CN=Scanner (sha256//…)`.
pub(super) fn issuer(candidate: &Candidate) -> String {
    format!("{} ({})", escape::line(&candidate.certificate.subject), candidate.key)
}

/// One line for standard error and people.
pub(super) fn line(seen: &Seen, decision: &Decision, place: &str) -> String {
    let endpoint = escape::line(&seen.endpoint.to_string());
    let at = |place: usize| issuers(&seen.shown).get(place).map(issuer).unwrap_or_default();
    match decision {
        Decision::Start(Rule::OrdinaryRoots) => format!("{endpoint}: the ordinary roots verify it; nothing is changed"),
        Decision::Start(_) => {
            let why = if let Shown::Unreachable(why) = &seen.shown { escape::line(why) } else { String::new() };
            format!("{endpoint}: the command is started without a look at it: {why}")
        }
        Decision::Install { place, rule } => {
            let why = match rule {
                Rule::KnownKey => "the recorded key, with a new certificate",
                Rule::Next => "the key recorded as the next one",
                Rule::SignedByKnown => "signed for by the recorded key",
                _ => "the recorded key",
            };
            format!("{endpoint}: {why}: {}", at(*place))
        }
        Decision::Adopt => {
            format!("{endpoint}: adopted on first use, and recorded in {}: {}", escape::line(place), at(0))
        }
        Decision::Ask => format!("{endpoint}: shows {}", at(0)),
        Decision::Refuse(refusal) => format!("{endpoint}: {}", refused(seen, refusal)),
        Decision::Tell(inner) => match inner.as_ref() {
            Decision::Install { .. } | Decision::Adopt => format!("only observed: {}", line(seen, inner, place)),
            other => format!("only observed: would refuse: {}", line(seen, other, place)),
        },
    }
}

pub(super) fn issuers(shown: &Shown) -> &[Candidate] {
    match shown {
        Shown::UnknownIssuer(issuers) => issuers,
        _ => &[],
    }
}

/// A clause: why the command is not started.
fn refused(seen: &Seen, refusal: &Refusal) -> String {
    let top = || issuers(&seen.shown).first().map(issuer).unwrap_or_default();
    match refusal {
        Refusal::Unreachable(why) => format!("it cannot be looked at: {}", escape::line(why)),
        Refusal::Broken(Cause::HostnameMismatch, _) => format!("its certificate is for {}", names(seen)),
        Refusal::Broken(_, summary) => {
            let own = format!("{}: ", seen.name);
            escape::line(summary.strip_prefix(&own).unwrap_or(summary))
        }
        Refusal::NoIssuer(name) => {
            format!("signed by {}, which is unknown and was not sent", escape::line(name))
        }
        Refusal::Changed => format!("another key than the one recorded signed for it: {}", top()),
        Refusal::Revoked => format!("a revoked key signed for it: {}", top()),
        Refusal::Expired => format!("the record of its key has expired; it shows {}", top()),
        Refusal::NotPinned => format!("signed by an unknown issuer, and no key is pinned for it: {}", top()),
        Refusal::NoGenesis => format!("signed by an unknown issuer, and no record was begun: {}", top()),
        Refusal::NotWritable => format!("signed by an unknown issuer, and the record cannot be written: {}", top()),
        Refusal::NotLasting => {
            format!("signed by an unknown issuer, and the record would go with the container: {}", top())
        }
        Refusal::NoEvidence => format!("signed by an unknown issuer that no unrelated host showed, too: {}", top()),
    }
}

/// The names of the leaf, for people.
fn names(seen: &Seen) -> String {
    let leaf = seen.chain.first().and_then(|der| Certificate::parse(der).ok());
    let text = |san: &San| match san {
        San::Dns(text) | San::Other(text) => text.clone(),
        San::Ip(address) => address.to_string(),
    };
    let all: Vec<String> = leaf.iter().flat_map(|leaf| leaf.sans.iter().map(text)).collect();
    let more = if all.len() > MOST_NAMES { format!(" and {} more", all.len() - MOST_NAMES) } else { String::new() };
    let shown = escape::line(&all.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", "));
    if shown.is_empty() { "no name at all".to_owned() } else { format!("{shown}{more}, not for {}", seen.name) }
}

/// What else an error rests on.
pub(super) struct Context<'a> {
    /// The record as the user named it.
    pub(super) place: &'a str,
    /// Whether the record is there at all.
    pub(super) is_there: bool,
    /// What the record says of the keys.
    pub(super) recorded: &'a Match,
    /// Where the record lies.
    pub(super) lasting: &'a Lasting,
    /// What is recorded of the CA, for comparing.
    pub(super) known: Option<&'a sidelight_model::tofu::Record>,
}

/// The error that ends the start.
pub(super) fn failure(seen: &Seen, refusal: &Refusal, context: &Context<'_>) -> Failure {
    let endpoint = escape::line(&seen.endpoint.to_string());
    let mut failure = Failure::new(format!("the command is not started: {endpoint}: {}", refused(seen, refusal)));
    let pins = shell(context.place);
    let at = seen.endpoint.at.as_deref().unwrap_or("*");
    let top = issuers(&seen.shown).first();
    let key = top.map(|it| it.key.to_string()).unwrap_or_default();
    if !context.is_there && !context.place.contains("://") && matches!(refusal, Refusal::NotPinned | Refusal::NoGenesis)
    {
        failure =
            failure.hint(format!("there is no file {pins}: if it was made before, its volume is not mounted here"));
    }
    let accept = format!("sidelight tofu pins accept {at} {key} --pins {pins}");
    match refusal {
        Refusal::Unreachable(_) => {
            failure =
                failure.hint("--on-unreachable continue starts the command all the same; --deadline waits longer");
        }
        Refusal::Broken(cause, _) => {
            failure = failure.hint(format!(
                "no root heals that ({}); look closer: sidelight diagnose {at} --no-fetch",
                cause.code()
            ));
        }
        Refusal::NoIssuer(_) => {
            failure = failure.hint("give the issuer's certificate: --issuers FILE; or let the server send its chain");
        }
        Refusal::Changed => failure = changed(failure, seen, context, &accept),
        Refusal::Revoked => {
            failure = failure.exit(Exit::KeyRefused);
            if let Match::Revoked { why: Some(why), .. } = context.recorded {
                failure = failure.hint(format!("why it was revoked: {}", escape::line(why)));
            }
            failure = chain(failure, seen);
        }
        Refusal::Expired => failure = failure.hint(format!("accept it anew: {accept}")),
        Refusal::NotPinned => {
            failure = failure
                .hint(format!("if that is the network's scanning proxy, pin its key: --pin {key}"))
                .hint(format!("or record it: {accept}"));
            failure = chain(failure, seen);
        }
        Refusal::NoGenesis => {
            failure = failure
                .hint(format!(
                    "begin a record on a volume that outlives the container: sidelight tofu pins init --pins {pins}"
                ))
                .hint(format!("or pin the key, if that is the network's scanning proxy: --pin {key}"));
            failure = chain(failure, seen);
        }
        Refusal::NotWritable => {
            failure = failure.hint(format!("{pins} is read-only here; record the key where it is made: {accept}"));
        }
        Refusal::NotLasting => failure = not_lasting(failure, context, &key),
        Refusal::NoEvidence => {
            failure = failure.hint("name two hosts of unrelated domains with --host, both of which the proxy scans");
        }
    }
    failure
}

/// Another key than the recorded one: both, what accepts the new one, and the chain.
fn changed(failure: Failure, seen: &Seen, context: &Context<'_>, accept: &str) -> Failure {
    let top = issuers(&seen.shown).first();
    let key = top.map(|it| it.key.to_string()).unwrap_or_default();
    let recorded = match context.recorded {
        Match::Other { recorded } => recorded.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let failure = failure
        .exit(Exit::KeyRefused)
        .hint(format!("recorded: {recorded}{}", was(context)))
        .hint(format!("shown:    {key}{}", top.map(|it| is(&it.certificate)).unwrap_or_default()))
        .hint("if this is right (ask whoever runs the proxy, by another way than this network), accept it:")
        .hint(format!("  {accept} --replace"));
    chain(failure, seen)
}

/// A record that would go with the container.
fn not_lasting(failure: Failure, context: &Context<'_>, key: &str) -> Failure {
    let why = match context.lasting {
        Lasting::Memory(mount) => format!("{} is memory (tmpfs)", mount.display()),
        Lasting::Anonymous(mount) => {
            format!("{} is a volume without a name, which the next container does not get", mount.display())
        }
        _ => format!("{} lies in the container's own layer", escape::line(context.place)),
    };
    failure
        .hint(format!("{why}; a new container would trust whoever answers first"))
        .hint("give it a named volume: -v sidelight:/var/lib/sidelight")
        .hint(format!("or pin the key, if that is the network's scanning proxy: --pin {key}"))
}

/// Clients that refuse a host's certificate although its CA is trusted: a warning for each reason. `itself`: those that would refuse it with
/// the CA itself among their roots, too.
pub(super) fn not_helped(host: &Host, refusing: &[Refusing], itself: &[Refusing]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for one in refusing {
        let (what, why) = match &one.found {
            Some(found) if found.position == 0 => ("its certificate", words(&found.fault)),
            Some(found) => ("the CA above its certificate", words(&found.fault)),
            None => ("its certificate", one.cause.code().to_owned()),
        };
        let why = escape::line(&why);
        let told = if itself.iter().any(|other| other.client == one.client) {
            format!("{what}, whatever is trusted: {why}; whoever runs the proxy can mend that")
        } else {
            format!("{what}, because its CA is trusted for some names alone: {why}")
        };
        match groups.iter_mut().find(|(known, _)| *known == told) {
            Some((_, names)) => names.push(called(one.client)),
            None => groups.push((told, vec![called(one.client)])),
        }
    }
    let line = |(told, names): (String, Vec<&str>)| format!("{host}: {} will refuse {told}", names.join(", "));
    groups.into_iter().map(line).collect()
}

/// A client as people call it.
fn called(stack: Stack) -> &'static str {
    use Runtime::{Curl, Go, Java, Node, OpenSsl, Python, RustNative};
    match stack {
        Stack::PythonStrict => "Python from 3.13",
        Stack::Of(OpenSsl) => "OpenSSL",
        Stack::Of(Curl) => "curl",
        Stack::Of(Runtime::GnuTls) => "GnuTLS",
        Stack::Of(Go) => "Go",
        Stack::Of(Java) => "Java",
        Stack::Of(Node) => "Node",
        Stack::Of(Python) => "Python up to 3.12",
        Stack::Of(RustNative) => "rustls",
        Stack::Of(other) => other.name(),
    }
}

/// The chain as it was shown, a line each.
pub(super) fn chain_lines(seen: &Seen) -> Vec<String> {
    let line = |(number, der): (usize, &Vec<u8>)| {
        let what = match Certificate::parse(der) {
            Ok(it) => format!("{}, until {}", escape::line(&it.subject), it.not_after.date()),
            Err(_) => "a certificate that cannot be read".to_owned(),
        };
        format!("chain {number}: {what}, sha256 {}", fingerprint(der))
    };
    seen.chain.iter().take(10).enumerate().map(line).collect()
}

fn chain(failure: Failure, seen: &Seen) -> Failure {
    chain_lines(seen).into_iter().fold(failure, Failure::hint)
}

fn was(context: &Context<'_>) -> String {
    let Some(record) = context.known else { return String::new() };
    let mut text = String::new();
    if let Some(subject) = &record.subject {
        text.push_str(&format!(" {}", escape::line(subject)));
    }
    if let Some(ca) = &record.ca {
        text.push_str(&format!(", certificate sha256 {ca}"));
    }
    if let Some(first) = record.first {
        text.push_str(&format!(", since {}", first.date()));
    }
    text
}

fn is(certificate: &Certificate) -> String {
    format!(" {}, certificate sha256 {}", escape::line(&certificate.subject), fingerprint(&certificate.der))
}

/// The command is not there.
pub(super) fn not_found(name: &str) -> Failure {
    if !name.contains('/') {
        let path = std::env::var("PATH").unwrap_or_default();
        return Failure::new(format!("the command {name} is in no folder of PATH ({})", escape::line(&path)));
    }
    if std::path::Path::new(name).exists() {
        return Failure::new(format!("{name} cannot be started: something that it needs is not in the image")).hint(
            "for a script, the program of its first line; else the loader that it is linked for (a glibc program on Alpine, say)",
        );
    }
    Failure::new(format!("the command {name} is not there"))
}

/// A word for a shell.
pub(super) fn shell(text: &str) -> String {
    sidelight_model::trust::quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight_model::x509::path::{Fault, Found};

    #[test]
    fn who_is_not_helped_is_told_once_for_each_reason() {
        let host = Host::parse("a.test").unwrap();
        let refusing = |client, position| Refusing {
            client,
            cause: Cause::IssuerNotCa,
            found: Some(Found { position, fault: Fault::NoCertSign }),
        };
        let strict = refusing(Stack::PythonStrict, 0);
        let both = [refusing(Stack::Of(Runtime::OpenSsl), 1), strict.clone(), refusing(Stack::Of(Runtime::Curl), 1)];
        let told = not_helped(&host, &both, &[strict]);
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told[0].starts_with(
            "a.test: OpenSSL, curl will refuse the CA above its certificate, because its CA is trusted for some names alone: it issued"
        ), "{told:#?}");
        assert!(
            told[1].starts_with("a.test: Python from 3.13 will refuse its certificate, whatever is trusted: it issued"),
            "{told:#?}"
        );
        assert!(not_helped(&host, &[], &[]).is_empty());
    }
}
