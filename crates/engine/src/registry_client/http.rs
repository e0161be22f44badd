//! One request and the head of its answer, over our own dialer and TLS. In: a [`Url`], fields, a body. Out: [`Answer`].
//! Spec: RFC 9112. Connections are kept for the next request to the same place.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use sidelight_model::flow::Authority;
use tokio::time::{Instant, timeout_at};

use super::body::SentBody;
use super::event::{Event, Party, Proof};
use super::{Client, RegistryError, Url};
use crate::capture::Tee;
use crate::dial::Proxy;
use crate::tls::{Verdict, Wish};
use crate::transport::{Conn, Decrypted};

/// The peer gets so long to begin its answer, and for each further piece of it.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A body that is read whole (a manifest, a token) must be there after so long; its beginning, for a message, after so long. A peer that
/// sends a byte a minute keeps nobody waiting.
const WHOLE_LIMIT: Duration = Duration::from_secs(120);
const BEGINNING_LIMIT: Duration = Duration::from_secs(10);

/// A push's last request may be answered only once the registry has checked and stored everything.
const COMMIT_LIMIT: Duration = Duration::from_secs(600);

/// Connections kept for one place.
const MOST_IDLE: usize = 4;

/// The most bytes of the head of an answer.
const LARGEST_HEAD: usize = 64 * 1024;

/// A request.
pub(super) struct Ask {
    pub(super) party: Party,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) fields: HeaderMap,
    pub(super) proof: Proof,
    pub(super) body: SentBody,
}

impl Ask {
    pub(super) fn new(party: Party, method: Method, url: Url) -> Self {
        Self { party, method, url, fields: HeaderMap::new(), proof: Proof::Nobody, body: SentBody::empty() }
    }

    /// Adds a field; a value that no field can have was made by nobody but us, so it is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.fields.insert(name, value);
        }
        self
    }

    /// Adds the field that says who asks; it is marked as secret for the library.
    pub(super) fn proved(mut self, proof: Proof, value: HeaderValue) -> Self {
        let mut value = value;
        value.set_sensitive(true);
        self.fields.insert(hyper::header::AUTHORIZATION, value);
        self.proof = proof;
        self
    }
}

/// The head of an answer, and what follows it.
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    body: Incoming,
    lease: Lease,
}

/// A connection in use; it goes back when the answer was read to its end.
struct Lease {
    sender: SendRequest<SentBody>,
    key: PoolKey,
}

/// Whether TLS is spoken, and to whom.
pub(super) type PoolKey = (bool, Authority);

/// Idle connections.
pub(super) type Pool = std::sync::Mutex<std::collections::HashMap<PoolKey, Vec<SendRequest<SentBody>>>>;

impl Answer {
    /// A field as text; `None` where it is missing or no text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body's length, where it is said.
    pub(super) fn length(&self) -> Option<u64> {
        self.field("content-length").and_then(|text| text.trim().parse().ok())
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let frame = tokio::time::timeout(ANSWER_LIMIT, self.body.frame());
            let frame = frame.await.map_err(|_| format!("nothing more came for {} s", ANSWER_LIMIT.as_secs()))?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(_trailers) => {}
                },
                Some(Err(error)) => return Err(words(&error)),
            }
        }
    }

    /// The whole body, up to `limit` bytes.
    pub(super) async fn whole(mut self, client: &Client, limit: usize) -> Result<Bytes, RegistryError> {
        let too_large = || RegistryError::TooLarge { url: self.url.clone(), limit };
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut all = BytesMut::new();
        let url = self.url.clone();
        let broken = |why: String| RegistryError::Broken { url: url.clone(), why };
        let late = |_| broken(format!("its answer was not there within {} s", WHOLE_LIMIT.as_secs()));
        let end = Instant::now() + WHOLE_LIMIT;
        while let Some(piece) = timeout_at(end, self.piece()).await.map_err(late)?.map_err(broken)? {
            if all.len() + piece.len() > limit {
                return Err(RegistryError::TooLarge { url, limit });
            }
            all.extend_from_slice(&piece);
        }
        self.give_back(client);
        Ok(all.freeze())
    }

    /// The beginning of the body, for messages: whatever comes of it.
    pub(super) async fn beginning(mut self, client: &Client, limit: usize) -> Bytes {
        let mut all = BytesMut::new();
        let end = Instant::now() + BEGINNING_LIMIT;
        loop {
            match timeout_at(end, self.piece()).await {
                Ok(Ok(Some(piece))) => all.extend_from_slice(&piece[..piece.len().min(limit - all.len())]),
                Ok(Ok(None)) => {
                    self.give_back(client);
                    return all.freeze();
                }
                Ok(Err(_)) | Err(_) => return all.freeze(),
            }
            if all.len() >= limit {
                return all.freeze();
            }
        }
    }

    /// Keeps the connection for the next request; only when the body was read to its end.
    pub(super) fn give_back(self, client: &Client) {
        let Lease { sender, key } = self.lease;
        let mut idle = client.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(key).or_default();
        kept.retain(|sender| !sender.is_closed());
        if kept.len() < MOST_IDLE {
            kept.push(sender);
        }
    }
}

impl Client {
    /// Sends a request and gives the head of its answer, whatever its status.
    pub(super) async fn exchange(&self, ask: Ask) -> Result<Answer, RegistryError> {
        let url = ask.url.clone();
        let key = (url.tls, url.authority.clone());
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.get_mut(&key).and_then(Vec::pop)
        };
        let kept = match kept {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect(ask.party, &url).await?,
        };
        let (party, limit) = (ask.party, if ask.method == Method::PUT { COMMIT_LIMIT } else { ANSWER_LIMIT });
        let method = ask.method.to_string();
        self.tell(|| Event::Asked { party, method, url: url.clone(), proof: ask.proof });
        let broken = |why: String| RegistryError::Broken { url: url.clone(), why };
        let request = self.request(ask).map_err(broken)?;
        let response = tokio::time::timeout(limit, sender.send_request(request)).await;
        let response = response.map_err(|_| broken(format!("no answer within {} s", limit.as_secs())))?;
        let response: Response<Incoming> = response.map_err(|error| broken(words(&error)))?;
        let (head, body) = response.into_parts();
        self.tell(|| Event::Answered { party, status: head.status.as_u16(), fields: told(&head.headers) });
        let lease = Lease { sender, key };
        Ok(Answer { url, status: head.status.as_u16(), fields: head.headers, body, lease })
    }

    fn request(&self, ask: Ask) -> Result<Request<SentBody>, String> {
        // A proxy is given plain requests in absolute form.
        let proxy = self.proxy_of(&ask.url).filter(|proxy| !ask.url.tls && proxy.forwards_http());
        let target = match &proxy {
            Some(_) => format!("{}://{}{}", ask.url.scheme(), ask.url.authority, ask.url.target),
            None => ask.url.target.clone(),
        };
        let mut request =
            Request::builder().method(ask.method).uri(target).body(ask.body).map_err(|error| error.to_string())?;
        *request.headers_mut() = ask.fields;
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        request.headers_mut().insert(HOST, value(&ask.url.host_header())?);
        request.headers_mut().insert(USER_AGENT, value(&self.options.user_agent)?);
        if let Some(login) = proxy.and_then(|proxy| proxy.authorization()) {
            request.headers_mut().insert(hyper::header::PROXY_AUTHORIZATION, value(&login)?);
        }
        Ok(request)
    }

    /// The proxy that is asked for a place, if any.
    pub(super) fn proxy_of(&self, url: &Url) -> Option<std::sync::Arc<Proxy>> {
        let way = if url.tls { &self.options.https_way } else { &self.options.http_way };
        self.dialer.proxy_for(&url.authority, way).cloned()
    }

    /// A new connection to a place.
    async fn connect(&self, party: Party, url: &Url) -> Result<SendRequest<SentBody>, RegistryError> {
        let at = &url.authority;
        let way = if url.tls { &self.options.https_way } else { &self.options.http_way };
        let proxy = self.proxy_of(url);
        let dialed = match &proxy {
            Some(proxy) if !url.tls && proxy.forwards_http() => self.dialer.reach_proxy(proxy, &Tee::default()).await,
            _ => self.dialer.dial(at, way, &Tee::default()).await,
        };
        let dialed = dialed.map_err(|error| RegistryError::Dial { at: at.clone(), error })?;
        let (conn, side) = if url.tls { self.shake(dialed.conn, at).await? } else { (dialed.conn, None) };
        let address = dialed.address;
        let to = at.clone();
        let proxy = proxy.map(|proxy| proxy.at.clone());
        self.tell(|| Event::Connected { party, to, address, proxy, tls: side.map(Box::new) });
        let broken = |error: hyper::Error| RegistryError::Broken { url: url.clone(), why: words(&error) };
        let (sender, connection) =
            http1::Builder::new().max_buf_size(LARGEST_HEAD).handshake(TokioIo::new(conn)).await.map_err(broken)?;
        let guard = dialed.guard;
        tokio::spawn(async move {
            // Its errors are those of the requests on it.
            let _ = connection.await;
            drop(guard);
        });
        Ok(sender)
    }

    async fn shake(
        &self,
        conn: Conn,
        at: &Authority,
    ) -> Result<(Conn, Option<sidelight_model::flow::TlsSide>), RegistryError> {
        let service = self.trust.service(&self.registry, at).map_err(RegistryError::HostFiles)?;
        let wish = Wish {
            target: at,
            name: &at.host,
            with_sni: at.host.ip().is_none(),
            alpn: &[b"http/1.1".to_vec()],
            stop_when_asked: false,
            secrets: None,
        };
        let shaken = service.shake(conn, wish).await.map_err(|error| RegistryError::Tls { at: at.clone(), error })?;
        if let Verdict::Untrusted { finding, .. } = shaken.verdict
            && !self.options.insecure
        {
            return Err(RegistryError::Untrusted { at: at.clone(), finding });
        }
        Ok((Box::new(Decrypted::from(shaken.stream)), Some(shaken.side)))
    }
}

/// The whole chain of an error in one line: the library's outermost word alone says little.
fn words(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}

/// The fields of an answer for those who listen.
pub(super) fn told(fields: &HeaderMap) -> Vec<(String, String)> {
    let all = fields.iter().filter(|(name, _)| name.as_str() != "set-cookie");
    all.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
