//! Conversations that text tells. In: lines of logs. Out: [`Told`], and the pieces that such lines are made of. Spec: logfmt as
//! logrus writes it (Go's quoted strings), its JSON form.

use sidelight_model::flow::{
    ConnId, ConnectionRecord, Exchange, Header, HttpVersion, Opened, Outcome, Request, RequestTarget, Response, Timings,
};
use sidelight_model::registry::seen::{Credentials, Seen, Token};
use sidelight_model::time::Timestamp;

/// The most requests of one text.
pub(super) const MOST_REQUESTS: usize = 100_000;
/// The longest line that is read; longer ones are cut.
pub(super) const LONGEST_LINE: usize = 64 << 10;
/// The most members of a line.
const MOST_MEMBERS: usize = 128;

/// A request, as text tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Who asked, as far as it is told.
    pub conn: ConnectionRecord,
    /// The request and its answer.
    pub exchange: Exchange,
    /// What the registry gives as the reason: code and message.
    pub errors: Vec<(String, String)>,
}

impl Told {
    /// What a registry was asked, if it was one. `is_log`: its source is a registry's log, which tells neither fields nor bodies.
    pub fn seen(self, observer: &mut super::Observer, is_log: bool) -> Option<Seen> {
        let mut seen = observer.exchange(&self.conn, &self.exchange, is_log)?;
        if seen.errors.is_empty() {
            seen.errors = self.errors;
        }
        let reason = seen.errors.first().map(|(_, reason)| reason.as_str()).unwrap_or_default();
        // Only a request that shows a token can show a wrong one.
        let is_refused =
            seen.status == Some(401) && !reason.is_empty() && !reason.starts_with("authorization token required");
        if is_log && is_refused {
            let unread = Some("a log does not hold it".to_owned());
            seen.credentials = Credentials::Bearer(Box::new(Token { unread, ..Token::default() }));
        }
        Some(seen)
    }
}

/// Whether text is a registry's log: its own lines, or those of its access log.
pub fn looks_like_access_log(start: &str) -> bool {
    start.lines().take(200).any(|line| {
        let own = line.contains("http.request.uri") || line.contains("go.version=") || line.contains("\"go.version\":");
        let access = line.contains("\"GET /v2/") || line.contains("\"HEAD /v2/");
        own || (access && line.contains(" HTTP/1."))
    })
}

/// Whether text is what `ctr --http-dump` prints.
pub fn looks_like_http_dump(start: &str) -> bool {
    start.lines().take(200).any(|line| {
        let is_line = line.contains("level=info msg=\"")
            || line.contains("level=debug msg=\"")
            || line.contains("level=\"info\"");
        is_line && line.contains("/v2/") && line.trim_end().ends_with("HTTP/1.1\"")
    })
}

/// The members of a logfmt line, or of a JSON object. Values are bytes: dumps quote any.
pub(super) fn members(line: &str) -> Vec<(String, Vec<u8>)> {
    let line = line.trim();
    if line.starts_with('{') {
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str::<serde_json::Value>(line) else {
            return Vec::new();
        };
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        return object.into_iter().take(MOST_MEMBERS).map(|(name, value)| (name, text(value).into_bytes())).collect();
    }
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
        let (value, after) = match after.strip_prefix('"') {
            Some(inside) => quoted(inside),
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after.as_bytes()[..end].to_vec(), &after[end..])
            }
        };
        found.push((name.to_owned(), value));
        rest = after;
        if found.len() == MOST_MEMBERS {
            break;
        }
    }
    found
}

/// A string as Go quotes it, up to its closing quote; and what follows.
pub(super) fn quoted(text: &str) -> (Vec<u8>, &str) {
    let bytes = text.as_bytes();
    let (mut value, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return (value, text.get(at + 1..).unwrap_or_default()),
            b'\\' => at += escape(&bytes[at + 1..], &mut value),
            byte => value.push(*byte),
        }
        at += 1;
    }
    (value, "")
}

/// What follows a backslash; gives the bytes of it that were taken.
fn escape(after: &[u8], value: &mut Vec<u8>) -> usize {
    let hex = |length: usize| {
        let digits = std::str::from_utf8(after.get(1..=length)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let char_of = |length: usize| hex(length).and_then(char::from_u32);
    let mut put = |letter: Option<char>, length: usize| {
        let mut space = [0; 4];
        value.extend_from_slice(letter.unwrap_or('\u{fffd}').encode_utf8(&mut space).as_bytes());
        1 + length
    };
    match after.first() {
        Some(b'u') => put(char_of(4), 4),
        Some(b'U') => put(char_of(8), 8),
        Some(b'x') => {
            value.push(u8::try_from(hex(2).unwrap_or(0)).unwrap_or(0));
            3
        }
        Some(simple) => {
            value.push(match simple {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                other => *other,
            });
            1
        }
        None => 0,
    }
}

/// The value of a member as text.
pub(super) fn member<'m>(members: &'m [(String, Vec<u8>)], name: &str) -> Option<&'m str> {
    members.iter().find(|(known, _)| known == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
}

/// A request that text tells.
pub(super) struct Line<'l> {
    pub(super) method: &'l str,
    pub(super) target: &'l str,
    pub(super) host: &'l str,
    pub(super) headers: Vec<Header>,
    pub(super) client: Option<&'l str>,
    pub(super) start: Timestamp,
}

impl Line<'_> {
    /// As a value without an answer.
    pub(super) fn told(self, number: u64) -> Told {
        let mut conn = ConnectionRecord::new(ConnId(number), self.start);
        conn.target = format!("{}{}", self.host, if self.host.contains(':') { "" } else { ":443" }).parse().ok();
        let client = self.client.and_then(|it| it.parse().ok().or_else(|| format!("{it}:0").parse().ok()));
        if let Some(client) = client {
            conn.opened = Some(Opened { client, local: ([0, 0, 0, 0], 0).into(), mode: "log".into() });
        }
        let scheme = Some("https".to_owned());
        let request = Request {
            method: bytes::Bytes::copy_from_slice(self.method.as_bytes()),
            target: RequestTarget {
                raw: bytes::Bytes::copy_from_slice(self.target.as_bytes()),
                scheme,
                authority: Some(self.host.to_owned()),
            },
            headers: self.headers,
            trailers: Vec::new(),
            body: sidelight_model::flow::Body::default(),
        };
        let exchange = Exchange {
            conn: ConnId(number),
            stream: 1,
            version: HttpVersion::Http11,
            request: Some(request),
            interim: Vec::new(),
            response: None,
            timings: Timings { request_start: self.start, ..Timings::default() },
            outcome: Outcome::Complete,
            anomalies: Vec::new(),
            grpc: None,
            pushed: false,
        };
        Told { conn, exchange, errors: Vec::new() }
    }
}

/// An answer without content.
pub(super) fn answer(status: u16, headers: Vec<Header>) -> Response {
    let body = sidelight_model::flow::Body::default();
    Response { status, reason: bytes::Bytes::new(), headers, trailers: Vec::new(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_logrus() {
        let line = r#"time="2026-11-30T10:07:07.79Z" level=info msg="a \"b\" \x1f\u00e9\n" go=1.2 x="#;
        let read = members(line);
        assert_eq!(member(&read, "time"), Some("2026-11-30T10:07:07.79Z"));
        assert_eq!(read[2].1, "a \"b\" \x1f\u{e9}\n".as_bytes());
        assert_eq!((member(&read, "go"), member(&read, "x")), (Some("1.2"), Some("")));
        let read = members(r#"{"level":"info","http.response.status":200}"#);
        assert_eq!(member(&read, "http.response.status"), Some("200"));
        for broken in ["", "=", "a=\"", "a=\"\\", "a=\"\\x", "{", "a=\"\\u12", "é=\"\\xé\""] {
            members(broken);
        }
    }
}
