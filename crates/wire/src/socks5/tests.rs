//! Tests of both sides of SOCKS 5. In: messages, whole and cut at every byte. Out: what they mean.

use super::*;

/// Parses every beginning of `message`: all but the last must be partial. Bytes behind the message must be left alone.
fn grown<T: PartialEq + std::fmt::Debug>(message: &[u8], parse: impl Fn(&[u8]) -> Progress<T>) -> T {
    for cut in 0..message.len() {
        assert_eq!(parse(&message[..cut]), Progress::Partial, "{cut} bytes");
    }
    let longer = [message, b"\x16\x03\x01"].concat();
    match parse(&longer) {
        Progress::Done(value, consumed) => {
            assert_eq!(consumed, message.len());
            value
        }
        other => panic!("{other:?}"),
    }
}

fn error<T: std::fmt::Debug>(progress: Progress<T>) -> Error {
    match progress {
        Progress::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn greeting_and_choice() {
    let greeting = grown(&[5, 3, 0, 1, 2], server::parse_greeting);
    assert_eq!(server::choose(&greeting, false), Ok(Method::None));
    assert_eq!(server::choose(&greeting, true), Ok(Method::UserPassword));
    assert_eq!(server::method_reply(Some(Method::UserPassword)), [5, 2]);
    let only_password = server::Greeting { methods: vec![2] };
    assert_eq!(server::choose(&only_password, false), Ok(Method::UserPassword));
    let anonymous = grown(&[5, 1, 0], server::parse_greeting);
    let refusal = server::choose(&anonymous, true).unwrap_err();
    assert_eq!(refusal.answer().as_deref(), Some(&server::method_reply(None)[..]));
    assert!(refusal.to_string().contains("[0]"), "{refusal}");
    assert!(server::choose(&grown(&[5, 0], server::parse_greeting), false).is_err());
}

#[test]
fn credentials_both_ways() {
    let message = client::credentials(b"ann", b"pass\xff").unwrap();
    assert_eq!(message, b"\x01\x03ann\x05pass\xff");
    let read = grown(&message, server::parse_credentials);
    assert_eq!((read.user.as_slice(), read.password.reveal().as_slice()), (&b"ann"[..], &b"pass\xff"[..]));
    assert!(!format!("{read:?}").contains("pass\\xff") && format!("{read:?}").contains("redacted"));
    grown(&server::credentials_reply(true), client::parse_credentials_reply);
    assert_eq!(error(client::parse_credentials_reply(&server::credentials_reply(false))), Error::CredentialsRefused(1));
    assert_eq!(error(server::parse_credentials(&[5])), Error::CredentialsVersion(5));
    assert!(client::credentials(b"", b"x").unwrap_err().to_string().contains("user name"));
    assert_eq!(client::credentials(b"x", &[0; 256]), Err(Error::CredentialLength { what: "password", length: 256 }));
}

#[test]
fn requests_of_every_kind_of_address() {
    for text in ["192.0.2.7:443", "[2001:db8::7]:8443", "registry.test:5000"] {
        let target: Authority = text.parse().unwrap();
        assert_eq!(grown(&client::connect(&target).unwrap(), server::parse_request), target);
    }
    assert_eq!(grown(b"\x05\x01\x00\x03\x09192.0.2.7\x01\xbb", server::parse_request).to_string(), "192.0.2.7:443");
    assert_eq!(
        grown(b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07\0\x50", server::parse_request).to_string(),
        "192.0.2.7:80"
    );
    let long = Authority { host: Host::Name("a".repeat(256)), port: 1 };
    assert_eq!(client::connect(&long), Err(Error::NameLength(256)));
}

#[test]
fn what_is_not_supported_is_answered() {
    let bind = error(server::parse_request(b"\x05\x02\x00\x01\x7f\0\0\x01\0\x50"));
    assert!(bind.to_string().contains("BIND"));
    assert_eq!(bind.answer().unwrap(), [5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert!(error(server::parse_request(b"\x05\x03\x00\x01\x7f\0\0\x01\0\x50")).to_string().contains("UDP ASSOCIATE"));
    assert_eq!(error(server::parse_request(b"\x05\x01\x00\x02")).answer().unwrap()[1], 8);
    assert_eq!(error(server::parse_request(b"\x05\x01\x00\x01\x7f\0\0\x01\0\0")), Error::PortZero);
    assert!(matches!(error(server::parse_request(b"\x05\x01\x00\x03\x03a b\0\x50")), Error::Host(_)));
    assert!(matches!(error(server::parse_request(b"\x05\x01\x00\x03\x00\0\x50")), Error::Host(_)));
    assert_eq!(error(server::parse_request(b"GET ")), Error::NotSocks(b'G'));
}

#[test]
fn older_versions_are_named() {
    assert_eq!(error(server::parse_greeting(b"\x04\x01\x01\xbb\xc0\0\x02\x07\0")), Error::Socks4("SOCKS4"));
    let a = error(server::parse_greeting(b"\x04\x01\x01\xbb\0\0\0\x01\0name.test\0"));
    assert_eq!(a, Error::Socks4("SOCKS4a"));
    assert!(a.to_string().contains("SOCKS5"));
    assert_eq!(a.answer().unwrap()[..2], [0, 0x5b]);
    assert_eq!(error(server::parse_greeting(b"CONNECT")), Error::NotSocks(b'C'));
}

#[test]
fn replies_both_ways() {
    for bound in ["192.0.2.1:40000", "[2001:db8::1]:40000"] {
        let bound: SocketAddr = bound.parse().unwrap();
        assert_eq!(grown(&server::reply(Reply::SUCCEEDED, bound), client::parse_reply), Some(bound));
    }
    assert_eq!(grown(b"\x05\0\0\x03\x04host\0\x50", client::parse_reply), None);
    let refused = error(client::parse_reply(b"\x05\x05"));
    assert_eq!(refused, Error::Refused(Reply::CONNECTION_REFUSED));
    assert!(refused.to_string().contains("connection refused"));
    assert_eq!(error(client::parse_reply(b"HTTP/1.1 400")), Error::NotSocks(b'H'));
}

#[test]
fn the_proxys_choice_of_method() {
    assert_eq!(client::greeting(true), [5, 2, 0, 2]);
    assert_eq!(grown(&client::greeting(false), server::parse_greeting).methods, [0]);
    assert_eq!(grown(&[5, 2], |bytes| client::parse_method(bytes, true)), Method::UserPassword);
    assert_eq!(grown(&[5, 0], |bytes| client::parse_method(bytes, true)), Method::None);
    assert_eq!(error(client::parse_method(&[5, 2], false)), Error::MethodNotOffered(2));
    assert!(error(client::parse_method(&[5, 0xff], false)).to_string().contains("wants a user name"));
    assert!(matches!(error(client::parse_method(&[5, 0xff], true)), Error::MethodsRefused(_)));
}
