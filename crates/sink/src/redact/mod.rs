//! Secrets in what is shown. In: header fields, URLs, bodies and other text from peers. Out: the same, with each secret
//! replaced by its fingerprint, unless secrets are to be revealed. Every output of traffic goes through [`Redactor`].
//!
//! Known are: fields, query parameters, form fields and JSON members whose names mean secrets (`model::redact`), logins in
//! URLs, cookies, credentials after `Bearer` and `Basic`, JSON Web Tokens and the tokens of well-known services wherever they
//! stand. Private keys in PEM are never shown, not even when secrets are to be revealed.

mod binary;
mod body;
pub mod exchange;
mod json;
mod multipart;
mod private_key;
mod text;
mod tokens;
mod xml;

use std::borrow::Cow;

use sidelight_model::flow::Header;
use sidelight_model::redact::{fingerprint, is_secret_field, is_secret_member};

/// Replaces secrets by fingerprints, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redactor {
    reveal: bool,
}

impl Redactor {
    /// With `reveal`, everything is shown as it is.
    pub const fn new(reveal: bool) -> Self {
        Self { reveal }
    }

    /// The value of a header or trailer field, as text; bytes that are not UTF-8 become U+FFFD.
    pub fn field(self, header: &Header) -> String {
        let value = String::from_utf8_lossy(&header.value);
        if self.reveal {
            return private_key::hide(&value).into_owned();
        }
        if is_hidden(&value) {
            return value.into_owned();
        }
        if header.is("authorization") || header.is("proxy-authorization") {
            return credentials(&value);
        }
        if header.is("cookie") {
            return pairs(&value, usize::MAX);
        }
        if header.is("set-cookie") {
            return pairs(&value, 1);
        }
        if is_secret_field(&header.name) {
            return fingerprint(&header.value);
        }
        text::redact(&private_key::hide(&value))
    }

    /// Whether everything is shown as it is.
    pub const fn reveals(self) -> bool {
        self.reveal
    }

    /// The value of a form field, parameter or member of this name.
    pub fn member(self, name: &str, value: &str) -> String {
        if !self.reveal && is_secret_member(name) && !value.is_empty() && !is_hidden(value) {
            return fingerprint(value.as_bytes());
        }
        self.text(value)
    }

    /// A URL, or the target of a request.
    pub fn url(self, url: &str) -> String {
        self.text(url)
    }

    /// Any text from a peer: an error message, an evidence, the data of an event.
    pub fn text(self, text: &str) -> String {
        let text = private_key::hide(text);
        if self.reveal { text.into_owned() } else { text::redact(&json::redact(&text)) }
    }

    /// The text of a body of this media type (`type/subtype`, in lower case); it may have been cut anywhere.
    pub fn body(self, media_type: &str, body: &str) -> String {
        let body = private_key::hide(body);
        if self.reveal {
            return body.into_owned();
        }
        let body = match media_type {
            "multipart/form-data" => Cow::Owned(multipart::redact(&body)),
            media if media.ends_with("xml") || media == "text/html" => Cow::Owned(xml::redact(&body)),
            _ => body,
        };
        text::redact(&json::redact(&body))
    }
}

/// Whether this is what redaction left: what was redacted once stays as it is.
fn is_hidden(text: &str) -> bool {
    ["‹redacted", "‹private", "%E2%80%B9redacted"].iter().any(|mark| text.starts_with(mark))
}

/// The fingerprint of a secret; a fingerprint stays.
fn hidden(secret: &str) -> String {
    if is_hidden(secret) { secret.to_owned() } else { fingerprint(secret.as_bytes()) }
}

/// Keeps the scheme, which is no secret and often the point.
fn credentials(value: &str) -> String {
    match value.trim().split_once(' ') {
        Some((scheme, secret)) if !scheme.is_empty() && scheme.len() <= 32 => {
            format!("{scheme} {}", hidden(secret.trim()))
        }
        _ => hidden(value),
    }
}

/// Hides the values of the first `count` of `name=value; name=value`, and everything without a name.
fn pairs(value: &str, count: usize) -> String {
    let hide = |(n, part): (usize, &str)| match part.split_once('=') {
        _ if n >= count => part.to_owned(),
        Some((name, secret)) => format!("{name}={}", hidden(secret.trim())),
        None if part.trim().is_empty() => part.to_owned(),
        None => format!(" {}", hidden(part.trim())),
    };
    value.split(';').enumerate().map(hide).collect::<Vec<_>>().join(";").trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> String {
        Redactor::default().field(&Header::new(name, value))
    }

    #[test]
    fn fields_keep_what_is_no_secret() {
        assert_eq!(field("Authorization", "Bearer abc"), format!("Bearer {}", hidden("abc")));
        assert_eq!(field("authorization", "abc"), hidden("abc"));
        assert_eq!(field("Cookie", "a=1; b=2"), format!("a={}; b={}", hidden("1"), hidden("2")));
        assert_eq!(field("Cookie", "naked"), hidden("naked"));
        let set = field("Set-Cookie", "sid=77; Path=/; HttpOnly");
        assert_eq!(set, format!("sid={}; Path=/; HttpOnly", hidden("77")));
        assert_eq!(field("X-Api-Key", "k"), hidden("k"));
        assert_eq!(field("Location", "/x?token=t1&n=2#y"), format!("/x?token={}&n=2#y", hidden("t1")));
        assert_eq!(field("Accept", "*/*"), "*/*");
        for (name, value) in
            [("Authorization", "Bearer abc"), ("Cookie", "a=1; b=2"), ("X-Api-Key", "k"), ("cookie", "n")]
        {
            let once = field(name, value);
            assert_eq!(field(name, &once), once);
        }
        assert_eq!(Redactor::new(true).field(&Header::new("Authorization", "Bearer abc")), "Bearer abc");
    }
}
