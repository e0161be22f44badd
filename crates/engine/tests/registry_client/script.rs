//! A scripted HTTP server, and clients for it. In: a function from requests to answers. Out: a place on loopback and what was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sidelight_engine::dial::{Dialer, NoProxy, OwnAddresses};
use sidelight_engine::registry_client::{Client, Event, FoundLogins, Options, Trust};
use sidelight_engine::resolve::Resolver;
use sidelight_engine::tls::{Identities, Service, Trusted, Verifier};
use sidelight_model::redact::Secret;
use sidelight_wire::registry::Login;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// Names and values of header fields.
pub(crate) type Fields = Vec<(&'static str, &'static str)>;

/// Time that nothing here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// An answer's body: pieces, and whether the connection breaks after them.
pub(crate) struct Told {
    pieces: Vec<Bytes>,
    breaks: bool,
    /// The library sends what it has only when it must wait for more.
    waits: u8,
}

impl Body for Told {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.pieces.is_empty() {
            if self.breaks && self.waits > 0 {
                self.waits -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(self.breaks.then(|| Err(std::io::Error::other("as the script wants it"))));
        }
        Poll::Ready(Some(Ok(Frame::data(self.pieces.remove(0)))))
    }
}

/// An answer with a status, fields and a body.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Told> {
    let mut response = Response::builder().status(status);
    let body = body.into();
    if !fields.iter().any(|(name, _)| *name == "content-length") {
        response = response.header("content-length", body.len());
    }
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Told { pieces: vec![body], breaks: false, waits: 0 }).unwrap()
}

/// An answer that says `length` bytes and breaks after fewer.
pub(crate) fn cut(status: u16, fields: &[(&str, &str)], length: usize, body: impl Into<Bytes>) -> Response<Told> {
    let mut response = answer(status, &[fields, &[("content-length", &length.to_string())]].concat(), Bytes::new());
    *response.body_mut() = Told { pieces: vec![body.into()], breaks: true, waits: 3 };
    response
}

/// A server that answers by a script.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Script {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Response<Told> + Send + Sync + 'static) -> Self {
        Self::over(script, None).await
    }

    /// With TLS where an acceptor is given.
    pub(crate) async fn over(
        script: impl Fn(&Asked) -> Response<Told> + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (script, noted) = (Arc::new(script), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(welcome(stream, tls.clone(), script.clone(), noted.clone()));
            }
        });
        Self { address, asked, task }
    }

    /// What was asked besides the first look at `/v2/`.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap();
        let first_look = |asked: &&Asked| asked.line() == "GET /v2/" && asked.field("authorization").is_none();
        all.iter().filter(|asked| !first_look(asked)).cloned().collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection, over TLS where that is asked for; a failed handshake ends it.
async fn welcome<F>(
    stream: tokio::net::TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    script: Arc<F>,
    noted: Arc<Mutex<Vec<Asked>>>,
) where
    F: Fn(&Asked) -> Response<Told> + Send + Sync + 'static,
{
    let Some(tls) = tls else { return serve(stream, script, noted).await };
    if let Ok(stream) = tls.accept(stream).await {
        serve(stream, script, noted).await;
    }
}

async fn serve<S, F>(stream: S, script: Arc<F>, noted: Arc<Mutex<Vec<Asked>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(&Asked) -> Response<Told> + Send + Sync + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, noted) = (script.clone(), noted.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            let asked = Asked {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                fields: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                body,
            };
            noted.lock().unwrap().push(asked.clone());
            Ok::<_, Infallible>(script(&asked))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// What a client told of its steps.
pub(crate) type Steps = Arc<Mutex<Vec<Event>>>;

/// A client of `repository` at a script, by default with a login `joe:hunter2`.
pub(crate) fn client(at: SocketAddr, repository: &str) -> (Arc<Client>, Steps) {
    client_with(&format!("{at}/{repository}"), Trusted::default(), Vec::new(), |_| {})
}

pub(crate) fn client_with(
    name: &str,
    roots: Trusted,
    folders: Vec<std::path::PathBuf>,
    change: impl FnOnce(&mut Options),
) -> (Arc<Client>, Steps) {
    let steps: Steps = Arc::default();
    let noted = steps.clone();
    let mut options = Options {
        user_agent: "sidelight/test".to_owned(),
        logins: Some(Arc::new(|_, _| FoundLogins { logins: vec![joe()], problems: Vec::new() })),
        listener: Some(Arc::new(move |event: &Event| noted.lock().unwrap().push(event.clone()))),
        ..Options::default()
    };
    change(&mut options);
    let proxy_tls = Verifier::new(&Trusted::default()).unwrap();
    let proxy_tls = Arc::new(Service::new(proxy_tls, Identities::default(), LONG));
    let resolver = Resolver::new([("registry.test".to_owned(), vec![[127, 0, 0, 1].into()])].into());
    let dialer = Dialer::new(resolver, Arc::new(OwnAddresses::default()), LONG, NoProxy::default(), proxy_tls);
    let client = Client::new(&name.parse().unwrap(), dialer, Trust::new(roots, folders, LONG), options);
    (client, steps)
}

pub(crate) fn joe() -> Login {
    Login::Password { user: "joe".to_owned(), password: Secret::new("hunter2".to_owned()) }
}

/// `sha256:…` of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sidelight_model::redact::sha256_hex(bytes))
}

/// All of a blob.
pub(crate) async fn whole(
    client: &Arc<Client>,
    digest: &str,
) -> Result<Vec<u8>, sidelight_engine::registry_client::RegistryError> {
    let mut blob = client.blob(digest).await?;
    let mut all = Vec::new();
    while let Some(piece) = blob.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

pub(crate) const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}"#;
pub(crate) const OCI: (&str, &str) = ("content-type", "application/vnd.oci.image.manifest.v1+json");
