//! One connection, from its first byte to its last. In: an accepted socket. Out: the same bytes on the other side, and events.

mod client;
mod explain;
mod intercept;
mod observe;
mod pass;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{
    Authority, Closed, Decision, Ends, EventKind, Hello, Host, How, Leg, Opened, TlsSide, Verdict,
};
use sidelight_model::policy::{ClientKey, Subject};
use sidelight_wire::tls::client_hello::ClientHello;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::capture::Tee;
use crate::dial::{Dialed, is_nearby};
use crate::engine::{Engine, Listener, Mode, now};
use crate::intake;
use crate::peek::{Peeked, peek};
use crate::relay::{End, finish};
use crate::tap::ConnTap;
use crate::transport::{Conn, Edited};

pub(crate) use client::ClientProgram;
pub(crate) use explain::{not_minted, service_failed};
pub(crate) use intercept::{Shown, say_alert};

/// A connection under way.
pub(crate) struct Call<'e> {
    pub(crate) engine: &'e Arc<Engine>,
    pub(crate) listener: &'e Listener,
    pub(crate) tap: ConnTap,
    pub(crate) tee: Tee,
    /// What the client's ClientHello offered, once it was read.
    pub(crate) hello: Option<Arc<Hello>>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// Where the client wanted to go: `local`, unless it was redirected here.
    pub(crate) far_end: SocketAddr,
    pub(crate) program: ClientProgram,
}

/// Serves one client until its connection is over.
pub async fn drive(engine: Arc<Engine>, listener: Arc<Listener>, client: TcpStream, peer: SocketAddr) {
    let Ok(local) = client.local_addr() else { return };
    let _ = client.set_nodelay(true);
    let _counted = engine.count();
    let tap = engine.new_connection().await;
    let opened = Opened { client: peer, local, mode: listener.name.clone() };
    tap.event(EventKind::Opened(opened));
    // A redirected client's own socket is connected to where it wanted to go, in whatever mode we listen.
    let far_end = intake::original_dst(&client, local).unwrap_or(local);
    let program = ClientProgram::find(listener.identify.clone(), peer, far_end, &tap);
    let tee = Tee::new(engine.settings.capture, &tap);
    let mut call = Call { engine: &engine, listener: &listener, tap, tee, hello: None, peer, local, far_end, program };
    let how = match call.refusal() {
        Some(finding) => {
            call.tee.attach(Leg::Client, client, Ends { from: peer, to: far_end }).reset_on_drop();
            call.refuse(finding)
        }
        None => call.serve(client).await,
    };
    let (to_server, to_client) = call.tap.tallies();
    call.program.tell().await;
    call.tap.event(EventKind::Closed(Closed { to_server, to_client, how }));
}

impl Call<'_> {
    /// Why this client is not served at all.
    fn refusal(&self) -> Option<Finding> {
        if self.is_ourselves() {
            let text = "a connection of this proxy itself came back to it: refused, for it would go round for ever";
            return Some(
                Finding::new(Cause::ProxyDenied, text, "client", "this proxy", self.peer.to_string()).with_fix(
                    "Keep sidelight's own traffic out of the redirection",
                    "exclude its user or mark from the nftables rule",
                ),
            );
        }
        if !self.engine.settings.allow_public && !self.listener.foreign && !is_nearby(self.peer.ip()) {
            let text = format!("a client from the public address {} was refused", self.peer.ip());
            return Some(
                Finding::new(Cause::ProxyDenied, text, "client", self.local.to_string(), self.peer.to_string())
                    .with_fix("If it is meant to use this proxy, allow it", "--allow-public"),
            );
        }
        None
    }

    fn is_ourselves(&self) -> bool {
        !self.listener.foreign && self.engine.own.is_our_connection(self.peer, self.far_end)
    }

    async fn serve(&mut self, client: TcpStream) -> How {
        let original =
            matches!(self.listener.mode, Mode::Transparent).then(|| intake::original_dst(&client, self.local));
        let client = self.tee.attach(Leg::Client, client, Ends { from: self.peer, to: self.far_end });
        let client: Conn = match &self.listener.edit {
            Some(new) => Box::new(Edited::new(new(), client)),
            None => client,
        };
        match (&self.listener.mode, original) {
            // Each in a box: a task is as large as the largest of what it may come to.
            (Mode::Explicit { tls }, _) => Box::pin(intake::explicit::serve(self, client, *tls)).await,
            (Mode::Socks5, _) => Box::pin(intake::socks::serve(self, client)).await,
            (_, Some(Ok(target))) => self.to(client, target.into()).await,
            (_, Some(Err(error))) => self.refuse(intake::no_original_dst(self.local, &error)),
            (Mode::Transparent | Mode::Tproxy, None) => self.to(client, self.local.into()).await,
            (Mode::Forward(target), None) => self.to(client, target.clone()).await,
            (Mode::Sni { port }, None) => Box::pin(intake::sni::serve(self, client, *port)).await,
            (Mode::Reverse { tls, to }, None) => Box::pin(intake::reverse::serve(self, client, *tls, to.clone())).await,
        }
    }

    /// Connects a client that knows nothing of us to `target`.
    pub(crate) async fn to(&mut self, mut client: Conn, target: Authority) -> How {
        match self.dial(&target).await {
            Ok(dialed) => match Box::pin(self.foreign(&target)).await {
                Some(because) => {
                    self.decide(Verdict::Relay, because);
                    let how = self.pass(client, dialed.conn).await;
                    drop(dialed.guard);
                    how
                }
                None => self.converse(client, dialed, target, true).await,
            },
            Err(how) => {
                client.reset_on_drop();
                how
            }
        }
    }

    /// Why the client's program is nobody's business here, if the listener is for another.
    async fn foreign(&mut self, target: &Authority) -> Option<String> {
        let (scope, identify) = (self.listener.scope.as_ref()?, self.listener.identify.as_ref()?);
        let (peer, far_end) = (self.peer, SocketAddr::new(target.host.ip()?, target.port));
        let again = || {
            let identify = identify.clone();
            tokio::task::spawn_blocking(move || identify.process(peer, far_end))
        };
        scope.is_foreign(self.program.surely(again).await.as_ref())
    }

    /// Why a service is outside of what the listener is for.
    fn outside(&self, names: &[&str], target: &Authority) -> Option<String> {
        let subject = Subject { names, address: target.host.ip(), port: target.port };
        self.listener.scope.as_ref()?.is_outside(&subject)
    }

    /// Reaches `target`; a failure is reported, and ends the connection as the returned value says.
    pub(crate) async fn dial(&mut self, target: &Authority) -> Result<Dialed, How> {
        self.dial_or_error(target).await.map_err(|(how, _)| how)
    }

    /// As [`Call::dial`], with the error for those who have to answer the client.
    pub(crate) async fn dial_or_error(&mut self, target: &Authority) -> Result<Dialed, (How, crate::dial::DialError)> {
        self.tap.event(EventKind::Target(target.clone()));
        match Box::pin(self.engine.dialer.dial(target, &self.listener.way, &self.tee)).await {
            // A connection of ours that was redirected back may have been accepted before its own address was noted.
            Ok(dialed) if self.is_ourselves() => {
                let error = crate::dial::DialError::Loop { target: target.clone(), address: dialed.address };
                Err((self.refuse(error.finding(target)), error))
            }
            Ok(dialed) => {
                self.tap.event(EventKind::Upstream(dialed.address));
                Ok(dialed)
            }
            Err(error) => {
                // Once it has been told, the client may be gone, and with it its name.
                self.program.settle().await;
                let finding = error.finding(target);
                let how = match error {
                    crate::dial::DialError::Loop { .. } => self.refuse(finding),
                    _ => self.fail(finding),
                };
                Err((how, error))
            }
        }
    }

    /// Finds out what is spoken on a connection that has two ends, and relays it. `redial`: the service may be called again,
    /// because nothing was said to it yet.
    pub(crate) async fn converse(&mut self, client: Conn, dialed: Dialed, target: Authority, redial: bool) -> How {
        let Dialed { conn, guard, .. } = dialed;
        let (client, server, found) = Box::pin(self.listen(client, Some(conn))).await;
        let Some(server) = server else { return How::Failed };
        let how = match found {
            Peeked::Tls(hello, first) => {
                self.heard(&hello);
                self.tls(client, first, hello, server, target, redial).await
            }
            Peeked::Plain | Peeked::Silent => match self.outside(&[&target.host.to_string()], &target) {
                Some(because) => {
                    self.decide(Verdict::Relay, because);
                    self.pass(client, server).await
                }
                None => Box::pin(self.plain(client, server, target)).await,
            },
            Peeked::Idle => self.idle(client, Some(server)).await,
            Peeked::Odd(why) => {
                self.decide(Verdict::Relay, format!("looks like TLS but is not: {why}"));
                self.pass(client, server).await
            }
        };
        drop(guard);
        how
    }

    /// Waits for the first bytes, no longer than the limit on silence.
    pub(crate) async fn listen(&self, client: Conn, server: Option<Conn>) -> (Conn, Option<Conn>, Peeked) {
        peek(client, server, self.engine.settings.idle_limit).await
    }

    /// Ends a connection on which nothing was said for the limit on silence.
    pub(crate) async fn idle(&self, mut client: Conn, server: Option<Conn>) -> How {
        match server {
            Some(server) => finish(client, server, &End::Idle).await,
            None => {
                let _ = tokio::time::timeout(Duration::from_secs(1), client.shutdown()).await;
            }
        }
        pass::how(&End::Idle)
    }

    /// A client that begins TLS: open it, or leave it alone.
    pub(crate) async fn tls(
        &mut self,
        client: Conn,
        first: bytes::Bytes,
        hello: Box<ClientHello>,
        server: Conn,
        target: Authority,
        redial: bool,
    ) -> How {
        let shown = Shown::of(&hello, &target);
        if shown.name != target.host {
            // The client's own word for the service says more than the address that it was redirected from.
            self.tap.event(EventKind::Target(Authority { host: shown.name.clone(), port: target.port }));
        }
        if let Some(because) = Box::pin(self.left_alone(&shown.name, &target)).await {
            self.decide(Verdict::Relay, because);
            return self.pass(crate::transport::rewind(first, client), server).await;
        }
        if let Err(because) = crate::tls::key_for(&hello) {
            self.decide(Verdict::Relay, because);
            return self.pass(crate::transport::rewind(first, client), server).await;
        }
        self.intercept(client, first, hello, server, target, shown, redial).await
    }

    /// Tells what the client offers.
    pub(crate) fn heard(&mut self, hello: &ClientHello) {
        let hello = Arc::new(sidelight_wire::tls::fingerprint::hello(hello));
        self.tap.event(EventKind::Hello(hello.clone()));
        self.hello = Some(hello);
    }

    /// The handshake with the client ended well.
    pub(crate) fn client_agreed(&self, side: TlsSide) {
        self.tap.event(EventKind::ClientTls(Arc::new(TlsSide { hello: self.hello.clone(), ..side })));
    }

    /// Why this connection is relayed untouched, if it is.
    async fn left_alone(&mut self, name: &Host, target: &Authority) -> Option<String> {
        let (name, asked) = (name.to_string(), target.host.to_string());
        if let Some(because) = self.outside(&[&name, &asked], target) {
            return Some(because);
        }
        let subject = Subject { names: &[&name, &asked], address: target.host.ip(), port: target.port };
        if let Some(because) = self.engine.settings.rules.relayed_because(&subject) {
            return Some(because);
        }
        if self.engine.fail_open().is_empty() {
            return None;
        }
        let program = self.program.key(self.peer).await;
        // A client whose program could not be found when it refused was noted by its address.
        let address = ClientKey::Address(self.peer.ip().to_canonical());
        let ago = [program, address].iter().find_map(|key| self.engine.fail_open().refused_ago(key, &name, now()))?;
        let rest = self.engine.settings.fail_open_for.saturating_sub(ago);
        Some(format!("refused our certificate {} ago; tried again in {}", words(ago), words(rest)))
    }

    /// Says what is done.
    pub(crate) fn decide(&self, verdict: Verdict, because: impl Into<String>) {
        self.tap.event(EventKind::Decided(Decision { verdict, because: because.into() }));
    }

    /// Reports a finding of a connection that is not let through.
    pub(crate) fn refuse(&self, finding: Finding) -> How {
        self.decide(Verdict::Refuse, finding.summary.clone());
        self.fail(finding)
    }

    /// Reports a finding of a connection that comes to nothing.
    pub(crate) fn fail(&self, finding: Finding) -> How {
        self.tap.event(EventKind::Finding(Box::new(finding)));
        How::Failed
    }
}

/// `12 s`, `9 min`.
fn words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an asynchronous function of four arguments makes.
    const fn size<A, B, C, D, F>(_: &impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// A task has the size of the largest state that it can come to, for as long as the connection lasts.
    #[test]
    fn a_connection_holds_little_while_it_waits() {
        let bytes = size(&drive);
        assert!(bytes <= 3_200, "{bytes} bytes: what only the beginning needs belongs in a box");
    }
}
