//! Secrets of TLS connections, by the random of their ClientHello. In: lines of key logs. Out: what decrypts a connection.
//! Spec: RFC 9850 (SSLKEYLOGFILE).

use std::collections::HashMap;

use sidelight_model::flow::KeyLogLine;

/// Connections whose secrets are kept.
const MOST: usize = 1 << 20;

/// The secrets of one connection.
#[derive(Clone, Default)]
pub(super) struct OfConnection {
    pub(super) master: Option<Vec<u8>>,
    pub(super) early: Option<Vec<u8>>,
    pub(super) handshake: [Option<Vec<u8>>; 2],
    pub(super) application: [Option<Vec<u8>>; 2],
}

/// All secrets at hand.
#[derive(Default)]
pub struct Secrets(HashMap<[u8; 32], OfConnection>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secrets of {} connections", self.0.len())
    }
}

impl Secrets {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections that there are secrets of.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one in; labels that decrypt nothing are passed over. Of two for the same the first stays.
    pub fn add(&mut self, line: &KeyLogLine) {
        if self.0.len() >= MOST && !self.0.contains_key(&line.client_random) {
            return;
        }
        let known = matches!(
            line.label.as_str(),
            "CLIENT_RANDOM"
                | "CLIENT_EARLY_TRAFFIC_SECRET"
                | "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
                | "SERVER_HANDSHAKE_TRAFFIC_SECRET"
                | "CLIENT_TRAFFIC_SECRET_0"
                | "SERVER_TRAFFIC_SECRET_0"
        );
        if !known {
            return;
        }
        let of = self.0.entry(line.client_random).or_default();
        let [handshake_client, handshake_server] = &mut of.handshake;
        let [client, server] = &mut of.application;
        let place = match line.label.as_str() {
            "CLIENT_RANDOM" => &mut of.master,
            "CLIENT_EARLY_TRAFFIC_SECRET" => &mut of.early,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => handshake_client,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => handshake_server,
            "CLIENT_TRAFFIC_SECRET_0" => client,
            _ => server,
        };
        place.get_or_insert_with(|| line.secret.reveal().clone());
    }

    pub(super) fn of(&self, client_random: &[u8; 32]) -> Option<&OfConnection> {
        self.0.get(client_random)
    }
}
