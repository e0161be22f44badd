//! The server side of SOCKS 5. In: bytes of a client. Out: what it offers, who it is, where it wants to go; and the answers.
//! Spec: RFC 1928 §3–§6, RFC 1929 §2.

use std::net::SocketAddr;

use sidelight_model::flow::Authority;
use sidelight_model::redact::Secret;

use super::{
    CREDENTIALS_VERSION, Error, Method, NO_METHOD, Progress, Reply, VERSION, authority, parse_address, write_ip,
};

/// The authentication methods that a client offers, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// At most 255 of them.
    pub methods: Vec<u8>,
}

/// Who the client says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name, as sent.
    pub user: Vec<u8>,
    /// The password, as sent.
    pub password: Secret<Vec<u8>>,
}

/// Reads the client's first message.
pub fn parse_greeting(bytes: &[u8]) -> Progress<Greeting> {
    let (count, rest) = match bytes {
        [] | [VERSION] => return Progress::Partial,
        [VERSION, count, rest @ ..] => (usize::from(*count), rest),
        [4, ..] => return Progress::Error(Error::Socks4(old_version(bytes))),
        [other, ..] => return Progress::Error(Error::NotSocks(*other)),
    };
    match rest.get(..count) {
        Some(methods) => Progress::Done(Greeting { methods: methods.to_vec() }, 2 + count),
        None => Progress::Partial,
    }
}

/// SOCKS 4a marks a name after the request by an address 0.0.0.x.
fn old_version(bytes: &[u8]) -> &'static str {
    match bytes.get(4..8) {
        Some([0, 0, 0, last]) if *last != 0 => "SOCKS4a",
        _ => "SOCKS4",
    }
}

/// Chooses the method: user name and password when `credentials_needed`, else none (or, for clients that insist, the password
/// method with whatever is in it).
///
/// # Errors
/// [`Error::NoCommonMethod`] when the client does not offer it; its [`Error::answer`] is to be sent.
pub fn choose(greeting: &Greeting, credentials_needed: bool) -> Result<Method, Error> {
    let offers = |method: Method| greeting.methods.contains(&method.code());
    if !credentials_needed && offers(Method::None) {
        Ok(Method::None)
    } else if offers(Method::UserPassword) {
        Ok(Method::UserPassword)
    } else {
        let wanted =
            if credentials_needed { "user name and password (2)" } else { "none (0) or user name and password (2)" };
        Err(Error::NoCommonMethod { offered: greeting.methods.clone(), wanted })
    }
}

/// The answer to a greeting; `None` when no method fits.
pub const fn method_reply(method: Option<Method>) -> [u8; 2] {
    match method {
        Some(method) => [VERSION, method.code()],
        None => [VERSION, NO_METHOD],
    }
}

/// Reads user name and password.
pub fn parse_credentials(bytes: &[u8]) -> Progress<Credentials> {
    let (length, rest) = match bytes {
        [] | [CREDENTIALS_VERSION] => return Progress::Partial,
        [CREDENTIALS_VERSION, length, rest @ ..] => (usize::from(*length), rest),
        [other, ..] => return Progress::Error(Error::CredentialsVersion(*other)),
    };
    let Some((user, rest)) = rest.split_at_checked(length) else { return Progress::Partial };
    let Some((password_length, rest)) = rest.split_first() else { return Progress::Partial };
    match rest.get(..usize::from(*password_length)) {
        Some(password) => Progress::Done(
            Credentials { user: user.to_vec(), password: Secret::new(password.to_vec()) },
            3 + user.len() + password.len(),
        ),
        None => Progress::Partial,
    }
}

/// The answer to user name and password. After a refusal the connection must be closed.
pub const fn credentials_reply(accepted: bool) -> [u8; 2] {
    [CREDENTIALS_VERSION, if accepted { 0 } else { 1 }]
}

/// Reads a request to connect.
///
/// Other commands are an error only once the whole request is there, so that the answer does not meet unread bytes.
pub fn parse_request(bytes: &[u8]) -> Progress<Authority> {
    let (command, rest) = match bytes {
        [] | [VERSION] | [VERSION, _] | [VERSION, _, _] => return Progress::Partial,
        [VERSION, command, _reserved, rest @ ..] => (*command, rest),
        [other, ..] => return Progress::Error(Error::NotSocks(*other)),
    };
    let ((address, port), length) = match parse_address(rest) {
        Progress::Partial => return Progress::Partial,
        Progress::Error(error) => return Progress::Error(error),
        Progress::Done(found, length) => (found, length),
    };
    if command != 1 {
        return Progress::Error(Error::Command(command));
    }
    match authority(address, port) {
        Ok(authority) => Progress::Done(authority, 3 + length),
        Err(error) => Progress::Error(error),
    }
}

/// The answer to a request. `bound` is our end of the connection to the service; unspecified and port 0 when there is none.
pub fn reply(reply: Reply, bound: SocketAddr) -> Vec<u8> {
    let mut out = vec![VERSION, reply.0, 0];
    write_ip(&mut out, bound.ip(), bound.port());
    out
}
