//! Ports that do not speak TLS, or not at once. In: the first bytes that came. Out: a finding that names the protocol.

use super::super::again;
use super::super::facts::{Attempt, End, Facts, PlainWords, Spoken};
use super::first_line;
use crate::finding::{Cause, Finding};

/// Judges whether the port speaks TLS at all.
pub(super) fn not_tls(facts: &Facts, main: &Attempt) -> Option<Finding> {
    let target = &facts.question.target;
    if let End::StarttlsRefused(why) = &main.end {
        let protocol = facts.question.starttls.unwrap_or("STARTTLS");
        let text = format!("{target} speaks no TLS after STARTTLS ({protocol}): {why}");
        return Some(Finding::new(Cause::NotTls, text, "STARTTLS", target.to_string(), why.clone()).with_fix(
            "Switch TLS on in the server, or name the protocol that the port speaks",
            again(facts, "--starttls PROTOCOL"),
        ));
    }
    let (heard, spoken) = match &main.end {
        End::NotTls(heard, spoken) => (heard.clone(), *spoken),
        _ => {
            if facts.attempts.iter().any(Attempt::spoke_tls) {
                return None;
            }
            let told = facts.plain.iter().find(|plain| !plain.heard.is_empty())?;
            match told.words {
                PlainWords::Starttls(name) if told.upgrades => (told.heard.clone(), Spoken::Upgrades(name)),
                _ => (told.heard.clone(), told.spoken),
            }
        }
    };
    let line = first_line(&heard);
    let evidence =
        |finding: (Cause, String)| Finding::new(finding.0, finding.1, "first bytes", target.to_string(), line.clone());
    Some(match spoken {
        Spoken::Http => evidence((Cause::PlainHttp, format!("{target} speaks HTTP without TLS")))
            .with_fix("Use the port that speaks TLS, or enable TLS on this one", format!("curl -v http://{target}/"))
            .with_fix(
                "If this is a registry for tests, let docker use it without TLS",
                format!("/etc/docker/daemon.json: {{\"insecure-registries\": [\"{target}\"]}}"),
            ),
        Spoken::Upgrades(name) => evidence((
            Cause::StarttlsNeeded,
            format!("{target} speaks {} and turns into TLS only after STARTTLS", name.to_uppercase()),
        ))
        .with_fix("Let the client use STARTTLS", again(facts, &format!("--starttls {name}")))
        .with_fix("Or use the port that speaks TLS from the start", implicit_port(name)),
        Spoken::Other(name) => evidence((Cause::NotTls, format!("{target} speaks {name}, not TLS")))
            .with_fix("Check the port", format!("ss -ltnp 'sport = :{}' on the server", target.port)),
        Spoken::Unknown => evidence((Cause::NotTls, format!("{target} answers with something that is not TLS")))
            .with_fix(
                "Check the port: see what the server says",
                format!("nc {} {} </dev/null | xxd | head", target.host, target.port),
            ),
    })
}

fn implicit_port(protocol: &str) -> String {
    match protocol {
        "smtp" => "port 465 (submissions)".to_owned(),
        "imap" => "port 993 (imaps)".to_owned(),
        "pop3" => "port 995 (pop3s)".to_owned(),
        "ldap" => "port 636 (ldaps)".to_owned(),
        "ftp" => "port 990 (ftps)".to_owned(),
        other => format!("the server's port for {other} over TLS, where it has one"),
    }
}
