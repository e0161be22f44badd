//! Secrets in running text. In: URLs, form bodies, messages. Out: the same without values of `name=value` whose name means a
//! secret, logins in URLs, what follows `Bearer` and `Basic`, and tokens that are known by their look.
//! Spec: RFC 3986 (userinfo), WHATWG URL §5 (form encoding), RFC 6750, RFC 7617, RFC 7519.

use std::borrow::Cow;

use sidelight_model::redact::{fingerprint, is_secret_member};

use super::{is_hidden, tokens};

/// Replaces secrets in `text`. What is a fingerprint already stays.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let token = rest.find(is_delimiter).unwrap_or(rest.len());
        if token == 0 {
            let end = rest.find(|c| !is_delimiter(c)).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let (word, after) = rest.split_at(token);
        rest = after;
        push_word(word, &mut out);
        let secret = rest.strip_prefix(' ').map(|next| next.split(is_delimiter).next().unwrap_or_default());
        if let Some(secret) = secret.filter(|next| is_credential(word, next)) {
            out.push(' ');
            out.push_str(&fingerprint(secret.as_bytes()));
            rest = &rest[1 + secret.len()..];
        }
    }
    out
}

/// Whether `next` is what a client logs in with, by the scheme before it. In a challenge, a parameter follows: `Bearer realm=…`.
fn is_credential(scheme: &str, next: &str) -> bool {
    if scheme.eq_ignore_ascii_case("basic") {
        return data_encoding::BASE64.decode(next.as_bytes()).is_ok_and(|login| login.contains(&b':'));
    }
    scheme.eq_ignore_ascii_case("bearer")
        && next.len() >= 8
        && !is_hidden(next)
        && !next.trim_end_matches('=').contains('=')
}

/// What cannot be inside of a name or value, in URLs, forms and prose.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '?' | '&' | '#' | ';' | ',' | '"' | '\'' | '<' | '>' | '(' | ')' | '{' | '}' | '[' | ']')
}

fn push_word(word: &str, out: &mut String) {
    if let Some((name, value)) = word.split_once('=')
        && !value.is_empty()
        && !is_hidden(value)
        && is_secret_member(&percent_decoded(name))
    {
        out.push_str(name);
        out.push('=');
        out.push_str(&fingerprint(value.as_bytes()));
        return;
    }
    match word.find("://") {
        Some(at) => {
            let (scheme, after) = word.split_at(at + 3);
            out.push_str(scheme);
            let end = after.find('/').unwrap_or(after.len());
            let login = after[..end].rfind('@').unwrap_or(0);
            // What stands for a login in advice is none.
            if &after[..login] == PLACEHOLDER {
                out.push_str(PLACEHOLDER);
            } else if login > 0 && !is_hidden(after) {
                out.push_str(&fingerprint(&after.as_bytes()[..login]));
            }
            out.push_str(&without_tokens(&after[login..]));
        }
        None => out.push_str(&without_tokens(word)),
    }
}

/// How advice writes the login that the user has to fill in.
const PLACEHOLDER: &str = "USER:PASSWORD";

/// The name of a parameter as the server will read it: `%74oken` is `token`.
fn percent_decoded(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Replaces each token that is known by its look.
fn without_tokens(word: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut from = 0;
    while let Some(token) = tokens::find(word.as_bytes(), from) {
        out.push_str(&word[from..token.start]);
        out.push_str(&fingerprint(&word.as_bytes()[token.clone()]));
        from = token.end;
    }
    if from == 0 { Cow::Borrowed(word) } else { Cow::Owned(out + &word[from..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
        for (text, secret) in [
            ("https://a.test/x?access_token=s3cret&y=1", "s3cret"),
            ("https://a.test/cb#id_token=s3cret", "s3cret"),
            ("grant_type=password&username=u&password=s3cr%2Fet", "s3cr%2Fet"),
            ("/x?%74oken=abc", "abc"),
            ("get https://kim:pw@a.test:81/x failed", "kim:pw"),
            ("sent Bearer abcdefgh12 to a.test", "abcdefgh12"),
            ("Basic dXNlcjpwYXNzdw==", "dXNlcjpwYXNzdw=="),
            ("x-token/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln/y", jwt),
        ] {
            assert!(text.contains(secret));
            assert_eq!(redact(text), text.replace(secret, &fingerprint(secret.as_bytes())), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_and_twice_is_once() {
        for text in [
            "Bearer realm=\"https://auth.test/token\",service=\"registry.test\"",
            "/v2/library/alpine/manifests/sha256:0123?ns=docker.io",
            "basic training",
            "eyJ is how they begin",
            "a@b.test, x=1; token=",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
        let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
        let many = format!("{jwt}~").repeat(20_000);
        assert_eq!(redact(&many), format!("{}~", fingerprint(jwt.as_bytes())).repeat(20_000));
        assert_eq!(redact("http://USER:PASSWORD@proxy.test:8080"), "http://USER:PASSWORD@proxy.test:8080");
        let once = redact("/x?token=abc and Bearer 0123456789 at http://u:p@h/");
        assert_eq!(redact(&once), once);
    }
}
