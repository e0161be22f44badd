//! `explicit`: an HTTP proxy. In: a client that knows that it talks to a proxy, by TLS or not. Out: tunnels (CONNECT), and plain
//! requests forwarded one by one (absolute-form). Spec: RFC 9110 §9.3.6, RFC 9112 §3.2.2.

use std::time::Duration;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, Header, Host, How, Leg};
use sidelight_wire::http1::{HeadLimits, Progress, RequestHead, parse_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::forward_http::{Forwarder, Next};
use crate::conn::Call;
use crate::engine::now;
use crate::peek::Peeked;
use crate::transport::{Conn, hear, rewind};

/// A client that was told the end gets so long to close.
const LINGER: Duration = Duration::from_secs(2);

pub(crate) async fn serve(call: &mut Call<'_>, client: Conn, tls_only: bool) -> How {
    let client = match Box::pin(face_of_proxy(call, client, tls_only)).await {
        Ok(client) => client,
        Err(how) => return how,
    };
    let mut client = client;
    let mut heard = Vec::new();
    let mut forwarder = Forwarder::default();
    let mut first = true;
    loop {
        let head = match request(call, &mut client, &mut heard, first).await {
            Ok(Some(head)) => head,
            Ok(None) => return How::Clean,
            Err(how) => return how,
        };
        if let Some(how) = Box::pin(login_refused(call, &mut client, &head)).await {
            return how;
        }
        if head.method.as_ref() == b"CONNECT" {
            return connect(call, rewind(std::mem::take(&mut heard).into(), client), &head).await;
        }
        if let Some(how) = Box::pin(own_page(call, &mut client, &head)).await {
            return how;
        }
        first = false;
        match Box::pin(forwarder.forward(call, rewind(std::mem::take(&mut heard).into(), client), head)).await {
            Next::Request(back) => client = back,
            Next::Over(how) => return how,
        }
    }
}

/// Clients may speak TLS to the proxy itself; they are shown a certificate for the name or address that they called.
async fn face_of_proxy(call: &mut Call<'_>, client: Conn, tls_only: bool) -> Result<Conn, How> {
    let peeked = timeout(super::PATIENCE, call.listen(client, None)).await;
    let Ok((client, _, found)) = peeked else { return Err(call.fail(unheard(call, "it said nothing"))) };
    let (hello, first) = match found {
        Peeked::Tls(hello, first) => (hello, first),
        Peeked::Idle => return Err(call.idle(client, None).await),
        Peeked::Silent => return Err(How::ClientCut("it closed without a word".to_owned())),
        Peeked::Plain | Peeked::Odd(_) if tls_only => {
            return Err(call.refuse(unheard(call, "it does not speak TLS to this proxy (explicit:tls)")));
        }
        Peeked::Plain | Peeked::Odd(_) => return Ok(client),
    };
    let local = Authority::from(call.local).host;
    let host = hello.sni.as_deref().and_then(|name| Host::parse(name).ok()).unwrap_or(local);
    let me = Authority { host: host.clone(), port: call.local.port() };
    let leaf = match call.engine.forge.own_leaf(&host, now()) {
        Ok(leaf) => leaf,
        Err(error) => return Err(call.fail(crate::conn::not_minted(&me, &error))),
    };
    let alpn = hello.alpn.iter().find(|name| name.as_slice() == b"http/1.1").cloned();
    let secrets = call.tee.secrets(Leg::Client);
    match call.engine.face.shake(rewind(first, client), leaf, alpn, secrets).await {
        Ok((stream, _)) => Ok(Box::new(crate::transport::Decrypted::from(stream))),
        Err(error) => {
            let name = call.program.name(call.peer).await;
            let text = format!("{name} does not trust the certificate of this proxy ({me}): {error}");
            let finding = Finding::new(Cause::TlsIntercepted, text, "error", name, error.to_string()).with_fix(
                "Let the client trust sidelight's CA for the proxy too",
                "curl --proxy-cacert ca.pem; sidelight ca export",
            );
            Err(call.fail(finding))
        }
    }
}

/// The next request's head; `None` when the client has no more.
async fn request(
    call: &mut Call<'_>,
    client: &mut Conn,
    heard: &mut Vec<u8>,
    first: bool,
) -> Result<Option<RequestHead>, How> {
    // A head that has begun must end: one byte now and then would hold the connection for ever.
    let mut deadline = first.then(|| Instant::now() + super::PATIENCE);
    loop {
        if deadline.is_none() && !heard.is_empty() {
            deadline = Some(Instant::now() + super::PATIENCE);
        }
        match parse_request(heard, &HeadLimits::default()) {
            Progress::Complete(head, consumed) => {
                heard.drain(..consumed);
                return Ok(Some(head));
            }
            Progress::Partial => {}
            Progress::NotHttp(why) | Progress::TooLarge(why) => {
                answer(client, b"", 400, "Bad Request", &format!("this is an HTTP proxy: {why}\n"), "").await;
                return Err(call.refuse(unheard(call, &why)));
            }
        }
        let read = hear(client, heard);
        let read = match (deadline, call.engine.settings.idle_limit) {
            (Some(deadline), _) => timeout_at(deadline, read).await.unwrap_or(Ok(0)),
            (None, Some(limit)) => timeout(limit, read).await.unwrap_or(Ok(0)),
            (None, None) => read.await,
        };
        match read {
            Ok(0) | Err(_) if heard.is_empty() => return Ok(None),
            Ok(0) => return Err(How::ClientCut("it closed in the middle of a request head".to_owned())),
            Err(error) => return Err(How::ClientCut(error.to_string())),
            Ok(_) => {}
        }
    }
}

async fn connect(call: &mut Call<'_>, mut client: Conn, head: &RequestHead) -> How {
    let text = String::from_utf8_lossy(&head.target.raw).into_owned();
    // A login has no place here, and errors must not repeat it.
    let parsed = match text.contains('@') {
        true => Err("CONNECT wants HOST:PORT, without a login".to_owned()),
        false => Authority::parse(&text, Some(443)).map_err(|error| format!("CONNECT: {error}")),
    };
    let target = match parsed {
        Ok(target) => target,
        Err(why) => {
            answer(&mut client, b"CONNECT", 400, "Bad Request", &format!("{why}\n"), "").await;
            return call.refuse(unheard(call, &why));
        }
    };
    match call.dial_or_error(&target).await {
        Ok(dialed) => {
            if let Err(error) = client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await {
                return How::ClientCut(error.to_string());
            }
            if let Err(error) = client.flush().await {
                return How::ClientCut(error.to_string());
            }
            call.converse(client, dialed, target, true).await
        }
        Err((how, error)) => {
            unreachable(&mut client, b"CONNECT", &target, &error).await;
            how
        }
    }
}

/// Tells an HTTP client why the service cannot be reached.
pub(super) async fn unreachable(client: &mut Conn, method: &[u8], target: &Authority, error: &crate::dial::DialError) {
    let (status, reason) = error.http_status();
    let finding = error.finding(target);
    let fixes: String = finding.fixes.iter().map(|fix| format!("fix: {}: {}\n", fix.action, fix.how)).collect();
    answer(client, method, status, reason, &format!("sidelight: {}\n{fixes}", finding.summary), "").await;
}

async fn login_refused(call: &mut Call<'_>, client: &mut Conn, head: &RequestHead) -> Option<How> {
    let login = call.engine.settings.login.as_ref()?;
    let wanted = format!("{}:{}", login.user, login.password.reveal());
    let given = Header::find(&head.headers, "proxy-authorization");
    let decoded = given
        .and_then(|value| value.trim().split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, text)| data_encoding::BASE64.decode(text.trim().as_bytes()).ok());
    if decoded.as_deref().is_some_and(|pair| same(pair, wanted.as_bytes())) {
        return None;
    }
    let field = "Proxy-Authenticate: Basic realm=\"sidelight\"\r\n";
    answer(client, &head.method, 407, "Proxy Authentication Required", "this proxy wants a login\n", field).await;
    let name = call.program.name(call.peer).await;
    let what = if given.is_some() { "gave a wrong login" } else { "gave no login" };
    let finding = Finding::new(
        Cause::ProxyAuthRequired,
        format!("{name} {what} to this proxy"),
        "Proxy-Authorization",
        name,
        what,
    )
    .with_fix("Give the client the login of --proxy-auth", format!("HTTPS_PROXY=http://USER:PASSWORD@{}", call.local));
    Some(call.refuse(finding))
}

/// Requests for the proxy itself: our CA certificate, or a word of what this is.
async fn own_page(call: &mut Call<'_>, client: &mut Conn, head: &RequestHead) -> Option<How> {
    let target = String::from_utf8_lossy(&head.target.raw).into_owned();
    if target.contains("://") {
        return None;
    }
    if target == "/ca.pem" && matches!(head.method.as_ref(), b"GET" | b"HEAD") {
        let pem = call.engine.forge.authority().cert_pem();
        answer(
            client,
            &head.method,
            200,
            "OK",
            &pem,
            "Content-Disposition: attachment; filename=\"sidelight-ca.pem\"\r\n",
        )
        .await;
        call.decide(sidelight_model::flow::Verdict::Plain, "asked this proxy for its CA certificate");
        return Some(How::Clean);
    }
    let page = format!(
        "This is sidelight, an HTTP proxy. Set HTTPS_PROXY=http://{} in clients; its CA certificate is at /ca.pem here.\n",
        call.local
    );
    answer(client, &head.method, 400, "Bad Request", &page, "").await;
    let why = format!("it asked this proxy itself for {}", target.escape_debug());
    Some(call.refuse(unheard(call, &why)))
}

/// A short answer of our own to a request with this method, after which the connection ends.
pub(super) async fn answer(client: &mut Conn, method: &[u8], status: u16, reason: &str, text: &str, fields: &str) {
    let message = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{fields}Connection: close\r\n\r\n{body}",
        text.len(),
        body = if method == b"HEAD" { "" } else { text },
    );
    let tell = client.write_all(message.as_bytes());
    if let Ok(Ok(())) = timeout(LINGER, tell).await {
        Box::pin(part(client)).await;
    }
}

/// Ends a connection whose client may still be sending: bytes left unread would make the kernel answer with a reset, which can
/// overtake the last words.
pub(super) async fn part(client: &mut Conn) {
    let end = async {
        client.shutdown().await?;
        let mut rest = [0; 4096];
        while client.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = timeout(LINGER, end).await;
}

/// Compares without telling by its time where the first difference is.
pub(super) fn same(given: &[u8], wanted: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(given, wanted).is_ok()
}

pub(super) fn unheard(call: &Call<'_>, why: &str) -> Finding {
    let text = format!("{} does not get through this HTTP proxy: {why}", call.peer);
    Finding::new(Cause::ProxyDenied, text, "first bytes", call.peer.to_string(), why.to_owned())
        .with_fix("Use it as an HTTP proxy", format!("HTTPS_PROXY=http://{0} HTTP_PROXY=http://{0}", call.local))
}
