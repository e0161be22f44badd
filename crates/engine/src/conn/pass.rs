//! Relays without opening anything. In: two transports. Out: how it ended.

use sidelight_model::flow::{Authority, Direction, EventKind, How, Verdict};
use sidelight_wire::tls::alert::AlertDescription;

use super::Call;
use super::observe::{Seen, Unseen, Upgrading};
use crate::peek::Peeked;
use crate::relay::{Break, End, finish, relay};
use crate::transport::{Conn, rewind};

impl Call<'_> {
    /// Relays untouched and unseen.
    pub(crate) async fn pass(&mut self, client: Conn, server: Conn) -> How {
        let (idle, captured) = (self.engine.settings.idle_limit, self.engine.settings.capture.packets);
        let mut unseen = Unseen { tap: &mut self.tap, captured };
        let (client, server, end) = relay(client, server, &mut unseen, idle).await;
        finish(client, server, &end).await;
        how(&end)
    }

    /// Relays decrypted or plain bytes and shows them; nothing in them can begin TLS any more.
    pub(crate) async fn show(&mut self, client: Conn, server: Conn) -> How {
        let idle = self.engine.settings.idle_limit;
        let (client, server, end) = relay(client, server, &mut Seen::new(&mut self.tap), idle).await;
        finish(client, server, &end).await;
        how(&end)
    }

    /// Relays and shows what is not TLS, and opens it when it becomes TLS (STARTTLS and its kin).
    pub(crate) async fn plain(&mut self, client: Conn, server: Conn, target: Authority) -> How {
        self.decide(Verdict::Plain, "not TLS");
        // A service that spoke first may say what ends the client.
        self.program.settle().await;
        let idle = self.engine.settings.idle_limit;
        let mut watching = Upgrading::new(&mut self.tap);
        let (client, server, end) = relay(client, server, &mut watching, idle).await;
        let protocol = watching.protocol;
        if let Some(greeting) = watching.crossed() {
            self.tap.event(EventKind::Finding(Box::new(super::explain::not_tls(&target, &greeting))));
        }
        let End::Stopped([from_client, from_server]) = end else {
            finish(client, server, &end).await;
            return how(&end);
        };
        let (client, server) = (rewind(from_client, client), rewind(from_server, server));
        let Some(protocol) = protocol else { return self.show(client, server).await };
        // The client speaks first in TLS, so only it is listened to; the service waits for it.
        let (client, _, found) = self.listen(client, None).await;
        match found {
            Peeked::Tls(hello, first) => {
                self.heard(&hello);
                Box::pin(self.tls(client, first, hello, server, target, false)).await
            }
            Peeked::Idle => self.idle(client, Some(server)).await,
            Peeked::Silent | Peeked::Plain | Peeked::Odd(_) => {
                self.decide(Verdict::Relay, format!("{} announced TLS and did not begin it", protocol));
                self.pass(client, server).await
            }
        }
    }
}

/// How a relay ended, for the record.
pub(super) fn how(end: &End) -> How {
    match end {
        End::Clean | End::Stopped(_) => How::Clean,
        End::Idle => How::Ended("nothing passed for the idle limit".to_owned()),
        End::Broken(direction, broken) => {
            let words = match broken {
                Break::Reset(error) => error.to_string(),
                Break::Alert(alert) => format!("alert {}", AlertDescription(*alert).name()),
                Break::Unwritable(error) => format!("took no more bytes: {error}"),
            };
            match direction {
                Direction::ToServer => How::ClientCut(words),
                Direction::ToClient => How::ServerCut(words),
            }
        }
    }
}
