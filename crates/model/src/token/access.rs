//! What a token allows, what is asked for, and who gets what. In: scopes, rules, a user. Out: what is granted. Spec: distribution's scope
//! grammar, `type[(class)]:name:action[,action]`.

use std::fmt;
use std::str::FromStr;

/// One entry of a token's `access`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// `repository`, `registry`.
    pub kind: String,
    /// The repository, or `catalog`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `repository`, `registry`; with its class in parentheses, if there is one.
    pub kind: String,
    /// The repository; it may hold a colon (host and port).
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no scope; write repository:NAME:pull,push or registry:catalog:*");
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (name, actions) = rest.rsplit_once(':').ok_or_else(wrong)?;
        if kind.is_empty() || name.is_empty() {
            return Err(wrong());
        }
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(ToOwned::to_owned).collect();
        Ok(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

impl Scope {
    /// What of it `access` does not allow, as registries look: type and name letter by letter, `*` for every action.
    pub fn missing<'s>(&'s self, access: &[Access]) -> Vec<&'s str> {
        let here = || access.iter().filter(|entry| entry.kind == self.kind && entry.name == self.name);
        let allows = |action: &str| here().any(|entry| entry.actions.iter().any(|it| it == "*" || it == action));
        self.actions.iter().map(String::as_str).filter(|action| !allows(action)).collect()
    }
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, logged in or not.
    Anybody,
    /// Everybody who is logged in.
    Users,
    /// One user.
    User(String),
}

/// A rule of a token server: these users may do this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is for.
    pub who: Who,
    /// What they may; `*` in the name stands for any text.
    pub scope: Scope,
}

/// What was granted of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The entry for the token; without actions when nothing was granted.
    pub access: Access,
    /// What was asked for and not granted.
    pub refused: Vec<String>,
}

/// What `user` (`None`: nobody logged in) gets of what is asked for: the intersection with all rules that are for that user.
pub fn grant(asked: &[Scope], user: Option<&str>, rules: &[Rule]) -> Vec<Granted> {
    asked.iter().map(|scope| granted(scope, user, rules)).collect()
}

fn granted(scope: &Scope, user: Option<&str>, rules: &[Rule]) -> Granted {
    // The class, as in `repository(plugin)`, is asked for and not looked up.
    let kind = scope.kind.split('(').next().unwrap_or_default();
    let is_for = |rule: &Rule| match &rule.who {
        Who::Anybody => true,
        Who::Users => user.is_some(),
        Who::User(name) => user == Some(name),
    };
    let fits = |rule: &&Rule| is_for(rule) && rule.scope.kind == kind && is_like(&scope.name, &rule.scope.name);
    let may = |action: &String| {
        rules.iter().filter(fits).any(|rule| rule.scope.actions.iter().any(|it| it == "*" || it == action))
    };
    let (actions, refused) = scope.actions.iter().cloned().partition(may);
    Granted { access: Access { kind: scope.kind.clone(), name: scope.name.clone(), actions }, refused }
}

/// Whether `name` is like `pattern`, in which `*` stands for any text.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_split_at_the_first_and_the_last_colon() {
        let scope: Scope = "repository:host:5000/team/app:pull,push".parse().unwrap();
        assert_eq!((scope.kind.as_str(), scope.name.as_str()), ("repository", "host:5000/team/app"));
        assert_eq!(scope.actions, ["pull", "push"]);
        assert_eq!(scope.to_string(), "repository:host:5000/team/app:pull,push");
        for wrong in ["", "repository", "repository:x", ":x:pull", "repository::pull"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn access_is_compared_as_registries_do() {
        let scope: Scope = "repository:a:pull,push".parse().unwrap();
        let entry = |kind: &str, name: &str, actions: &[&str]| Access {
            kind: kind.into(),
            name: name.into(),
            actions: actions.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(scope.missing(&[entry("repository", "a", &["pull"])]), ["push"]);
        assert!(scope.missing(&[entry("repository", "a", &["pull"]), entry("repository", "a", &["push"])]).is_empty());
        assert!(scope.missing(&[entry("repository", "a", &["*"])]).is_empty());
        assert_eq!(scope.missing(&[entry("repository(plugin)", "a", &["*"])]), ["pull", "push"]);
        assert_eq!(scope.missing(&[entry("repository", "a", &["pull,push"])]), ["pull", "push"]);
    }

    #[test]
    fn rules_grant_the_intersection() {
        let rule = |who, scope: &str| Rule { who, scope: scope.parse().unwrap() };
        let rules = [
            rule(Who::Anybody, "repository:public/*:pull"),
            rule(Who::Users, "repository:team/*:pull"),
            rule(Who::User("kim".into()), "repository:team/*:push"),
            rule(Who::User("root".into()), "registry:catalog:*"),
        ];
        let got = |user, scope: &str| grant(&[scope.parse().unwrap()], user, &rules)[0].access.actions.join(",");
        assert_eq!(got(None, "repository:public/a:pull,push"), "pull");
        assert_eq!(got(None, "repository:team/a:pull"), "");
        assert_eq!(got(Some("joe"), "repository:team/a:pull,push"), "pull");
        assert_eq!(got(Some("kim"), "repository:team/a/b:pull,push"), "pull,push");
        assert_eq!(got(Some("kim"), "registry:catalog:*"), "");
        assert_eq!(got(Some("root"), "registry:catalog:*"), "*");
        for (name, pattern, like) in [
            ("a/b/c", "a/*/c", true),
            ("a/c", "a/*/c", false),
            ("ab", "ab", true),
            ("abc", "ab", false),
            ("aXbYc", "a*b*c", true),
            ("aa", "a*a*a", false),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }
}
