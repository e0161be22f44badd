//! Certificates of issuers, OCSP responses and revocation lists, from where certificates say. In: an address of plain HTTP.
//! Out: bytes. Spec: RFC 5280 §4.2.2.1 and §4.2.1.13, RFC 6960 appendix A. What comes is signed, and is checked where it is judged.
//!
//! The addresses come from a peer, so every fetch is bounded: in time, bytes, redirections, to plain HTTP alone, and to other machines: what
//! listens on this one, or on its link (clouds keep their metadata and its credentials there), takes no requests that a stranger chose.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use sidelight_model::diagnose::{Fetched, Question};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::x509::tlv;
use sidelight_model::x509::{Certificate, fingerprint};
use sidelight_wire::{ocsp, pem};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Ways;

const PATIENCE: Duration = Duration::from_secs(5);
const REDIRECTIONS: usize = 3;
/// Certificates have some kilobytes, OCSP responses less; lists can be long.
const MOST_SMALL: usize = 256 * 1024;
const MOST_LIST: usize = 16 << 20;
/// Certificates of one answer that are taken.
const MOST_CERTIFICATES: usize = 8;

/// The certificates behind an AIA address: DER, PEM, or PKCS#7.
pub(super) async fn issuers(question: &Question, ways: &Ways, url: String) -> Vec<Fetched> {
    let body = match get(question, ways, &url, None, MOST_SMALL).await {
        Ok(body) => body,
        Err(why) => return vec![Fetched { url, body: Err(why) }],
    };
    let found = certificates(&body);
    if found.is_empty() {
        return vec![Fetched { url, body: Err(format!("no certificate in the {} bytes that came", body.len())) }];
    }
    found.into_iter().take(MOST_CERTIFICATES).map(|der| Fetched { url: url.clone(), body: Ok(der) }).collect()
}

fn certificates(body: &[u8]) -> Vec<Vec<u8>> {
    if Certificate::parse(body).is_ok() {
        return vec![body.to_vec()];
    }
    let (blocks, _) = pem::read(body);
    let from_pem: Vec<_> = blocks.into_iter().filter(pem::Block::is_certificate).map(|block| block.data).collect();
    if !from_pem.is_empty() {
        return from_pem;
    }
    // PKCS#7: ContentInfo { OID, [0] SignedData { version, digests, content, [0] certificates … } }.
    let inside = |bytes: &[u8], tag: u8| -> Option<Vec<u8>> {
        let (outer, _) = tlv::first(bytes)?;
        tlv::children(outer.content).into_iter().find(|part| part.tag == tag).map(|part| part.content.to_vec())
    };
    let listed = inside(body, 0xa0).and_then(|signed| inside(&signed, 0xa0)).unwrap_or_default();
    let all = tlv::children(&listed);
    all.into_iter().map(|part| part.whole.to_vec()).filter(|der| Certificate::parse(der).is_ok()).collect()
}

/// The responder's answer for the leaf.
pub(super) async fn ocsp(
    question: &Question,
    ways: &Ways,
    url: String,
    pair: Option<&(Certificate, Certificate)>,
) -> Fetched {
    let Some((leaf, issuer)) = pair else {
        return Fetched { url, body: Err("the issuer is not known".to_owned()) };
    };
    let Some(request) = ocsp::request(&leaf.der, &issuer.der) else {
        return Fetched { url, body: Err(format!("no request can be made for {}", fingerprint(&leaf.der))) };
    };
    let body = get(question, ways, &url, Some(request), MOST_SMALL).await;
    Fetched { url, body }
}

/// A revocation list, in DER.
pub(super) async fn list(question: &Question, ways: &Ways, url: String) -> Fetched {
    let body = get(question, ways, &url, None, MOST_LIST).await.map(|body| {
        let (blocks, _) = pem::read(&body);
        blocks.into_iter().find(|block| block.label == "X509 CRL").map_or(body, |block| block.data)
    });
    Fetched { url, body }
}

/// GET, or POST of an OCSP request.
async fn get(
    question: &Question,
    ways: &Ways,
    url: &str,
    post: Option<Vec<u8>>,
    most: usize,
) -> Result<Vec<u8>, String> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTIONS {
        let patience = question.patience.min(PATIENCE);
        let exchange = timeout(patience, exchange(question, ways, &url, post.clone(), most)).await;
        match exchange.map_err(|_| format!("no answer within {} s", patience.as_secs_f32()))?? {
            Answer::Body(body) => return Ok(body),
            Answer::Elsewhere(place) => url = place,
        }
    }
    Err("too many redirections".to_owned())
}

enum Answer {
    Body(Vec<u8>),
    Elsewhere(String),
}

async fn exchange(
    question: &Question,
    ways: &Ways,
    url: &str,
    post: Option<Vec<u8>>,
    most: usize,
) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|_| "the address cannot be read".to_owned())?;
    if uri.scheme_str() != Some("http") {
        return Err("only plain HTTP is fetched".to_owned());
    }
    let host = uri.host().ok_or("the address has no host")?;
    let place =
        Authority { host: Host::parse(host).map_err(|error| error.to_string())?, port: uri.port_u16().unwrap_or(80) };
    let proxy = ways.proxy.as_ref().filter(|proxy| proxy.kind == crate::dial::ProxyKind::Http);
    let addresses = match proxy {
        // The proxy looks names up and has rules of its own; an address is plain to see here too.
        Some(proxy) => {
            permit(question, ways, place.host.ip().into_iter().collect()).await?;
            ways.resolver.addresses(&proxy.at.host).await?
        }
        None => permit(question, ways, ways.resolver.addresses(&place.host).await?).await?,
    };
    let stream = connect(addresses, proxy.map_or(place.port, |proxy| proxy.at.port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(if post.is_some() { Method::POST } else { Method::GET })
        .uri(if proxy.is_some() { url } else { path })
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()));
    if post.is_some() {
        request = request.header(CONTENT_TYPE, "application/ocsp-request");
    }
    if let Some(login) = proxy.and_then(|proxy| proxy.authorization()) {
        request = request.header(PROXY_AUTHORIZATION, login);
    }
    let body = Full::new(Bytes::from(post.unwrap_or_default()));
    let request = request.body(body).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    if status.is_redirection() {
        let place = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        return place.map(|place| Answer::Elsewhere(place.to_owned())).ok_or_else(|| format!("answered {status}"));
    }
    if !status.is_success() {
        return Err(format!("answered {status}"));
    }
    let body = Limited::new(response.into_body(), most).collect().await.map_err(|error| error.to_string())?;
    driver.abort();
    Ok(Answer::Body(body.to_bytes().to_vec()))
}

/// The addresses that a peer may have asked. Those of this machine and its link it may not, unless the endpoint itself, which the user chose,
/// is at such an address.
async fn permit(question: &Question, ways: &Ways, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, String> {
    let (near, far): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_near);
    let Some(refused) = near.first() else { return Ok(far) };
    let own = ways.resolver.addresses(&question.target.host).await.unwrap_or_default();
    if own.iter().any(is_near) {
        return Ok(near.into_iter().chain(far).collect());
    }
    if far.is_empty() {
        Err(format!("it leads to {refused}, on this machine or its link, which is not asked"))
    } else {
        Ok(far)
    }
}

/// Whether an address is this machine, its link, or no single machine's.
fn is_near(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

async fn connect(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for ip in addresses.into_iter().take(4) {
        match TcpStream::connect(SocketAddr::new(ip, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{question, ways};
    use super::*;

    #[tokio::test]
    async fn a_certificate_chooses_no_address_of_this_machine() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        for host in ["127.0.0.1", "inside.test", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "169.254.169.254"] {
            let url = format!("http://{host}:{port}/shutdown");
            let why = get(&question("192.0.2.1:443"), &ways(), &url, None, MOST_SMALL).await.unwrap_err();
            assert!(why.contains("not asked"), "{url}: {why}");
        }
        let none = timeout(Duration::from_millis(50), server.accept()).await;
        assert!(none.is_err(), "nobody connected");

        let answered = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut conn, _) = server.accept().await.unwrap();
            let _ = conn.read(&mut [0; 1024]).await.unwrap();
            conn.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
        });
        let url = format!("http://inside.test:{port}/");
        let own = get(&question("127.0.0.2:443"), &ways(), &url, None, MOST_SMALL).await;
        assert_eq!(own.unwrap(), b"x", "an endpoint on this machine may name it");
        answered.await.unwrap();
    }
}
