//! TCP to the endpoint, directly or through the proxy, up to the point where TLS begins. In: a question. Out: a connection, or
//! why there is none. Spec: RFC 8305 §5 (several addresses of one name).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidelight_model::diagnose::{End, Facts, ProxyFailure, Question, Reach, Unreached, Variant};
use sidelight_model::flow::{Authority, Host};
use sidelight_wire::starttls::client::{Dialogue, Next, Protocol};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Ways, destination};
use crate::capture::Tee;
use crate::dial::{DialError, Dialer, NoProxy, OwnAddresses, Way};
use crate::resolve::{Resolver, Unresolved};
use crate::tls::{Identities, Service, Trusted, Verifier};
use crate::transport::{Conn, hear};

/// Between two attempts at different addresses of one name.
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// A connection on which TLS can begin, and the address at its other end.
pub(super) struct Reached {
    pub(super) conn: Conn,
    pub(super) peer: Option<SocketAddr>,
}

/// The first connection; tells in `facts` how it came about, or why it did not.
pub(super) async fn reach(facts: &mut Facts, ways: &Arc<Ways>) -> Option<Reached> {
    let question = facts.question.clone();
    if ways.proxy.is_some() {
        return match through_proxy(&question, ways).await {
            Ok(reached) => Some(reached),
            Err(failure) => {
                facts.proxy_failure = Some(failure);
                None
            }
        };
    }
    let (mut name, search) = ways.resolver_name.clone();
    if ways.resolver.is_given(&question.target.host) {
        name = format!("the hosts file of {name}");
    }
    (facts.resolution.resolver, facts.resolution.search) = (name, search);
    let found = addresses(&question, &question.target.host, &ways.resolver).await;
    facts.resolution.raw = found.as_ref().err().and_then(|unresolved| unresolved.raw.clone());
    facts.resolution.addresses = Some(found.clone().map_err(|unresolved| unresolved.why));
    let addresses = found.ok()?.into_iter().map(|ip| SocketAddr::new(ip, question.target.port)).collect();
    let stream = race(addresses, question.patience, &mut facts.reached).await?;
    let peer = stream.peer_addr().ok();
    Some(Reached { conn: Box::new(stream), peer })
}

/// The addresses of a host, both families in turn.
async fn addresses(question: &Question, host: &Host, resolver: &Resolver) -> Result<Vec<IpAddr>, Unresolved> {
    let late = || Unresolved {
        why: format!("the resolver does not answer within {} s", question.patience.as_secs_f32()),
        raw: None,
    };
    let found = timeout(question.patience, resolver.look_up(host)).await.unwrap_or_else(|_| Err(late()))?;
    let mut all = crate::dial::interleave(found);
    all.truncate(MOST_ADDRESSES);
    Ok(all)
}

/// Tries the addresses one after the other, a new one each [`STAGGER`]; the first that answers wins.
async fn race(addresses: Vec<SocketAddr>, patience: Duration, tried: &mut Vec<Reach>) -> Option<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut rest = addresses.into_iter();
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(async move { (address, connect(address, patience).await) });
        } else if attempts.is_empty() {
            return None;
        }
        let finished = if rest.len() > 0 {
            timeout(STAGGER, attempts.join_next()).await.unwrap_or(None)
        } else {
            attempts.join_next().await
        };
        if let Some(Ok((address, outcome))) = finished {
            match outcome {
                Ok((stream, took)) => {
                    tried.push(Reach { address, outcome: Ok(took) });
                    return Some(stream);
                }
                Err(why) => tried.push(Reach { address, outcome: Err(why) }),
            }
        }
    }
}

async fn connect(address: SocketAddr, patience: Duration) -> Result<(TcpStream, Duration), Unreached> {
    let begun = Instant::now();
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => return Err(Unreached::TimedOut),
        Ok(Err(error)) => {
            return Err(match error.kind() {
                io::ErrorKind::ConnectionRefused => Unreached::Refused,
                io::ErrorKind::TimedOut => Unreached::TimedOut,
                _ => Unreached::Other(error.to_string()),
            });
        }
        Ok(Ok(stream)) => stream,
    };
    // One small write after another must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    Ok((stream, begun.elapsed()))
}

async fn through_proxy(question: &Question, ways: &Ways) -> Result<Reached, ProxyFailure> {
    let broken = |why: String| ProxyFailure::Unreachable(why);
    let verifier = Verifier::new(&Trusted::of_host()).map_err(broken)?;
    let service = Arc::new(Service::new(verifier, Identities::default(), question.patience));
    let resolver = Resolver::new(std::collections::HashMap::new());
    let own = Arc::new(OwnAddresses::default());
    let dialer = Dialer::new(resolver, own, question.patience, NoProxy::default(), service);
    let way = Way { proxy: ways.proxy.clone(), inside: None };
    match dialer.dial(&question.target, &way, &Tee::default()).await {
        Ok(dialed) => Ok(Reached { conn: dialed.conn, peer: Some(dialed.address) }),
        Err(DialError::ProxyLogin { answer, .. }) => Err(ProxyFailure::Login(answer)),
        Err(DialError::ProxyRefused { answer, .. }) => Err(ProxyFailure::Refused(answer)),
        Err(DialError::ProxyUnreachable { why, .. }) => Err(broken(why.to_string())),
        Err(other) => Err(broken(other.to_string())),
    }
}

/// A new connection for a further attempt, past STARTTLS where that was asked for.
pub(super) async fn anew(question: &Question, ways: &Ways, variant: &Variant) -> Result<Reached, End> {
    let reached = bare(question, ways, variant).await?;
    begin_tls(question, reached).await
}

/// A new connection without a word on it.
pub(super) async fn bare(question: &Question, ways: &Ways, variant: &Variant) -> Result<Reached, End> {
    let direct = *variant == Variant::Direct || ways.proxy.is_none();
    if !direct {
        return through_proxy(question, ways).await.map_err(|failure| {
            let (ProxyFailure::Unreachable(why) | ProxyFailure::Login(why) | ProxyFailure::Refused(why)) = failure;
            End::NotConnected(why)
        });
    }
    let Authority { host, port } = destination(question, variant);
    let found =
        addresses(question, &host, &ways.resolver).await.map_err(|unresolved| End::NotConnected(unresolved.why))?;
    let mut tried = Vec::new();
    let addresses = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    match race(addresses, question.patience, &mut tried).await {
        Some(stream) => Ok(Reached { peer: stream.peer_addr().ok(), conn: Box::new(stream) }),
        None => Err(End::NotConnected(match tried.first().map(|reach| &reach.outcome) {
            Some(Err(Unreached::Refused)) => "connection refused".to_owned(),
            Some(Err(Unreached::Other(why))) => why.clone(),
            _ => "no answer".to_owned(),
        })),
    }
}

/// Leads the dialogue that ends in TLS, where one was asked for.
pub(super) async fn begin_tls(question: &Question, mut reached: Reached) -> Result<Reached, End> {
    let Some(protocol) = question.starttls.and_then(|name| name.parse::<Protocol>().ok()) else { return Ok(reached) };
    match timeout(question.patience, dialogue(protocol, question, &mut reached.conn)).await {
        Err(_) => Err(End::StarttlsRefused("it did not answer in time".to_owned())),
        Ok((Ok(()), _)) => Ok(reached),
        Ok((Err(why), _)) => Err(End::StarttlsRefused(why)),
    }
}

/// Speaks until TLS can begin; gives what was heard too.
pub(super) async fn dialogue(
    protocol: Protocol,
    question: &Question,
    conn: &mut Conn,
) -> (Result<(), String>, Vec<u8>) {
    let (mut dialogue, first) = Dialogue::new(protocol, &question.name.to_string());
    let mut all = Vec::new();
    let mut say = first;
    loop {
        if !say.is_empty()
            && let Err(error) = conn.write_all(&say).await
        {
            return (Err(error.to_string()), all);
        }
        say = Vec::new();
        let mut heard = Vec::new();
        match hear(conn, &mut heard).await {
            Ok(0) => return (Err("it closed the connection".to_owned()), all),
            Err(error) => return (Err(error.to_string()), all),
            Ok(_) => all.extend_from_slice(&heard[..heard.len().min(4096)]),
        }
        match dialogue.heard(&heard) {
            Next::Wait => {}
            Next::Send(bytes) => say = bytes,
            Next::Begin(bytes) => {
                let sent = conn.write_all(&bytes).await.map_err(|error| error.to_string());
                return (sent, all);
            }
            Next::Refused(why) => return (Err(why), all),
        }
    }
}
