//! Access rules of the token server. In: TOML. Out: rules, or what is wrong with a line.

use serde::Deserialize;
use sidelight_model::token::{Rule, Who};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow: Vec<Allow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    user: String,
    scope: String,
}

/// Reads a file of rules.
///
/// # Errors
/// What is wrong, with its line.
pub(super) fn read(text: &str) -> Result<Vec<Rule>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
    let rule = |allow: Allow| {
        let who = match allow.user.as_str() {
            "anonymous" => Who::Anybody,
            "*" => Who::Users,
            "" => return Err("`user` is empty; \"*\" is every user, \"anonymous\" everybody".to_owned()),
            _ => Who::User(allow.user),
        };
        Ok(Rule { who, scope: allow.scope.parse()? })
    };
    file.allow.into_iter().map(rule).collect()
}

/// Everything, for these.
pub(super) fn everything(who: &Who) -> Vec<Rule> {
    let rule = |scope: &str| Some(Rule { who: who.clone(), scope: scope.parse().ok()? });
    ["repository:*:*", "registry:*:*"].into_iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_mistakes_are_named() {
        let text = "[[allow]]\nuser = \"kim\"\nscope = \"repository:team/*:pull,push\"\n[[allow]]\nuser = \"*\"\nscope = \"registry:catalog:*\"\n";
        let rules = read(text).unwrap();
        assert_eq!((rules.len(), &rules[0].who, &rules[1].who), (2, &Who::User("kim".into()), &Who::Users));
        assert!(read("[[allow]]\nuser = \"kim\"\n").unwrap_err().contains("scope"));
        assert!(read("[[allow]]\nuser = \"kim\"\nscope = \"team\"\n").unwrap_err().contains("no scope"));
        assert!(read("[[alow]]\n").unwrap_err().contains("alow"));
        assert_eq!(everything(&Who::Users).len(), 2);
    }
}
