//! The steps of a conversation with a registry, as they happen. In: what the client does. Out: [`Event`]s for whoever explains them.
//! Secrets are never in them: requests are told by their place without query, and logins by their kind.

use std::net::SocketAddr;

use sidelight_model::flow::{Authority, TlsSide};
use sidelight_wire::registry::Challenge;

use super::Url;

/// Who a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The registry itself.
    Registry,
    /// The server that gives tokens for it.
    TokenServer,
    /// Where the registry redirected to: the storage that holds its blobs.
    Storage,
}

/// How a request says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Not at all.
    Nobody,
    /// User and password.
    Basic,
    /// A token.
    Bearer,
    /// A token for tokens, in the request's body.
    Refresh,
}

/// One step.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection stands.
    Connected {
        /// To whom.
        party: Party,
        /// The place that was asked for.
        to: Authority,
        /// The address; the proxy's where there is one.
        address: SocketAddr,
        /// The proxy it goes through.
        proxy: Option<Authority>,
        /// What the handshake agreed on, with the chain and the verdict; `None` without TLS.
        tls: Option<Box<TlsSide>>,
    },
    /// A request was sent.
    Asked {
        /// To whom.
        party: Party,
        /// The method.
        method: String,
        /// The place.
        url: Url,
        /// How it says who asks.
        proof: Proof,
    },
    /// The head of an answer came.
    Answered {
        /// By whom.
        party: Party,
        /// The status.
        status: u16,
        /// Fields in the order in which they came; cookies are left out.
        fields: Vec<(String, String)>,
    },
    /// The registry wants to know who asks.
    Challenged {
        /// How it can be told.
        challenges: Vec<Challenge>,
    },
    /// The token server gave a token.
    Granted {
        /// For which scope it was asked.
        scope: String,
        /// Seconds for which it counts.
        expires_in: u64,
        /// The token as it can be read; its text and signature are secrets in it.
        token: Box<sidelight_model::token::Presented>,
    },
    /// An answer led elsewhere.
    Redirected {
        /// From here.
        from: Url,
        /// To there.
        to: Url,
        /// Whether the login goes with it: only to the same scheme, host and port.
        with_login: bool,
    },
    /// A transfer broke, and goes on from a byte.
    Resumed {
        /// What was being fetched.
        what: String,
        /// The byte.
        at: u64,
        /// Why it broke.
        why: String,
    },
    /// TLS is not spoken there, and plain HTTP is allowed.
    Plain {
        /// Where.
        at: Authority,
    },
}

/// Takes the steps.
pub type Listener = std::sync::Arc<dyn Fn(&Event) + Send + Sync>;
