//! `sni`: the destination is the name in the ClientHello; for plain HTTP, in the Host header, at port 80.
//! In: a client that knows nothing of us. Out: its connection to that name.

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, Host, How};
use sidelight_wire::http1::{HeadLimits, Progress, parse_request};

use crate::conn::Call;
use crate::peek::Peeked;
use crate::transport::{Conn, hear, rewind};

pub(crate) async fn serve(call: &mut Call<'_>, client: Conn, port: u16) -> How {
    let peeked = tokio::time::timeout(super::PATIENCE, call.listen(client, None)).await;
    let Ok((mut client, _, found)) = peeked else { return call.refuse(no_name(call, "it said nothing")) };
    match found {
        Peeked::Tls(hello, first) => {
            call.heard(&hello);
            let name = hello.sni.as_deref().and_then(|name| Host::parse(name).ok());
            let Some(host) = name else {
                crate::conn::say_alert(client, "unrecognized_name").await;
                return call.refuse(no_name(call, "its ClientHello has no server name"));
            };
            let target = Authority { host, port };
            match call.dial(&target).await {
                Ok(dialed) => {
                    let how = call.tls(client, first, hello, dialed.conn, target, true).await;
                    drop(dialed.guard);
                    how
                }
                Err(how) => {
                    crate::conn::say_alert(client, "internal_error").await;
                    how
                }
            }
        }
        Peeked::Plain => match tokio::time::timeout(super::PATIENCE, host_of(client)).await {
            Ok(Some((client, target))) => call.to(client, target).await,
            Ok(None) | Err(_) => {
                call.refuse(no_name(call, "its first bytes are neither TLS nor HTTP with a Host header"))
            }
        },
        Peeked::Odd(why) => {
            client.reset_on_drop();
            call.refuse(no_name(call, &why))
        }
        Peeked::Idle => call.idle(client, None).await,
        Peeked::Silent => call.refuse(no_name(call, "it closed without a word")),
    }
}

/// Reads the head of a plain request, keeps it, and finds its host.
async fn host_of(mut client: Conn) -> Option<(Conn, Authority)> {
    let mut heard = Vec::new();
    loop {
        match parse_request(&heard, &HeadLimits::default()) {
            Progress::Complete(head, _) => {
                let target = Authority::parse(&head.target.authority?, Some(80)).ok()?;
                return Some((rewind(heard.into(), client), target));
            }
            Progress::Partial if hear(&mut client, &mut heard).await.ok()? > 0 => {}
            _ => return None,
        }
    }
}

fn no_name(call: &Call<'_>, why: &str) -> Finding {
    let text = format!("{}: {why}, so its destination is unknown", call.peer);
    Finding::new(Cause::SniNeeded, text, "first bytes", call.peer.to_string(), why.to_owned())
        .with_fix("Say where such clients are to go", "--mode forward:HOST:PORT instead of sni")
}
