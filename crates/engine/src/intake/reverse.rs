//! `reverse`: in front of a service, with TLS or without on either side. In: a client that takes us for the service.
//! Out: its connection to the service. Not a byte of what it says is changed, its Host header included.

use sidelight_model::flow::{Authority, EventKind, Host, How, Leg, Verdict};
use sidelight_wire::tls::client_hello::ClientHello;
use std::sync::Arc;

use crate::conn::{Call, Shown};
use crate::dial::Dialed;
use crate::engine::now;
use crate::peek::Peeked;
use crate::tls::Wish;
use crate::transport::{Conn, rewind};

pub(crate) async fn serve(call: &mut Call<'_>, mut client: Conn, tls: bool, to: Authority) -> How {
    let Dialed { conn: server, guard, .. } = match call.dial(&to).await {
        Ok(dialed) => dialed,
        Err(how) => {
            client.reset_on_drop();
            return how;
        }
    };
    // A service with TLS waits for a hello, so only the client can speak first.
    let how = if tls {
        let (mut client, _, found) = call.listen(client, None).await;
        match found {
            // Heads cannot be edited in it; a client that may speak plainly does so next.
            Peeked::Tls(hello, _) if call.listener.edit.is_some() => {
                call.heard(&hello);
                call.decide(Verdict::Refuse, "this port speaks plain HTTP");
                client.reset_on_drop();
                How::Failed
            }
            Peeked::Tls(hello, first) => {
                call.heard(&hello);
                let face = face(call, &hello);
                let shown = Shown { sni: to.host.ip().is_none(), name: to.host.clone(), face };
                call.intercept(client, first, hello, server, to, shown, true).await
            }
            Peeked::Plain | Peeked::Odd(_) => Box::pin(plain_to_tls(call, client, server, &to)).await,
            Peeked::Silent => How::ClientCut("it closed without a word".to_owned()),
            Peeked::Idle => call.idle(client, Some(server)).await,
        }
    } else {
        let (client, server, found) = call.listen(client, Some(server)).await;
        match (found, server) {
            (Peeked::Tls(hello, first), Some(server)) => {
                call.heard(&hello);
                let face = face(call, &hello);
                Box::pin(tls_to_plain(call, rewind(first, client), server, face, &hello.alpn)).await
            }
            (Peeked::Idle, server) => call.idle(client, server).await,
            (_, Some(server)) => call.plain(client, server, to).await,
            (_, None) => How::Failed,
        }
    };
    drop(guard);
    how
}

/// What the client calls us: the name in its hello, else the address that it connected to. The service's own names are copied besides.
fn face(call: &Call<'_>, hello: &ClientHello) -> Host {
    let named = hello.sni.as_deref().and_then(|name| Host::parse(name).ok());
    named.unwrap_or_else(|| Authority::from(call.local).host)
}

/// A plain client of a service with TLS. What is wrong with the service cannot be shown to such a client; it is refused.
async fn plain_to_tls(call: &mut Call<'_>, mut client: Conn, server: Conn, to: &Authority) -> How {
    let service = call.engine.service.clone();
    let wish = Wish {
        target: to,
        name: &to.host,
        with_sni: to.host.ip().is_none(),
        alpn: &[],
        stop_when_asked: false,
        secrets: call.tee.secrets(Leg::Server),
    };
    let shaken = match service.shake(server, wish).await {
        Ok(shaken) => shaken,
        Err(error) => {
            client.reset_on_drop();
            return call.fail(crate::conn::service_failed(to, &error));
        }
    };
    call.tap.event(EventKind::ServerTls(Arc::new(shaken.side)));
    if let crate::tls::Verdict::Untrusted { finding, .. } = shaken.verdict
        && !call.engine.is_insecure(to, &to.host.to_string())
    {
        call.tap.event(EventKind::Finding(finding.clone()));
        if call.engine.settings.on_untrusted != crate::engine::OnUntrusted::Warn {
            client.reset_on_drop();
            call.decide(Verdict::Refuse, finding.summary.clone());
            return How::Failed;
        }
    }
    call.decide(Verdict::Plain, "no TLS from the client");
    call.show(client, Box::new(crate::transport::Decrypted::from(shaken.stream))).await
}

/// A client with TLS of a service without.
async fn tls_to_plain(call: &mut Call<'_>, client: Conn, server: Conn, face: Host, offered: &[Vec<u8>]) -> How {
    call.decide(Verdict::Intercept, "the service speaks no TLS");
    let leaf = match call.engine.forge.own_leaf(&face, now()) {
        Ok(leaf) => leaf,
        Err(error) => {
            let to = Authority { host: face, port: call.local.port() };
            return call.fail(crate::conn::not_minted(&to, &error));
        }
    };
    // A service without TLS speaks HTTP/1.1 unless it is told otherwise by the first bytes, so that is what is agreed on.
    let alpn = offered.iter().find(|name| name.as_slice() == b"http/1.1").cloned();
    let secrets = call.tee.secrets(Leg::Client);
    match call.engine.face.shake(client, leaf, alpn, secrets).await {
        Ok((stream, side)) => {
            call.client_agreed(side);
            call.show(Box::new(crate::transport::Decrypted::from(stream)), server).await
        }
        Err(error) => {
            let shown = Shown { name: face.clone(), face: face.clone(), sni: true };
            let to = Authority { host: face, port: call.local.port() };
            call.client_refused(&error, &to, &shown).await;
            How::Failed
        }
    }
}
