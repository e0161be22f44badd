//! Requests made again: what was recorded is exported as a command, which a real tool runs. In: requests of every shape. Out: the
//! service hears the same bytes from curl; from HTTPie and Python the same method, target, fields and body.

use std::path::Path;
use std::process::Command;

use sidelight_testkit::peers;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::world::binary;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// Hears one request with a length, chunks or neither, and answers it.
fn hear_request(mut line: Line) -> Vec<u8> {
    let head = line.hear_head();
    let field = |name: &str| {
        let found = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        found.map(|line| line[name.len() + 1..].trim().to_owned())
    };
    let mut request = head.clone().into_bytes();
    if field("transfer-encoding").is_some() {
        request.extend(line.hear_until("0\r\n\r\n").into_bytes());
    } else if let Some(length) = field("content-length") {
        let mut body = vec![0; length.parse().expect("a length")];
        std::io::Read::read_exact(&mut line, &mut body).expect("the body");
        request.extend(body);
    }
    let body = if head.starts_with("HEAD") { "" } else { "ok" };
    line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{body}"));
    request
}

/// Records this request to the service, which hears it and answers.
fn record(service: &Service<Vec<u8>>, store: &Path, request: &[u8]) {
    let mode = format!("forward:{}", service.place());
    let proxy = Proxy::start(PROGRAM, &[&mode], &["--store", store.to_str().expect("UTF-8")]);
    let mut line = proxy.line("forward");
    line.say(request);
    line.hear_head();
    assert_eq!(service.over(), request, "the service heard another request");
    drop(line);
    proxy.sidelight.stop();
}

fn flows(arguments: &[&str], store: &Path) -> Finished {
    let mut command = Command::new(binary(PROGRAM));
    command.arg("flows").args(arguments).arg("--store").arg(store);
    run(&mut command)
}

/// Requests to HOST, which stands for the service.
fn requests() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\nHost: HOST\r\nUser-Agent: a b\r\nAccept: */*\r\n\r\n",
        "GET /a/../b?x=[1]&y={2}&z='q'&s=$HOME%20\u{e9} HTTP/1.1\r\nHost: HOST\r\nX-One: it's\r\nX-Two: \"$(id)\" `id` \\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer s3cr3t\r\nCookie: a=1; b=2\r\nX-Empty:\r\nAccept-Encoding: gzip, br\r\n\r\n",
        "HEAD /head HTTP/1.1\r\nHost: HOST\r\nUser-Agent: x\r\n\r\n",
        "DELETE /it HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "POST /form HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
        "POST /at HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n@file",
        "PUT /json HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{\"a\": \"it's\",\n\t\"b\": \"\u{e9}\u{2028}\"}",
        "POST /chunks HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let body: Vec<u8> = (0..=255).collect();
    let mut binary =
        b"POST /binary HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n"
            .to_vec();
    binary.extend(&body);
    all.push(binary);
    all
}

fn at(request: &[u8], place: &str) -> Vec<u8> {
    let text = b"Host: HOST";
    let found = request.windows(text.len()).position(|part| part == text).expect("a Host");
    [&request[..found], format!("Host: {place}").as_bytes(), &request[found + text.len()..]].concat()
}

/// Method and target; fields by lower-case name, sorted, without the length of nothing; the body.
fn parts(request: &[u8]) -> (String, Vec<String>, Vec<u8>) {
    let end = request.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&request[..end]).into_owned();
    let mut lines = head.trim_end().lines();
    let start = lines.next().expect("a first line").to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("a field");
        format!("{}: {}", name.to_ascii_lowercase(), value.trim())
    };
    let mut fields: Vec<String> = lines.map(field).filter(|field| field != "content-length: 0").collect();
    fields.sort();
    (start, fields, request[end..].to_vec())
}

#[test]
fn curl_sends_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(hear_request);
    for (n, request) in requests().iter().enumerate() {
        let request = at(request, &service.place());
        let store = folder.path().join(format!("{n}.sidelight"));
        record(&service, &store, &request);
        let script = flows(&["export", "--format", "curl", "--show-secrets"], &store).success().text();
        let done = run(Command::new("bash").args(["-euo", "pipefail", "-c", &script]).arg("bash")).success();
        let heard = service.over();
        assert_eq!(
            String::from_utf8_lossy(&heard),
            String::from_utf8_lossy(&request),
            "curl sent something else: {script}\n{done}"
        );
        assert!(service.is_alone(), "it asked twice: {script}");
    }
}

#[test]
fn httpie_and_python_send_the_same_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(hear_request);
    for (n, request) in requests().iter().enumerate() {
        let request = at(request, &service.place());
        let store = folder.path().join(format!("{n}.sidelight"));
        record(&service, &store, &request);
        // The libraries of both take `..` out of a path, and encode what a URL must not hold.
        if request.starts_with(b"GET /a/..") {
            continue;
        }
        for format in ["httpie", "python"] {
            let script = flows(&["show", "last", "--format", format, "--show-secrets"], &store).success().text();
            let mut command = if format == "python" { Command::new(peers::python()) } else { Command::new("bash") };
            let path =
                format!("{}:{}", peers::folder().join("venv/bin").display(), std::env::var("PATH").expect("PATH"));
            let done =
                run(command.arg("-c").arg(&script).env("PATH", path).env("HTTPIE_CONFIG_DIR", folder.path())).success();
            assert_eq!(parts(&service.over()), parts(&request), "{format} sent something else: {script}\n{done}");
        }
    }
}

#[test]
fn secrets_are_placeholders_unless_they_are_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(hear_request);
    let store = folder.path().join("it.sidelight");
    let request = b"POST /?access_token=s3cr3t-1 HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer s3cr3t-2\r\nCookie: sid=s3cr3t-3\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\npassword=s3cr3t-4";
    record(&service, &store, &at(request, &service.place()));
    for format in ["curl", "httpie", "python", "raw"] {
        let hidden = flows(&["show", "1", "--format", format], &store).success().text();
        assert!(!hidden.contains("s3cr3t") && hidden.contains("‹redacted sha256:"), "{format}: {hidden}");
        let shown = flows(&["show", "1", "--format", format, "--show-secrets"], &store).success().text();
        for n in 1..=4 {
            assert!(shown.contains(&format!("s3cr3t-{n}")), "{format}: {shown}");
        }
    }
}
