//! As much of HTTP/1.1 as a load needs (RFC 9112): one request, one answer of a given length. In: a stream. Out: bytes counted, and when the
//! first of them came.

use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Failure;

/// The most bytes of a head.
const MOST_HEAD: usize = 16 << 10;

/// One answer.
pub(crate) struct Answered {
    /// Bytes of the body.
    pub(crate) body: u64,
    /// When its first bytes came.
    pub(crate) first: Instant,
}

/// Writes a request.
pub(crate) async fn ask<S: AsyncWrite + Unpin>(stream: &mut S, name: &str, path: &str) -> Result<(), Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}

/// Asks, and reads the whole answer.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    buffer: &mut [u8],
    (name, path): (&str, &str),
) -> Result<Answered, Failure> {
    ask(stream, name, path).await?;
    let (mut filled, mut first) = (0, None);
    let (head, length) = loop {
        if filled == buffer.len() || filled > MOST_HEAD {
            return Err("the head of an answer does not end".into());
        }
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err("the connection ended before an answer".into());
        }
        first.get_or_insert_with(Instant::now);
        filled += count;
        if let Some(found) = head(&buffer[..filled])? {
            break found;
        }
    };
    let mut body = (filled - head) as u64;
    while body < length {
        let count = stream.read(buffer).await?;
        if count == 0 {
            return Err(format!("the connection ended after {body} of {length} bytes").into());
        }
        body += count as u64;
    }
    Ok(Answered { body, first: first.unwrap_or_else(Instant::now) })
}

/// The lengths of the head and of the body, once the head is whole.
fn head(bytes: &[u8]) -> Result<Option<(usize, u64)>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    if answer.code != Some(200) {
        return Err(format!("the answer is {:?}", answer.code).into());
    }
    let length = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer tells no length")?;
    Ok(Some((head, std::str::from_utf8(length.value)?.parse()?)))
}
