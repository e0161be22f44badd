//! What the origin answers. In: a request. Out: the response that its path asks for.
//!
//! | path | answer |
//! | --- | --- |
//! | `/bytes/N` | N bytes of a fixed pattern; understands HEAD and one `Range` |
//! | `/hash` | the length and SHA-256 of the request's body |
//! | `/echo` | the request's body as it comes |
//! | `/status/CODE` | that status, no body |
//! | `/trailers` | a chunked body and two trailers |
//! | `/events` | server-sent events; event N+1 only after `POST /ack/N` |
//! | `/cut/N` | half of a body of N bytes, then the connection breaks |
//! | `/git/info/refs` | one branch, as git's dumb protocol lists it |
//! | `/endless` | bytes until the client goes away, which is counted |

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE, TRAILER};
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest, Sha256};

use super::Seen;

type Body = BoxBody<Bytes, std::io::Error>;

/// The pattern repeats after this many bytes: a prime, so that it never lines up with a record, frame or buffer.
pub const SIZE_OF_BLOCK: usize = 1_000_003;

/// The fixed pattern, once.
pub fn pattern() -> Bytes {
    static BLOCK: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    BLOCK
        .get_or_init(|| {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            (0..SIZE_OF_BLOCK)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 32) as u8
                })
                .collect()
        })
        .clone()
}

/// The bytes of `/bytes/…` from one offset to another, as one piece.
pub fn body(from: u64, until: u64) -> Vec<u8> {
    let block = pattern();
    (from..until).map(|at| block[(at % SIZE_OF_BLOCK as u64) as usize]).collect()
}

/// Answers one request.
pub(crate) async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Body>, Infallible> {
    let line = format!("{} {} {:?}", request.method(), request.uri().path(), request.version());
    seen.requests.lock().expect("no panic while it was held").push(line);
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (first, second) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let number = second.parse::<u64>().ok();
    Ok(match (first, number) {
        ("bytes", Some(length)) => bytes(request.method(), request.headers(), length, &seen),
        ("hash", None) => hash(request.into_body()).await,
        ("echo", None) => echo(request),
        ("status", Some(code)) => status(code),
        ("trailers", None) => trailers(),
        ("events", None) => events(&seen),
        ("ack", Some(event)) => acknowledge(&seen, event),
        ("cut", Some(length)) => cut(length),
        ("endless", None) => endless(seen),
        ("git", None) if second == "info/refs" => text(format!("{}\trefs/heads/main\n", "1".repeat(40))),
        ("", None) => text("a local origin\n"),
        _ => status(404),
    })
}

fn text(words: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(words));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn whole(words: impl Into<Bytes>) -> Body {
    Full::new(words.into()).map_err(|never| match never {}).boxed()
}

fn status(code: u64) -> Response<Body> {
    let code = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = code.unwrap_or(StatusCode::BAD_REQUEST);
    response
}

fn bytes(method: &Method, headers: &HeaderMap, length: u64, seen: &Arc<Seen>) -> Response<Body> {
    let asked = headers.get(RANGE).and_then(|value| range(value.to_str().ok()?, length));
    let (from, until) = asked.unwrap_or((0, length));
    let mut response =
        Response::new(if method == Method::HEAD { whole("") } else { stream(from, until, Arc::clone(seen)) });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(until - from));
    if asked.is_some() {
        let said = format!("bytes {from}-{}/{length}", until.saturating_sub(1));
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(&said).expect("digits"));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// One range of the form `bytes=A-B` or `bytes=A-` that lies within the body (RFC 9110 §14.1.2).
fn range(value: &str, length: u64) -> Option<(u64, u64)> {
    let (from, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let from = from.parse().ok()?;
    let until = if last.is_empty() { length } else { last.parse::<u64>().ok()? + 1 };
    (from < until && until <= length).then_some((from, until))
}

/// Sends the pattern from one offset to another, in pieces of at most 64 KiB.
fn stream(from: u64, until: u64, seen: Arc<Seen>) -> Body {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(4);
    tokio::spawn(async move {
        let block = pattern();
        let mut at = from;
        while at < until {
            let start = (at % SIZE_OF_BLOCK as u64) as usize;
            let wanted = (until - at).min(65_536) as usize;
            let piece = block.slice(start..SIZE_OF_BLOCK.min(start + wanted));
            let length = piece.len() as u64;
            at += length;
            if sender.send_data(piece).await.is_err() {
                return;
            }
            seen.sent.fetch_add(length, Ordering::SeqCst);
        }
    });
    body.boxed()
}

async fn hash(mut body: Incoming) -> Response<Body> {
    let (mut hasher, mut length) = (Sha256::new(), 0_u64);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return status(400) };
        if let Some(data) = frame.data_ref() {
            hasher.update(data);
            length += data.len() as u64;
        }
    }
    text(format!("{length} {}\n", crate::hex(&hasher.finalize())))
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let mut response = Response::new(request.into_body().map_err(std::io::Error::other).boxed());
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

fn trailers() -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(2);
    tokio::spawn(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-digest", HeaderValue::from_static("sha-256=later"));
        trailers.insert("x-parts", HeaderValue::from_static("2"));
        for piece in ["first half, ", "second half\n"] {
            let _ = sender.send_data(Bytes::from_static(piece.as_bytes())).await;
        }
        let _ = sender.send_trailers(trailers).await;
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(TRAILER, HeaderValue::from_static("x-digest, x-parts"));
    response
}

/// Five events, each sent only after the one before it was acknowledged: a relay that holds one back stops the conversation.
fn events(seen: &Arc<Seen>) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    let acknowledged = seen.acknowledged.as_ref().map(|sender| {
        sender.send_replace(0);
        sender.subscribe()
    });
    tokio::spawn(async move {
        let Some(mut acknowledged) = acknowledged else { return };
        for event in 1..=5_u64 {
            let words = format!("event: tick\nid: {event}\ndata: {{\"n\":{event}}}\n\n");
            if sender.send_data(Bytes::from(words)).await.is_err() {
                return;
            }
            if acknowledged.wait_for(|last| *last == event).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn acknowledge(seen: &Seen, event: u64) -> Response<Body> {
    if let Some(sender) = &seen.acknowledged {
        sender.send_replace(event);
    }
    status(204)
}

/// Announces N bytes, sends half of them, then fails: the connection or stream is reset.
fn cut(length: u64) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        let _ = sender.send_data(pattern().slice(..(length / 2).min(SIZE_OF_BLOCK as u64) as usize)).await;
        sender.abort(std::io::Error::other("the test asked for it"));
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn endless(seen: Arc<Seen>) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        while sender.send(Frame::data(pattern().slice(..16_384))).await.is_ok() {}
        seen.cut.fetch_add(1, Ordering::SeqCst);
    });
    Response::new(body.boxed())
}
