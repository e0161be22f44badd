//! What is captured below the decrypted bytes. In: the user's wish, the tap of a connection. Out: sockets that tell what passes on
//! them, and key logs for their handshakes; nothing at all where nothing is captured.

use std::sync::Arc;

use rustls::KeyLog;
use sidelight_model::flow::{Ends, KeyLogLine, Leg};
use sidelight_model::redact::Secret;

use crate::tap::{ConnTap, SharedWire, WireTap};
use crate::transport::{Conn, Teed, Transport};

/// What is told besides the conversation itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// What passes on the sockets of both legs, TLS records and all.
    pub packets: bool,
    /// What decrypts them.
    pub secrets: bool,
}

/// What is captured of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tee {
    capture: Capture,
    /// One a leg, where anything is captured.
    legs: Option<[SharedWire; 2]>,
}

impl Tee {
    pub(crate) fn new(capture: Capture, tap: &ConnTap) -> Self {
        let anything = (capture.packets || capture.secrets) && tap.is_heard();
        let legs = anything.then(|| [WireTap::new(tap, Leg::Client), WireTap::new(tap, Leg::Server)]);
        Self { capture, legs }
    }

    /// `socket` as a transport, which tells what passes on it if packets are captured.
    pub(crate) fn attach<T: Transport + 'static>(&self, leg: Leg, socket: T, ends: Ends) -> Conn {
        match &self.legs {
            Some(legs) if self.capture.packets => Box::new(Teed::new(socket, leg, ends, legs[leg.index()].clone())),
            _ => Box::new(socket),
        }
    }

    /// Where the secrets of TLS on this leg go, if they are captured.
    pub(crate) fn secrets(&self, leg: Leg) -> Option<SecretTap> {
        let legs = self.legs.as_ref().filter(|_| self.capture.secrets)?;
        Some(SecretTap(legs[leg.index()].clone()))
    }
}

/// Tells the secrets of the handshakes on one leg.
#[derive(Clone, Debug)]
pub struct SecretTap(SharedWire);

impl SecretTap {
    /// A handshake begins; it is over when the value is dropped. Until then what is read is told only when the secrets that
    /// decrypt it were.
    pub(crate) fn handshake(&self) -> Handshake {
        WireTap::lock(&self.0).handshaking(true);
        Handshake(self.0.clone())
    }

    /// As the TLS library hands it over.
    pub(crate) fn tell(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Ok(client_random) = client_random.try_into() {
            let secret = Secret::new(secret.to_vec());
            WireTap::lock(&self.0).secret(KeyLogLine { label: label.to_owned(), client_random, secret });
        }
    }

    /// For a configuration that serves this connection alone.
    pub(crate) fn key_log(&self) -> Arc<dyn KeyLog> {
        Arc::new(self.clone())
    }
}

impl KeyLog for SecretTap {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.tell(label, client_random, secret);
    }
}

/// A handshake that is going on.
pub(crate) struct Handshake(SharedWire);

impl Drop for Handshake {
    fn drop(&mut self) {
        WireTap::lock(&self.0).handshaking(false);
    }
}
