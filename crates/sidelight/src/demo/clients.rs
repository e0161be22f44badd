//! The clients of the demonstration. In: a proxy, its CA, the services. Out: visits, each of which makes real connections by
//! CONNECT and TLS, and says whether it went as it should.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::client_config;
use super::registry::digest;
use super::replies::grpc_message;
use super::{AUTH, OLD, PINNED, REGISTRY, SHOP, Services, sockets};

/// One scene.
pub(crate) struct Visit {
    /// What happens, in one line for the spectator.
    pub(crate) title: &'static str,
    /// Makes it happen.
    pub(crate) act: std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

/// Everything that a client needs to know.
struct Client {
    proxy: SocketAddr,
    /// The CA of the proxy, which well set-up clients trust.
    proxy_ca: Vec<u8>,
    /// The CA of the services, which is all that a pinning client trusts.
    services_ca: Vec<u8>,
    shop: u16,
    old: u16,
    registry: u16,
}

/// The scenes, in order. Each is to be played to its end before the next.
pub(crate) fn visits(proxy: SocketAddr, proxy_ca: &[u8], services: &Services) -> Vec<Visit> {
    let client = Arc::new(Client {
        proxy,
        proxy_ca: proxy_ca.to_vec(),
        services_ca: services.ca_der.clone(),
        shop: services.shop,
        old: services.old,
        registry: services.registry,
    });
    let scene = |title, act| Visit { title, act };
    let own = || Arc::clone(&client);
    vec![
        scene("A client logs in over HTTP/1.1 and reads a compressed catalogue", Box::pin(shopping(own()))),
        scene("The same service over HTTP/2: an image, server-sent events, a gRPC stream", Box::pin(streaming(own()))),
        scene("A WebSocket", Box::pin(chatting(own()))),
        scene("A container image is pulled: challenge, token, manifest, blobs", Box::pin(pulling(own()))),
        scene("A service whose certificate has expired: its client sees that very fault", Box::pin(expired(own()))),
        scene("A client that pins a certificate refuses ours; tried again, it is left alone", Box::pin(pinning(own()))),
    ]
}

impl Client {
    /// TLS to `host:port` through the proxy.
    async fn connect(&self, host: &str, port: u16, roots: &[u8], alpn: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut socket = TcpStream::connect(self.proxy).await?;
        socket.set_nodelay(true)?;
        let connect = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        socket.write_all(connect.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await?);
            if head.len() > 8_192 {
                return Err(io::Error::other("the proxy's answer to CONNECT has no end"));
            }
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            let line = String::from_utf8_lossy(&head);
            return Err(io::Error::other(format!("the proxy said {}", line.lines().next().unwrap_or_default())));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = client_config(&[roots], alpn)?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket).into_fallible();
        match connecting.await {
            Ok(stream) => Ok(stream),
            Err((error, socket)) => {
                linger().await;
                drop(socket);
                Err(error)
            }
        }
    }

    /// A connection that takes one request after another, as HTTP/1.1 clients keep it.
    async fn keep(&self, host: &'static str, port: u16) -> io::Result<Kept> {
        let stream = self.connect(host, port, &self.proxy_ca, &["http/1.1"]).await?;
        Ok(Kept { host, port, sender: http1_sender(stream).await? })
    }
}

/// A connection that is kept.
struct Kept {
    host: &'static str,
    port: u16,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Kept {
    /// GET, and the status that must come back.
    async fn get(&mut self, path: &str, fields: &[(&str, &str)], wanted: u16) -> io::Result<Bytes> {
        self.send("GET", path, fields, Bytes::new(), wanted).await
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
        wanted: u16,
    ) -> io::Result<Bytes> {
        let request = request(method, self.host, self.port, path, fields, body)?;
        let (status, answer) = exchange1(&mut self.sender, request).await?;
        expect(path, status, wanted).map(|()| answer)
    }
}

async fn http1_sender(stream: TlsStream<TcpStream>) -> io::Result<http1::SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

async fn exchange1(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, Bytes)> {
    sender.ready().await.map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(io::Error::other)?;
    Ok((status, body.to_bytes()))
}

fn request(
    method: &str,
    host: &str,
    port: u16,
    path: &str,
    fields: &[(&str, &str)],
    body: Bytes,
) -> io::Result<Request<Full<Bytes>>> {
    let mut builder = Request::builder().method(method).uri(path).header("host", format!("{host}:{port}"));
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).map_err(io::Error::other)
}

/// Connections stay open for a moment after their last word, as those of real clients do.
async fn linger() {
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
}

fn expect(what: &str, status: StatusCode, wanted: u16) -> io::Result<()> {
    if status == wanted { Ok(()) } else { Err(io::Error::other(format!("{what} answered {status}, not {wanted}"))) }
}

async fn shopping(client: Arc<Client>) -> io::Result<()> {
    let mut shop = client.keep(SHOP, client.shop).await?;
    let login = Bytes::from_static(br#"{"user":"kim","password":"correct horse battery staple"}"#);
    let json = [("content-type", "application/json"), ("user-agent", "demo/1")];
    shop.send("POST", "/login", &json, login, 200).await?;
    let fields = [
        ("authorization", "Bearer c2hvcC1hY2Nlc3M"),
        ("cookie", "session=8e1f0c5d77"),
        ("accept-encoding", "gzip"),
        ("user-agent", "demo/1"),
    ];
    shop.get("/catalogue", &fields, 200).await?;
    shop.get("/basket?access_token=c2hvcC1hY2Nlc3M", &fields, 404).await?;
    linger().await;
    Ok(())
}

async fn streaming(client: Arc<Client>) -> io::Result<()> {
    let stream = client.connect(SHOP, client.shop, &client.proxy_ca, &["h2"]).await?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    for (method, path, fields, body) in [
        ("GET", "/logo.png", &[][..], Bytes::new()),
        ("GET", "/events", &[("accept", "text/event-stream")], Bytes::new()),
        ("POST", "/shop.Stock/Watch", &grpc, grpc_message(b"")),
    ] {
        let mut builder = Request::builder().method(method).uri(format!("https://{SHOP}:{}{path}", client.shop));
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Full::new(body)).map_err(io::Error::other)?;
        sender.ready().await.map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        expect(path, response.status(), 200)?;
        response.into_body().collect().await.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn chatting(client: Arc<Client>) -> io::Result<()> {
    let stream = client.connect(SHOP, client.shop, &client.proxy_ca, &["http/1.1"]).await?;
    let mut sender = http1_sender(stream).await?;
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key),
    ];
    let request = request("GET", SHOP, client.shop, "/chat", &fields, Bytes::new())?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    expect("/chat", response.status(), 101)?;
    let accepted = response.headers().get("sec-websocket-accept").map(|value| value.as_bytes().to_vec());
    if accepted != Some(sockets::accept_key(key.as_bytes()).into_bytes()) {
        return Err(io::Error::other("the WebSocket was accepted with another key"));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(io::Error::other)?;
    sockets::talk(TokioIo::new(upgraded), &["is there tea?", "then two, please"]).await
}

/// As docker does it: ask, be challenged, get a token, ask again, then fetch what the manifest names.
async fn pulling(client: Arc<Client>) -> io::Result<()> {
    let mut registry = client.keep(REGISTRY, client.registry).await?;
    let mut auth = client.keep(AUTH, client.registry).await?;
    registry.get("/v2/", &[], 401).await?;
    let answer = auth.get("/token?service=registry.test&scope=repository:demo/hello:pull", &[], 200).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let bearer = format!("Bearer {}", answer["token"].as_str().unwrap_or_default());
    let fields = [("authorization", bearer.as_str()), ("accept", "application/vnd.oci.image.manifest.v1+json")];
    let manifest = registry.get("/v2/demo/hello/manifests/latest", &fields, 200).await?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    for blob in [&manifest["config"], &manifest["layers"][0]] {
        let named = blob["digest"].as_str().unwrap_or_default();
        let content = registry.get(&format!("/v2/demo/hello/blobs/{named}"), &fields, 200).await?;
        if digest(&content) != named {
            return Err(io::Error::other(format!("the blob {named} arrived as {}", digest(&content))));
        }
    }
    linger().await;
    Ok(())
}

/// The client trusts the proxy's CA and the services', and refuses the certificate for its date all the same.
async fn expired(client: Arc<Client>) -> io::Result<()> {
    refused(client.connect(OLD, client.old, &client.proxy_ca, &["http/1.1"]).await, OLD)
}

async fn pinning(client: Arc<Client>) -> io::Result<()> {
    let connect = || client.connect(PINNED, client.shop, &client.services_ca, &["http/1.1"]);
    refused(connect().await, PINNED)?;
    // The proxy learns of the refusal by an alert, which may still be on its way when the client is back already.
    for _ in 0..50 {
        if let Ok(stream) = connect().await {
            let mut sender = http1_sender(stream).await?;
            let again = request("GET", PINNED, client.shop, "/", &[], Bytes::new())?;
            return expect("/", exchange1(&mut sender, again).await?.0, 200);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(io::Error::other(format!("{PINNED} is not relayed untouched after its client refused our certificate")))
}

/// The handshake must have failed for the certificate's sake.
fn refused(outcome: io::Result<TlsStream<TcpStream>>, host: &str) -> io::Result<()> {
    match outcome {
        Ok(_) => Err(io::Error::other(format!("the certificate of {host} was accepted"))),
        Err(error) if error.to_string().contains("certificate") => Ok(()),
        Err(error) => Err(error),
    }
}
