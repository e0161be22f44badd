//! The client side of SOCKS 5, for going out through another proxy. In: where to go, and the proxy's bytes. Out: bytes to send.
//! Spec: RFC 1928 §3–§6, RFC 1929 §2.

use std::net::SocketAddr;

use sidelight_model::flow::{Authority, Host};

use super::{
    Address, CREDENTIALS_VERSION, Error, Method, NO_METHOD, Progress, Reply, TYPE_NAME, VERSION, parse_address,
    write_ip,
};

/// The first message: offers to come without authentication and, when there are credentials, also with them.
pub fn greeting(with_credentials: bool) -> Vec<u8> {
    if with_credentials {
        vec![VERSION, 2, Method::None.code(), Method::UserPassword.code()]
    } else {
        vec![VERSION, 1, Method::None.code()]
    }
}

/// Reads which method the proxy chose. `with_credentials` as in [`greeting`].
pub fn parse_method(bytes: &[u8], with_credentials: bool) -> Progress<Method> {
    let chosen = match bytes {
        [] | [VERSION] => return Progress::Partial,
        [VERSION, chosen, ..] => *chosen,
        [other, ..] => return Progress::Error(Error::NotSocks(*other)),
    };
    match chosen {
        0 => Progress::Done(Method::None, 2),
        2 if with_credentials => Progress::Done(Method::UserPassword, 2),
        NO_METHOD if with_credentials => {
            Progress::Error(Error::MethodsRefused("it takes neither no authentication nor user name and password"))
        }
        NO_METHOD => Progress::Error(Error::MethodsRefused("it probably wants a user name and password")),
        other => Progress::Error(Error::MethodNotOffered(other)),
    }
}

/// User name and password as a message.
///
/// # Errors
/// [`Error::CredentialLength`] when the name is empty, or one of them is longer than 255 bytes.
pub fn credentials(user: &[u8], password: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = vec![CREDENTIALS_VERSION];
    // RFC 1929 demands at least one byte of both, but proxies that look at the name alone are met with empty passwords.
    for (what, value, least) in [("user name", user, 1), ("password", password, 0)] {
        let length = u8::try_from(value.len()).ok().filter(|length| *length >= least);
        out.push(length.ok_or(Error::CredentialLength { what, length: value.len() })?);
        out.extend(value);
    }
    Ok(out)
}

/// Reads whether the proxy accepts the credentials.
pub fn parse_credentials_reply(bytes: &[u8]) -> Progress<()> {
    match bytes {
        [] | [CREDENTIALS_VERSION] => Progress::Partial,
        [CREDENTIALS_VERSION, 0, ..] => Progress::Done((), 2),
        [CREDENTIALS_VERSION, status, ..] => Progress::Error(Error::CredentialsRefused(*status)),
        [other, ..] => Progress::Error(Error::CredentialsVersion(*other)),
    }
}

/// The request to connect. Names are sent as names: the proxy resolves them.
///
/// # Errors
/// [`Error::NameLength`] when a name is longer than 255 bytes.
pub fn connect(target: &Authority) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION, 1, 0];
    match &target.host {
        Host::Ip(address) => write_ip(&mut out, *address, target.port),
        Host::Name(name) => {
            let length = u8::try_from(name.len()).map_err(|_| Error::NameLength(name.len()))?;
            out.extend([TYPE_NAME, length]);
            out.extend(name.bytes());
            out.extend(target.port.to_be_bytes());
        }
    }
    Ok(out)
}

/// Reads the answer to the request: the proxy's end of the connection, when it tells an address.
pub fn parse_reply(bytes: &[u8]) -> Progress<Option<SocketAddr>> {
    let (code, rest) = match bytes {
        [VERSION, code, _reserved, rest @ ..] => (*code, rest),
        [] | [VERSION] => return Progress::Partial,
        // Some proxies close right after a refusal and send no more than this.
        [VERSION, code] => (*code, &[][..]),
        [other, ..] => return Progress::Error(Error::NotSocks(*other)),
    };
    if code != Reply::SUCCEEDED.0 {
        return Progress::Error(Error::Refused(Reply(code)));
    }
    match parse_address(rest) {
        Progress::Partial => Progress::Partial,
        Progress::Error(error) => Progress::Error(error),
        Progress::Done((Address::Ip(ip), port), length) => Progress::Done(Some(SocketAddr::new(ip, port)), 3 + length),
        Progress::Done((Address::Name(_), _), length) => Progress::Done(None, 3 + length),
    }
}
