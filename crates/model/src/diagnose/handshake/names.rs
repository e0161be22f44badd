//! Causes in the server name of the ClientHello. In: attempts with and without it. Out: a finding.
//! Spec: RFC 6066 §3.

use super::super::again;
use super::super::chain::Climbed;
use super::super::facts::{AlertSeen, Attempt, Facts, Variant};
use super::{with_attempts, words};
use crate::finding::{Cause, Finding};
use crate::flow::Host;
use crate::x509::{Certificate, name_matches};

/// Whether some attempt that sent the name got a certificate for it, where the one without did not.
pub(super) fn sni_needed(facts: &Facts, main: &Attempt, climbed: &Climbed) -> Option<Finding> {
    let Host::Name(wanted) = &facts.question.name else { return None };
    if facts.question.sni.is_some() {
        return None;
    }
    let named = facts.attempt(&Variant::WithSni(wanted.clone()))?;
    let leaf = |chain: &[Vec<u8>]| chain.first().and_then(|der| Certificate::parse(der).ok());
    let good = leaf(&named.chain)?;
    let fits = |cert: &Certificate| name_matches(&cert.sans, &facts.question.name);
    let before = leaf(&main.chain);
    let without_was_wrong = match &before {
        Some(cert) => !fits(cert) || (!climbed.anchored && cert.der != good.der),
        None => true,
    };
    if !without_was_wrong || !fits(&good) {
        return None;
    }
    let target = &facts.question.target;
    let text = format!(
        "{target} gives the certificate for `{wanted}` only to clients that send the server name, and none was sent"
    );
    let got = before.map_or_else(|| words(main), |cert| format!("certificate of {}", cert.subject));
    Some(
        Finding::new(Cause::SniNeeded, text, "without a server name", target.to_string(), got)
            .with_evidence("with the server name", target.to_string(), format!("certificate of {}", good.subject))
            .with_fix("Let the client send the server name", again(facts, &format!("--sni {wanted}")))
            .with_fix(
                "Most clients send it when they connect by name rather than by address",
                format!("https://{wanted}:{}/", target.port),
            ),
    )
}

/// The server refuses the name, or that there is none.
pub(super) fn unrecognized(facts: &Facts, alert: &AlertSeen) -> Finding {
    let target = &facts.question.target;
    let (cause, text, fix) = match &facts.question.sni {
        Some(name) => (
            Cause::SniUnrecognized,
            format!("{target} refuses the server name `{name}`: no site of that name is set up there"),
            format!("add `{name}` to the server's configuration (nginx: server_name {name};)"),
        ),
        None => (
            Cause::SniNeeded,
            format!("{target} refuses clients that send no server name"),
            format!("connect by name, or set it: --sni {}", facts.question.name),
        ),
    };
    let finding = Finding::new(cause, text, "alert", target.to_string(), format!("{} ({})", alert.name, alert.number));
    let others =
        facts.attempts.iter().skip(1).filter(|it| matches!(it.variant, Variant::WithoutSni | Variant::WithSni(_)));
    with_attempts(finding, facts, others).with_fix("Set the name up on the server, or ask for a name that it has", fix)
}
