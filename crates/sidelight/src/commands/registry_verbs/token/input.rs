//! Where a token comes from. In: what was given: a token, an `Authorization` field, a token server's answer, a line of a registry's log, `-`,
//! a recording. Out: the token, or what the line tells; and, from a recording, what the registry asked for and when.

use std::path::Path;

use serde_json::Value;
use sidelight_model::time::Timestamp;
use sidelight_model::token::{Presented, Refusal, read_log_line};
use sidelight_wire::jwt;

use super::recorded;
use crate::cli::TokenSource;
use crate::exit::Failure;
use crate::ui::Ui;

/// What was given.
#[derive(Debug)]
pub(super) enum Given {
    /// A token.
    Token(Box<Presented>),
    /// A line of a registry's log.
    Line(Refusal),
}

/// What was given, and what is known of it.
#[derive(Debug)]
pub(super) struct Input {
    /// It.
    pub(super) given: Given,
    /// Where it came from, in words.
    pub(super) place: String,
    /// The registry's challenge (the field's value), of a recording.
    pub(super) challenge: Option<String>,
    /// When it was shown to the registry, or granted, of a recording.
    pub(super) at: Option<Timestamp>,
}

/// Reads what was given.
pub(super) fn read(source: &TokenSource, ui: Ui) -> Result<Input, Failure> {
    if source.is_recorded() {
        return recorded::read(source, ui);
    }
    let text = source.text.as_deref().or(source.token.as_deref()).unwrap_or_default();
    let (given, place) = if text == "-" {
        let bytes = super::super::read(Path::new("-"))?;
        (understand(&String::from_utf8_lossy(&bytes))?, "standard input")
    } else {
        (understand(text)?, "the argument")
    };
    Ok(Input { given, place: place.to_owned(), challenge: None, at: None })
}

/// What a text is.
pub(super) fn understand(text: &str) -> Result<Given, Failure> {
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
