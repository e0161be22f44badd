//! The URL of a record in NATS. In: `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]…]/BUCKET`. Out: its parts. No error and no
//! name holds the login.

use std::fmt;

use sidelight_model::flow::Authority;

use crate::cli::percent_decode;

/// NATS' own port.
const PORT: u16 = 4222;

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    None,
    Token(String),
    User(String, String),
}

/// A bucket in NATS, without credentials from files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Whether TLS is demanded.
    pub(super) tls: bool,
    pub(super) login: Login,
    /// Servers of one cluster, asked in turn.
    pub(super) servers: Vec<Authority>,
    pub(super) bucket: String,
}

impl Address {
    /// Reads the URL.
    ///
    /// # Errors
    /// A clause that says what is wrong; the login is not in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("no nats://")?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (read_login(login)?, rest),
            None => (Login::None, rest),
        };
        let (places, bucket) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err("behind HOST:PORT/ stands the name of a bucket: letters, digits, - and _".to_owned());
        }
        // What cannot be read may be a login without its host: it is not repeated.
        let server =
            |place: &str| Authority::parse(place, Some(PORT)).map_err(|_| "HOST:PORT cannot be read".to_owned());
        let servers = places.split(',').map(server).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { tls: scheme == "tls", login, servers, bucket: bucket.to_owned() })
    }
}

fn read_login(text: &str) -> Result<Login, String> {
    const CODED: &str = "the login before HOST must be percent-encoded where it holds @ / : or %";
    if text.contains(['@', '/', '?', '#']) {
        return Err(CODED.to_owned());
    }
    let decode = |part: &str| percent_decode(part).ok_or_else(|| CODED.to_owned());
    match text.split_once(':') {
        Some((user, password)) => Ok(Login::User(decode(user)?, decode(password)?)),
        None => Ok(Login::Token(decode(text)?)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "tls://" } else { "nats://" })?;
        for (number, server) in self.servers.iter().enumerate() {
            write!(f, "{}{server}", if number > 0 { "," } else { "" })?;
        }
        write!(f, "/{}", self.bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_named_without_its_login() {
        let it = Address::parse("nats://kim:p%40ss@nats.test,[::1]:4223/pins").ok().unwrap();
        assert!(it.login == Login::User("kim".into(), "p@ss".into()) && !it.tls);
        assert_eq!(it.to_string(), "nats://nats.test:4222,[::1]:4223/pins");
        let it = Address::parse("tls://token@nats.test:443/a-b_c").ok().unwrap();
        assert!(it.login == Login::Token("token".into()) && it.tls);
        for wrong in [
            "nats://h",
            "nats://h:1/",
            "nats://h/a.b",
            "nats://u:s3cr/t@h/b",
            "nats://u:s3cr@t@h/b",
            "nats://h:0/b",
            "nats:///b",
            "nats://u:s3cr/b",
        ] {
            let why = Address::parse(wrong).err().unwrap_or_else(|| panic!("{wrong}"));
            assert!(!why.contains("s3cr"), "{why}");
        }
    }
}
