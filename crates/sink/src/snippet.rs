//! Requests made again. In: an exchange and its connection. Out: a shell command for curl or HTTPie, or a Python program, that
//! sends the same request: method, URL, version, fields in their order, body to the byte.
//!
//! What a tool cannot do stands above it as a comment. Nothing that a peer wrote leaves its quotes: neither a shell nor a
//! terminal takes it for anything but text. Redaction is not done here: [`crate::redact::exchange`] goes before.

mod curl;
mod httpie;
mod python;
mod shell;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange, Header, HttpVersion, Outcome, Request};
use std::sync::Arc;

use crate::bus::Consumer;
use crate::capture::{CaptureFile, Writer};
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;
use crate::schema;

/// Who sends the request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// curl(1), by a shell.
    Curl,
    /// HTTPie's `http`, by a shell.
    Httpie,
    /// Python with the module requests.
    Python,
}

impl Tool {
    /// Whether it can speak this version of HTTP.
    fn speaks(self, version: HttpVersion) -> bool {
        self == Self::Curl || version == HttpVersion::Http11
    }
}

/// The request of `exchange` for `tool`, with its line end; comments say what cannot be made again. An exchange whose request
/// was not seen gives a comment alone.
pub fn snippet(tool: Tool, conn: &ConnectionRecord, exchange: &Exchange) -> String {
    let Some(request) = &exchange.request else {
        return comment("the request of this exchange was not seen");
    };
    if request.method.eq_ignore_ascii_case(b"CONNECT") {
        let target = String::from_utf8_lossy(&request.target.raw).into_owned();
        return comment(&format!("CONNECT {target} is made by a client for its proxy; nothing to send again"));
    }
    let call = Call { url: schema::url(conn, request), version: exchange.version, request };
    let text = match tool {
        Tool::Curl => curl::render(&call, answered_coded(exchange)),
        Tool::Httpie => httpie::render(&call),
        Tool::Python => python::render(&call),
    };
    let mut notes = notes(tool, conn, exchange, request, &call.url);
    if text.contains("‹redacted sha256:") {
        notes.push("secrets are replaced by their fingerprints; --show-secrets puts them in".to_owned());
    }
    notes.iter().map(|note| comment(note)).collect::<String>() + &text
}

/// What every tool needs to know of a request.
struct Call<'e> {
    url: String,
    version: HttpVersion,
    request: &'e Request,
}

impl Call<'_> {
    fn method(&self) -> String {
        String::from_utf8_lossy(&self.request.method).into_owned()
    }

    /// The host and port within the URL.
    fn authority(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }

    /// The fields that are to be given to a tool, in their order: without those that it makes itself from the URL and the body,
    /// and without those between a client and its proxy.
    fn fields(&self) -> Vec<&Header> {
        let own = |field: &&Header| {
            let is_host = field.is("host") && field.value.eq_ignore_ascii_case(self.authority().as_bytes());
            let is_for_proxy = field.is("proxy-connection") || field.is("proxy-authorization");
            // Without a body no tool makes a length by itself.
            let is_length = field.is("content-length") && !self.request.body.kept.is_empty();
            !(is_host || is_for_proxy || is_length)
        };
        self.request.headers.iter().filter(own).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.request.headers.iter().any(|field| field.is(name))
    }
}

fn answered_coded(exchange: &Exchange) -> bool {
    exchange.response.as_ref().is_some_and(|it| it.headers.iter().any(|field| field.is("content-encoding")))
}

fn notes(tool: Tool, conn: &ConnectionRecord, exchange: &Exchange, request: &Request, url: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let (kept, length) = (request.body.kept.len() as u64, request.body.length);
    if kept < length {
        notes.push(format!("only {kept} of the body's {length} bytes were kept (--body-limit keeps more)"));
    }
    if !request.trailers.is_empty() {
        notes.push(format!("{} after the body cannot be sent again", plural(request.trailers.len(), "trailer")));
    }
    if !tool.speaks(exchange.version) {
        notes.push(format!("it was {}; this tool sends HTTP/1.1", exchange.version.name()));
    }
    if tool == Tool::Python && repeats(&request.headers) {
        notes.push("fields of the same name are joined into one".to_owned());
    }
    if let Outcome::Upgraded(to) = &exchange.outcome {
        notes.push(format!("it went on as {to}; what followed is not sent again"));
    }
    let side = conn.server_tls.as_deref().filter(|_| url.starts_with("https:"));
    if let Some(Err(why)) = side.and_then(|side| side.verified.as_ref()) {
        let option = match tool {
            Tool::Curl => "--cacert FILE",
            Tool::Httpie => "--verify FILE",
            Tool::Python => "verify=\"FILE\"",
        };
        notes.push(format!("the service's certificate was not verified ({why}); {option} names other roots"));
    }
    if let (Tool::Curl, Some(target), Some(upstream)) = (tool, &conn.target, conn.upstream)
        && target.host.ip().is_none()
    {
        notes.push(format!(
            "--resolve {}:{}:{} goes to the same address again",
            target.host,
            target.port,
            address(upstream)
        ));
    }
    notes
}

fn repeats(fields: &[Header]) -> bool {
    fields.iter().enumerate().any(|(n, one)| fields[..n].iter().any(|other| one.name.eq_ignore_ascii_case(&other.name)))
}

fn address(upstream: std::net::SocketAddr) -> String {
    match upstream.ip().to_canonical() {
        std::net::IpAddr::V6(address) => format!("[{address}]"),
        std::net::IpAddr::V4(address) => address.to_string(),
    }
}

fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A line of comment; whatever could end the line, or deceive a terminal, is left out of it.
fn comment(words: &str) -> String {
    let safe: String = words.chars().map(|c| if shell::is_plain(c) { c } else { '\u{fffd}' }).collect();
    format!("# {safe}\n")
}

/// Writes the request of each exchange to a file.
#[derive(Debug)]
pub struct Snippets {
    out: Writer,
    tool: Tool,
}

impl Snippets {
    /// Writes to `file`; trouble is told to `notices`.
    pub const fn new(file: CaptureFile, tool: Tool, notices: Notices) -> Self {
        Self { out: Writer::new(file, "requests", notices), tool }
    }
}

impl Consumer for Snippets {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        let gap = if self.out.file().written() > 0 { "\n" } else { "" };
        let text = format!("{gap}{}", snippet(self.tool, conn, exchange));
        let ended = exchange.timings.end.unwrap_or(exchange.timings.request_start);
        self.out.record(ended, text.as_bytes(), Vec::new);
    }

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn idle(&mut self) {
        self.out.flush();
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.out.end();
    }
}

#[cfg(test)]
mod tests;
