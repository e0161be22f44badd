//! HTTP of curl with the test kit's origin, through real captures.

use sidelight_model::flow::{HttpVersion, Verdict};
use sidelight_testkit::origin::body;
use sidelight_testkit::process::run;
use sidelight_testkit::sha256;

use crate::stage::Stage;

#[test]
fn curl_with_http1_and_http2() {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("127.0.0.1:0", &["h2", "http/1.1"]);
    let port = origin.address().port();
    for (version, path) in [("--http1.1", "/bytes/300001"), ("--http2", "/bytes/700003")] {
        let url = format!("https://origin.test:{port}{path}");
        let fetched = run(&mut stage.curl(&[version, &url])).success();
        assert_eq!(sha256(&fetched.stdout), sha256(body(0, path[7..].parse().unwrap())));
    }
    let imported = stage.import();
    assert!(imported.report.damage.is_empty(), "{:#?}", imported.summary());
    for (path, length, version) in
        [("/bytes/300001", 300_001, HttpVersion::Http11), ("/bytes/700003", 700_003, HttpVersion::Http2)]
    {
        let (conn, exchange) = imported.exchange(path);
        assert_eq!(exchange.version, version);
        let response = exchange.response.as_ref().unwrap();
        assert_eq!(sha256(&response.body.kept), sha256(body(0, length)));
        assert_eq!(conn.service(), format!("origin.test:{port}"));
        assert_eq!(conn.decision.as_ref().unwrap().verdict, Verdict::Intercept);
        let side = conn.server_tls.as_ref().unwrap();
        assert_eq!((side.version.name().as_str(), side.chain.len()), ("TLS 1.3", 2));
        assert!(conn.hello.as_ref().unwrap().ja3.len() == 32 && conn.client_tls.is_some());
    }
}

/// The decrypted bytes of the first stream, as tshark has them: from the client, from the server.
fn by_tshark(stage: &Stage, service: u16) -> [Vec<u8>; 2] {
    let mut command = stage.command("tshark");
    command.args(["-r", "capture", "-o", "tls.keylog_file:keys", "-q", "-z", "follow,tls,raw,0"]);
    let text = run(&mut command).success().text();
    let port = text.lines().find_map(|line| line.strip_prefix("Node 0: ")?.rsplit(':').next()).expect("a node");
    let service_first = *port == service.to_string();
    let mut sides: [Vec<u8>; 2] = Default::default();
    let is_hex =
        |line: &&str| line.len().is_multiple_of(2) && !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
    for line in text.lines() {
        let bare = line.trim_start_matches('\t');
        if let Some(digits) = Some(bare).filter(is_hex) {
            let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
            sides[usize::from(line.starts_with('\t') != service_first)].extend(bytes);
        }
    }
    sides
}

#[test]
fn tshark_decrypts_the_same() {
    for version in ["--http1.1", "--http2"] {
        let mut stage = Stage::new(&[]);
        let origin = stage.origin("127.0.0.1:0", &["h2", "http/1.1"]);
        let url = format!("https://origin.test:{}/bytes/80000", origin.address().port());
        run(&mut stage.curl(&[version, &url])).success();
        let imported = stage.import();
        let data = imported.heard.data.values().next().unwrap();
        let theirs = by_tshark(&stage, origin.address().port());
        assert!(theirs[1].len() > 80_000, "{} {:#?}", theirs[1].len(), imported.summary());
        assert!(
            *data == theirs,
            "{version}: {:?} {:?}",
            data.each_ref().map(Vec::len),
            theirs.each_ref().map(Vec::len)
        );
    }
}

#[test]
fn a_large_download_over_ipv6() {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("[::1]:0", &["h2"]);
    let path = "/bytes/30000001";
    let url = format!("https://origin6.test:{}{path}", origin.address().port());
    run(&mut stage.curl(&["--output", "out", &url])).success();
    let imported = stage.import();
    let (conn, exchange) = imported.exchange(path);
    let response = exchange.response.as_ref().unwrap();
    assert_eq!(
        sha256(&response.body.kept),
        sha256(std::fs::read(stage.path("out")).unwrap()),
        "{:#?}",
        imported.summary()
    );
    assert_eq!(imported.report.ledger.lost, 0);
    assert!(conn.upstream.unwrap().is_ipv6());
}

#[test]
fn plain_http_and_links_of_other_kinds() {
    // The interface `any` has cooked packets, of either version; the loopback Ethernet.
    for arguments in [&["-i", "any", "-y", "LINUX_SLL"][..], &["-i", "any", "-y", "LINUX_SLL2"], &["-i", "lo"]] {
        let mut stage = Stage::new(arguments);
        let listener = stage.namespace.listen("127.0.0.1:0");
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut python = stage.command("python3");
        python.args(["-m", "http.server", "--bind", "127.0.0.1", &address.port().to_string()]);
        let _server = stage.server(&mut python, address);
        std::fs::write(stage.path("page"), body(0, 200_000)).unwrap();
        run(&mut stage.curl(&[&format!("http://{address}/page")])).success();
        let imported = stage.import();
        let (conn, exchange) = imported.exchange("/page");
        assert_eq!(sha256(&exchange.response.as_ref().unwrap().body.kept), sha256(body(0, 200_000)));
        assert_eq!(conn.decision.as_ref().unwrap().verdict, Verdict::Plain);
        assert_eq!(conn.service(), address.to_string());
    }
}

#[test]
fn through_proxies() {
    for (scheme, rest) in [("http", "CONNECT"), ("socks5h", "SOCKS 5"), ("socks4a", "SOCKS 4a")] {
        let mut stage = Stage::new(&["-i", "lo", "port", "3128"]);
        let origin = stage.origin("127.0.0.1:0", &["h2"]);
        crate::stage::proxy(&stage.namespace, "127.0.0.1:3128");
        let url = format!("https://origin.test:{}/bytes/5000", origin.address().port());
        let proxy = format!("{scheme}://127.0.0.1:3128");
        run(&mut stage.curl(&["--proxy", &proxy, &url])).success();
        let imported = stage.import();
        let (conn, exchange) = imported.exchange("/bytes/5000");
        assert_eq!(exchange.response.as_ref().unwrap().body.kept, body(0, 5000), "{rest}");
        assert_eq!(conn.service(), format!("origin.test:{}", origin.address().port()), "{rest}");
        let asked = usize::from(scheme == "http");
        assert_eq!(imported.heard.exchanges.len(), 1 + asked, "{rest}: {:#?}", imported.summary());
    }
}

#[test]
fn without_secrets_it_is_relayed_tls() {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("127.0.0.1:0", &["h2"]);
    let url = format!("https://origin.test:{}/bytes/50000", origin.address().port());
    run(&mut stage.curl(&[&url])).success();
    stage.stop();
    let imported = crate::stage::import(&stage.path("capture"), &[]);
    assert!(imported.heard.exchanges.is_empty() && imported.heard.findings.is_empty());
    let [conn] = imported.heard.closed.as_slice() else { panic!("{:#?}", imported.summary()) };
    let decision = conn.decision.as_ref().unwrap();
    assert_eq!(decision.verdict, Verdict::Relay);
    assert!(decision.because.contains("SSLKEYLOGFILE"), "{}", decision.because);
    assert_eq!(conn.target.as_ref().unwrap().host.to_string(), "origin.test");
    let (_, closed) = conn.closed.as_ref().unwrap();
    assert!(closed.to_client.bytes > 50_000);
    assert_eq!(conn.server_tls.as_ref().unwrap().version.name(), "TLS 1.3");
    assert!(conn.client_tls.is_none() && conn.hello.as_ref().unwrap().ja4.starts_with("t13d"));
}
