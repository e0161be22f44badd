//! The account of a recording: what a recorder was told comes out as sums, and assertions find what is not as it must be.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sidelight_model::filter::Filter;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{
    Body, Closed, ConnId, ConnectionRecord, Decision, EventKind, Exchange, Fate, How, HttpVersion, Opened, Outcome,
    Process, Request, RequestTarget, Response, Tally, Timings, TlsSide, TlsVersion, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;
use sidelight_sink::schema::{self, View};
use sidelight_sink::stats::{Assertions, Stats};
use sidelight_sink::store::{Recorder, Recording, Rotation, StoreOptions};

/// Valid until 2026-12-10.
const LEAF: &[u8] = include_bytes!("../../model/tests/filter_language/leaf.der");

/// 2026-11-22T12:00:00Z
const NOON: i64 = 1_795_348_800_000_000;

/// A connection to `target` with an exchange for each status; number `n` takes `n` times 10 ms, the first byte half of that.
struct Conversation {
    target: &'static str,
    verdict: Verdict,
    version: Option<u16>,
    verified: Option<Result<(), String>>,
    statuses: Vec<u16>,
    finding: Option<Finding>,
    program: Option<&'static str>,
}

impl Conversation {
    fn to(target: &'static str) -> Self {
        Self {
            target,
            verdict: Verdict::Intercept,
            version: Some(0x0304),
            verified: Some(Ok(())),
            statuses: Vec::new(),
            finding: None,
            program: Some("/usr/bin/curl"),
        }
    }

    fn answered(self, statuses: &[u16]) -> Self {
        Self { statuses: statuses.to_vec(), ..self }
    }

    fn tell(&self, number: u64, to: &mut dyn Consumer) {
        let mut record = ConnectionRecord::new(ConnId(number), Timestamp(NOON));
        let opened = Opened {
            client: "10.0.0.9:4000".parse().unwrap(),
            local: "127.0.0.1:8080".parse().unwrap(),
            mode: "explicit".into(),
        };
        let mut learn = |kind: EventKind| record.learn(Timestamp(NOON), &kind);
        learn(EventKind::Opened(opened));
        if let Some(exe) = self.program {
            let name = exe.rsplit('/').next().unwrap().to_owned();
            learn(EventKind::Process(Process { pid: 7, name, exe: Some(exe.to_owned()), container: None }));
        }
        learn(EventKind::Target(self.target.parse().unwrap()));
        learn(EventKind::Decided(Decision { verdict: self.verdict, because: "test".into() }));
        if let Some(version) = self.version {
            let side = TlsSide {
                version: TlsVersion(version),
                cipher: "TLS_AES_128_GCM_SHA256".into(),
                group: None,
                alpn: None,
                sni: None,
                hello: None,
                resumed: false,
                chain: vec![LEAF.to_vec()],
                verified: self.verified.clone(),
            };
            learn(EventKind::ServerTls(Arc::new(side.clone())));
            learn(EventKind::ClientTls(Arc::new(TlsSide { chain: Vec::new(), verified: None, ..side })));
        }
        to.opened(&record);
        if let Some(finding) = &self.finding {
            record.learn(Timestamp(NOON), &EventKind::Finding(Box::new(finding.clone())));
            to.finding(&record, finding);
        }
        for (n, status) in self.statuses.iter().enumerate() {
            record.exchanges += 1;
            to.exchange(&record, &Arc::new(exchange(number, n as i64 + 1, *status)));
        }
        let tally = |bytes| Tally { bytes, lost: 0 };
        let closed = Closed { to_server: tally(70), to_client: tally(900), how: How::Clean };
        record.learn(Timestamp(NOON + 60_000_000), &EventKind::Closed(closed));
        to.closed(&record);
    }
}

/// Status 0: no response.
fn exchange(conn: u64, n: i64, status: u16) -> Exchange {
    let body = |length| Body { length, kept: bytes::Bytes::new(), sha256: None, wire_length: length };
    let response =
        Response { status, reason: bytes::Bytes::new(), headers: Vec::new(), trailers: Vec::new(), body: body(200) };
    Exchange {
        conn: ConnId(conn),
        stream: n.unsigned_abs(),
        version: HttpVersion::Http11,
        request: Some(Request {
            method: "GET".into(),
            target: RequestTarget { raw: "/".into(), scheme: None, authority: None },
            headers: Vec::new(),
            trailers: Vec::new(),
            body: body(10),
        }),
        interim: Vec::new(),
        response: (status > 0).then_some(response),
        timings: Timings {
            request_start: Timestamp(NOON),
            request_end: None,
            response_start: (status > 0).then_some(Timestamp(NOON + n * 5_000)),
            end: Some(Timestamp(NOON + n * 10_000)),
        },
        outcome: if status > 0 { Outcome::Complete } else { Outcome::Cut("reset".into()) },
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn record(folder: &Path, conversations: &[Conversation]) -> Recording {
    let path = folder.join("recording");
    let mut recorder = Recorder::create(StoreOptions {
        path: path.clone(),
        rotation: Rotation::default(),
        ring: None,
        packets: false,
        notices: Notices::none(),
    })
    .unwrap();
    for (n, conversation) in conversations.iter().enumerate() {
        conversation.tell(n as u64 + 1, &mut recorder);
    }
    recorder.end(&Ledger::default());
    drop(recorder);
    Recording::open(&path).unwrap()
}

fn conversations() -> Vec<Conversation> {
    let untrusted =
        Finding::new(Cause::RootNotTrusted, "old.test is not trusted", "error", "old.test", "UnknownIssuer");
    vec![
        Conversation::to("registry.test:5000").answered(&[401, 200, 200, 200]),
        Conversation { program: None, ..Conversation::to("registry.test:5000").answered(&[200; 96]) },
        Conversation {
            version: Some(0x0301),
            verified: Some(Err("UnknownIssuer".into())),
            finding: Some(untrusted),
            ..Conversation::to("old.test:443").answered(&[200, 503, 0])
        },
        Conversation { verdict: Verdict::Plain, version: None, ..Conversation::to("10.1.2.3:80").answered(&[200]) },
        Conversation { verdict: Verdict::Relay, version: None, ..Conversation::to("pinned.example:443") },
    ]
}

#[test]
fn sums_are_those_of_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let recording = record(folder.path(), &conversations());
    let stats = Stats::of(&recording, None, Timestamp(NOON)).unwrap();
    assert_eq!((stats.flows, stats.connections, stats.exchanges), (105, 5, 104));
    assert_eq!(stats.bytes, [104 * 10 + 70, 103 * 200 + 900]);
    assert_eq!(stats.fates, BTreeMap::from([(Fate::Decrypted, 3), (Fate::Plain, 1), (Fate::Relayed, 1)]));
    assert_eq!(stats.times, Some((Timestamp(NOON), Timestamp(NOON + 60_000_000))));
    let names: Vec<_> = stats.services.iter().map(|it| (it.name.as_str(), it.connections, it.exchanges)).collect();
    assert_eq!(
        names,
        [("registry.test:5000", 2, 100), ("old.test:443", 1, 3), ("10.1.2.3:80", 1, 1), ("pinned.example:443", 1, 0)]
    );
    let registry = &stats.services[0];
    assert_eq!(registry.statuses, BTreeMap::from([(200, 99), (401, 1)]));
    // 1 to 4 and 1 to 96 times 10 ms.
    assert_eq!([50, 90, 99].map(|it| registry.total.percentile(it).unwrap()), [460_000, 860_000, 950_000]);
    assert_eq!(registry.first_byte.percentile(50), Some(230_000));
    assert_eq!((registry.verified, registry.tls.clone()), (2, BTreeMap::from([(TlsVersion(0x0304), 2)])));
    assert_eq!(registry.clients.iter().collect::<Vec<_>>(), ["/usr/bin/curl", "10.0.0.9"]);
    let old = &stats.services[1];
    assert_eq!((old.unanswered, old.cut), (1, 1));
    assert_eq!(old.unverified, BTreeMap::from([("UnknownIssuer".to_owned(), 1)]));
    assert_eq!(old.causes, BTreeMap::from([(Cause::RootNotTrusted, 1)]));
    assert_eq!(stats.certificates.len(), 1);
    let certificate = &stats.certificates[0];
    assert_eq!((certificate.connections, certificate.days_left(stats.now)), (3, Some(17)));
    assert_eq!(certificate.services.iter().collect::<Vec<_>>(), ["old.test:443", "registry.test:5000"]);
    assert_eq!(old.certificates.iter().collect::<Vec<_>>(), [&certificate.sha256]);
    let clients: Vec<_> = stats.clients.iter().map(|it| (it.name.as_str(), it.connections, it.exchanges)).collect();
    assert_eq!(clients, [("10.0.0.9", 1, 96), ("/usr/bin/curl", 4, 8)]);
    let causes: Vec<_> = stats.causes.iter().map(|it| (it.cause, it.findings, it.example.as_str())).collect();
    assert_eq!(causes, [(Cause::RootNotTrusted, 1, "old.test is not trusted")]);
}

#[test]
fn a_filter_limits_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let recording = record(folder.path(), &conversations());
    let of = |filter: &str| {
        let stats = Stats::of(&recording, Some(&Filter::parse(filter).unwrap()), Timestamp(NOON)).unwrap();
        (stats.flows, stats.connections, stats.services.len(), stats.causes.len())
    };
    assert_eq!(of("~c 200"), (101, 4, 3, 1));
    assert_eq!(of("~c 401"), (1, 1, 1, 0));
    assert_eq!(of("~tcp"), (1, 1, 1, 0));
    assert_eq!(of("~c 600"), (0, 0, 0, 0));
    assert_eq!(of("~time > 500ms"), (46 + 1, 2, 2, 0));
}

/// What assertions find: the cause and the place of each finding's first evidence.
fn check(stats: &Stats, text: &str) -> Vec<String> {
    let mut open = |file: &str| match file {
        "allowed.txt" => Ok("# ours\nregistry.test:5000\n*.test # old ones\n\n10.0.0.0/8:80\n".to_owned()),
        "all.txt" => Ok("*\n".to_owned()),
        "bad.txt" => Ok("# first\nok.test\na b:99999\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    match Assertions::parse(text, &mut open) {
        Ok(assertions) => {
            let found = assertions.check(stats);
            for finding in &found {
                assert!(finding.fixes.iter().all(|fix| !fix.how.is_empty() && !fix.action.is_empty()));
                assert!(finding.evidence().iter().any(|it| it.place == "--assert"), "{text}: {finding:?}");
                filters_of(finding);
            }
            found.iter().map(|it| format!("{} {}", it.cause.code(), it.evidence()[0].place)).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

/// The filters in the commands that a finding offers can be read.
fn filters_of(finding: &Finding) {
    for fix in finding.fixes.iter().filter(|fix| fix.how.contains("--filter '")) {
        let filter = fix.how.split('\'').nth(1).unwrap();
        Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    }
}

#[test]
fn assertions_find_what_is_not_as_it_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let stats = Stats::of(&record(folder.path(), &conversations()), None, Timestamp(NOON)).unwrap();
    let sha256 = &stats.certificates[0].sha256;
    for (text, expected) in [
        ("tls>=1.2", vec!["protocol_too_old old.test:443".to_owned()]),
        ("tls >= 1.0", vec![]),
        ("tls", vec!["plain_http 10.1.2.3:80".to_owned()]),
        ("expires>30d", vec![format!("cert_expired {sha256}")]),
        ("expires > 2w", vec![]),
        ("expires > 2027-01-01", vec![format!("cert_expired {sha256}")]),
        ("hosts in allowed.txt", vec!["ok pinned.example:443".to_owned()]),
        ("hosts in all.txt", vec![]),
        ("status<500", vec!["ok old.test:443".to_owned()]),
        ("status 200..399", vec!["ok registry.test:5000".to_owned(), "ok old.test:443".to_owned()]),
        ("status != 4xx", vec!["ok registry.test:5000".to_owned()]),
        ("causes none", vec!["root_not_trusted old.test:443".to_owned()]),
        ("causes none but weak_key, root-not-trusted", vec![]),
        ("verified", vec!["root_not_trusted old.test:443".to_owned()]),
        ("p99<500ms", vec!["ok registry.test:5000".to_owned()]),
        ("p99 < 1s; p50 ttfb < 200ms", vec!["ok registry.test:5000".to_owned()]),
        ("p50 time <= 460ms;", vec![]),
        ("exchanges > 0; flows 100..200; connections = 4", vec!["ok the recording".to_owned()]),
        ("losses none", vec![]),
        ("; tls>=1.0 ;; verified", vec!["root_not_trusted old.test:443".to_owned()]),
    ] {
        assert_eq!(check(&stats, text), expected, "{text}");
    }
}

#[test]
fn assertions_that_cannot_be_read_are_told_with_their_place() {
    let stats = Stats::default();
    for (text, words) in [
        ("", "column 1: nothing is asserted; for example `tls>=1.2; expires>30d; status<500; verified`"),
        (
            "tls>=1.2; expires>30",
            "column 19: `30` is not a duration with its unit, such as 200ms, 1.5s, 1h30m or 30d; write `30ms` or `30s`",
        ),
        ("tls 1.2", "column 5: a comparison is missing: one of <, <=, >, >=, =, != and a value"),
        ("status<500 tls", "column 7: `<500 tls` is not one comparison"),
        ("verified yes", "column 10: nothing may follow `verified`"),
        (
            "hosts allowed.txt",
            "column 7: `hosts` needs `in` and a file; `hosts in allowed.txt`, one host pattern a line",
        ),
        ("tls; hosts in nowhere.txt", "column 15: nowhere.txt: entity not found"),
        ("causes some", "column 8: `causes` needs `none`, or `none but CODE, CODE`"),
        ("causes none but weak_key, weak_kez", "column 27: there is no cause `weak_kez`; docs/causes.md has them all"),
        ("p101<1s", "column 1: `p101` cannot be asserted"),
        ("größe>1", "column 1: `gr` cannot be asserted"),
    ] {
        let said = check(&stats, text).concat();
        assert!(said.starts_with(words), "{text}: {said}");
    }
    let said = check(&stats, "hosts in bad.txt").concat();
    assert!(said.starts_with("column 10: bad.txt:3: ") && said.contains("a line is a host, a glob"), "{said}");
}

#[test]
fn the_shape_is_that_of_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let stats = Stats::of(&record(folder.path(), &conversations()), None, Timestamp(NOON)).unwrap();
    let findings = [Finding::new(Cause::CertExpired, "s", "a", "b", "c")];
    let shape = schema::Tagged::new("stats", schema::Stats::new(&stats, Some(&findings), View::default()));
    let value = serde_json::to_value(&shape).unwrap();
    assert_eq!(value["type"], "stats");
    assert_eq!(value["findings"][0]["cause"], "cert_expired");
    assert_eq!(value["services"][0]["total_ms"]["p99"], 950.0);
    assert_eq!(value["services"][0]["statuses"]["401"], 1);
    assert_eq!(value["certificates"][0]["not_after"], "2026-12-10T00:00:00.000000Z");
    let page = include_str!("../../../docs/json.md");
    let section = page.split("## `stats`").nth(1).unwrap().split("\n## ").next().unwrap();
    let members = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let parts = [&value, &value["services"][0], &value["certificates"][0], &value["causes"][0], &value["clients"][0]];
    for member in parts.into_iter().flat_map(members).filter(|it| !["v", "type"].contains(&it.as_str())) {
        assert!(section.contains(&format!("`{member}`")), "docs/json.md does not name {member}");
    }
}
