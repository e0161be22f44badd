//! What is computed before it may be said. In: what clients of a service were shown before, a further client's hello. Out: our side of its
//! handshake, up to where the client's answer is needed.
//!
//! While the service computes its part, we have nothing else to do. Nothing of this is sent before the service's handshake has ended and its chain
//! was judged, and then only if the verdict asks for this very leaf and protocol; else it is thrown away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use sidelight_model::flow::{Authority, Host};

use crate::ca::KeyKind;

/// What the answer hangs on: the service, the name on our copy, the protocols offered, the kind of key.
pub(crate) type Question = (Authority, Host, Vec<Vec<u8>>, KeyKind);

/// The leaf and the protocol.
type Answer = (Arc<CertifiedKey>, Option<Vec<u8>>);

/// Answers kept at the most; when there are more, all are forgotten.
const MOST: usize = 1_024;

/// Bytes of protocol names that a question may have: a client may offer sixty thousand, and what is kept of all questions is to stay small.
const MOST_NAMES: usize = 256;

/// What clients were shown last.
#[derive(Debug, Default)]
pub(super) struct Foreseen(Mutex<HashMap<Question, Answer>>);

impl Foreseen {
    pub(super) fn answer(&self, question: &Question) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    pub(super) fn note(&self, question: Question, answer: Answer) {
        if question.2.iter().map(|name| name.len() + 1).sum::<usize>() > MOST_NAMES {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(question, answer);
    }
}

/// Our side of a handshake as far as it goes without the client's answer: computed, and not sent.
pub(crate) struct Prepared {
    connection: ServerConnection,
    shows: Answer,
    read: usize,
}

impl Prepared {
    /// `None` where the only answer is an alert: the handshake itself finds that out once more, and tells it.
    pub(super) fn answer(config: Arc<ServerConfig>, shows: Answer, hello: &[u8]) -> Option<Self> {
        let mut connection = ServerConnection::new(config).ok()?;
        let mut rest = hello;
        while !rest.is_empty() {
            connection.read_tls(&mut rest).ok().filter(|count| *count > 0)?;
            connection.process_new_packets().ok()?;
        }
        connection.wants_write().then_some(Self { connection, shows, read: hello.len() })
    }

    /// Whether it is what is to be shown.
    pub(crate) fn shows(&self, leaf: &Arc<CertifiedKey>, alpn: Option<&[u8]>) -> bool {
        Arc::ptr_eq(&self.shows.0, leaf) && self.shows.1.as_deref() == alpn
    }

    /// How many bytes of the client it has read.
    pub(crate) const fn read(&self) -> usize {
        self.read
    }

    pub(super) fn into_connection(self) -> ServerConnection {
        self.connection
    }
}
