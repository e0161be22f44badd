//! What `ctr --http-dump` prints. In: its standard error. Out: [`Told`] requests. Spec: containerd's debug transport as measured
//! (1.6): each line of Go's dump of a request or an answer, blobs among them, is a line of logrus.
//!
//! A body without a line end has the next head glued to it. Requests beside each other interleave: an answer is paired by the digest
//! that it names, else with the oldest request that waits. Times are whole seconds.

use bytes::Bytes;
use sidelight_model::flow::Header;
use sidelight_model::time::Timestamp;

use super::told::{LONGEST_LINE, Line, MOST_REQUESTS, Told, answer, member, members};

/// Bytes of a body that are kept, and fields of a head.
const MOST_BODY: usize = 1 << 20;
const MOST_FIELDS: usize = 128;

/// Reads what was printed.
pub fn read_http_dump(text: &str) -> Vec<Told> {
    let mut reader = Reader::default();
    for line in text.lines() {
        if reader.found.len() >= MOST_REQUESTS {
            break;
        }
        if line.len() > LONGEST_LINE || !line.contains("level=") {
            continue;
        }
        let all = members(line);
        let at = member(&all, "time").and_then(Timestamp::parse).unwrap_or_default();
        let words = all.iter().find(|(name, _)| name == "msg").map(|(_, value)| value.as_slice()).unwrap_or_default();
        reader.line(words, at);
    }
    reader.flush();
    reader.found
}

/// What is read now.
#[derive(Default)]
enum At {
    #[default]
    Nothing,
    /// Method, target, fields.
    Request(String, String, Vec<Header>, Timestamp),
    /// Status, fields; whether its head is over; content.
    Answer(u16, Vec<Header>, bool, Vec<u8>, Timestamp),
}

#[derive(Default)]
struct Reader {
    found: Vec<Told>,
    /// Indexes of requests without answer.
    waiting: Vec<usize>,
    at: At,
}

impl Reader {
    fn line(&mut self, words: &[u8], time: Timestamp) {
        if let Some((before, head)) = glued(words) {
            self.body(before);
            self.flush();
            self.at = match head {
                Head::Request(method, target) => At::Request(method, target, Vec::new(), time),
                Head::Answer(status) => At::Answer(status, Vec::new(), false, Vec::new(), time),
            };
            return;
        }
        match &mut self.at {
            At::Nothing => {}
            At::Request(_, _, fields, _) => match field(words) {
                Some(field) if fields.len() < MOST_FIELDS => fields.push(field),
                Some(_) => {}
                None => self.flush(),
            },
            At::Answer(_, fields, is_over @ false, _, _) => match field(words) {
                Some(field) if fields.len() < MOST_FIELDS => fields.push(field),
                Some(_) => {}
                None => *is_over = true,
            },
            At::Answer(_, _, true, content, _) if !content.is_empty() => {
                content.push(b'\n');
                self.body(words);
            }
            At::Answer(..) => self.body(words),
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        if let At::Answer(_, _, true, content, _) = &mut self.at
            && content.len() + bytes.len() <= MOST_BODY
        {
            content.extend_from_slice(bytes);
        }
    }

    /// What was read is whole.
    fn flush(&mut self) {
        match std::mem::take(&mut self.at) {
            At::Nothing => {}
            At::Request(method, target, headers, start) => {
                let host = Header::find(&headers, "host").unwrap_or("registry").to_owned();
                let line = Line { method: &method, target: &target, host: &host, headers, client: None, start };
                self.waiting.push(self.found.len());
                self.found.push(line.told(self.found.len() as u64 + 1));
            }
            At::Answer(status, headers, _, content, time) => self.answered(status, headers, content, time),
        }
    }

    fn answered(&mut self, status: u16, headers: Vec<Header>, mut content: Vec<u8>, time: Timestamp) {
        let digest = Header::find(&headers, "docker-content-digest").unwrap_or_default().to_owned();
        let asks = |at: &usize| {
            let request = self.found[*at].exchange.request.as_ref();
            request.is_some_and(|it| !digest.is_empty() && it.target.raw.ends_with(digest.as_bytes()))
        };
        let place = self.waiting.iter().position(asks).unwrap_or(0);
        if place >= self.waiting.len() {
            return;
        }
        let told = &mut self.found[self.waiting.remove(place)];
        let announced = Header::find(&headers, "content-length").and_then(|it| it.trim().parse::<u64>().ok());
        let mut response = answer(status, headers);
        let is_head = told.exchange.request.as_ref().is_some_and(|it| it.method.as_ref() == b"HEAD");
        if !is_head {
            // The line end after JSON is lost with the end of the line that quotes it.
            let is_json = matches!(content.first(), Some(b'{' | b'[')) && matches!(content.last(), Some(b'}' | b']'));
            if is_json && announced == Some(content.len() as u64 + 1) {
                content.push(b'\n');
            }
            let is_whole = announced.is_none_or(|it| it == content.len() as u64);
            response.body.length = announced.unwrap_or(content.len() as u64);
            // Lines that are put together again are the content only where no line end was lost.
            response.body.kept = if is_whole { Bytes::from(content) } else { Bytes::new() };
        }
        told.exchange.response = Some(response);
        told.exchange.timings.response_start = Some(time);
        told.exchange.timings.end = Some(time);
    }
}

enum Head {
    Request(String, String),
    Answer(u16),
}

/// A head's first line, and what is glued before it.
fn glued(words: &[u8]) -> Option<(&[u8], Head)> {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let end = &words[words.len().saturating_sub(4096)..];
    // Where text ends is told by its last bytes alone: before them may be anything.
    let start = end.iter().rposition(|byte| !byte.is_ascii()).map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&end[start..]).ok()?;
    if let Some(line) = text.strip_suffix(" HTTP/1.1").or_else(|| text.strip_suffix(" HTTP/2.0")) {
        let (before, target) = line.rsplit_once(' ')?;
        let method = METHODS.iter().filter(|it| before.ends_with(**it)).max_by_key(|it| it.len())?;
        let length = words.len() - (text.len() - before.len()) - method.len();
        return target
            .starts_with('/')
            .then(|| (&words[..length], Head::Request((*method).to_owned(), target.to_owned())));
    }
    let at = text.rfind("HTTP/1.1 ").or_else(|| text.rfind("HTTP/2.0 "))?;
    let status = text.get(at + 9..at + 12)?.parse().ok().filter(|it| (100..600).contains(it))?;
    let phrase = text.get(at + 12..)?;
    let is_phrase =
        phrase.len() < 40 && phrase.chars().all(|it| it.is_ascii_alphabetic() || it == ' ' || it == '-' || it == '\'');
    is_phrase.then(|| (&words[..words.len() - (text.len() - at)], Head::Answer(status)))
}

/// A line of a head; `None` at its end.
fn field(words: &[u8]) -> Option<Header> {
    let at = words.iter().position(|byte| *byte == b':')?;
    Some(Header::new(&words[..at], words[at + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_requests() {
        let log = |words: &str| format!("time=\"2026-11-30T10:07:11Z\" level=info msg=\"{words}\"\n");
        let end = "time=\"2026-11-30T10:07:11Z\" level=info\n";
        let text = [
            log("HEAD /v2/a/manifests/1 HTTP/1.1"),
            log("Host: r.test"),
            end.to_owned(),
            log("HTTP/1.1 200 OK"),
            log("Content-Length: 560"),
            end.to_owned(),
            log("GET /v2/a/blobs/sha256:1 HTTP/1.1"),
            log("Host: r.test"),
            end.to_owned(),
            log("GET /v2/a/blobs/sha256:2 HTTP/1.1"),
            log("Host: r.test"),
            end.to_owned(),
            log("HTTP/1.1 200 OK"),
            log("Docker-Content-Digest: sha256:2"),
            log("Content-Length: 2"),
            end.to_owned(),
            log("{}GET /token?service=r HTTP/1.1"),
            log("Host: t.test"),
            end.to_owned(),
            log("HTTP/1.1 404 Not Found"),
        ]
        .concat();
        let found = read_http_dump(&text);
        let shown: Vec<_> = found
            .iter()
            .map(|it| {
                let target = String::from_utf8_lossy(&it.exchange.request.as_ref().unwrap().target.raw).into_owned();
                (target, it.exchange.response.as_ref().map(|it| (it.status, it.body.kept.len())))
            })
            .collect();
        let expected = [
            ("/v2/a/manifests/1", Some((200, 0))),
            ("/v2/a/blobs/sha256:1", Some((404, 0))),
            ("/v2/a/blobs/sha256:2", Some((200, 2))),
            ("/token?service=r", None),
        ];
        assert_eq!(shown, expected.map(|(target, answer)| (target.to_owned(), answer)));
    }
}
