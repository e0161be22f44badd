//! What handshake messages change in a session. In: whole messages. Out: what was agreed, and the keys of what follows.
//! Spec: RFC 8446 §4 and §7, RFC 5246 §7.4.

use sidelight_model::flow::{Direction, TlsVersion};
use sidelight_model::time::Timestamp;

use super::keys::Suite;
use super::side::{Epoch, Part};
use super::{Early, Secrets, Seen, Session, message};
use crate::tls::{client_hello, names};

impl Session {
    pub(super) fn message(
        &mut self,
        direction: Direction,
        at: Timestamp,
        kind: u8,
        body: &[u8],
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Seen)>,
    ) {
        let index = direction.index();
        let from_server = direction == Direction::ToClient;
        let tls13 = self.is_tls13();
        match kind {
            message::CLIENT_HELLO if !from_server => self.client_hello(at, body, out),
            message::SERVER_HELLO if from_server => self.server_hello(at, body, secrets, out),
            message::ENCRYPTED_EXTENSIONS if from_server => {
                let (alpn, early) = message::encrypted_extensions(body).unwrap_or_default();
                self.alpn = alpn;
                if self.early == Early::Offered {
                    self.early = if early { Early::Accepted } else { Early::Rejected };
                }
                if self.early == Early::Rejected {
                    self.sides[0].advance(Part::Handshake);
                }
            }
            message::CERTIFICATE => self.certificates(from_server, body, tls13),
            message::COMPRESSED_CERTIFICATE => {
                if let Some(body) = message::uncompressed(body) {
                    self.certificates(from_server, &body, true);
                }
            }
            message::SERVER_KEY_EXCHANGE if from_server => {
                let ecdhe = self.server.as_ref().is_some_and(|it| names::cipher_suite(it.suite).contains("ECDHE_"));
                self.group = message::named_curve(body).filter(|_| ecdhe);
            }
            message::CERTIFICATE_REQUEST if from_server => self.wants_client_certificate = true,
            message::END_OF_EARLY_DATA => self.sides[index].advance(Part::Handshake),
            message::KEY_UPDATE => self.sides[index].update(),
            message::FINISHED => {
                self.finished[index] = true;
                if tls13 {
                    self.sides[index].advance(Part::Application);
                }
                if self.finished == [true; 2] {
                    self.agree(at, out);
                }
            }
            _ => {}
        }
    }

    fn certificates(&mut self, from_server: bool, body: &[u8], tls13: bool) {
        let chain = message::certificates(body, tls13).unwrap_or_default();
        *if from_server { &mut self.chain } else { &mut self.client_chain } = chain;
    }

    fn client_hello(&mut self, at: Timestamp, body: &[u8], out: &mut Vec<(Timestamp, Seen)>) {
        self.client_random = body.get(2..34).and_then(|random| random.try_into().ok()).unwrap_or_default();
        self.unanswered = true;
        if self.told.hello {
            return;
        }
        self.told.hello = true;
        match client_hello::parse_body(body) {
            Ok(hello) => {
                if hello.early_data {
                    self.early = Early::Offered;
                }
                self.hello = Some(Box::new(hello.clone()));
                out.push((at, Seen::Hello(Box::new(hello))));
            }
            Err(why) => self.stop(Direction::ToServer, at, why, out),
        }
    }

    fn server_hello(&mut self, at: Timestamp, body: &[u8], secrets: &Secrets, out: &mut Vec<(Timestamp, Seen)>) {
        let Some(server) = message::server_hello(body) else {
            return self.stop(Direction::ToClient, at, "a ServerHello that cannot be read".into(), out);
        };
        self.unanswered = false;
        if server.asks_again() {
            // Early data is lost with it (RFC 8446 §4.2.10); records sealed with its keys may still be under way.
            self.early = if self.early == Early::None { Early::None } else { Early::Rejected };
            self.asked_again = true;
            return;
        }
        if server.version < 0x0304 {
            self.early = Early::None;
            self.alpn.clone_from(&server.alpn);
        }
        if server.group.is_some() {
            self.group = server.group;
        }
        let keys = self.keys(&server, secrets);
        self.server = Some(server);
        self.told.decrypts = keys.is_ok();
        if self.early == Early::Offered && keys.is_err() {
            self.early = Early::Rejected;
        }
        if !std::mem::replace(&mut self.told.chosen, true) {
            out.push((at, Seen::Chosen(keys)));
        }
    }

    /// Prepares the keys of both sides; `Err` says why there are none.
    fn keys(&mut self, server: &message::ServerHello, secrets: &Secrets) -> Result<(), String> {
        let name = names::cipher_suite(server.suite);
        let suite = Suite::new(server.suite).ok_or_else(|| format!("records of {name} cannot be decrypted here"))?;
        let missing = || "there are no secrets for it".to_owned();
        let known = secrets.of(&self.client_random).ok_or_else(missing)?;
        match server.version {
            0x0304 => {
                if self.early == Early::Offered
                    && let Some(secret) = &known.early
                {
                    self.sides[0].epochs.extend(Epoch::tls13(Part::Early, suite, secret));
                }
                let handshake = known.handshake.iter().map(|secret| (Part::Handshake, secret));
                let application = known.application.iter().map(|secret| (Part::Application, secret));
                for ((part, secret), side) in handshake.chain(application).zip([0, 1, 0, 1]) {
                    let epoch = secret.as_ref().and_then(|secret| Epoch::tls13(part, suite, secret));
                    self.sides[side & 1].epochs.extend(epoch);
                }
                if known.application.iter().any(Option::is_none) && known.handshake.iter().any(Option::is_none) {
                    return Err(missing());
                }
                // Without the server's handshake its answer to early data is not known: what opens was sent.
                if known.handshake[1].is_none() && self.early == Early::Offered {
                    self.early = Early::Accepted;
                }
                Ok(())
            }
            0x0303 => {
                let master = known.master.as_ref().ok_or_else(missing)?;
                let openers = suite.tls12(master, &self.client_random, &server.random, server.encrypt_then_mac);
                self.pending = openers.map(|opener| opener.map(Epoch::tls12));
                Ok(())
            }
            other => Err(format!("records of {} cannot be decrypted here", TlsVersion(other).name())),
        }
    }
}
