//! A registry that fails as it is told. In: a function from requests to answers. Out: a place on loopback; and the program asked about it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::sha256;
use sidelight_testkit::talk::{Line, Service};

/// The longest head of a request.
const LONGEST: usize = 64 * 1024;

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
pub(crate) const LAYER: &str = "the only layer of this image, which nobody unpacks";

/// A request.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The value of `Authorization`.
    pub(crate) proof: Option<String>,
    /// Host and port as the client wrote them.
    pub(crate) host: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Says a longer body than it sends.
    more: usize,
}

/// An answer with fields of its own.
pub(crate) fn reply(status: u16, fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply { status, fields, body: body.into(), more: 0 }
}

/// As a registry refuses.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
    reply(status, &[("content-type", "application/json"), ("docker-distribution-api-version", "registry/2.0")], body)
}

impl Reply {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Breaks off so many bytes before the end that it says.
    pub(crate) fn cut(mut self, more: usize) -> Self {
        self.more = more;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.status,
            self.body.len() + self.more
        );
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

pub(crate) fn digest(bytes: &str) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// The manifest of the image that [`good`] serves.
pub(crate) fn manifest() -> String {
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
pub(crate) fn good(asked: &Asked) -> Reply {
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
pub(crate) fn serve(
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
    let asked = Asked { path, proof: field("authorization"), host: field("host").unwrap_or_default() };
    let reply = answer(&asked);
    let mut bytes = reply.bytes();
    if head.starts_with("HEAD ") {
        bytes.truncate(bytes.len() - reply.body.len());
    }
    // A client that has seen enough leaves.
    let _ = line.write_all(&bytes).and_then(|()| line.flush());
}

/// The program with nothing of this machine's settings.
pub(crate) fn sidelight(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.args(arguments);
    run(clean(&mut command, home).envs(environment.iter().copied()))
}

/// Takes this machine's proxies and logins out of a command's environment.
pub(crate) fn clean<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    for name in
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    for name in
        ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    {
        command.env_remove(name);
    }
    command.env("HOME", home)
}

/// The JSON that a command printed.
#[track_caller]
pub(crate) fn document(finished: &Finished) -> Value {
    serde_json::from_slice(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished}"))
}

/// What is wrong with a check's answer, if anything.
pub(crate) fn fault(finished: &Finished, wanted: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(&finished.stdout).unwrap_or_default();
    let code = if wanted == "ok" { 0 } else { 1 };
    let full = |name: &str| document[name].as_array().is_some_and(|list| !list.is_empty());
    let sound = document["cause"] == wanted
        && finished.status.code() == Some(code)
        && document["pullable"] == (wanted == "ok")
        && full("evidence")
        && full("fix") == (wanted != "ok")
        && document["ways"].as_array().is_some_and(|ways| ways.iter().all(|way| way["steps"].is_array()));
    (!sound).then(|| format!("{wanted}: {} {finished}", document["cause"]))
}

/// The causes by which a text is explained, the likeliest first.
#[track_caller]
pub(crate) fn explained(home: &Path, text: &str) -> Vec<String> {
    let finished = sidelight(home, &["--json", "registry", "explain", text], &[]);
    let causes = document(&finished)["causes"].as_array().cloned().unwrap_or_default();
    causes.iter().filter_map(|cause| Some(cause["cause"].as_str()?.to_owned())).collect()
}
