//! What is done with a connection, before anything is known but who it is for.
//! In: `--only`, `--pass` and earlier refusals. Out: intercept or relay, and the clause that says why.

mod fail_open;
mod pattern;

pub use fail_open::{ClientKey, FailOpen};
pub use pattern::{ParsePatternError, Pattern, Subject};

/// The user's rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Intercept these and nothing else; empty means all.
    pub only: Vec<Pattern>,
    /// Never intercept these.
    pub pass: Vec<Pattern>,
}

impl Rules {
    /// `None`: intercept. `Some(because)`: relay untouched.
    pub fn relayed_because(&self, subject: &Subject<'_>) -> Option<String> {
        if let Some(pattern) = self.pass.iter().find(|pattern| pattern.matches(subject)) {
            return Some(format!("matches --pass {pattern}"));
        }
        let outside = !self.only.is_empty() && !self.only.iter().any(|pattern| pattern.matches(subject));
        outside.then(|| "matches no --only pattern".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(only: &[&str], pass: &[&str]) -> Rules {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Rules { only: parse(only), pass: parse(pass) }
    }

    #[test]
    fn pass_wins_over_only() {
        let rules = rules(&["*.test"], &["b.test"]);
        let because = |name| rules.relayed_because(&Subject { names: &[name], address: None, port: 443 });
        assert_eq!(because("a.test"), None);
        assert_eq!(because("b.test").as_deref(), Some("matches --pass b.test"));
        assert_eq!(because("c.example").as_deref(), Some("matches no --only pattern"));
    }
}
