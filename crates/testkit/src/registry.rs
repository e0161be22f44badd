//! A registry that fails as it is told. In: a function from requests to answers. Out: a place on loopback that speaks TLS or plain HTTP.
//! Spec: OCI distribution-spec 1.1, as far as one pull and one push of one small image need it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use crate::sha256;
use crate::talk::{Line, Service};

/// The longest head of a request.
const LONGEST: usize = 64 * 1024;

/// Media type of the manifest that [`good`] serves.
pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Its configuration.
pub const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
/// Its only layer.
pub const LAYER: &str = "the only layer of this image, which nobody unpacks";

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The value of `Authorization`.
    pub proof: Option<String>,
    /// Host and port as the client wrote them.
    pub host: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Says a longer body than it sends.
    more: usize,
}

/// An answer with fields of its own.
pub fn reply(status: u16, fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply { status, fields, body: body.into(), more: 0 }
}

/// As a registry refuses.
pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
    reply(status, &[("content-type", "application/json"), ("docker-distribution-api-version", "registry/2.0")], body)
}

impl Reply {
    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Breaks off so many bytes before the end that it says.
    #[must_use]
    pub const fn cut(mut self, more: usize) -> Self {
        self.more = more;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.status,
            phrase(self.status),
            self.body.len() + self.more
        );
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// What stands after a status; clients print it.
const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

/// A digest as manifests and URLs have it.
pub fn digest(bytes: &str) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// The manifest of the image that [`good`] serves.
pub fn manifest() -> String {
    let part = |kind: &str, bytes: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":{}}}"#,
            digest(bytes),
            bytes.len()
        )
    };
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{},"layers":[{}]}}"#,
        part("config.v1+json", CONFIG),
        part("layer.v1.tar", LAYER)
    )
}

/// A registry without fault.
pub fn good(asked: &Asked) -> Reply {
    let api = [("docker-distribution-api-version", "registry/2.0")];
    match asked.path.as_str() {
        "/v2/" => reply(200, &api, "{}"),
        path if path.contains("/manifests/") => reply(200, &api, manifest()).with("content-type", IMAGE),
        path if path.ends_with(&digest(CONFIG)) => reply(200, &api, CONFIG),
        path if path.ends_with(&digest(LAYER)) => reply(200, &api, LAYER),
        _ => refusal(404, "UNKNOWN", "no such thing"),
    }
}

/// Serves, in TLS where there is a configuration.
pub fn serve(
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Service<()> {
    Service::start(move |line| {
        let line = match &tls {
            // Clients that refuse the certificate are expected here.
            Some(config) => line.try_serve_tls(config).ok(),
            None => Some(line),
        };
        if let Some(line) = line {
            one(line, &answer);
        }
    })
}

fn one(mut line: Line, answer: &(impl Fn(&Asked) -> Reply + Send + Sync)) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match line.read(&mut byte) {
            Ok(1) if head.len() < LONGEST => head.push(byte[0]),
            _ => return,
        }
        // A ClientHello: servers of plain HTTP answer it so.
        if head == [22] {
            let _ = line.read(&mut [0; 8192]);
            let _ = line.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request");
            return;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| {
        let pairs = head.lines().filter_map(|line| line.split_once(':'));
        pairs.clone().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let target = head.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let method = head.split(' ').next().unwrap_or_default().to_owned();
    swallow(&mut line, field("content-length"), field("transfer-encoding"));
    let asked = Asked { method, path, proof: field("authorization"), host: field("host").unwrap_or_default() };
    let reply = answer(&asked);
    let mut bytes = reply.bytes();
    if head.starts_with("HEAD ") {
        bytes.truncate(bytes.len() - reply.body.len());
    }
    // A client that has seen enough leaves.
    let _ = line.write_all(&bytes).and_then(|()| line.flush());
}

/// Reads the content of a request, so that closing does not reset the connection under the answer.
fn swallow(line: &mut Line, length: Option<String>, coding: Option<String>) {
    if coding.is_some() {
        let (mut end, mut byte) = (Vec::new(), [0]);
        while !end.ends_with(b"0\r\n\r\n") && matches!(line.read(&mut byte), Ok(1)) {
            end.push(byte[0]);
            let surplus = end.len().saturating_sub(8);
            end.drain(..surplus);
        }
    }
    let length = length.and_then(|it| it.parse().ok()).unwrap_or(0);
    let _ = std::io::copy(&mut line.take(length), &mut std::io::sink());
}
