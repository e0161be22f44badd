//! What a request carries. In: nothing, bytes, or a reader with a known length. Out: a body for the HTTP library, the reader being
//! read on a thread that may wait.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Bytes read at once.
const PIECE: usize = 128 * 1024;

/// Pieces that wait to be sent.
const WAITING: usize = 4;

/// The body of a request.
pub(super) enum SentBody {
    /// These bytes; none for most requests.
    Whole(Option<Bytes>),
    /// Pieces from a reader, and how many bytes are still to come.
    Pieces(mpsc::Receiver<io::Result<Bytes>>, u64),
}

impl SentBody {
    /// No body.
    pub(super) const fn empty() -> Self {
        Self::Whole(None)
    }

    /// `length` bytes of a reader; fewer are an error.
    pub(super) fn reader(reader: Box<dyn Read + Send>, length: u64) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let mut reader = reader.take(length);
            loop {
                let mut piece = vec![0; PIECE];
                let read = reader.read(&mut piece);
                let more = matches!(read, Ok(1..));
                let piece = read.map(|count| {
                    piece.truncate(count);
                    Bytes::from(piece)
                });
                // Nobody listens any more when the connection is gone.
                if matches!(piece, Ok(ref piece) if piece.is_empty()) || sender.blocking_send(piece).is_err() || !more {
                    return;
                }
            }
        });
        Self::Pieces(receiver, length)
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Pieces(_, length) => *length,
        }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(receiver, left) => match std::task::ready!(receiver.poll_recv(cx)) {
                Some(Ok(bytes)) => {
                    *left = left.saturating_sub(bytes.len() as u64);
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Some(Err(error)) => Poll::Ready(Some(Err(error))),
                None if *left > 0 => {
                    let words = format!("it ended {left} bytes too early");
                    *left = 0;
                    Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, words))))
                }
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Pieces(_, 0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}
