//! Claims, as far as they can be read. In: a JSON object. Out: [`Claims`]; what has a wrong type counts as missing, as in registries.
//! Spec: RFC 7519 §4.1, distribution's token specification.

use serde_json::Value;
use sidelight_model::token::{Access, Claims};

/// The most entries of `access` and of lists that are read.
const MOST: usize = 4_096;

pub(super) fn fields(claims: &Value) -> Claims {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let audience = claims.get("aud");
    let entries = claims.get("access").and_then(Value::as_array);
    Claims {
        issuer: text("iss"),
        subject: text("sub"),
        audience: audience.map(texts).unwrap_or_default(),
        audience_is_list: audience.is_some_and(Value::is_array),
        expires: number("exp"),
        not_before: number("nbf"),
        issued_at: number("iat"),
        id: text("jti"),
        access: entries.into_iter().flatten().take(MOST).map(access).collect(),
        scope: claims.get("scope").and_then(Value::as_str).map(ToOwned::to_owned),
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().take(MOST).filter_map(|it| Some(it.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    }
}

fn access(entry: &Value) -> Access {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let actions = entry.get("actions").filter(|it| it.is_array()).map(texts).unwrap_or_default();
    Access { kind: text("type"), name: text("name"), actions }
}
