//! Opening TLS: the other side first, our face second. In: a ClientHello and the service. Out: decrypted bytes relayed both ways.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::sign::CertifiedKey;
use sidelight_model::flow::{Authority, Direction, EventKind, Host, How, Leg, TlsSide, Verdict};
use sidelight_model::forge::LeafPlan;
use sidelight_model::x509::{Certificate, Judged};
use sidelight_wire::tls::alert::{AlertDescription, FATAL, plain_alert_record};
use sidelight_wire::tls::client_hello::ClientHello;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::Call;
use super::explain::{client_refused, service_failed};
use super::observe::Learning;
use super::pass::how;
use crate::ca::{CaError, KeyKind};
use crate::engine::{OnUntrusted, now};
use crate::probe::LOOK;
use crate::relay::{Break, End, finish, relay};
use crate::tls::{self, FaceError, Prepared, Question, ServiceError, Shaken, Wish};
use crate::transport::{Conn, Decrypted, rewind};

/// A client that closes this soon after the handshake, without having sent a byte, has most likely refused our certificate.
const SOON: Duration = Duration::from_secs(2);

/// The names of an interception.
pub(crate) struct Shown {
    /// What the service's certificate must be for; sent to it as SNI when `sni`.
    pub(crate) name: Host,
    /// What our copy must be for.
    pub(crate) face: Host,
    /// Whether SNI is sent.
    pub(crate) sni: bool,
}

/// Both handshakes are over.
struct Met {
    client: Conn,
    server: Conn,
    no_refusal: bool,
    alpn: Option<Vec<u8>>,
}

impl Shown {
    /// The client's own words: its SNI, else what it asked for.
    pub(crate) fn of(hello: &ClientHello, target: &Authority) -> Self {
        let sni = hello.sni.as_deref().and_then(|name| Host::parse(name).ok()).filter(|host| host.ip().is_none());
        let name = sni.clone().unwrap_or_else(|| target.host.clone());
        Self { face: name.clone(), name, sni: sni.is_some() }
    }
}

impl Call<'_> {
    /// Shakes hands with the service, then with the client, and relays.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing about the one connection")]
    pub(crate) async fn intercept(
        &mut self,
        client: Conn,
        first: Bytes,
        hello: Box<ClientHello>,
        server: Conn,
        target: Authority,
        shown: Shown,
        redial: bool,
    ) -> How {
        // What only handshakes need is in a box that is gone before the relay begins, which may last for days.
        let met = Box::pin(self.meet((client, first), &hello, server, (&target, &shown), redial)).await;
        drop(hello);
        match met {
            Ok(met) => self.relay_decrypted(met, &target, &shown).await,
            Err(how) => how,
        }
    }

    /// Both handshakes. The client gets not a byte of ours before the service's is over and its chain was judged.
    async fn meet(
        &mut self,
        (mut client, first): (Conn, Bytes),
        hello: &ClientHello,
        server: Conn,
        (target, shown): (&Authority, &Shown),
        redial: bool,
    ) -> Result<Met, How> {
        self.decide(Verdict::Intercept, "");
        let (looks, alpn): (Vec<_>, Vec<_>) = hello.alpn.iter().cloned().partition(|name| name == LOOK);
        let kind = tls::key_for(hello).unwrap_or_default();
        let question = (target.clone(), shown.face.clone(), alpn.clone(), kind);
        let (shaken, prepared) = self.service_shaken(server, (target, shown), &question, &first, redial).await;
        let shaken = match shaken {
            Ok(shaken) => shaken,
            Err(error) => return Err(self.service_failed(client, first, target, &error, redial).await),
        };
        let Shaken { stream: server, side, verdict } = shaken;
        let side = Arc::new(side);
        self.tap.event(EventKind::ServerTls(side.clone()));
        let (leaf, faulty) = match self.leaf(&side, &verdict, kind, (target, shown)) {
            Ok(Some(leaf)) => leaf,
            Ok(None) => {
                self.decide(Verdict::Refuse, "the service cannot be trusted (--on-untrusted refuse)");
                say_alert(client, "access_denied").await;
                return Err(How::Failed);
            }
            Err(error) => {
                say_alert(client, "internal_error").await;
                return Err(self.fail(super::explain::not_minted(target, &error)));
            }
        };
        self.program.settle().await;
        let Some(first) = still_there(&mut client, first).await else {
            // It never saw our certificate, so it cannot have refused it.
            end_unasked(server).await;
            return Err(How::ClientCut("it left before the service's answer could be shown to it".to_owned()));
        };
        // One that refuses a copy with the true one's fault does what it would have done anyway; that is told already.
        let no_refusal = faulty || !looks.is_empty();
        let alpn = side.alpn.clone();
        if !faulty {
            self.engine.face.foresee(question, &leaf, alpn.as_deref());
        }
        let prepared = prepared.filter(|prepared| prepared.shows(&leaf, alpn.as_deref()));
        let client = rewind(first.slice(prepared.as_ref().map_or(0, Prepared::read)..), client);
        match self.engine.face.go_on(client, leaf, alpn.clone(), self.tee.secrets(Leg::Client), prepared).await {
            Ok((stream, face)) => {
                self.client_agreed(face);
                let (client, server) = (Box::new(Decrypted::from(stream)), Box::new(Decrypted::from(server)));
                Ok(Met { client, server, no_refusal, alpn })
            }
            Err(error) => Err(self.client_failed(&error, target, shown, no_refusal, server).await),
        }
    }

    /// The handshake with the service. While its answer is awaited, ours to the client is computed, where it can be foreseen.
    async fn service_shaken(
        &self,
        server: Conn,
        (target, shown): (&Authority, &Shown),
        question: &Question,
        first: &Bytes,
        redial: bool,
    ) -> (Result<Shaken, ServiceError>, Option<Prepared>) {
        let wish = Wish {
            target,
            name: &shown.name,
            with_sni: shown.sni,
            alpn: &question.2,
            stop_when_asked: redial,
            secrets: self.tee.secrets(Leg::Server),
        };
        let mut shaking = pin!(self.engine.service.shake(server, wish));
        // Asked once, it has sent its hello.
        if let Poll::Ready(shaken) = poll_fn(|cx| Poll::Ready(shaking.as_mut().poll(cx))).await {
            return (shaken, None);
        }
        // Secrets of a handshake that may come to nothing must not be told.
        let told = self.tee.secrets(Leg::Client).is_some();
        let prepared = if told { None } else { self.engine.face.prepare(question, first) };
        (shaking.await, prepared)
    }

    /// The copy to show, and whether it carries a fault of the true one. `None`: nothing is to be shown.
    fn leaf(
        &mut self,
        side: &TlsSide,
        verdict: &tls::Verdict,
        kind: KeyKind,
        (target, shown): (&Authority, &Shown),
    ) -> Result<Option<(Arc<CertifiedKey>, bool)>, CaError> {
        let not_after = self.engine.forge.authority().not_after();
        let sound = || {
            let der = side.chain.first().ok_or(CaError::Crypto("the service sent no certificate".into()))?;
            let leaf = Certificate::parse(der).map_err(CaError::Crypto)?;
            Ok::<_, CaError>(LeafPlan::sound(&leaf, &shown.face, not_after, now()))
        };
        let faulty = |judged: &Judged| LeafPlan::faulty(judged, &shown.face, not_after, now());
        let insecure = self.engine.is_insecure(target, &shown.name.to_string());
        let (plan, is_faulty) = match verdict {
            tls::Verdict::Trusted => (sound()?, false),
            tls::Verdict::Untrusted { .. } if insecure => (sound()?, false),
            tls::Verdict::Untrusted { judged, finding } => {
                let finding = super::explain::with_policy(finding, self.engine.settings.on_untrusted, &shown.name);
                self.tap.event(EventKind::Finding(Box::new(finding)));
                match (self.engine.settings.on_untrusted, judged) {
                    (OnUntrusted::Refuse, _) | (OnUntrusted::Mirror, None) => return Ok(None),
                    (OnUntrusted::Mirror, Some(judged)) => (faulty(judged), true),
                    (OnUntrusted::Warn, _) => (sound()?, false),
                }
            }
        };
        self.engine.forge.leaf(&plan, kind).map(|leaf| Some((leaf, is_faulty)))
    }

    /// No TLS with the service: the client's own hello is sent to it on a new connection, so that it sees what it would have seen.
    async fn service_failed(
        &mut self,
        client: Conn,
        first: Bytes,
        target: &Authority,
        error: &ServiceError,
        redial: bool,
    ) -> How {
        // As in a dial that fails: what the client will now see may end it.
        self.program.settle().await;
        let finding = service_failed(target, error);
        let because = finding.summary.clone();
        self.tap.event(EventKind::Finding(Box::new(finding)));
        if !redial || matches!(error, ServiceError::TimedOut(_)) {
            say_alert(client, "handshake_failure").await;
            return How::Failed;
        }
        match self.dial(target).await {
            Ok(dialed) => {
                self.decide(Verdict::Relay, because);
                let end = self.pass(rewind(first, client), dialed.conn).await;
                drop(dialed.guard);
                end
            }
            Err(how) => {
                say_alert(client, "handshake_failure").await;
                how
            }
        }
    }

    /// No TLS with the client.
    async fn client_failed(
        &mut self,
        error: &FaceError,
        target: &Authority,
        shown: &Shown,
        no_refusal: bool,
        server: tokio_rustls::TlsStream<Conn>,
    ) -> How {
        if super::explain::is_silent(error) && self.has_taken(&shown.name) {
            end_unasked(server).await;
            return How::ClientCut("it had no use for the connection: it asked on others".to_owned());
        }
        // Noted first: the client may be back before the service has seen the end.
        if !no_refusal {
            self.client_refused(error, target, shown).await;
        }
        end_unasked(server).await;
        How::Failed
    }

    /// Whether the client's process has asked the service for something over a copy of ours.
    fn has_taken(&self, name: &Host) -> bool {
        self.program.pid().is_some_and(|pid| self.engine.fail_open().has_taken(pid, &name.to_string()))
    }

    pub(crate) async fn client_refused(&mut self, error: &FaceError, target: &Authority, shown: &Shown) {
        let name = self.program.name(self.peer).await;
        let key = self.program.key(self.peer).await;
        if super::explain::is_refusal(error) {
            self.engine.fail_open().refused(key, &shown.name.to_string(), now());
        }
        let target = Authority { host: shown.name.clone(), port: target.port };
        let finding =
            client_refused(&name, &target, error, self.engine.settings.fail_open_for, self.engine.forge.authority());
        self.tap.event(EventKind::Finding(Box::new(finding)));
    }

    async fn relay_decrypted(
        &mut self,
        Met { client, server, no_refusal, alpn }: Met,
        target: &Authority,
        shown: &Shown,
    ) -> How {
        let began = Instant::now();
        let idle = self.engine.settings.idle_limit;
        let place = Authority { host: shown.name.clone(), port: target.port };
        let learning = self.listener.scope.clone().map(|scope| Learning::new(scope, place, alpn.as_deref()));
        let asking = self.program.pid().map(|pid| (self.engine.clone(), pid, shown.name.to_string()));
        let mut seen = super::observe::Seen::new(&mut self.tap).learning(learning).asking(asking);
        let (client, server, end) = relay(client, server, &mut seen, idle).await;
        let first_end = seen.first_end;
        let refusal = self.refused_late(&end, first_end, began.elapsed());
        // Noted before anything is waited for, as above.
        let is_refusal = |error: &FaceError| !super::explain::is_silent(error) || !self.has_taken(&shown.name);
        if let Some(error) = refusal.filter(|error| !no_refusal && is_refusal(error)) {
            Box::pin(self.client_refused(&error, target, shown)).await;
        }
        finish(client, server, &end).await;
        how(&end)
    }

    /// Clients that check pins after the handshake close at once, or alert, without having asked for anything. A service that
    /// ends the connection first says nothing about the client.
    fn refused_late(&mut self, end: &End, first_end: Option<Direction>, lasted: Duration) -> Option<FaceError> {
        let client = Direction::ToServer;
        let asked = self.tap.tallies().0.bytes > 0;
        match end {
            _ if asked => None,
            _ if first_end.is_some_and(|direction| direction != client) => None,
            End::Broken(direction, Break::Alert(alert)) if *direction == client => Some(FaceError::Alert(*alert)),
            End::Clean if lasted < SOON => Some(FaceError::Closed),
            End::Broken(direction, Break::Reset(_)) if *direction == client && lasted < SOON => Some(FaceError::Closed),
            _ => None,
        }
    }
}

/// Ends a connection to a service of which nothing was asked, in order.
async fn end_unasked(mut server: tokio_rustls::TlsStream<Conn>) {
    let _ = tokio::time::timeout(Duration::from_secs(1), server.shutdown()).await;
}

/// What the client has said so far, unless it hung up in the meantime.
async fn still_there(client: &mut Conn, first: Bytes) -> Option<Bytes> {
    let mut more = [0; 1024];
    let mut more = ReadBuf::new(&mut more);
    let read = poll_fn(|cx| Poll::Ready(Pin::new(&mut *client).poll_read(cx, &mut more))).await;
    match read {
        Poll::Pending => Some(first),
        Poll::Ready(Ok(())) if !more.filled().is_empty() => Some([&first, more.filled()].concat().into()),
        Poll::Ready(_) => None,
    }
}

/// Tells a client that is still waiting for a ServerHello that there will be none.
pub(crate) async fn say_alert(mut client: Conn, name: &str) {
    let alert = AlertDescription::from_name(name).unwrap_or(AlertDescription(40));
    let tell = async {
        client.write_all(&plain_alert_record(0x0303, FATAL, alert)).await?;
        client.shutdown().await?;
        // Unread bytes would make the kernel answer with a reset, which can overtake the alert.
        let mut rest = [0; 1024];
        while client.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), tell).await;
}
