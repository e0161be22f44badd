//! What the services of the demonstration are made of. In: status, fields, bytes. Out: responses, whole or piece by piece.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;

pub(super) type Request = hyper::Request<Incoming>;
pub(super) type Response = hyper::Response<BoxBody<Bytes, Infallible>>;

/// A response of this status with these fields, whole.
pub(super) fn whole(status: u16, fields: &[(&str, &str)], content: impl Into<Bytes>) -> Response {
    with_body(status, fields, Full::new(content.into()).boxed())
}

/// A response of this status with these fields and a body that comes piece by piece, with trailers or without.
pub(super) fn with_body(status: u16, fields: &[(&str, &str)], body: BoxBody<Bytes, Infallible>) -> Response {
    let mut builder = hyper::Response::builder().status(status);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap_or_else(|_| hyper::Response::new(Full::new(Bytes::new()).boxed()))
}

/// A body whose frames come from a channel; it ends when the sender is gone.
pub(super) struct Pieces(mpsc::Receiver<Frame<Bytes>>);

/// A channel into a body.
pub(super) fn pieces() -> (mpsc::Sender<Frame<Bytes>>, BoxBody<Bytes, Infallible>) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, Pieces(receiver).boxed())
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// `content`, compressed with gzip.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory does not fail.
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// A message of gRPC, not compressed: a flag, four bytes of length, the bytes.
pub(super) fn grpc_message(content: &[u8]) -> Bytes {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], &length[..], content].concat().into()
}
