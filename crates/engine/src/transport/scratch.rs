//! Reading without a buffer of one's own. In: a transport. Out: what it has, at once, in one buffer a thread.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::Conn;

/// Bytes moved at a time.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// What was read is dealt with at once; a connection that waits holds no buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Reads once, and hands what came to `take`: nothing at the end.
pub(crate) fn poll_take<R>(
    conn: &mut Conn,
    cx: &mut Context<'_>,
    take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
) -> Poll<io::Result<R>> {
    BUFFER.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(conn).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(take(cx, buffer.filled())))
    })
}

/// Adds what came to `heard`; 0 at the end. What arrives together is read together, however little was heard before.
pub(crate) async fn hear(conn: &mut Conn, heard: &mut Vec<u8>) -> io::Result<usize> {
    let take = |bytes: &[u8], heard: &mut Vec<u8>| {
        heard.extend_from_slice(bytes);
        bytes.len()
    };
    std::future::poll_fn(|cx| poll_take(conn, cx, |_, bytes| take(bytes, heard))).await
}
