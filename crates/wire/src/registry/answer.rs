//! JSON that token servers and registries answer with. In: bodies. Out: [`Token`]s, [`ApiError`]s.
//! Spec: distribution's token specification (`token`, `access_token`, `expires_in`), OCI distribution-spec 1.1 "Error Codes".

use serde_json::Value;
use sidelight_model::redact::Secret;

/// Seconds for which a token counts where the server does not say, and the least that is believed.
const LEAST_LIFE: u64 = 60;

/// The most errors of one answer that are read, and the most characters of a text in one.
const MOST_ERRORS: usize = 16;
const LONGEST_TEXT: usize = 500;

/// What a token server grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub token: Secret<String>,
    /// Seconds from now for which it counts.
    pub expires_in: u64,
    /// A token for further tokens.
    pub refresh: Option<Secret<String>>,
}

/// Reads the answer of a token server.
///
/// # Errors
/// Why there is no token in it: one clause for people, which never holds the token.
pub fn parse_token(body: &[u8]) -> Result<Token, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'<') => "the answer is a web page, not a token".to_owned(),
            None => "the answer is empty".to_owned(),
            _ => format!("the answer is no JSON ({error})"),
        })?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("token").or_else(|| text("access_token"));
    let token = token.ok_or("the answer is JSON, but holds neither `token` nor `access_token`")?;
    if !token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err("the token holds characters that no header can carry".to_owned());
    }
    Ok(Token {
        token: Secret::new(token.to_owned()),
        expires_in: value.get("expires_in").and_then(Value::as_u64).unwrap_or(LEAST_LIFE).max(LEAST_LIFE),
        refresh: text("refresh_token").map(|token| Secret::new(token.to_owned())),
    })
}

/// One error of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// `MANIFEST_UNKNOWN`; empty where there is none.
    pub code: String,
    /// What it says for people.
    pub message: String,
}

/// Reads the errors in an answer: `{"errors":[…]}`, and the forms of token servers (`{"details":…}`, `{"message":…}`,
/// `{"error":…,"error_description":…}`). Empty where the body is nothing of the kind.
pub fn parse_errors(body: &[u8]) -> Vec<ApiError> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(LONGEST_TEXT).collect::<String>()
    };
    if let Some(list) = value.get("errors").and_then(Value::as_array) {
        let read = |error: &Value| ApiError { code: text(error, "code"), message: text(error, "message") };
        return list.iter().take(MOST_ERRORS).map(read).collect();
    }
    let code = text(&value, "error");
    let messages = ["error_description", "details", "message"].map(|name| text(&value, name));
    let message = messages.into_iter().find(|message| !message.is_empty()).unwrap_or_default();
    if code.is_empty() && message.is_empty() { Vec::new() } else { vec![ApiError { code, message }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_both_names_are_read() {
        let token = parse_token(br#"{"token":"abc","expires_in":300,"refresh_token":"r"}"#).unwrap();
        assert_eq!((token.token.reveal().as_str(), token.expires_in), ("abc", 300));
        assert_eq!(token.refresh.unwrap().reveal(), "r");
        let token = parse_token(br#"{"token":"","access_token":"xyz","expires_in":5}"#).unwrap();
        assert_eq!((token.token.reveal().as_str(), token.expires_in), ("xyz", LEAST_LIFE));
    }

    #[test]
    fn what_is_no_token_is_said() {
        let table: &[(&[u8], &str)] = &[
            (b"<html>login</html>", "web page"),
            (b" \n", "empty"),
            (b"{", "no JSON"),
            (b"[]", "neither"),
            (br#"{"token":""}"#, "neither"),
            (br#"{"token":"a\r\nHost: x"}"#, "no header"),
        ];
        for (body, part) in table {
            let why = parse_token(body).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn errors_of_every_form_are_read() {
        let one = |code: &str, message: &str| vec![ApiError { code: code.to_owned(), message: message.to_owned() }];
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#;
        assert_eq!(parse_errors(body), one("MANIFEST_UNKNOWN", "manifest unknown"));
        assert_eq!(
            parse_errors(br#"{"details":"incorrect username or password"}"#),
            one("", "incorrect username or password")
        );
        assert_eq!(
            parse_errors(br#"{"error":"invalid_grant","error_description":"expired"}"#),
            one("invalid_grant", "expired")
        );
        assert!(parse_errors(b"<html>").is_empty() && parse_errors(b"{}").is_empty());
        let many = format!("{{\"errors\":[{}{{}}]}}", r#"{"code":"A"},"#.repeat(100));
        assert_eq!(parse_errors(many.as_bytes()).len(), MOST_ERRORS);
    }
}
