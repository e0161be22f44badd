//! Why the other side could not be reached. In: what failed. Out: a finding, and the answers that proxies give for it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::Authority;
use sidelight_wire::socks5::Reply;

/// Why the other side could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("{host} cannot be resolved: {why}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// connect(2) failed.
    #[error("{address}: {error}")]
    Connect {
        /// The address tried.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody answered.
    #[error("{address} does not answer within {} s", limit.as_secs())]
    TimedOut {
        /// The address tried.
        address: SocketAddr,
        /// How long was waited.
        limit: Duration,
    },
    /// It would come back to us.
    #[error("{target} is this proxy itself ({address})")]
    Loop {
        /// What was asked for.
        target: Authority,
        /// Where that leads.
        address: SocketAddr,
    },
    /// The further proxy cannot be reached.
    #[error("the proxy {proxy}: {why}")]
    ProxyUnreachable {
        /// The proxy.
        proxy: Authority,
        /// Why.
        why: Box<DialError>,
    },
    /// The further proxy's TLS failed.
    #[error("the proxy {proxy}: {why}")]
    ProxyTls {
        /// The proxy.
        proxy: Authority,
        /// Why.
        why: String,
    },
    /// The further proxy took the connection and said nothing.
    #[error("the proxy {proxy} does not answer within {} s", limit.as_secs())]
    ProxySilent {
        /// The proxy.
        proxy: Authority,
        /// How long was waited.
        limit: Duration,
    },
    /// The further proxy wants a login, or another one.
    #[error("the proxy {proxy} wants a login: {answer}")]
    ProxyLogin {
        /// The proxy.
        proxy: Authority,
        /// What it answered.
        answer: String,
    },
    /// The further proxy refused.
    #[error("the proxy {proxy} refused: {answer}")]
    ProxyRefused {
        /// The proxy.
        proxy: Authority,
        /// What it answered.
        answer: String,
    },
}

impl DialError {
    /// The code for it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Dns { .. } => Cause::DnsFailure,
            Self::Connect { error, .. } if error.kind() == io::ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
            Self::Connect { .. } | Self::TimedOut { .. } => Cause::ConnectTimeout,
            Self::Loop { .. } | Self::ProxyRefused { .. } => Cause::ProxyDenied,
            Self::ProxyUnreachable { .. } | Self::ProxyTls { .. } | Self::ProxySilent { .. } => Cause::ProxyUnreachable,
            Self::ProxyLogin { .. } => Cause::ProxyAuthRequired,
        }
    }

    /// The finding for a person.
    pub fn finding(&self, target: &Authority) -> Finding {
        let (summary, action, how) = match self {
            Self::Dns { host, .. } => (
                format!("{target} cannot be reached: `{host}` does not resolve"),
                "Check the name, and that this host resolves it",
                format!("getent hosts {host}; sidelight asks /etc/hosts and the servers of /etc/resolv.conf"),
            ),
            Self::Connect { address, error } => (
                format!("{target} cannot be reached: {address}: {error}"),
                "Check that the service runs and listens there",
                format!("nc -vz {} {}", address.ip(), address.port()),
            ),
            Self::TimedOut { address, limit } => (
                format!("{target} cannot be reached: {address} gave no answer within {} s", limit.as_secs()),
                "Check routes and firewalls between here and there",
                format!("nc -vz {} {}", address.ip(), address.port()),
            ),
            Self::Loop { address, .. } => (
                format!("{target} leads back to this proxy ({address}): refused, for it would go round for ever"),
                "Ask for the service, not for the proxy; keep sidelight's own traffic out of redirections",
                "exclude sidelight's user or mark from the nftables rule that redirects".to_owned(),
            ),
            Self::ProxyUnreachable { proxy, .. } | Self::ProxyTls { proxy, .. } | Self::ProxySilent { proxy, .. } => (
                format!("{target} cannot be reached: {self}"),
                "Check the address of the further proxy, or go around it",
                format!("--mode upstream:URL or HTTPS_PROXY names {proxy}; NO_PROXY={} goes around it", target.host),
            ),
            Self::ProxyLogin { proxy, .. } => (
                format!("{target} cannot be reached: the proxy {proxy} wants a login"),
                "Give the login in the proxy's URL",
                format!("--mode upstream:http://USER:PASSWORD@{proxy}"),
            ),
            Self::ProxyRefused { proxy, .. } => (
                format!("{target} cannot be reached: {self}"),
                "Ask those who run the proxy, or go around it",
                format!("the proxy is {proxy}; NO_PROXY={} goes around it", target.host),
            ),
        };
        Finding::new(self.cause(), summary, "error", target.to_string(), self.to_string()).with_fix(action, how)
    }

    /// The status with which an HTTP proxy says so.
    pub fn http_status(&self) -> (u16, &'static str) {
        match self {
            Self::TimedOut { .. } | Self::ProxySilent { .. } => (504, "Gateway Timeout"),
            Self::Loop { .. } => (508, "Loop Detected"),
            _ => (502, "Bad Gateway"),
        }
    }

    /// The code with which a SOCKS proxy says so.
    pub fn socks_reply(&self) -> Reply {
        match self {
            Self::Dns { .. } | Self::TimedOut { .. } => Reply::HOST_UNREACHABLE,
            Self::Connect { error, .. } => match error.kind() {
                io::ErrorKind::ConnectionRefused => Reply::CONNECTION_REFUSED,
                io::ErrorKind::NetworkUnreachable => Reply::NETWORK_UNREACHABLE,
                io::ErrorKind::HostUnreachable => Reply::HOST_UNREACHABLE,
                _ => Reply::GENERAL_FAILURE,
            },
            Self::Loop { .. } => Reply::NOT_ALLOWED,
            _ => Reply::GENERAL_FAILURE,
        }
    }
}
