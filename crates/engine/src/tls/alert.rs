//! Passing a fatal alert on, on a connection whose handshake is over. In: a TLS stream, the alert's number. Out: one protected
//! record on the wire, then FIN. Spec: RFC 8446 §6 and §5.2, RFC 5246 §7.2, RFC 5288, RFC 7905.
//!
//! The TLS library sends alerts for its own errors only. What a peer says must reach the other side as it was said
//! (`certificate_required` after a TLS 1.3 handshake is the common case), so the write keys are taken out of the library for
//! this last record.

use std::time::Duration;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::transport::{Conn, Transport as _};

/// A peer that reads nothing gets so long to make room for the alert.
const ROOM_LIMIT: Duration = Duration::from_secs(10);

/// Sends `alert` as a fatal one and ends the stream. If the keys cannot be had, or the peer takes nothing, it sees a reset.
pub(crate) async fn send(mut stream: tokio_rustls::TlsStream<Conn>, alert: u8) {
    // Whatever is still in the library's buffer goes first; after that the sequence number stands still.
    if !matches!(timeout(ROOM_LIMIT, stream.flush()).await, Ok(Ok(()))) {
        match &mut stream {
            tokio_rustls::TlsStream::Client(stream) => stream.get_mut().0.reset_on_drop(),
            tokio_rustls::TlsStream::Server(stream) => stream.get_mut().0.reset_on_drop(),
        }
        return;
    }
    let (mut io, version, secrets) = match stream {
        tokio_rustls::TlsStream::Client(stream) => {
            let (io, connection) = stream.into_inner();
            (io, connection.protocol_version(), connection.dangerous_extract_secrets())
        }
        tokio_rustls::TlsStream::Server(stream) => {
            let (io, connection) = stream.into_inner();
            (io, connection.protocol_version(), connection.dangerous_extract_secrets())
        }
    };
    let record = secrets.ok().and_then(|secrets| seal(version?, secrets, alert));
    match record {
        Some(record) if matches!(timeout(ROOM_LIMIT, io.write_all(&record)).await, Ok(Ok(()))) => {
            let _ = io.shutdown().await;
            // Closing a socket with unread bytes makes the kernel send RST, which can overtake the alert.
            let mut rest = [0; 4096];
            let drain = async { while matches!(io.read(&mut rest).await, Ok(count) if count > 0) {} };
            let _ = timeout(Duration::from_secs(2), drain).await;
        }
        _ => io.reset_on_drop(),
    }
}

/// Content type of alerts.
const ALERT: u8 = 21;

/// The protected record that holds a fatal alert.
fn seal(version: ProtocolVersion, secrets: ExtractedSecrets, alert: u8) -> Option<Vec<u8>> {
    let (sequence, keys) = secrets.tx;
    let (algorithm, key, iv, explicit) = match &keys {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv, true),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv, true),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&aead::CHACHA20_POLY1305, key, iv, false),
        _ => return None,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?);
    let mut nonce: [u8; 12] = iv.as_ref().try_into().ok()?;
    let modern = version == ProtocolVersion::TLSv1_3;
    for (byte, count) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *byte ^= count;
    }
    let mut body = vec![2, alert];
    let outer = if modern { 23 } else { ALERT };
    if modern {
        body.push(ALERT);
    }
    let tag = algorithm.tag_len();
    // TLS 1.2 with GCM writes the last eight bytes of the nonce before the ciphertext.
    let prefix = if !modern && explicit { nonce[4..].to_vec() } else { Vec::new() };
    let length = u16::try_from(prefix.len() + body.len() + tag).ok()?.to_be_bytes();
    let header = [outer, 3, 3, length[0], length[1]];
    let associated = if modern {
        header.to_vec()
    } else {
        let plain = u16::try_from(body.len()).ok()?.to_be_bytes();
        [&sequence.to_be_bytes()[..], &[ALERT, 3, 3, plain[0], plain[1]]].concat()
    };
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut body).ok()?;
    Some([&header[..], &prefix, &body].concat())
}
