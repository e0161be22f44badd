//! Plain requests through an HTTP proxy, one by one over a kept-alive connection to whatever hosts they name.
//! In: a request head in absolute-form. Out: the request at its host in origin-form, and the response. Spec: RFC 9112 §3.2, §9.3.
//!
//! This is the one place where bytes of the conversation are written anew: the request line, because the protocol says so, and
//! the fields that are meant for the proxy alone. All others pass as they came.

use sidelight_model::flow::{Authority, Direction, Header, How, Verdict};
use sidelight_wire::http1::RequestHead;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::explicit::{answer, part, unheard, unreachable};
use super::one_exchange::OneExchange;
use crate::conn::Call;
use crate::dial::Dialed;
use crate::relay::{End, finish, relay};
use crate::transport::{Conn, rewind};

/// What comes after a request.
pub(super) enum Next {
    /// The client may send another.
    Request(Conn),
    /// The connection is over.
    Over(How),
}

/// Forwards requests, and keeps the last connection to a service for the next one.
#[derive(Default)]
pub(super) struct Forwarder {
    kept: Option<(Authority, Dialed)>,
}

/// Fields for the proxy alone.
fn is_for_proxy(header: &Header) -> bool {
    header.is("proxy-authorization") || header.is("proxy-connection")
}

impl Forwarder {
    pub(super) async fn forward(&mut self, call: &mut Call<'_>, mut client: Conn, head: RequestHead) -> Next {
        let target = match destination(&head) {
            Ok(target) => target,
            Err(why) => {
                answer(&mut client, &head.method, 400, "Bad Request", &format!("sidelight: {why}\n"), "").await;
                return Next::Over(call.refuse(unheard(call, &why)));
            }
        };
        let dialed = match self.reach(call, &target).await {
            Ok(dialed) => dialed,
            Err((how, error)) => {
                unreachable(&mut client, &head.method, &target, &error).await;
                return Next::Over(how);
            }
        };
        call.decide(Verdict::Plain, "plain HTTP");
        let Dialed { conn: mut server, address, guard } = dialed;
        call.tap.data(Direction::ToServer, &head.raw);
        if let Err(error) = server.write_all(&self.head_for(call, &head, &target)).await {
            answer(&mut client, &head.method, 502, "Bad Gateway", &format!("sidelight: {target}: {error}\n"), "").await;
            return Next::Over(How::ServerCut(error.to_string()));
        }
        let mut watch = OneExchange::new(&head, &mut call.tap);
        let (client, server, end) = relay(client, server, &mut watch, call.engine.settings.idle_limit).await;
        let (stays, over) = (watch.stays_open(&head), watch.response_is_over());
        match end {
            End::Stopped([from_client, from_server]) => {
                // Bytes beyond the response belong to nothing: that connection cannot be trusted with another request.
                if stays && from_server.is_empty() {
                    self.kept = Some((target, Dialed { conn: server, address, guard }));
                }
                let mut client = rewind(from_client, client);
                if stays {
                    return Next::Request(client);
                }
                part(&mut client).await;
                Next::Over(if over {
                    How::Clean
                } else {
                    How::ServerCut("it closed before its response was whole".to_owned())
                })
            }
            end => {
                finish(client, server, &end).await;
                Next::Over(match end {
                    End::Clean => How::Clean,
                    End::Broken(Direction::ToServer, _) => How::ClientCut("it broke off".to_owned()),
                    End::Broken(Direction::ToClient, _) => How::ServerCut("it broke off".to_owned()),
                    _ => How::Ended("nothing passed for the idle limit".to_owned()),
                })
            }
        }
    }

    /// The kept connection, if it is to the same place and still open; else a new one.
    async fn reach(
        &mut self,
        call: &mut Call<'_>,
        target: &Authority,
    ) -> Result<Dialed, (How, crate::dial::DialError)> {
        if let Some((place, mut dialed)) = self.kept.take()
            && place == *target
            && is_quiet(&mut dialed.conn).await
        {
            return Ok(dialed);
        }
        let forwarding =
            call.engine.dialer.proxy_for(target, &call.listener.way).filter(|proxy| proxy.forwards_http()).cloned();
        let Some(proxy) = forwarding else { return call.dial_or_error(target).await };
        call.tap.event(sidelight_model::flow::EventKind::Target(target.clone()));
        match call.engine.dialer.reach_proxy(&proxy, &call.tee).await {
            Ok(dialed) => {
                call.tap.event(sidelight_model::flow::EventKind::Upstream(dialed.address));
                Ok(dialed)
            }
            Err(error) => Err((call.fail(error.finding(target)), error)),
        }
    }

    /// The head as the next hop must get it.
    fn head_for(&self, call: &Call<'_>, head: &RequestHead, target: &Authority) -> Vec<u8> {
        let proxy = call.engine.dialer.proxy_for(target, &call.listener.way).filter(|proxy| proxy.forwards_http());
        let Some(proxy) = proxy else {
            return head.rewritten(&origin_form(&head.method, &head.target.raw), |header| !is_for_proxy(header));
        };
        let mut bytes = head.rewritten(&head.target.raw, |header| !header.is("proxy-authorization"));
        if let Some(value) = proxy.authorization() {
            bytes.truncate(bytes.len().saturating_sub(2));
            bytes.extend_from_slice(format!("Proxy-Authorization: {value}\r\n\r\n").as_bytes());
        }
        bytes
    }
}

/// Whether a kept connection has neither ended nor said anything.
async fn is_quiet(conn: &mut Conn) -> bool {
    let mut byte = [0];
    std::future::poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut byte);
        Poll::Ready(Pin::new(&mut *conn).poll_read(cx, &mut buffer).is_pending())
    })
    .await
}

/// The place that an absolute-form target names.
fn destination(head: &RequestHead) -> Result<Authority, String> {
    match head.target.scheme.as_deref() {
        Some("http") => {}
        Some(other) => return Err(format!("this proxy forwards http:// only; use CONNECT for {other}://")),
        None => {
            let target = String::from_utf8_lossy(&head.target.raw);
            let scheme = target.split_once("://").map_or_else(String::new, |(scheme, _)| format!(", not {scheme}://"));
            return Err(format!("this proxy forwards http:// only{scheme}"));
        }
    }
    let authority = head.target.authority.as_deref().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    Authority::parse(place, Some(80)).map_err(|error| error.to_string())
}

/// Path and query of an absolute-form target; `*` for OPTIONS of a whole server (RFC 9112 §3.2.4).
fn origin_form(method: &[u8], target: &[u8]) -> Vec<u8> {
    let after_scheme = target.windows(3).position(|window| window == b"://").map_or(target, |at| &target[at + 3..]);
    match after_scheme.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')) {
        Some(at) if after_scheme[at] == b'/' => after_scheme[at..].to_vec(),
        Some(at) => [b"/", &after_scheme[at..]].concat(),
        None if method == b"OPTIONS" => b"*".to_vec(),
        None => b"/".to_vec(),
    }
}
