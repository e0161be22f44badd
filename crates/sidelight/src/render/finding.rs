//! Findings as text. In: a finding. Out: the answer in its first line, then the evidence, then what to do, with exact commands.

use sidelight_model::finding::Finding;

use super::style::Meaning;
use super::{Look, escape};

/// A finding; `grave` when something did not work because of it.
pub(crate) fn render(look: &Look, finding: &Finding, grave: bool) -> String {
    let (mark, meaning) = if grave { ("✗", Meaning::Bad) } else { ("!", Meaning::Caution) };
    let mut text = look.paint.as_(meaning, &format!("{mark} {}", look.peer(&finding.summary)));
    text.push('\n');
    push_evidence(look, finding, &mut text);
    for warning in &finding.warnings {
        text.push_str(&format!("    {} {}\n", look.paint.as_(Meaning::Caution, "note:"), look.peer(warning)));
    }
    for fix in &finding.fixes {
        text.push_str(&format!("    {} {}\n", look.paint.as_(Meaning::Good, "fix:"), look.peer(&fix.action)));
        for line in fix.how.lines() {
            text.push_str(&format!("         {}\n", look.paint.as_(Meaning::Strong, &look.peer(line))));
        }
    }
    let code = format!("cause: {} (to change: {})", finding.cause.code(), party(finding));
    text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Faint, &code)));
    text
}

/// The evidence in columns. One of several lines goes on under its first.
fn push_evidence(look: &Look, finding: &Finding, text: &mut String) {
    let rows: Vec<[String; 2]> =
        finding.evidence().iter().map(|it| [look.peer(&it.what), look.peer(&it.place)]).collect();
    let width = |column: usize| rows.iter().map(|row| escape::columns(&row[column])).max().unwrap_or_default().min(32);
    let (what, place) = (width(0), width(1));
    for (row, evidence) in rows.iter().zip(finding.evidence()) {
        let start = format!("    {}  {}  ", escape::pad(&row[0], what), escape::pad(&row[1], place));
        let indent = " ".repeat(escape::columns(&start));
        let value = look.redactor.text(&evidence.value);
        for (n, line) in value.lines().enumerate() {
            let start = if n == 0 { look.paint.as_(Meaning::Faint, &start) } else { indent.clone() };
            text.push_str(format!("{start}{}", escape::line(line)).trim_end());
            text.push('\n');
        }
    }
}

fn party(finding: &Finding) -> &'static str {
    use sidelight_model::finding::Party;
    match finding.fault {
        Party::Server => "the service",
        Party::Client => "the client",
        Party::Network => "the network",
        Party::TrustStore => "the trust store",
        Party::Proxy => "the proxy",
        Party::None => "nothing",
    }
}
