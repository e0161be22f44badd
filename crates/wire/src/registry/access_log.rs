//! What a registry logs. In: the text of its log: lines of logrus (text or JSON) and of its access log (combined log format). Out:
//! [`Told`] requests. Spec: what distribution 2.6 to 3.1 write.
//!
//! A log tells no header fields, no bodies, and not who made a token; but it may tell why one was refused: on the line before the
//! refusal, which names no request. Requests are told when they end.

use std::time::Duration;

use sidelight_model::flow::{Body, Header};
use sidelight_model::time::Timestamp;

use super::told::{LONGEST_LINE, Line, MOST_REQUESTS, Told, answer, member, members, quoted};

/// Requests of the registry's own lines that wait for their line in the access log.
const MOST_WAITING: usize = 64;

/// Reads a log.
pub fn read_access_log(text: &str) -> Vec<Told> {
    let mut reader = Reader::default();
    for line in text.lines() {
        if reader.found.len() >= MOST_REQUESTS {
            break;
        }
        let mut end = line.len().min(LONGEST_LINE);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        reader.line(&line[..end]);
    }
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<Told>,
    /// Method, target and status of requests whose line in the access log will come, too.
    waiting: Vec<(String, String, u16)>,
    /// What was said at level info just before.
    said: Option<String>,
    /// Why the next 401 is one, and by whom it was asked for: method and target.
    refused: Option<(String, String, String)>,
    /// Whose host is known.
    host: String,
    /// When the latest request ended of which more than the second is told.
    latest: Timestamp,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(access) = Access::read(line) {
            self.access(&access);
            return;
        }
        let all = members(line);
        let get = |name: &str| member(&all, name);
        let words = get("msg").unwrap_or_default();
        if let Some(host) = get("http.request.host") {
            host.clone_into(&mut self.host);
        }
        let method = get("http.request.method");
        let target = get("http.request.uri");
        if let Some(reason) = words.strip_prefix("error authorizing context: ") {
            let said = self.said.take().map(|said| format!("{reason}: {said}")).unwrap_or_else(|| reason.to_owned());
            // Its line in the access log tells the second alone.
            self.latest = get("time").and_then(Timestamp::parse).map_or(self.latest, |it| it.max(self.latest));
            self.refused = Some((method.unwrap_or_default().to_owned(), target.unwrap_or_default().to_owned(), said));
            return;
        }
        let (Some(method), Some(target), Some(status)) =
            (method, target, get("http.response.status").and_then(|it| it.parse().ok()))
        else {
            let is_reason = ["token", "JWK", "certificate"].iter().any(|it| words.contains(it));
            if is_reason && method.is_none() {
                self.said = Some(words.chars().take(500).collect());
            }
            return;
        };
        if !words.starts_with("response completed") {
            return;
        }
        let end = get("time").and_then(Timestamp::parse).unwrap_or_default();
        self.latest = end;
        let took = get("http.response.duration").and_then(go_duration).unwrap_or_default();
        let start = Timestamp(end.0.saturating_sub(i64::try_from(took.as_micros()).unwrap_or(0)));
        let agent = get("http.request.useragent").unwrap_or_default();
        let host = get("http.request.host").unwrap_or_default();
        let line =
            Line { method, target, host, headers: agent_field(agent), client: get("http.request.remoteaddr"), start };
        let mut told = line.told(self.found.len() as u64 + 1);
        let kind = get("http.response.contenttype").unwrap_or_default();
        let written = get("http.response.written").and_then(|it| it.parse().ok()).unwrap_or(0);
        respond(&mut told, status, written, kind, end);
        if let Some(code) = get("err.code") {
            let message = get("err.detail").or_else(|| get("err.message")).unwrap_or_default();
            told.errors.push((code.to_ascii_uppercase().replace(' ', "_"), message.chars().take(500).collect()));
        }
        self.refuse(&mut told, method, target, status);
        if self.waiting.len() == MOST_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push((method.to_owned(), target.to_owned(), status));
        self.found.push(told);
    }

    /// A line of the access log, unless the registry's own line told the same.
    fn access(&mut self, line: &Access<'_>) {
        let same = |it: &(String, String, u16)| it.0 == line.method && it.1 == line.target && it.2 == line.status;
        if let Some(at) = self.waiting.iter().position(same) {
            self.waiting.remove(at);
            return;
        }
        let host = if self.host.is_empty() { "registry" } else { &self.host };
        // Such a line tells whole seconds. It stands after what ended before it in that second.
        let is_same_second = self.latest.0.div_euclid(1_000_000) == line.at.0.div_euclid(1_000_000);
        let at = if is_same_second { self.latest } else { line.at };
        let told = Line {
            method: line.method,
            target: line.target,
            host,
            headers: agent_field(&line.agent),
            client: Some(line.client),
            start: at,
        };
        let mut told = told.told(self.found.len() as u64 + 1);
        respond(&mut told, line.status, line.written, "", at);
        self.refuse(&mut told, line.method, line.target, line.status);
        self.found.push(told);
    }

    /// Says why, where a line before it said so.
    fn refuse(&mut self, told: &mut Told, method: &str, target: &str, status: u16) {
        if !matches!(status, 401 | 403) {
            return;
        }
        let is_its =
            |it: &(String, String, String)| (it.0.is_empty() || it.0 == method) && (it.1.is_empty() || it.1 == target);
        if self.refused.as_ref().is_some_and(is_its)
            && let Some((_, _, reason)) = self.refused.take()
        {
            told.errors.push(("UNAUTHORIZED".to_owned(), reason));
        }
    }
}

fn agent_field(agent: &str) -> Vec<Header> {
    if agent.is_empty() { Vec::new() } else { vec![Header::new("User-Agent", agent)] }
}

fn respond(told: &mut Told, status: u16, written: u64, kind: &str, end: Timestamp) {
    let fields = if kind.is_empty() { Vec::new() } else { vec![Header::new("Content-Type", kind)] };
    let mut response = answer(status, fields);
    response.body = Body { length: written, ..Body::default() };
    told.exchange.response = Some(response);
    told.exchange.timings.end = Some(end);
}

/// `12.214006ms`, `1m2.5s`, `993.981µs`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = &rest[end..];
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        total += number
            * match &after[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "µs" | "us" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &after[unit..];
    }
    Duration::try_from_secs_f64(total).ok().filter(|it| it.as_secs() < 86_400 * 365)
}

/// A line in combined log format.
struct Access<'l> {
    client: &'l str,
    at: Timestamp,
    method: &'l str,
    target: &'l str,
    status: u16,
    written: u64,
    agent: String,
}

impl<'l> Access<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let (head, rest) = line.split_once(" [")?;
        let client = head.split_whitespace().next()?;
        let (time, rest) = rest.split_once("] \"")?;
        let (request, rest) = rest.split_once("\" ")?;
        let mut words = request.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let mut numbers = rest.split_whitespace();
        let status = numbers.next()?.parse().ok()?;
        let written = numbers.next()?.parse().unwrap_or(0);
        // Referer and agent, quoted as Go does: the registry's own lines have the agent as it is.
        let after_referer = rest.split_once('"').map_or("", |(_, rest)| quoted(rest).1);
        let agent = after_referer.split_once('"').map(|(_, rest)| quoted(rest).0).unwrap_or_default();
        let agent = String::from_utf8_lossy(&agent).into_owned();
        Some(Self {
            client,
            at: clf_time(time)?,
            method,
            target,
            status,
            written,
            agent: if agent == "-" { String::new() } else { agent },
        })
    }
}

/// `30/Nov/2026:10:07:07 +0000`.
fn clf_time(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, zone) = text.split_once(' ')?;
    let mut parts = date.splitn(4, ['/', ':']);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|it| *it == month)? + 1;
    let (hours, minutes) = (zone.get(..3)?, zone.get(3..)?);
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}{hours}:{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"time="2026-11-30T10:07:06Z" level=info msg="token signed by untrusted key with ID: \"AAAA\"" go.version=go1.19.8
time="2026-11-30T10:07:06Z" level=warning msg="error authorizing context: invalid token" go.version=go1.19.8 http.request.host="r.test:5000" http.request.method=GET http.request.uri="/v2/a/manifests/1"
10.0.0.7 - - [30/Nov/2026:10:07:06 +0000] "GET /v2/a/manifests/1 HTTP/1.1" 401 157 "" "docker/20.10.24"
time="2026-11-30T10:07:07.791596583Z" level=error msg="response completed with error" err.code="blob unknown" err.detail="sha256:b8" go.version=go1.19.8 http.request.host="r.test:5000" http.request.method=HEAD http.request.remoteaddr="127.0.0.1:40532" http.request.uri="/v2/a/blobs/sha256:b8" http.request.useragent=skopeo/1.9.3 http.response.duration="993.981µs" http.response.status=404 http.response.written=157
127.0.0.1 - - [30/Nov/2026:10:07:07 +0000] "HEAD /v2/a/blobs/sha256:b8 HTTP/1.1" 404 157 "" "skopeo/1.9.3"
127.0.0.1 - - [30/Nov/2026:10:07:08 +0000] "GET /v2/ HTTP/1.1" 401 87 "" "docker/20.10.24 UpstreamClient(Docker-Client/28.2.2 \\(linux\\))"
nonsense [ ] "
"#;

    #[test]
    fn requests_are_told_once_with_their_reasons() {
        let found = read_access_log(LOG);
        assert_eq!(found.len(), 3);
        let reason =
            ("UNAUTHORIZED".to_owned(), "invalid token: token signed by untrusted key with ID: \"AAAA\"".to_owned());
        assert_eq!(found[0].errors, [reason]);
        assert_eq!(found[0].exchange.response.as_ref().unwrap().status, 401);
        assert_eq!(found[1].errors, [("BLOB_UNKNOWN".to_owned(), "sha256:b8".to_owned())]);
        let took = found[1].exchange.timings.end.unwrap().since(found[1].exchange.timings.request_start);
        assert_eq!(took.as_micros(), 993);
        let agent = &found[2].exchange.request.as_ref().unwrap().headers[0].value;
        assert_eq!(agent.as_ref(), br"docker/20.10.24 UpstreamClient(Docker-Client/28.2.2 \(linux\))");
        assert_eq!(found[1].conn.opened.as_ref().unwrap().client.port(), 40532);
    }

    #[test]
    fn durations_of_go() {
        assert_eq!(go_duration("1m2.5s"), Some(Duration::from_millis(62_500)));
        assert_eq!(go_duration("12ms"), Some(Duration::from_millis(12)));
        for broken in ["1", "x", "1y", "é", "1.2.3s"] {
            assert_eq!(go_duration(broken), None);
        }
    }
}
