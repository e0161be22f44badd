//! The shop of the demonstration. In: requests. Out: JSON, a compressed catalogue, an image, events, a WebSocket, a gRPC call.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Frame;

use super::replies::{Request, Response, grpc_message, gzip, pieces, whole, with_body};
use super::sockets;

/// The smallest PNG there is: one transparent pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\x9cc`\0\0\0\x02\0\x01\xe2!\xbc3\0\0\0\0IEND\xaeB`\x82";

/// Between one piece and the next.
const PAUSE: Duration = Duration::from_millis(40);

/// Answers one request.
pub(super) async fn answer(request: Request) -> Response {
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/catalogue") => catalogue(),
        ("POST", "/login") => login(request).await,
        ("GET", "/logo.png") => whole(200, &[("content-type", "image/png"), ("etag", "\"1\"")], PIXEL),
        ("GET", "/events") => events(),
        ("GET", "/chat") => sockets::accept(request),
        ("POST", "/shop.Stock/Watch") => stock(request).await,
        ("GET", "/") => whole(200, &[("content-type", "text/plain")], "a service of the demonstration\n"),
        _ => whole(404, &[("content-type", "application/json")], r#"{"error":"no such page"}"#),
    }
}

fn catalogue() -> Response {
    let items: Vec<serde_json::Value> = (1..=40)
        .map(|n| serde_json::json!({ "id": n, "name": format!("teapot no. {n}"), "price": { "amount": n * 100, "currency": "EUR" } }))
        .collect();
    let text = serde_json::json!({ "items": items, "next": null }).to_string();
    whole(200, &[("content-type", "application/json"), ("content-encoding", "gzip")], gzip(text.as_bytes()))
}

async fn login(request: Request) -> Response {
    // The password is looked at by nobody: the play is about how it is shown.
    let _ = request.into_body().collect().await;
    let fields = [("content-type", "application/json"), ("set-cookie", "session=8e1f0c5d77; Secure; HttpOnly; Path=/")];
    whole(200, &fields, r#"{"access_token":"c2hvcC1hY2Nlc3M","expires_in":300}"#)
}

fn events() -> Response {
    let (sender, body) = pieces();
    tokio::spawn(async move {
        for n in 1..=3 {
            let event = format!("event: stock\nid: {n}\ndata: {{\"item\":{n},\"left\":{}}}\n\n", 10 - n);
            if sender.send(Frame::data(event.into())).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    with_body(200, &[("content-type", "text/event-stream"), ("cache-control", "no-store")], body)
}

/// A gRPC call that answers its one request with three messages.
async fn stock(request: Request) -> Response {
    let _ = request.into_body().collect().await;
    let (sender, body) = pieces();
    tokio::spawn(async move {
        for n in 1_u8..=3 {
            // Field 1, a varint.
            let message: Bytes = grpc_message(&[0x08, n]);
            if sender.send(Frame::data(message)).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", hyper::header::HeaderValue::from_static("0"));
        let _ = sender.send(Frame::trailers(trailers)).await;
    });
    with_body(200, &[("content-type", "application/grpc")], body)
}
