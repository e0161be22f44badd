//! Who talked to whom, and what was done with the connection. In: its record. Out: entries.

use sidelight_model::flow::{Closed, ConnectionRecord, Exchange, How, Verdict};
use sidelight_sink::ledger::Fate;

use super::super::escape;
use super::super::quantity::bytes;
use super::super::style::Meaning;
use super::sheet::Sheet;

/// Hexadecimal digits of a container's ID that are shown; more than engines show, fewer than there are.
const CONTAINER_DIGITS: usize = 12;

/// Adds the client, the service, what was done, and how it ended.
pub(super) fn show(conn: &ConnectionRecord, exchange: Option<&Exchange>, sheet: &mut Sheet<'_>) {
    show_client(conn, sheet);
    show_service(conn, sheet);
    show_decision(conn, sheet);
    let stream = exchange.map_or_else(String::new, |it| format!(", {} {}", stream_word(it), it.stream));
    let mode = conn.opened.as_ref().map_or_else(String::new, |opened| format!(", {}", escape::line(&opened.mode)));
    sheet.entry("carried", Meaning::Plain, &format!("connection {}{stream}{mode}", conn.id.0));
    show_end(conn, sheet);
}

fn stream_word(exchange: &Exchange) -> &'static str {
    match exchange.version {
        sidelight_model::flow::HttpVersion::Http2 => "HTTP/2 stream",
        _ => "exchange",
    }
}

fn show_client(conn: &ConnectionRecord, sheet: &mut Sheet<'_>) {
    let addresses = conn.opened.as_ref().map(|opened| format!("{} at {}", opened.client, opened.local));
    match &conn.process {
        Some(process) => {
            let program = process.exe.as_ref().map_or_else(String::new, |exe| format!(", {}", escape::line(exe)));
            sheet.entry(
                "client",
                Meaning::Plain,
                &format!("{}[{}]{program}", escape::line(&process.name), process.pid),
            );
            if let Some(id) = &process.container {
                let short = id.get(..CONTAINER_DIGITS).unwrap_or(id);
                sheet.more(Meaning::Plain, &format!("in container {}", escape::line(short)));
            }
            if let Some(addresses) = addresses {
                sheet.more(Meaning::Faint, &addresses);
            }
        }
        None => sheet.entry("client", Meaning::Plain, addresses.as_deref().unwrap_or("unknown")),
    }
}

fn show_service(conn: &ConnectionRecord, sheet: &mut Sheet<'_>) {
    let address = match (&conn.target, conn.upstream) {
        (Some(_), Some(address)) => format!(" at {address}"),
        _ => String::new(),
    };
    sheet.entry("service", Meaning::Plain, &format!("{}{address}", escape::line(&conn.service())));
    if !conn.former_targets.is_empty() {
        let former: Vec<String> = conn.former_targets.iter().map(|it| escape::line(&it.to_string())).collect();
        sheet.more(Meaning::Faint, &format!("before on this connection: {}", former.join(", ")));
    }
}

fn show_decision(conn: &ConnectionRecord, sheet: &mut Sheet<'_>) {
    let (words, meaning) = match conn.decision.as_ref().map(|decision| decision.verdict) {
        Some(Verdict::Intercept) if conn.client_tls.is_some() => ("decrypted", Meaning::Good),
        Some(Verdict::Intercept) => ("to be decrypted", Meaning::Caution),
        Some(Verdict::Plain) => ("not TLS: seen as it is", Meaning::Plain),
        Some(Verdict::Relay) => ("relayed untouched and unseen", Meaning::Caution),
        Some(Verdict::Refuse) => ("not let through", Meaning::Bad),
        None => return,
    };
    let because = conn.decision.as_ref().map_or("", |decision| decision.because.as_str());
    let because = if because.is_empty() { String::new() } else { format!(": {}", sheet.look().peer(because)) };
    sheet.entry("fate", meaning, &format!("{words}{because}"));
}

fn show_end(conn: &ConnectionRecord, sheet: &mut Sheet<'_>) {
    // A flow is kept as it was when it ended, which of an exchange is before its connection does.
    let Some((_, Closed { to_server, to_client, how })) = &conn.closed else { return };
    let peer = |words: &str| sheet.look().peer(words);
    let (meaning, words) = match how {
        How::Clean => (Meaning::Faint, "the connection ended in order".to_owned()),
        How::ClientCut(words) => (Meaning::Caution, format!("the client cut the connection: {}", peer(words))),
        How::ServerCut(words) => (Meaning::Caution, format!("the service cut the connection: {}", peer(words))),
        How::Failed if Fate::of(conn) == Fate::Failed => {
            (Meaning::Bad, "the connection never got as far as data".to_owned())
        }
        How::Failed => (Meaning::Faint, String::new()),
        How::Ended(words) => (Meaning::Faint, format!("the connection was ended: {}", peer(words))),
    };
    if !words.is_empty() {
        sheet.more(meaning, &words);
    }
    let lost = to_server.lost + to_client.lost;
    if lost > 0 {
        let words = format!(
            "! {} of it passed unseen: recording was slower than the traffic; --on-overload wait slows it down",
            bytes(lost)
        );
        sheet.more(Meaning::Caution, &words);
    }
}
