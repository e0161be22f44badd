//! Putting bytes back. In: bytes that were read ahead. Out: a transport that gives them first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::Conn;
use super::layer::{Layer, Layered};

/// Bytes that were already read: they come first.
struct Rewound(Bytes);

/// `first`, then `inner`; `inner` itself when there is nothing to put before it.
pub fn rewind(first: Bytes, inner: Conn) -> Conn {
    if first.is_empty() { inner } else { Box::new(Layered { layer: Rewound(first), below: inner }) }
}

impl Layer for Rewound {
    fn poll_read(&mut self, below: &mut Conn, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Pin::new(below).poll_read(cx, buf);
        }
        let count = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..count]);
        self.0.advance(count);
        Poll::Ready(Ok(()))
    }
}
