//! One handshake, as it was asked for or with one thing changed. In: a question and a variant. Out: [`Attempt`].

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::{ClientConfig, Error, InvalidMessage};
use sidelight_model::diagnose::{AlertSeen, Attempt, End, Late, Question, Variant};
use sidelight_model::flow::Host;
use sidelight_wire::tls::alert::AlertDescription;
use sidelight_wire::tls::names;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reach::{Reached, anew, begin_tls};
use super::witness::{Presenter, Witness};
use super::{Ways, plain};
use crate::tls::server_name;
use crate::transport::{Conn, FirstBytes};

/// The wait for an answer that may come after the handshake: at least so long, and some round trips.
const LATE: Duration = Duration::from_millis(400);
/// Bytes of an HTTP answer that are read.
const MOST_ANSWER: usize = 16 * 1024;

/// Makes the attempt, over the connection that is there or a new one.
pub(super) async fn attempt(question: &Question, ways: &Ways, variant: Variant, first: Option<Reached>) -> Attempt {
    let begun = Instant::now();
    let reached = match first {
        Some(reached) => {
            let peer = reached.peer;
            begin_tls(question, reached).await.map_err(|end| (end, peer))
        }
        None => anew(question, ways, &variant).await.map_err(|end| (end, None)),
    };
    let mut attempt = match reached {
        Err((end, peer)) => Attempt { peer, ..Attempt::new(variant, end) },
        Ok(reached) => shake(question, ways, variant, reached).await,
    };
    attempt.took = begun.elapsed();
    attempt
}

async fn shake(question: &Question, ways: &Ways, variant: Variant, reached: Reached) -> Attempt {
    let identity = ways.identity.clone().filter(|_| variant != Variant::Anonymous);
    let witness = Witness::new(identity);
    let config = config(question, &variant, &witness);
    let sni = sent_name(question, &variant).unwrap_or_else(|| question.name.to_string());
    let name = Host::parse(&sni).ok().and_then(|host| server_name(&host));
    let Some(name) = name else {
        let why = format!("`{sni}` cannot be sent as a server name");
        return Attempt { peer: reached.peer, ..Attempt::new(variant, End::NotConnected(why)) };
    };
    let (conn, first) = FirstBytes::watch(reached.conn);
    let connect = TlsConnector::from(config).connect(name, conn);
    let begun = Instant::now();
    let outcome = timeout(question.patience, connect).await;
    let took = begun.elapsed();
    let (heard, hello_size) = {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner);
        (first.heard.clone(), first.said.len())
    };
    let seen = witness.take();
    let mut attempt = Attempt::new(variant, End::TimedOut);
    attempt.peer = reached.peer;
    attempt.answered = matches!(heard.as_slice(), [22, 3, _, _, _, 2, ..]);
    attempt.hello_size = hello_size;
    (attempt.chain, attempt.stapled) = (seen.chain, seen.stapled);
    (attempt.key_proved, attempt.request, attempt.presented) = (seen.key_proved, seen.request, seen.presented);
    match outcome {
        Err(_) => {}
        Ok(Err(error)) => attempt.end = end(&error, &heard),
        Ok(Ok(mut stream)) => {
            attempt.end = End::Finished;
            finished(&mut attempt, &stream);
            attempt.late = late(question, &attempt, &mut stream, took).await;
            end_in_order(stream, question.patience.min(LATE.max(took * 4))).await;
        }
    }
    attempt
}

/// The server name that a variant sends.
fn sent_name(question: &Question, variant: &Variant) -> Option<String> {
    match variant {
        Variant::WithoutSni => None,
        Variant::WithSni(name) => Some(name.clone()),
        _ => question.sni.clone(),
    }
}

fn config(question: &Question, variant: &Variant, witness: &Arc<Witness>) -> Arc<ClientConfig> {
    let mut provider = (*crate::tls::provider()).clone();
    if *variant == Variant::Small {
        provider.kx_groups.retain(|group| !names::group(u16::from(group.name())).contains("MLKEM"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let versions: &[&rustls::SupportedProtocolVersion] = match variant {
        Variant::Tls12 => &[&rustls::version::TLS12],
        _ => rustls::ALL_VERSIONS,
    };
    let mut config = builder
        .with_protocol_versions(versions)
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_client_cert_resolver(Arc::new(Presenter(witness.clone())));
    config.enable_sni = sent_name(question, variant).is_some();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match variant {
        Variant::WithoutAlpn => Vec::new(),
        Variant::Http => vec![b"http/1.1".to_vec()],
        _ if !question.alpn.is_empty() => question.alpn.clone(),
        _ if question.starttls.is_some() => Vec::new(),
        _ => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Arc::new(config)
}

fn finished(attempt: &mut Attempt, stream: &TlsStream<Conn>) {
    let connection = stream.get_ref().1;
    attempt.version = connection.protocol_version().map(u16::from);
    attempt.suite = connection.negotiated_cipher_suite().map(|suite| names::cipher_suite(u16::from(suite.suite())));
    attempt.group = connection.negotiated_key_exchange_group().map(|group| names::group(u16::from(group.name())));
    attempt.alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
}

fn end(error: &io::Error, heard: &[u8]) -> End {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let looks_like_tls = heard.is_empty() || matches!(heard, [20..=24, 3, ..]);
    if !looks_like_tls {
        return End::NotTls(heard.to_vec(), plain::spoken(heard));
    }
    match tls {
        Some(Error::AlertReceived(alert)) => End::Alert(alert_seen(u8::from(*alert))),
        Some(Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        )) => End::ChainTooLarge("over 65,535 bytes".to_owned()),
        Some(Error::PeerIncompatible(why)) => End::Incompatible(format!("{why:?}")),
        Some(other) => End::Broken(other.to_string()),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => End::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => End::Reset,
            _ => End::Broken(error.to_string()),
        },
    }
}

/// An alert by its number.
pub(super) fn alert_seen(number: u8) -> AlertSeen {
    let alert = AlertDescription(number);
    AlertSeen { number, name: alert.name(), meaning: alert.meaning() }
}

/// What comes after the handshake, where that can say something: in TLS 1.3 a client certificate is refused only then, and some
/// servers refuse it in HTTP.
async fn late(question: &Question, attempt: &Attempt, stream: &mut TlsStream<Conn>, took: Duration) -> Option<Late> {
    let asks_http = attempt.variant == Variant::Http;
    if !asks_http && (attempt.request.is_none() || attempt.version != Some(0x0304)) {
        return None;
    }
    if asks_http {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: sidelight\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            question.target
        );
        // A server that has refused already does not read it; what it said is read below.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.flush().await;
    }
    let wait = if asks_http { question.patience } else { question.patience.min(LATE.max(took * 4)) };
    let mut answer = Vec::new();
    let read = timeout(wait, async {
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk).await {
                Ok(0) => return Late::Cut,
                Ok(count) => answer.extend_from_slice(&chunk[..count]),
                Err(error) => return late_error(&error),
            }
            if !asks_http || answer.len() >= MOST_ANSWER || head_is_whole(&answer) {
                return Late::Quiet;
            }
        }
    })
    .await;
    let status = http_status(&answer);
    Some(match (read, status) {
        (Ok(Late::Alert(alert)), _) => Late::Alert(alert),
        (_, Some((status, text))) => Late::Http(status, text),
        (Ok(late), None) if answer.is_empty() => late,
        _ => Late::Quiet,
    })
}

/// Says that nothing more will come, and hears the peer out: a connection that is dropped with bytes unread, such as the tickets that
/// follow a handshake, is reset, which servers and proxies log as a client that broke off.
async fn end_in_order(mut stream: TlsStream<Conn>, patience: Duration) {
    let ended = timeout(patience, async {
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        let mut heard = 0;
        while heard < MOST_ANSWER {
            match stream.read(&mut rest).await? {
                0 => break,
                count => heard += count,
            }
        }
        Ok::<(), io::Error>(())
    });
    let _ = ended.await;
}

fn late_error(error: &io::Error) -> Late {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => Late::Alert(alert_seen(u8::from(*alert))),
        _ => Late::Cut,
    }
}

/// Whether enough of an answer is there to know what it says: its head and a body of some size.
fn head_is_whole(answer: &[u8]) -> bool {
    answer.windows(4).position(|part| part == b"\r\n\r\n").is_some_and(|head| answer.len() >= head + 4 + 600)
}

/// Status and the beginning of the body.
fn http_status(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.chars().take(400).collect()))
}
