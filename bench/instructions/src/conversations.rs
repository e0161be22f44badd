//! A pull from a registry, as its bytes were said, through the decoders; and a filter over what they found.

use std::hint::black_box;

use bytes::Bytes;
use sidelight_model::filter::{AsSent, Filter, FlowView};
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Direction, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a client asks of a registry for one image, and how long each answer is.
const PULL: &[(&str, usize)] = &[
    ("/v2/", 2),
    ("/token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull", 1_400),
    ("/v2/team/app/manifests/1.2", 1_800),
    ("/v2/team/app/manifests/sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", 900),
    ("/v2/team/app/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 3_000),
    ("/v2/team/app/blobs/sha256:0a7d1fc1f4e2d1c0a1b8c9e7d6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7", 64 << 10),
];

const AT: Timestamp = Timestamp::from_secs(1_795_372_833);

/// The bytes of HTTP/1.1, request by request.
fn said_in_1() -> Vec<(Direction, Vec<u8>)> {
    let mut said = Vec::new();
    for (path, length) in PULL {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: registry.test\r\nUser-Agent: docker/28.2.2 go/go1.24\r\nAccept: application/vnd.oci.image.index.v1+json\r\n\
             Authorization: Bearer {}\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n",
            "x".repeat(900)
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\
             Etag: \"1\"\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\n"
        );
        said.push((Direction::ToServer, request.into_bytes()));
        said.push((Direction::ToClient, [head.as_bytes(), &vec![7; *length]].concat()));
    }
    said
}

/// The bytes of HTTP/2 for the same, as a client and a server of the published library say them.
fn said_in_2() -> Vec<(Direction, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop");
    runtime.block_on(async {
        let (client_end, client_wire) = tokio::io::duplex(1 << 20);
        let (server_end, server_wire) = tokio::io::duplex(1 << 20);
        let wire = tokio::spawn(copy(client_wire, server_wire));
        let served = tokio::spawn(serve(server_end));
        let (client, connection) = h2::client::handshake(client_end).await.expect("a client");
        let driven = tokio::spawn(connection);
        for (path, _) in PULL {
            ask(client.clone(), path).await;
        }
        drop(client);
        let _ = driven.await;
        let _ = served.await;
        wire.await.expect("the wire ends")
    })
}

async fn serve(end: tokio::io::DuplexStream) {
    let mut server = h2::server::handshake(end).await.expect("a server");
    let mut lengths = PULL.iter();
    while let Some(Ok((_, mut respond))) = server.accept().await {
        let length = lengths.next().map_or(0, |(_, length)| *length);
        let answer =
            http::Response::builder().header("content-type", "application/octet-stream").body(()).expect("an answer");
        let mut body = respond.send_response(answer, false).expect("it is sent");
        body.send_data(Bytes::from(vec![7; length]), true).expect("it is sent");
    }
}

async fn ask(client: h2::client::SendRequest<Bytes>, path: &str) {
    let mut client = client.ready().await.expect("ready");
    let request = http::Request::get(format!("https://registry.test{path}"))
        .header("user-agent", "docker/28.2.2 go/go1.24")
        .header("authorization", format!("Bearer {}", "x".repeat(900)))
        .body(())
        .expect("a request");
    let (answer, _) = client.send_request(request, true).expect("it is sent");
    let mut body = answer.await.expect("an answer").into_body();
    while let Some(piece) = body.data().await {
        let count = piece.expect("a piece").len();
        body.flow_control().release_capacity(count).expect("released");
    }
}

/// Passes bytes on and keeps them.
async fn copy(mut client: tokio::io::DuplexStream, mut server: tokio::io::DuplexStream) -> Vec<(Direction, Vec<u8>)> {
    let (mut said, mut one, mut two) = (Vec::new(), vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            Ok(count) = client.read(&mut one) => {
                if count == 0 { return said; }
                said.push((Direction::ToServer, one[..count].to_vec()));
                let _ = server.write_all(&one[..count]).await;
            }
            Ok(count) = server.read(&mut two) => {
                if count == 0 { return said; }
                said.push((Direction::ToClient, two[..count].to_vec()));
                let _ = client.write_all(&two[..count]).await;
            }
        }
    }
}

fn decode(alpn: &[u8], said: &[(Direction, Vec<u8>)]) -> Vec<Decoded> {
    let mut decoder = FlowDecoder::new(ConnId(1), Limits::default());
    decoder.agreed(Some(alpn));
    let mut found = Vec::new();
    for (direction, bytes) in said {
        decoder.data(*direction, AT, bytes, &mut found);
    }
    decoder.closed(AT, &mut found);
    found
}

fn all(alpn: &[u8], said: &[(Direction, Vec<u8>)], count: u32) {
    let whole = |found: &[Decoded]| found.iter().filter(|it| matches!(it, Decoded::Exchange(_))).count();
    assert_eq!(whole(&decode(alpn, said)), PULL.len(), "the conversation is not what it should be");
    for _ in 0..count {
        black_box(decode(alpn, black_box(said)));
    }
}

/// The pull in HTTP/1.1.
pub(crate) fn http1(count: u32) {
    all(b"http/1.1", &said_in_1(), count);
}

/// The pull in HTTP/2.
pub(crate) fn http2(count: u32) {
    all(b"h2", &said_in_2(), count);
}

/// A filter is read once and asked about each exchange of the pull.
pub(crate) fn filter(count: u32) {
    let found = decode(b"http/1.1", &said_in_1());
    let exchanges: Vec<&Exchange> =
        found.iter().filter_map(|it| if let Decoded::Exchange(it) = it { Some(&**it) } else { None }).collect();
    let filter = Filter::parse("~d registry & ~u /blobs/ & !~c 404 | ~hq 'docker'").expect("a filter");
    let conn = ConnectionRecord::new(ConnId(1), AT);
    for _ in 0..count {
        for exchange in &exchanges {
            let view = FlowView {
                id: Some(1),
                conn: &conn,
                exchange: Some(exchange),
                messages: &[],
                findings: &[],
                bodies: &AsSent(Some(exchange)),
                now: AT,
            };
            black_box(filter.matches(black_box(&view)));
        }
    }
}
