//! The filter language over flows with everything in them. In: filters. Out: whether each selects what it says, and what the
//! errors say. What is mitmproxy's of it is compared with mitmproxy in `filter_mitmproxy.rs`.

use std::sync::Arc;

use bytes::Bytes;
use sidelight_model::filter::{AsSent, Field, Filter, FlowView, Options};
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Body, Closed, ConnId, ConnectionRecord, Decision, EventKind, Exchange, Grpc, Header, Hello,
    How, HttpVersion, Opened, Outcome, Process, Request, RequestTarget, Response, Tally, Timings, TlsSide, TlsVersion,
    Verdict,
};
use sidelight_model::time::Timestamp;

/// `CN=registry.test`, issued by `CN=Example Issuing CA`, valid until 2026-12-10.
const LEAF: &[u8] = include_bytes!("filter_language/leaf.der");

/// 2026-11-22T12:03:04.5Z
const NOON: Timestamp = Timestamp(1_795_348_984_500_000);

fn side(version: u16, cipher: &str) -> TlsSide {
    TlsSide {
        version: TlsVersion(version),
        cipher: cipher.into(),
        group: None,
        alpn: Some(b"h2".to_vec()),
        sni: Some("registry.test".into()),
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: None,
    }
}

fn connection() -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(7), Timestamp(NOON.0 - 1_000_000));
    let opened = Opened {
        client: "10.1.2.3:40000".parse().unwrap(),
        local: "127.0.0.1:1".parse().unwrap(),
        mode: "transparent".into(),
    };
    let process = Process {
        pid: 4711,
        name: "containerd".into(),
        exe: Some("/usr/bin/containerd".into()),
        container: Some("3f9c2a5b".repeat(8)),
    };
    let hello = Hello {
        sni: Some("registry.test".into()),
        ja3: "e7d705a3286e19ea42f587b344ee6865".into(),
        ja4: "t13d1516h2_8daaf6152771_b186095e22b6".into(),
        ..Hello::default()
    };
    let server = TlsSide { chain: vec![LEAF.to_vec()], verified: Some(Ok(())), ..side(0x0303, "TLS_CHACHA20_X") };
    for kind in [
        EventKind::Opened(opened),
        EventKind::Process(process),
        EventKind::Hello(Arc::new(hello)),
        EventKind::Target("registry.test:5000".parse().unwrap()),
        EventKind::Upstream("192.0.2.1:5000".parse().unwrap()),
        EventKind::Decided(Decision { verdict: Verdict::Intercept, because: String::new() }),
        EventKind::ServerTls(Arc::new(server)),
        EventKind::ClientTls(Arc::new(side(0x0304, "TLS_AES_128_GCM_SHA256"))),
    ] {
        record.learn(Timestamp(NOON.0 - 500_000), &kind);
    }
    record
}

fn body(length: u64) -> Body {
    Body { length, kept: Bytes::from_static(b"kept"), sha256: None, wire_length: length }
}

fn exchange() -> Exchange {
    Exchange {
        conn: ConnId(7),
        stream: 1,
        version: HttpVersion::Http2,
        request: Some(Request {
            method: Bytes::from_static(b"PUT"),
            target: RequestTarget {
                raw: Bytes::from_static(b"/v2/library/alpine/manifests/3.20"),
                scheme: Some("https".into()),
                authority: Some("registry.test:5000".into()),
            },
            headers: vec![Header::new("content-type", "application/grpc+proto")],
            trailers: Vec::new(),
            body: body(2_000),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: 429,
            reason: Bytes::new(),
            headers: vec![Header::new("content-type", "application/grpc")],
            trailers: vec![Header::new("grpc-status", "14")],
            body: body(1_000_000),
        }),
        timings: Timings {
            request_start: NOON,
            request_end: None,
            response_start: Some(Timestamp(NOON.0 + 250_000)),
            end: Some(Timestamp(NOON.0 + 1_500_000)),
        },
        outcome: Outcome::Cut("reset".into()),
        anomalies: vec![Anomaly::new(AnomalyKind::LengthAndChunked, "both", None)],
        grpc: Some(Grpc { status: Some(14), ..Grpc::default() }),
        pushed: false,
    }
}

fn selects(filter: &str, conn: &ConnectionRecord, exchange: Option<&Exchange>) -> bool {
    let options = Options { utc_offset: 3_600, ..Options::default() };
    let filter =
        Filter::parse_with(filter, options).unwrap_or_else(|error| panic!("{filter}: {error}\n{}", error.excerpt()));
    let findings = [Finding::new(Cause::RootNotTrusted, "s", "error", "registry.test", "unknown issuer")];
    filter.matches(&FlowView {
        id: Some(12),
        conn,
        exchange,
        messages: &[],
        findings: &findings,
        bodies: &AsSent(exchange),
        now: NOON,
    })
}

/// Filters that select the exchange. Times without a zone are one hour east of UTC.
const SELECTING: &str = r"
    ~size > 1MB              ~size = 1002000              ~reqsize 2kB             ~respsize >= 1MB
    ~ttfb > 200ms            ~ttfb <= 250ms               ~ttfb 200ms..300ms       ~time>1s
    ~time != 1s              ~time 1.5s                   ~time = 1s500ms          ~size>500KiB&~time<2s
    ~tls < 1.3               ~tls 1.3                     ~tls                     ~tls >= tls1.2
    ~cipher chacha20         ~alpn ^h2$                   ~sni ^registry           ~dst 192\.0\.2\.1:5000
    ~ja3 e7d705a3            ~ja4 ^t13d                   ~verified                ~expires < 30d
    ~expires > 17d           ~expires 17d..18d            ~expires < 2026-12-31    ~expires 2026-12-10
    ~issuer issuing          ~subject apps                ~subject 192\.0\.2       ~issuer O=Example
    ~at 13:00..13:05         ~at 13:03                    ~at = 13:03:04           ~at 12:03Z
    ~at 2026-11-22           ~at 2026-11-22T13:03         ~at >= 2026-11-22        ~at 2026-11-22T12:00:00Z..12:05:00Z
    ~at 23:00..14:00         ~at ..13:05                  ~at > 13:03              ~at <= 2026-11-22
    ~at 2026-11-21..         ~at 2026-11-22T13:03:04.5    ~at !=12:03              ~at < 13:04
    ~cause root_not_trusted  ~cause root-not-trusted      ~fault trust_store       ~fate decrypted
    ~container 3f9c2a5b3f9c  ~process containerd$         ~pid 4711                ~mode TRANSPARENT
    ~image ^library/alpine$  ~image alpine:3\.20$         ~registry                ~registry push
    ~registry any            ~grpc                        ~grpc 14                 ~grpc unavailable
    ~grpc != ok              ~conn 7                      ~id 12                   ~id 10..20
    ~id 12..                 ~id ..12                     ~anomaly                 ~anomaly length_and_chunked
    ~c 4xx                   ~c >= 400                    ~c 400..499              ~c != 5xx
    ~cut                     ~e                           ~http                    ~grpc ~c 429
    ~hs grpc-status          !~sse                        !~marked & !~comment x   ~id 10 .. 20
    ~c == 429                ~registry registry           ~tls (~c 4xx)            ~grpc|~q
    !!~cut                   ~q||~s                       ~s&&~cut                 ~at = 2026-11-22
";

/// Filters that do not.
const LEAVING: &str = r"
    ~size < 1MB              ~size != 1002000             ~ttfb > 250ms            ~time < 1s
    ~tls < 1.2               ~tls 1.1                     ~cipher rc4              ~alpn http/1
    ~ja3 705a                ~expires > 30d               ~expires < 0             ~expires < 2026-12-10
    ~at 12:00..12:05         ~at 13:03Z                   ~at > 13:03:05           ~at < 13:03
    ~at 14:00..12:00         ~at 2026-11-21               ~at > 2026-11-22         ~at < 2026-11-22
    ~at != 13:03             ~cause cert_expired          ~fault client            ~fate relayed
    ~container 9c2a          ~pid 1                       ~mode explicit           ~mode trans
    ~image ^alpine           ~registry pull               ~grpc ok                 ~conn 8
    ~id ..11                 ~anomaly bare_lf             ~c 5xx                   ~c 200|~c 500
    ~tcp                     ~websocket                   ~sse                     ~q
    ~marked                  ~replay                      ~udp                     ~comment .
    ~c != 4xx                ~time 2s..                   ~cert 00                 ~at < 00:00
";

fn cells(table: &str) -> impl Iterator<Item = &str> {
    table.lines().flat_map(|line| line.split("  ")).map(str::trim).filter(|cell| !cell.is_empty())
}

#[test]
fn every_operator_selects_what_it_says() {
    let (conn, exchange) = (connection(), exchange());
    for filter in cells(SELECTING) {
        assert!(selects(filter, &conn, Some(&exchange)), "{filter}");
        assert!(!selects(&format!("!({filter})"), &conn, Some(&exchange)), "!({filter})");
    }
    for filter in cells(LEAVING) {
        assert!(!selects(filter, &conn, Some(&exchange)), "{filter}");
    }
}

#[test]
fn a_certificate_is_found_by_any_spelling_of_its_fingerprint() {
    let (conn, sha256) = (connection(), sidelight_model::x509::fingerprint(LEAF));
    let pairs: Vec<_> = sha256.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    for text in
        [sha256.clone(), sha256.to_uppercase(), pairs.join(":"), format!("sha256:{sha256}"), sha256[..8].to_owned()]
    {
        assert!(selects(&format!("~cert {text}"), &conn, None), "{text}");
    }
}

#[test]
fn connections_without_exchanges_are_flows_as_well() {
    let mut conn = connection();
    conn.client_tls = None;
    conn.decision = Some(Decision { verdict: Verdict::Relay, because: String::new() });
    let tally = |bytes| Tally { bytes, lost: 0 };
    let closed = Closed { to_server: tally(100), to_client: tally(5_000), how: How::ServerCut("reset".into()) };
    conn.closed = Some((Timestamp(conn.since.0 + 3_000_000), closed));
    for filter in [
        "~tcp",
        "~fate relayed",
        "~d ^registry",
        "~size 5100",
        "~reqsize 100",
        "~time 3s",
        "~cut",
        "~e",
        "~at 13:03:03",
        "!~http",
        "!~u .",
        "!~c > 0",
        "!~ttfb >= 0",
        "!~m .",
        "!~h .",
        "!~t .",
        "!~image .",
        "!~registry",
    ] {
        assert!(selects(filter, &conn, None), "{filter}");
    }
}

#[test]
fn time_zones_turn_over_midnight() {
    let conn = ConnectionRecord::new(ConnId(1), Timestamp(1_795_389_300_000_000)); // 23:15 UTC
    let at = |filter: &str, hours: i32| {
        let options = Options { utc_offset: hours * 3_600, ..Options::default() };
        let filter = Filter::parse_with(filter, options).unwrap();
        let again = Filter::parse(&filter.to_string()).unwrap();
        assert_eq!(again, filter);
        let bodies = AsSent(None);
        let (messages, findings, now) = (&[][..], &[][..], NOON);
        filter.matches(&FlowView { id: None, conn: &conn, exchange: None, messages, findings, bodies: &bodies, now })
    };
    assert!(at("~at 23:00..23:30", 0) && at("~at 00:00..01:00", 1) && at("~at 18:15", -5));
    assert!(at("~at < 01:00", 1) && !at("~at < 01:00", 0) && at("~at >= 23:00", 0) && !at("~at >= 23:00", 1));
    assert!(at("~at 22:00..02:00", 0) && at("~at 22:00..02:00", 1) && !at("~at 02:00..22:00", 0));
    assert!(at("~at 2026-11-23", 1) && at("~at 2026-11-22", 0) && at("~at 23:15+00:00", 9));
}

#[test]
fn case_counts_when_asked() {
    let sensitive = Options { case_sensitive: true, ..Options::default() };
    let (conn, exchange) = (connection(), exchange());
    let view = FlowView {
        id: None,
        conn: &conn,
        exchange: Some(&exchange),
        messages: &[],
        findings: &[],
        bodies: &AsSent(Some(&exchange)),
        now: NOON,
    };
    for (filter, expected) in
        [("~m put", false), ("~m PUT", true), ("Alpine", false), ("~b KEPT", false), ("~b kept", true)]
    {
        assert_eq!(Filter::parse_with(filter, sensitive).unwrap().matches(&view), expected, "{filter}");
        assert!(Filter::parse(filter).unwrap().matches(&view), "{filter}");
    }
}

/// Filters that cannot be read: the column and length of the place, and the words.
const ERRORS: &[(&str, usize, usize, &str)] = &[
    ("", 1, 1, "the filter is empty; `~all` selects everything"),
    ("~d a & ~hdr x", 8, 4, "there is no operator ~hdr; did you mean ~h?"),
    ("~zzzzzzzz x", 1, 9, "there is no operator ~zzzzzzzz; `sidelight flows filters` lists them"),
    ("~regstry", 1, 8, "there is no operator ~regstry; did you mean ~registry?"),
    ("~ x", 1, 1, "the name of an operator is missing after `~`; `sidelight flows filters` lists them"),
    ("a~x", 2, 2, "there is no operator ~x; put text that holds `~` in quotes"),
    ("~d", 1, 2, "~d needs a regular expression after it; for example `~d registry\\.test$`"),
    ("é & ~m (", 5, 2, "~m needs a regular expression after it; for example `~m \"^(POST|PUT)$\"`"),
    ("~u [a", 4, 1, "in this regular expression: unclosed character class"),
    ("~u \"\\\"x(\"", 8, 1, "in this regular expression: unclosed group"),
    ("~u \"\\d(\"", 7, 1, "in this regular expression: unclosed group"),
    ("~u a{2,1}", 5, 5, "in this regular expression: invalid repetition count range, the start must be <= the end"),
    (
        "~u \"^(?!x)\"",
        6,
        3,
        "in this regular expression: look-around, including look-ahead and look-behind, is not supported; \
             use `!` and a second term instead: `~d a & !~d b`",
    ),
    ("~u \\w{9999}", 4, 8, "this regular expression is too large"),
    ("~c abc", 4, 3, "`abc` is not a status code or class, such as 404 or 4xx"),
    ("~size > x", 9, 1, "`x` is not a size, such as 512, 64KiB or 1.5MB"),
    (
        "~ttfb > 200",
        9,
        3,
        "`200` is not a duration with its unit, such as 200ms, 1.5s, 1h30m or 30d; write `200ms` or `200s`",
    ),
    (
        "~time",
        1,
        5,
        "~time needs a duration with its unit, such as 200ms, 1.5s, 1h30m or 30d after it; for example `~time > 1s`",
    ),
    ("~tls < 2", 8, 1, "`2` is not a TLS version: 1.0, 1.1, 1.2 or 1.3"),
    ("~at 25:00", 5, 5, "`25:00` is not a time such as 12:05, 12:05:30Z, 2026-11-22 or 2026-11-22T12:05:00+01:00"),
    ("~id 9..3", 5, 4, "this range ends before it begins; swap its ends"),
    ("~id ..", 5, 2, "a range needs at least one end"),
    ("~at 12:00..2026-11-22", 5, 17, "the two ends of this range are of different kinds"),
    ("~cause root_not_trustd", 8, 15, "~cause knows no `root_not_trustd`; did you mean `root_not_trusted`?"),
    ("~fault nobody", 8, 6, "~fault knows no `nobody`; one of server, client, network, trust_store, proxy, none"),
    ("~registry psh", 11, 3, "~registry knows no `psh`; did you mean `push`?"),
    ("~grpc 1.5", 7, 3, "`1.5` is not a gRPC status, such as 14 or unavailable"),
    ("~cert xyz", 7, 3, "`xyz` is no hexadecimal number of at most 64 digits"),
    ("~m \"GET", 4, 1, "this quote is not closed"),
    ("(a | b", 1, 1, "this `(` is not closed; a `)` is missing after it"),
    (
        "~m ^(POST|PUT)$",
        4,
        1,
        "`^` is followed by `(` without a blank; put an expression that holds parentheses in quotes",
    ),
    ("a) b", 2, 1, "this `)` closes nothing; put a `)` that belongs to an expression in quotes"),
    ("()", 2, 1, "a term is missing before `)`"),
    ("a &", 4, 1, "a term is missing after `&`; put text that ends in `&` in quotes"),
    ("a | | b", 5, 1, "a term is missing before `|`; put text that holds `|` alone in quotes"),
    ("~qx", 1, 3, "there is no operator ~qx; did you mean ~q?"),
    ("~q>5", 1, 3, "~q must be followed by a blank; write `~q …`"),
];

#[test]
fn errors_point_at_their_column_and_say_what_helps() {
    for (filter, column, length, words) in ERRORS.iter().copied() {
        let error = Filter::parse(filter).unwrap_err();
        let shown = format!("{}{}", error.what(), error.hint().map(|hint| format!("; {hint}")).unwrap_or_default());
        assert_eq!((error.column(), error.length(), shown.as_str()), (column, length, words), "{filter}");
        assert_eq!(error.to_string(), format!("column {column}: {words}"));
    }
}

#[test]
fn the_place_of_an_error_is_shown() {
    let error = Filter::parse("~d a &\t~hdr x").unwrap_err();
    assert_eq!(error.excerpt(), "~d a & ~hdr x\n       ^^^^");
    let long = format!("{} ~nope {}", "a ".repeat(200), "b ".repeat(200));
    let lines = Filter::parse(&long).unwrap_err().excerpt();
    let (line, carets) = lines.split_once('\n').unwrap();
    assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 80, "{line}");
    let start = carets.find('^').unwrap();
    assert_eq!(line.chars().skip(start).take(carets.len() - start).collect::<String>(), "~nope");
}

#[test]
fn size_and_depth_are_bounded() {
    for (filter, words) in [
        ("a ".repeat(40_000), "too long"),
        (format!("{}a", "!".repeat(70)), "nested more than 64 deep"),
        (format!("{}a{}", "(".repeat(70), ")".repeat(70)), "nested more than 64 deep"),
        ("\\w{40} ".repeat(2_000), "too many or too large"),
        (format!("~b \"{}\"", "(".repeat(30_000)), "in this regular expression"),
    ] {
        let error = Filter::parse(&filter).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(Filter::parse(&format!("{}a", "!".repeat(60))).is_ok());
    assert!(Filter::parse("~q | ".repeat(10_000).trim_end_matches(" | ")).is_ok());
}

#[test]
fn operators_are_listed_once_and_their_examples_are_filters() {
    let mut names: Vec<_> = Filter::catalogue().iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Filter::catalogue().len());
    for operator in Filter::catalogue() {
        let filter = Filter::parse(operator.example).unwrap_or_else(|error| panic!("{}: {error}", operator.example));
        let mut uses = false;
        filter.expr().leaves(&mut |leaf| uses |= leaf.field.operator() == operator.name);
        assert!(uses, "the example of ~{} does not use it", operator.name);
        assert_eq!(operator.field.operator(), operator.name);
        assert!(!operator.meaning.is_empty());
    }
    assert_eq!((Field::TimeOfDay.operator(), Field::ExpiresAt.operator()), ("at", "expires"));
}
