//! `WWW-Authenticate`. In: the field's values. Out: [`Challenge`]s. Spec: RFC 9110 §11.6.1 and §5.6.4.

/// The most challenges and the most parameters of one that are read.
const MOST: usize = 16;

/// One way to prove who one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic`: in lower case.
    pub scheme: String,
    /// Parameters: names in lower case, values as they are without quotes.
    pub params: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter; its name in lower case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the challenges of one field value; several may stand in one, divided by commas as their parameters are. What cannot be
/// read ends the reading, and what stands before it counts.
pub fn parse_challenges(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        match (spaced.strip_prefix('='), found.last_mut()) {
            // A parameter of the challenge before it.
            (Some(after), Some(challenge)) if !spaced.starts_with("==") => {
                let (value, after) = parameter_value(after.trim_start_matches([' ', '\t']));
                if challenge.params.len() < MOST {
                    challenge.params.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            _ => {
                if found.len() == MOST {
                    return found;
                }
                found.push(Challenge { scheme: word.to_ascii_lowercase(), params: Vec::new() });
                rest = after;
            }
        }
    }
}

/// The token at the beginning of `text`, which may be empty, and what follows.
fn token(text: &str) -> (&str, &str) {
    let ends = |letter: char| {
        !(letter.is_ascii_alphanumeric()
            || matches!(letter, '!' | '#'..='\'' | '*' | '+' | '-' | '.' | '^'..='`' | '|' | '~' | '/'))
    };
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// A quoted string, or what stands before the next comma or blank: some registries leave the quotes out.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &inside[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(scheme: &str, params: &[(&str, &str)]) -> Challenge {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Challenge { scheme: scheme.to_owned(), params }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push""#;
        let expected = one(
            "bearer",
            &[
                ("realm", "https://auth.docker.io/token"),
                ("service", "registry.docker.io"),
                ("scope", "repository:library/alpine:pull,push"),
            ],
        );
        assert_eq!(parse_challenges(hub), [expected]);
        let two = r#"BASIC realm="a \"b\", c" , Bearer Realm = https://t.test/x?a=b,error="invalid_token""#;
        let expected = [
            one("basic", &[("realm", "a \"b\", c")]),
            one("bearer", &[("realm", "https://t.test/x?a=b"), ("error", "invalid_token")]),
        ];
        assert_eq!(parse_challenges(two), expected);
        assert_eq!(parse_challenges("Negotiate, NTLM"), [one("negotiate", &[]), one("ntlm", &[])]);
    }

    #[test]
    fn broken_ones_give_what_stands_before_the_break() {
        assert_eq!(
            parse_challenges(r#"Bearer realm="https://t.test"#),
            [one("bearer", &[("realm", "https://t.test")])]
        );
        assert_eq!(parse_challenges("Bearer realm=\"x\\"), [one("bearer", &[("realm", "x")])]);
        assert_eq!(parse_challenges("Basic \u{1}, Bearer"), [one("basic", &[])]);
        assert!(parse_challenges("").is_empty() && parse_challenges(" ,, =").is_empty());
        assert_eq!(parse_challenges(&"A, ".repeat(1000)).len(), MOST);
        let many = format!("A {}", "b=c, ".repeat(1000));
        assert_eq!(parse_challenges(&many)[0].params.len(), MOST);
    }
}
