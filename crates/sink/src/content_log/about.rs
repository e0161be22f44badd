//! What a content log says of connections. In: [`ConnectionRecord`]. Out: records `connection` and `end`, and back.
//! Spec: docs/content-log.md.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sidelight_model::flow::{
    Authority, Closed, Decision, EventKind, How, Opened, Process, Tally, TlsSide, TlsVersion, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_log::Head;

use crate::ledger::Fate;
use crate::record::ConnectionRecord;

/// The head of a record about `record`.
pub(super) fn head(record: &ConnectionRecord, time: Timestamp, kind: &str) -> Head {
    Head {
        time,
        conn: record.id.0,
        stream: None,
        client: record.opened.as_ref().map(|opened| opened.client.to_string()).unwrap_or_default(),
        direction: None,
        service: match (&record.target, record.upstream) {
            (None, None) => String::new(),
            _ => record.service(),
        },
        kind: kind.to_owned(),
        facts: Vec::new(),
    }
}

/// The record that introduces a connection: a line for each fact.
pub(super) fn connection(record: &ConnectionRecord) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut say =
        |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("{name}: {}", line(&value))));
    say("mode", record.opened.as_ref().map(|opened| opened.mode.to_string()));
    if let Some(process) = &record.process {
        say("pid", Some(process.pid.to_string()));
        say("program", Some(process.name.clone()));
        say("executable", process.exe.clone());
        say("container", process.container.clone());
    }
    say("upstream", record.upstream.map(|address| address.to_string()));
    say("verdict", record.decision.as_ref().map(|decision| verdict(decision.verdict).to_owned()));
    say("because", record.decision.as_ref().map(|it| it.because.clone()).filter(|because| !because.is_empty()));
    for (name, side) in [("service-tls", &record.server_tls), ("client-tls", &record.client_tls)] {
        say(name, side.as_deref().map(tls));
    }
    let unverified = record.server_tls.as_ref().and_then(|side| side.verified.clone()).and_then(Result::err);
    say("unverified", unverified);
    head(record, record.since, "connection").record(lines.join("\n").as_bytes())
}

/// Facts are one to a line.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// `TLS 1.3; TLS_AES_128_GCM_SHA256; group=…; alpn=…; sni=…; resumed; verified`.
fn tls(side: &TlsSide) -> String {
    let mut parts = vec![side.version.name(), side.cipher.clone()];
    parts.extend(side.group.as_ref().map(|group| format!("group={group}")));
    parts.extend(side.alpn.as_ref().map(|alpn| format!("alpn={}", String::from_utf8_lossy(alpn))));
    parts.extend(side.sni.as_ref().map(|sni| format!("sni={sni}")));
    parts.extend(side.resumed.then(|| "resumed".to_owned()));
    parts.extend(side.verified.as_ref().map(|it| if it.is_ok() { "verified" } else { "not verified" }.to_owned()));
    parts.join("; ")
}

fn read_tls(text: &str, unverified: &str) -> TlsSide {
    let mut parts = text.split("; ");
    let name = parts.next().unwrap_or_default();
    let known = [0x0300, 0x0301, 0x0302, 0x0303, 0x0304].map(TlsVersion);
    let version = known.into_iter().find(|version| version.name() == name).unwrap_or(TlsVersion(0));
    let mut side = TlsSide {
        version,
        cipher: parts.next().unwrap_or_default().to_owned(),
        group: None,
        alpn: None,
        sni: None,
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: None,
    };
    for part in parts {
        match part.split_once('=').unwrap_or((part, "")) {
            ("group", value) => side.group = Some(value.to_owned()),
            ("alpn", value) => side.alpn = Some(value.as_bytes().to_vec()),
            ("sni", value) => side.sni = Some(value.to_owned()),
            ("resumed", _) => side.resumed = true,
            ("verified", _) => side.verified = Some(Ok(())),
            ("not verified", _) => side.verified = Some(Err(unverified.to_owned())),
            _ => {}
        }
    }
    side
}

/// What a record `connection` tells, as events.
pub(crate) fn facts(head: &Head, body: &str, default_mode: &str) -> Vec<EventKind> {
    let fact = |name: &str| {
        let mut lines = body.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let opened = Opened {
        client: head.client.parse().unwrap_or(nowhere),
        local: nowhere,
        mode: fact("mode").unwrap_or(default_mode).into(),
    };
    let process = fact("pid").and_then(|pid| pid.parse().ok()).map(|pid| Process {
        pid,
        name: fact("program").unwrap_or_default().to_owned(),
        exe: fact("executable").map(str::to_owned),
        container: fact("container").map(str::to_owned),
    });
    let verdict = fact("verdict").and_then(|word| {
        [Verdict::Intercept, Verdict::Plain, Verdict::Relay, Verdict::Refuse]
            .into_iter()
            .find(|it| verdict(*it) == word)
    });
    let because = fact("because").unwrap_or_default().to_owned();
    let unverified = fact("unverified").unwrap_or_default();
    let side = |name| fact(name).map(|text| Arc::new(read_tls(text, unverified)));
    [
        Some(EventKind::Opened(opened)),
        Some(process.map_or(EventKind::NoProcess, EventKind::Process)),
        head.service.parse::<Authority>().ok().map(EventKind::Target),
        fact("upstream").and_then(|address| address.parse().ok()).map(EventKind::Upstream),
        verdict.map(|verdict| EventKind::Decided(Decision { verdict, because })),
        side("service-tls").map(EventKind::ServerTls),
        side("client-tls").map(EventKind::ClientTls),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The record that ends a connection.
pub(super) fn end(record: &ConnectionRecord) -> Vec<u8> {
    let closed = record.closed.as_ref().map(|(_, closed)| closed);
    let (to_server, to_client) = closed.map(|it| (it.to_server, it.to_client)).unwrap_or_default();
    let (how, words) = match closed.map(|it| &it.how) {
        None => ("open", ""),
        Some(How::Clean) => ("clean", ""),
        Some(How::ClientCut(words)) => ("client-cut", words.as_str()),
        Some(How::ServerCut(words)) => ("service-cut", words.as_str()),
        Some(How::Failed) => ("failed", ""),
        Some(How::Ended(words)) => ("ended", words.as_str()),
    };
    let at = record.closed.as_ref().map_or(record.latest, |(at, _)| *at);
    let mut head = head(record, at, "end")
        .with("fate", Fate::of(record).name())
        .with("how", how)
        .with("exchanges", record.exchanges)
        .with("to-service", to_server.bytes)
        .with("to-client", to_client.bytes);
    for (name, lost) in [("lost-to-service", to_server.lost), ("lost-to-client", to_client.lost)] {
        if lost > 0 {
            head = head.with(name, lost);
        }
    }
    head.record(words.as_bytes())
}

/// What a record `end` tells.
pub(crate) fn closed(head: &Head, words: &str) -> Closed {
    let count = |name: &str| head.number(name).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    let words = words.to_owned();
    let how = match head.fact("how").as_deref() {
        Some("client-cut") => How::ClientCut(words),
        Some("service-cut") => How::ServerCut(words),
        Some("failed") => How::Failed,
        Some("ended") => How::Ended(words),
        Some("open") => How::Ended("still open when the log ended".to_owned()),
        _ => How::Clean,
    };
    Closed {
        to_server: Tally { bytes: count("to-service"), lost: count("lost-to-service") },
        to_client: Tally { bytes: count("to-client"), lost: count("lost-to-client") },
        how,
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intercept => "intercept",
        Verdict::Plain => "plain",
        Verdict::Relay => "relay",
        Verdict::Refuse => "refuse",
    }
}
