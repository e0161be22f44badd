//! What was said first. In: a transport. Out: the same transport, and the first bytes of both sides, for whoever has to explain
//! them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::Conn;
use super::layer::{Layer, Layered};

/// Enough for a status line or a greeting.
const MOST_HEARD: usize = 80;

/// Enough for our ClientHello with any key shares and tickets.
const MOST_SAID: usize = 16 * 1024;

/// The first bytes of a conversation.
#[derive(Debug, Default)]
pub struct First {
    /// The first that were written, all of them before the first that was read.
    pub said: Vec<u8>,
    /// The first that were read.
    pub heard: Vec<u8>,
}

/// Keeps the first bytes that are written and read.
pub struct FirstBytes {
    first: Arc<Mutex<First>>,
    full: bool,
}

impl FirstBytes {
    /// The same transport, and where its first bytes will be.
    pub fn watch(inner: Conn) -> (Conn, Arc<Mutex<First>>) {
        let first = Arc::default();
        let layer = Self { first: Arc::clone(&first), full: false };
        (Box::new(Layered { layer, below: inner }), first)
    }
}

impl Layer for FirstBytes {
    fn poll_read(&mut self, below: &mut Conn, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(below).poll_read(cx, buf);
        if !self.full {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            let new = &buf.filled()[before..];
            let space = MOST_HEARD - first.heard.len();
            first.heard.extend_from_slice(&new[..new.len().min(space)]);
            self.full = first.heard.len() == MOST_HEARD;
        }
        read
    }

    fn written(&mut self, bytes: &[u8]) {
        if self.full {
            return;
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let space = MOST_SAID - first.said.len();
        if first.heard.is_empty() {
            first.said.extend_from_slice(&bytes[..bytes.len().min(space)]);
        }
    }
}
