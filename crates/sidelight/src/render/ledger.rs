//! The account at the end as text. In: a ledger. Out: one line of sums, a table of what became of which connections and why,
//! and the clients that refused our certificate.

use sidelight_sink::ledger::{Fate, Ledger, Refuser, Row};

use super::quantity::{bytes, count};
use super::style::Meaning;
use super::{Look, escape};

/// Rows shown of each fate; `--json` has them all.
const MOST_ROWS: usize = 20;

/// The account; empty when nothing was seen.
pub(super) fn render(look: &Look, ledger: &Ledger) -> String {
    if ledger.seen == 0 && ledger.shed == 0 {
        return String::new();
    }
    let mut text = format!("\n{}\n", look.paint.as_(Meaning::Strong, &sums(ledger)));
    push_table(look, &ledger.rows(), &mut text);
    for refuser in ledger.refusers() {
        push_refuser(look, &refuser, &mut text);
    }
    let mut caution = |words: String| text.push_str(&format!("{}\n", look.paint.as_(Meaning::Caution, &words)));
    if ledger.lost > 0 {
        caution(format!("! {} passed but were not seen here: showing was slower than the traffic", bytes(ledger.lost)));
    }
    if ledger.shed > 0 {
        caution(format!(
            "! {} more passed of which nothing was seen here: showing stood still",
            count(ledger.shed, "connection")
        ));
    }
    if ledger.lost > 0 || ledger.shed > 0 {
        caution("  --on-overload wait slows the traffic down instead".to_owned());
    }
    if ledger.undecoded > 0 {
        caution(format!(
            "! {} could not be decoded to the end; the traffic passed",
            count(ledger.undecoded, "direction")
        ));
    }
    text
}

fn sums(ledger: &Ledger) -> String {
    let parts: Vec<String> = [
        (ledger.decrypted, Fate::Decrypted),
        (ledger.plain, Fate::Plain),
        (ledger.relayed, Fate::Relayed),
        (ledger.refused, Fate::Refused),
        (ledger.failed, Fate::Failed),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, fate)| format!("{number} {}", fate.name()))
    .collect();
    format!("{}: {}; {}", count(ledger.seen, "connection"), parts.join(", "), count(ledger.exchanges, "exchange"))
}

fn push_table(look: &Look, rows: &[&Row], text: &mut String) {
    let service = |row: &Row| escape::fit(&escape::line(&row.service), 40);
    let width = rows.iter().map(|row| escape::columns(&service(row))).max().unwrap_or_default();
    let heads = format!("  {}  conn  exch    sent   rcvd  why", escape::pad("", 9 + width));
    text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &heads)));
    for fate in [Fate::Decrypted, Fate::Plain, Fate::Relayed, Fate::Refused, Fate::Failed] {
        let alike: Vec<&&Row> = rows.iter().filter(|row| row.fate == fate).collect();
        for row in alike.iter().take(MOST_ROWS) {
            let name = look.paint.as_(meaning(fate), &escape::pad(fate.name(), 9));
            let counts = format!(
                "{} {}  {} {}",
                escape::pad_left(&row.connections.to_string(), 5),
                escape::pad_left(&row.exchanges.to_string(), 5),
                escape::pad_left(&bytes(row.bytes[0]), 7),
                escape::pad_left(&bytes(row.bytes[1]), 6)
            );
            let line = format!("  {name} {} {counts}  {}", escape::pad(&service(row), width), look.peer(&row.because));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if alike.len() > MOST_ROWS {
            let words = format!("  … and {} more such rows; --json has them all", alike.len() - MOST_ROWS);
            text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &words)));
        }
    }
}

const fn meaning(fate: Fate) -> Meaning {
    match fate {
        Fate::Decrypted => Meaning::Good,
        Fate::Plain => Meaning::Onward,
        Fate::Relayed => Meaning::Faint,
        Fate::Refused => Meaning::Caution,
        Fate::Failed => Meaning::Bad,
    }
}

fn push_refuser(look: &Look, refuser: &Refuser, text: &mut String) {
    let client = escape::line(&refuser.client.to_string());
    let services = look.peer(&refuser.services.join(", "));
    let words = if refuser.pinned {
        format!("! {client} pins the certificate of {services}: it accepts ours for other services")
    } else {
        format!("! {client} does not trust our certificate authority: it refused {services}, and accepted none")
    };
    text.push_str(&format!("{}\n", look.paint.as_(Meaning::Caution, &words)));
    let help = if refuser.pinned {
        "  --pass relays such services untouched from the first connection on"
    } else {
        "  `sidelight ca install`, or the runtime's own CA setting, makes it trust us; `sidelight run` sets those"
    };
    text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, help)));
}
