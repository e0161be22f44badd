//! `socks5`: In: a SOCKS client. Out: its connection to the place that it names. Spec: RFC 1928, RFC 1929.

use std::net::SocketAddr;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, How};
use sidelight_wire::socks5::{Error, Method, Progress, Reply, server};
use tokio::io::AsyncWriteExt;

use crate::conn::Call;
use crate::transport::{Conn, hear, rewind};

/// Why the client's wish is not known.
enum Failure {
    /// It spoke wrongly.
    Protocol(Error),
    /// Its login is wrong.
    Login(String),
    /// The connection ended or stalled.
    Gone(String),
}

pub(crate) async fn serve(call: &mut Call<'_>, mut client: Conn) -> How {
    let mut heard = Vec::new();
    let wish = tokio::time::timeout(super::PATIENCE, wish(call, &mut client, &mut heard)).await;
    let target = match wish.unwrap_or_else(|_| Err(Failure::Gone("it did not say whom it wants".to_owned()))) {
        Ok(target) => target,
        Err(failure) => {
            let finding = explain(call, failure, &mut client).await;
            return call.refuse(finding);
        }
    };
    let none = SocketAddr::from(([0, 0, 0, 0], 0));
    match call.dial_or_error(&target).await {
        Ok(dialed) => {
            if let Err(error) = client.write_all(&server::reply(Reply::SUCCEEDED, none)).await {
                return How::ClientCut(error.to_string());
            }
            call.converse(rewind(heard.into(), client), dialed, target, true).await
        }
        Err((how, error)) => {
            let _ = client.write_all(&server::reply(error.socks_reply(), none)).await;
            let _ = client.shutdown().await;
            how
        }
    }
}

async fn wish(call: &Call<'_>, client: &mut Conn, heard: &mut Vec<u8>) -> Result<Authority, Failure> {
    let greeting = next(client, heard, server::parse_greeting).await?;
    let login = call.engine.settings.login.as_ref();
    let method = server::choose(&greeting, login.is_some()).map_err(Failure::Protocol)?;
    say(client, &server::method_reply(Some(method))).await?;
    if method == Method::UserPassword {
        let given = next(client, heard, server::parse_credentials).await?;
        let right = login.is_none_or(|login| {
            super::explicit::same(&given.user, login.user.as_bytes())
                & super::explicit::same(given.password.reveal(), login.password.reveal().as_bytes())
        });
        say(client, &server::credentials_reply(right)).await?;
        if !right {
            return Err(Failure::Login(String::from_utf8_lossy(&given.user).into_owned()));
        }
    }
    next(client, heard, server::parse_request).await
}

async fn say(client: &mut Conn, bytes: &[u8]) -> Result<(), Failure> {
    client.write_all(bytes).await.map_err(|error| Failure::Gone(error.to_string()))
}

async fn next<T>(client: &mut Conn, heard: &mut Vec<u8>, parse: impl Fn(&[u8]) -> Progress<T>) -> Result<T, Failure> {
    loop {
        match parse(heard) {
            Progress::Done(value, consumed) => {
                heard.drain(..consumed);
                return Ok(value);
            }
            Progress::Error(error) => return Err(Failure::Protocol(error)),
            Progress::Partial => match hear(client, heard).await {
                Ok(0) => return Err(Failure::Gone("it closed the connection".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(Failure::Gone(error.to_string())),
            },
        }
    }
}

async fn explain(call: &mut Call<'_>, failure: Failure, client: &mut Conn) -> Finding {
    let name = call.program.name(call.peer).await;
    match failure {
        Failure::Protocol(error) => {
            if let Some(answer) = error.answer() {
                let _ = client.write_all(&answer).await;
                let _ = client.shutdown().await;
            }
            Finding::new(
                Cause::ProxyDenied,
                format!("{name} does not get through the SOCKS proxy: {error}"),
                "error",
                name.clone(),
                error.to_string(),
            )
        }
        Failure::Login(user) => {
            let text = format!("{name} gave a wrong login to the SOCKS proxy (user `{}`)", user.escape_debug());
            Finding::new(Cause::ProxyAuthRequired, text, "user", name, user.escape_debug().to_string()).with_fix(
                "Give the client the login of --proxy-auth",
                format!("socks5h://USER:PASSWORD@{}", call.local),
            )
        }
        Failure::Gone(why) => Finding::new(
            Cause::ConnectionClosed,
            format!("{name} left the SOCKS proxy before it said whom it wants: {why}"),
            "end",
            name.clone(),
            why,
        )
        .blaming(sidelight_model::finding::Party::Client),
    }
}
