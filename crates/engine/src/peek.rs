//! What is it? In: both ends of a fresh connection. Out: the first bytes, kept, and whether they are a ClientHello.
//!
//! Whoever speaks first decides: a client with a ClientHello, a client with anything else, or the service (SSH, SMTP, MySQL …).
//! Nothing is lost and nothing waits for a time limit, but for a hello that stops in the middle, and the limit on silence where
//! the user has set one.

use std::time::Duration;

use bytes::Bytes;
use sidelight_wire::tls::{ClientHello, Scan, Scanner};
use tokio::time::Instant;

use crate::transport::{Conn, hear, rewind};

/// A hello that has begun may take this long to arrive.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// What a connection turned out to be.
pub(crate) enum Peeked {
    /// TLS: the hello, and its bytes with whatever came behind them.
    Tls(Box<ClientHello>, Bytes),
    /// Something else. What each side has said so far is back in the transports.
    Plain,
    /// It looks like TLS, but cannot be read, in words. The bytes are back in the transports.
    Odd(String),
    /// The client closed without a word, where its words alone could have told the destination.
    Silent,
    /// Nobody said anything for the limit on silence.
    Idle,
}

/// Waits for the first bytes of either side. `server` is `None` where it can only be known from the client's first bytes.
///
/// `idle` is how long both may be silent. The transports are given back; for [`Peeked::Tls`] the client's is without the bytes that were read.
pub(crate) async fn peek(
    mut client: Conn,
    mut server: Option<Conn>,
    idle: Option<Duration>,
) -> (Conn, Option<Conn>, Peeked) {
    let mut heard = Vec::new();
    let mut scanner = Scanner::default();
    let mut from_server = Vec::new();
    let mut deadline = idle.map(|limit| Instant::now() + limit);
    let mut begun = false;
    loop {
        if !heard.is_empty() && !begun {
            begun = true;
            deadline = Some(Instant::now() + HELLO_LIMIT);
        }
        let read = async {
            let from_service = async {
                match server.as_mut() {
                    Some(server) => hear(server, &mut from_server).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                count = hear(&mut client, &mut heard) => (true, count),
                count = from_service => (false, count),
            }
        };
        let read = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, read).await.ok(),
            None => Some(read.await),
        };
        if read.is_none() && !begun {
            return (client, server, Peeked::Idle);
        }
        let ended = matches!(&read, Some((_, Ok(0) | Err(_))));
        let of_client = matches!(&read, Some((true, _)));
        if ended && heard.is_empty() && server.is_none() {
            return (client, server, Peeked::Silent);
        }
        let found = match scanner.scan(&heard) {
            Scan::Hello(hello) => return (client, server, Peeked::Tls(hello, heard.into())),
            Scan::NotTls => Peeked::Plain,
            Scan::Partial if of_client && !ended => continue,
            // The service spoke, somebody closed, or the client stopped in the middle: a relay shows each what the other did.
            Scan::Partial => Peeked::Plain,
            Scan::TooLong => Peeked::Odd("its ClientHello is longer than 64 KiB".to_owned()),
            Scan::Malformed(why) => Peeked::Odd(why),
        };
        let server = server.map(|server| rewind(from_server.into(), server));
        return (rewind(heard.into(), client), server, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::sleep;

    const DAY: Duration = Duration::from_secs(86_400);

    fn wire() -> (DuplexStream, Conn) {
        let (theirs, ours) = tokio::io::duplex(1 << 16);
        (theirs, Box::new(ours))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_no_limit() {
        let ((mut client, ours), (_server, to_server)) = (wire(), wire());
        let peeking = tokio::spawn(peek(ours, Some(to_server), None));
        sleep(DAY).await;
        assert!(!peeking.is_finished());
        client.write_all(b"at last").await.unwrap();
        let (mut client, server, found) = peeking.await.unwrap();
        assert!(matches!(found, Peeked::Plain) && server.is_some());
        let mut heard = [0; 7];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"at last", "what was read is given back");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_the_limit_that_is_set() {
        let ((mut client, ours), (_server, to_server)) = (wire(), wire());
        let began = Instant::now();
        let (ours, to_server, found) = peek(ours, Some(to_server), Some(DAY)).await;
        assert!(matches!(found, Peeked::Idle));
        assert_eq!(began.elapsed(), DAY);
        let short = Some(Duration::from_secs(1));
        client.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        let (_, _, found) = peek(ours, to_server, short).await;
        assert!(matches!(found, Peeked::Plain), "a hello that has begun has its own limit");
        assert_eq!(began.elapsed(), DAY + HELLO_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hello_that_stops_in_the_middle_is_relayed_after_its_limit() {
        let ((mut client, ours), (_server, to_server)) = (wire(), wire());
        let began = Instant::now();
        client.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        let (mut client, _, found) = peek(ours, Some(to_server), None).await;
        assert!(matches!(found, Peeked::Plain));
        assert_eq!(began.elapsed().as_secs(), HELLO_LIMIT.as_secs());
        let mut heard = [0; 6];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"\x16\x03\x01\x02\x00\x01");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_speaks_first_is_heard_at_once() {
        let ((_client, ours), (mut server, to_server)) = (wire(), wire());
        let began = Instant::now();
        server.write_all(b"220 mail.test\r\n").await.unwrap();
        let (_, back, found) = peek(ours, Some(to_server), None).await;
        assert!(matches!(found, Peeked::Plain));
        assert!(began.elapsed().is_zero(), "the clock stands still: nothing waited");
        let mut heard = [0; 15];
        back.unwrap().read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"220 mail.test\r\n");
    }
}
