//! Further proxies. In: a connection to one, the place to reach. Out: a tunnel. Spec: RFC 9110 §9.3.6 (CONNECT), RFC 1928.

use sidelight_model::flow::Authority;
use sidelight_model::policy::{Pattern, Subject};
use sidelight_model::redact::Secret;
use sidelight_wire::http1::{HeadLimits, Progress, parse_response};
use sidelight_wire::socks5::{self, client};
use tokio::io::AsyncWriteExt;

use super::DialError;
use crate::transport::{Conn, hear, rewind};

/// The protocol spoken to a further proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP: CONNECT, and absolute-form for plain requests.
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS5; the proxy resolves names.
    Socks5,
}

/// A further proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The protocol.
    pub kind: ProxyKind,
    /// Where it is.
    pub at: Authority,
    /// User and password.
    pub login: Option<(String, Secret<String>)>,
}

impl Proxy {
    /// Whether it forwards plain HTTP requests in absolute-form.
    pub const fn forwards_http(&self) -> bool {
        matches!(self.kind, ProxyKind::Http | ProxyKind::Https)
    }

    /// The value of `Proxy-Authorization`, where there is a login.
    pub fn authorization(&self) -> Option<String> {
        let (user, password) = self.login.as_ref()?;
        let pair = format!("{user}:{}", password.reveal());
        Some(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
    }

    /// Makes the proxy connect to `target`; what it sends after that belongs to the target.
    pub(super) async fn tunnel(&self, conn: Conn, target: &Authority) -> Result<Conn, DialError> {
        match self.kind {
            ProxyKind::Http | ProxyKind::Https => self.connect(conn, target).await,
            ProxyKind::Socks5 => self.socks(conn, target).await,
        }
    }

    async fn connect(&self, mut conn: Conn, target: &Authority) -> Result<Conn, DialError> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(value) = self.authorization() {
            request.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        request.push_str("\r\n");
        conn.write_all(request.as_bytes()).await.map_err(|error| self.gone(&error))?;
        let mut buffer = Vec::new();
        loop {
            match parse_response(&buffer, &HeadLimits::default()) {
                Progress::Complete(head, consumed) => {
                    let answer = format!("{} {}", head.status, String::from_utf8_lossy(&head.reason));
                    return match head.status {
                        100..=199 => {
                            buffer.drain(..consumed);
                            continue;
                        }
                        200..=299 => Ok(rewind(buffer.split_off(consumed).into(), conn)),
                        407 => Err(DialError::ProxyLogin { proxy: self.at.clone(), answer }),
                        _ => Err(DialError::ProxyRefused { proxy: self.at.clone(), answer }),
                    };
                }
                Progress::Partial => self.more(&mut conn, &mut buffer).await?,
                Progress::NotHttp(why) | Progress::TooLarge(why) => {
                    return Err(DialError::ProxyRefused {
                        proxy: self.at.clone(),
                        answer: format!("not an HTTP answer ({why})"),
                    });
                }
            }
        }
    }

    async fn socks(&self, mut conn: Conn, target: &Authority) -> Result<Conn, DialError> {
        let refused =
            |error: socks5::Error| DialError::ProxyRefused { proxy: self.at.clone(), answer: error.to_string() };
        let mut buffer = Vec::new();
        self.send(&mut conn, &client::greeting(self.login.is_some())).await?;
        let method =
            self.answer(&mut conn, &mut buffer, |bytes| client::parse_method(bytes, self.login.is_some())).await?;
        if method == socks5::Method::UserPassword
            && let Some((user, password)) = &self.login
        {
            let login = client::credentials(user.as_bytes(), password.reveal().as_bytes()).map_err(refused)?;
            self.send(&mut conn, &login).await?;
            self.answer(&mut conn, &mut buffer, client::parse_credentials_reply)
                .await
                .map_err(|error| DialError::ProxyLogin { proxy: self.at.clone(), answer: error.to_string() })?;
        }
        self.send(&mut conn, &client::connect(target).map_err(refused)?).await?;
        self.answer(&mut conn, &mut buffer, client::parse_reply).await?;
        Ok(rewind(buffer.into(), conn))
    }

    async fn answer<T>(
        &self,
        conn: &mut Conn,
        buffer: &mut Vec<u8>,
        parse: impl Fn(&[u8]) -> socks5::Progress<T>,
    ) -> Result<T, DialError> {
        loop {
            match parse(buffer) {
                socks5::Progress::Done(value, consumed) => {
                    buffer.drain(..consumed);
                    return Ok(value);
                }
                socks5::Progress::Partial => self.more(conn, buffer).await?,
                socks5::Progress::Error(error) => {
                    return Err(DialError::ProxyRefused { proxy: self.at.clone(), answer: error.to_string() });
                }
            }
        }
    }

    async fn send(&self, conn: &mut Conn, bytes: &[u8]) -> Result<(), DialError> {
        conn.write_all(bytes).await.map_err(|error| self.gone(&error))
    }

    async fn more(&self, conn: &mut Conn, buffer: &mut Vec<u8>) -> Result<(), DialError> {
        match hear(conn, buffer).await {
            Ok(0) => Err(self.gone(&"it closed the connection before its answer was whole")),
            Ok(_) => Ok(()),
            Err(error) => Err(self.gone(&error)),
        }
    }

    fn gone(&self, why: &dyn std::fmt::Display) -> DialError {
        DialError::ProxyRefused { proxy: self.at.clone(), answer: why.to_string() }
    }
}

/// Hosts that are reached without the further proxy, as NO_PROXY lists them.
#[derive(Clone, Debug, Default)]
pub struct NoProxy(Vec<Pattern>);

impl NoProxy {
    /// Reads a list separated by commas or spaces: names (with everything below them), addresses, CIDR ranges, each with a port or
    /// not; `*` is everything. What cannot be read is passed over, as other programs do.
    pub fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        let patterns = entries.flat_map(|entry| {
            let bare = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')).unwrap_or(entry);
            let below =
                format!("*.{bare}").parse::<Pattern>().ok().filter(|_| bare.parse::<std::net::IpAddr>().is_err());
            [bare.parse::<Pattern>().ok(), below]
        });
        Self(patterns.flatten().collect())
    }

    /// Whether `target` is reached directly.
    pub fn covers(&self, target: &Authority) -> bool {
        let name = target.host.to_string();
        let subject = Subject { names: &[&name], address: target.host.ip(), port: target.port };
        self.0.iter().any(|pattern| pattern.matches(&subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_cover_names_and_what_is_below_them() {
        let list = NoProxy::parse("localhost, .corp.test 10.0.0.0/8,exact.test:8443,2001:db8::1");
        let covers = |text: &str| list.covers(&text.parse().unwrap());
        assert!(
            covers("localhost:1") && covers("a.corp.test:443") && covers("corp.test:443") && covers("10.1.2.3:443")
        );
        assert!(covers("exact.test:8443") && covers("[2001:db8::1]:443"));
        assert!(!covers("exact.test:443") && !covers("notcorp.test:443") && !covers("11.0.0.1:443"));
        assert!(NoProxy::parse("*").covers(&"any.test:1".parse().unwrap()));
        assert!(!NoProxy::parse("").covers(&"any.test:1".parse().unwrap()));
    }
}
