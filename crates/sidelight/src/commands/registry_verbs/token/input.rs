//! Where a token comes from. In: what was given: a token, an `Authorization` field, a token server's answer, a line of a registry's log, `-`.
//! Out: the token, or what the line tells. Recordings give theirs through [`Given::Token`] as well.

use std::path::Path;

use serde_json::Value;
use sidelight_model::token::{Presented, Refusal, read_log_line};
use sidelight_wire::jwt;

use crate::exit::Failure;

/// What was given.
#[derive(Debug)]
pub(super) enum Given {
    /// A token.
    Token(Box<Presented>),
    /// A line of a registry's log.
    Line(Refusal),
}

/// Reads what was given, and says where it came from.
pub(super) fn read(positional: Option<&str>, option: Option<&str>) -> Result<(Given, &'static str), Failure> {
    let text = positional.or(option).unwrap_or_default();
    if text != "-" {
        return Ok((understand(text)?, "the argument"));
    }
    let bytes = super::super::read(Path::new("-"))?;
    Ok((understand(&String::from_utf8_lossy(&bytes))?, "standard input"))
}

/// What a text is.
fn understand(text: &str) -> Result<Given, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::new("there is no token").hint("give it as an argument, or - and on standard input"));
    }
    if let Some(value) = field(text) {
        return Ok(Given::Token(Box::new(jwt::read_authorization(value))));
    }
    if let Ok(Value::Object(answer)) = serde_json::from_str(text)
        && let Some(token) = ["token", "access_token"].iter().find_map(|name| answer.get(*name)?.as_str())
    {
        return Ok(Given::Token(Box::new(jwt::read(token))));
    }
    if let Some(told) = read_log_line(text) {
        return Ok(Given::Line(told));
    }
    // In whatever stands around it, a token begins as the base64 of `{"`.
    let ends = |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '=' | '+' | '/'));
    let inside = text.split(ends).find(|word| word.starts_with("eyJ") && word.contains('.'));
    Ok(Given::Token(Box::new(jwt::read(match inside {
        Some(word) if text.contains(char::is_whitespace) => word,
        _ => text,
    }))))
}

/// The value of an `Authorization` field, with or without its name.
fn field(text: &str) -> Option<&str> {
    if text.contains('\n') {
        return None;
    }
    let begins = |text: &str, with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    if begins(text, "authorization:") {
        return text.get(14..).map(|value| value.strip_prefix(' ').unwrap_or(value));
    }
    (begins(text, "bearer ") || begins(text, "basic ")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_wherever_it_stands() {
        let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJhIn0.c2ln";
        let around = [
            token.to_owned(),
            format!("Authorization: Bearer {token}"),
            format!("bearer {token}"),
            format!("{{\"token\":\"{token}\",\"expires_in\":300}}"),
            format!("{{\"access_token\":\"{token}\"}}"),
            format!("> GET /v2/\n> Authorization: Bearer {token}\n>"),
            format!("  {token}\n"),
        ];
        for text in around {
            let Given::Token(found) = understand(&text).unwrap() else { panic!("{text}") };
            assert_eq!((found.header.kid.as_str(), found.raw.reveal().as_str()), ("k", token), "{text}");
        }
        let Given::Token(basic) = understand("Authorization: Basic a2ltOng=").unwrap() else { panic!() };
        assert!(basic.not_bearer.is_some_and(|not| !not.is_token_to_3));
        let Given::Token(two) = understand(&format!("Authorization: Bearer  {token}")).unwrap() else { panic!() };
        assert!(two.not_bearer.is_some_and(|not| not.is_token_to_3));
        assert!(matches!(understand("msg=\"token has no signature\"").unwrap(), Given::Line(_)));
        assert!(understand(" ").is_err());
    }
}
