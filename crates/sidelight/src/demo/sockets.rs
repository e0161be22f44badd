//! The smallest WebSocket there is, on both sides. In: upgraded connections. Out: short text messages, there and back.
//! Spec: RFC 6455.

use std::io;

use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::replies::{Request, Response, whole};

/// What RFC 6455 §1.3 has servers append to the client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Final frame: text; close.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// Between one message and the next.
const THOUGHT: std::time::Duration = std::time::Duration::from_millis(40);

/// The answer to a client's key.
pub(super) fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    data_encoding::BASE64.encode(&digest)
}

/// Accepts an upgrade, and then says again what it is told.
pub(super) fn accept(mut request: Request) -> Response {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return whole(400, &[("content-type", "text/plain")], "this is for WebSocket\n");
    };
    let accept = accept_key(key.as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            // A client that leaves early is not worth a word.
            let _ = echo(TokioIo::new(upgraded)).await;
        }
    });
    let fields = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accept.as_str())];
    whole(101, &fields, "")
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    loop {
        let (kind, content) = read(&mut stream).await?;
        write(&mut stream, kind, &content, None).await?;
        if kind == CLOSE {
            return stream.shutdown().await;
        }
    }
}

/// Says `words`, waits for them to come back, and closes.
pub(super) async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: &[&str]) -> io::Result<()> {
    let mask = Some([0x5a, 0xc3, 0x0f, 0x96]);
    for text in words {
        write(&mut stream, TEXT, text.as_bytes(), mask).await?;
        read(&mut stream).await?;
        tokio::time::sleep(THOUGHT).await;
    }
    write(&mut stream, CLOSE, &1000_u16.to_be_bytes(), mask).await?;
    read(&mut stream).await.map(drop)
}

/// Reads one frame of at most 125 bytes, unmasked.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u8().await?;
    let mut mask = [0; 4];
    if length & 0x80 != 0 {
        stream.read_exact(&mut mask).await?;
    }
    let mut content = vec![0; usize::from(length & 0x7f)];
    if content.len() > 125 {
        return Err(io::Error::other("a frame that is too long for the demonstration"));
    }
    stream.read_exact(&mut content).await?;
    content.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((kind, content))
}

/// Writes one frame of at most 125 bytes; clients mask theirs.
async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    kind: u8,
    content: &[u8],
    mask: Option<[u8; 4]>,
) -> io::Result<()> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length <= 125);
    let length = length.ok_or_else(|| io::Error::other("a message that is too long for the demonstration"))?;
    let mut frame = vec![kind, length | if mask.is_some() { 0x80 } else { 0 }];
    frame.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_specification() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
