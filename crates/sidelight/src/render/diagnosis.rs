//! A diagnosis as text. In: facts and what was judged. Out: for a connection that works its certificates and parameters; for one
//! that does not the finding, and with it whatever was agreed all the same.

use sidelight_model::diagnose::{Details, Diagnosis, Facts, days_left};
use sidelight_model::finding::Cause;
use sidelight_model::flow::TlsVersion;
use sidelight_model::x509::Certificate;

use super::style::Meaning;
use super::{Look, escape, finding};

/// Columns of the labels at the left.
const LABEL: usize = 11;

/// The whole diagnosis.
pub(crate) fn render(look: &Look, facts: &Facts, diagnosis: &Diagnosis, with_pem: bool) -> String {
    let mut text = if diagnosis.finding.cause == Cause::Ok {
        well(look, facts, diagnosis)
    } else {
        finding::render(look, &diagnosis.finding, true)
    };
    if with_pem {
        for (index, cert) in diagnosis.chain.iter().enumerate() {
            let title = format!("{index}: {} issued by {}", cert.subject, cert.issuer);
            text.push_str(&format!("\n{}\n", look.paint.as_(Meaning::Strong, &look.peer(&title))));
            text.push_str(&sidelight_wire::pem::write("CERTIFICATE", &cert.der));
        }
    }
    text
}

/// One line of many.
pub(crate) fn line(look: &Look, diagnosis: &Diagnosis) -> String {
    let finding = &diagnosis.finding;
    let well = finding.cause == Cause::Ok;
    let (mark, meaning) = match (well, finding.warnings.is_empty()) {
        (true, true) => ("✓", Meaning::Good),
        (true, false) => ("!", Meaning::Caution),
        (false, _) => ("✗", Meaning::Bad),
    };
    let words = format!("{mark} {}", look.peer(&finding.summary));
    let words = look.width.map_or(words.clone(), |width| escape::clip(&words, width.saturating_sub(1)));
    format!("{}\n", look.paint.as_(meaning, &words))
}

fn well(look: &Look, facts: &Facts, diagnosis: &Diagnosis) -> String {
    let mut text =
        format!("{}\n", look.paint.as_(Meaning::Good, &format!("✓ {}", look.peer(&diagnosis.finding.summary))));
    for (n, row) in path(facts, diagnosis).iter().enumerate() {
        push(look, if n == 0 { "path" } else { "" }, row, &mut text);
    }
    for (label, row) in parameters(facts) {
        push(look, label, &row, &mut text);
    }
    let ocsp = diagnosis.finding.evidence().iter().find(|it| it.what == "OCSP");
    if let Some(ocsp) = ocsp {
        push(look, "revocation", &ocsp.value, &mut text);
    }
    let count = facts.roots.anchors.len();
    let roots = format!("{}: {count} {}", facts.roots.source, if count == 1 { "root" } else { "roots" });
    push(look, "roots", &roots, &mut text);
    for warning in &diagnosis.finding.warnings {
        let words = look.peer(warning);
        let room = look.width.map(|width| width.saturating_sub(11));
        for (n, line) in escape::wrap(&words, room).iter().enumerate() {
            let start = if n == 0 { look.paint.as_(Meaning::Caution, "    note:") } else { " ".repeat(9) };
            text.push_str(&format!("{start} {line}\n"));
        }
    }
    text
}

/// A label and words after it, further lines under the first word.
fn push(look: &Look, label: &str, words: &str, text: &mut String) {
    let indent = 4 + LABEL;
    let room = look.width.map(|width| width.saturating_sub(indent + 1));
    for (n, line) in escape::wrap(&look.peer(words), room).iter().enumerate() {
        let start = escape::pad(if n == 0 { label } else { "" }, LABEL);
        text.push_str(&format!("    {}{line}\n", look.paint.as_(Meaning::Faint, &start)));
    }
}

/// The path, root last, with the life that each certificate has left.
fn path(facts: &Facts, diagnosis: &Diagnosis) -> Vec<String> {
    let Some(path) = &diagnosis.path else { return Vec::new() };
    let row = |(index, cert): (usize, &Certificate)| {
        let days = days_left(cert.not_after, facts.question.at);
        let what = match (index, index + 1 == path.len()) {
            (_, true) if path.len() > 1 => "trusted root, ",
            _ => "",
        };
        format!("{} ({what}{}, until {}: {days} days)", cert.subject, Details::of(cert).key, cert.not_after.date())
    };
    path.iter().enumerate().map(row).collect()
}

/// The suites by version, and within it by key exchange, which many have in common:
/// `TLS 1.2 ECDHE_ECDSA  AES_128_GCM_SHA256, AES_256_GCM_SHA384`.
fn suites(all: &[(u16, Vec<String>)]) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for (version, names) in all {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for name in names {
            let bare = name.strip_prefix("TLS_").unwrap_or(name);
            let (exchange, cipher) = bare.split_once("_WITH_").unwrap_or(("", bare));
            match groups.iter_mut().find(|(known, _)| *known == exchange) {
                Some((_, ciphers)) => ciphers.push(cipher),
                None => groups.push((exchange, vec![cipher])),
            }
        }
        for (exchange, ciphers) in groups {
            let label = if rows.is_empty() { "suites" } else { "" };
            let head = format!("{} {exchange}", TlsVersion(*version).name());
            rows.push((label, format!("{}: {}", head.trim_end(), ciphers.join(", "))));
        }
    }
    rows
}

fn parameters(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(address) = facts.main().and_then(|main| main.peer) {
        let through = facts.question.proxy.as_ref().map(|(at, _)| format!(" (the proxy {at})")).unwrap_or_default();
        rows.push(("address", format!("{address}{through}")));
    }
    let Some(used) = facts.certified() else { return rows };
    let version = used.version.map(|version| TlsVersion(version).name()).unwrap_or_default();
    let suite = used.suite.clone().unwrap_or_default();
    let group = used.group.as_ref().map(|group| format!(", key exchange {group}")).unwrap_or_default();
    rows.push(("agreed", format!("{version}, {suite}{group}")));
    let versions: Vec<_> = facts.versions().into_iter().map(|version| TlsVersion(version).name()).collect();
    rows.push(("versions", versions.join(", ")));
    rows.extend(suites(&facts.suites));
    let alpn = used.alpn.as_ref().map_or_else(|| "none".to_owned(), |name| String::from_utf8_lossy(name).into_owned());
    rows.push(("ALPN", alpn));
    if let Some(main) = facts.main() {
        rows.push((
            "client",
            match (&main.request, main.presented) {
                (None, _) => "no client certificate is asked for".to_owned(),
                (Some(_), true) => "a client certificate is asked for, and the one given is accepted".to_owned(),
                (Some(_), false) => "a client certificate is asked for, but not demanded".to_owned(),
            },
        ));
    }
    rows
}
