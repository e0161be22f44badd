//! Secret fields of `multipart/form-data`. In: the text of a body, possibly cut. Out: the same without their values.
//! Spec: RFC 7578.

use sidelight_model::redact::{fingerprint, is_secret_member};

/// Replaces the lines between the head of a part whose name means a secret and the next boundary.
pub(super) fn redact(body: &str) -> String {
    let Some(boundary) = body.lines().find(|line| line.starts_with("--") && line.len() > 2).map(str::trim_end) else {
        return body.to_owned();
    };
    let mut out = String::with_capacity(body.len());
    let mut place = Place::Value { secret: false };
    for line in body.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        if bare.starts_with(boundary) {
            place = Place::Head { secret: false };
        }
        match &mut place {
            Place::Head { secret } => {
                out.push_str(line);
                *secret |= names_secret(bare);
                if bare.is_empty() {
                    place = Place::Value { secret: *secret };
                }
            }
            Place::Value { secret: true } if !bare.is_empty() => {
                out.push_str(&fingerprint(bare.as_bytes()));
                out.push_str(&line[bare.len()..]);
            }
            Place::Value { .. } => out.push_str(line),
        }
    }
    out
}

enum Place {
    Head { secret: bool },
    Value { secret: bool },
}

fn names_secret(line: &str) -> bool {
    let (field, parameters) = line.split_once(':').unwrap_or((line, ""));
    field.eq_ignore_ascii_case("content-disposition")
        && parameters.split(';').any(|parameter| {
            parameter.trim().split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("name") && is_secret_member(value.trim_matches('"'))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_secret_parts_lose_their_values() {
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = part("user", "kim") + &part("password", "hunter2\r\nmore") + "--b--\r\n";
        let shown = redact(&body);
        assert!(!shown.contains("hunter2") && !shown.contains("more"), "{shown}");
        assert!(shown.starts_with(&part("user", "kim")) && shown.ends_with("--b--\r\n"), "{shown}");
        let cut = part("token", "abc");
        assert!(!redact(&cut[..cut.len() - 3]).contains("ab\r"), "{cut}");
        assert_eq!(redact("no parts"), "no parts");
    }
}
