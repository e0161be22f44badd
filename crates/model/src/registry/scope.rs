//! What a token is asked for, and what it allows. In: the text of a scope. Out: [`Scope`].
//! Spec: distribution's token scope specification (`repository:NAME:pull,push`; blanks between several).

/// The most scopes of one text that are read.
const MOST: usize = 64;

/// What may be done with a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `repository`, `registry`; with its class where there is one: `repository(plugin)`.
    pub kind: String,
    /// The name of the resource.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

impl Scope {
    /// Reads scopes. The name may hold colons: the kind ends at the first, the actions begin after the last.
    pub fn parse_all(text: &str) -> Vec<Self> {
        text.split_whitespace().take(MOST).filter_map(Self::parse).collect()
    }

    fn parse(word: &str) -> Option<Self> {
        let (kind, rest) = word.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions = actions.split(',').filter(|it| !it.is_empty()).take(MOST).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// Which actions of this one none of `granted` allows.
    pub fn missing<'s>(&'s self, granted: &[Self]) -> Vec<&'s str> {
        let allows = |action: &str| {
            granted.iter().any(|it| {
                it.kind == self.kind
                    && it.name == self.name
                    && it.actions.iter().any(|known| known == action || known == "*")
            })
        };
        self.actions.iter().map(String::as_str).filter(|action| !allows(action)).collect()
    }
}

impl std::fmt::Display for Scope {
    /// Actions are in the order of the alphabet: registries write them in any.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut actions = self.actions.clone();
        actions.sort();
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_compared() {
        let all = Scope::parse_all("repository:host:5000/a/b:push,pull registry:catalog:* nonsense repository:x");
        assert_eq!(
            all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["repository:host:5000/a/b:pull,push", "registry:catalog:*"]
        );
        let granted = Scope::parse_all("repository:host:5000/a/b:pull");
        assert_eq!(all[0].missing(&granted), ["push"]);
        assert_eq!(all[0].missing(&Scope::parse_all("repository:host:5000/a/b:*")), Vec::<&str>::new());
        assert_eq!(Scope::parse_all(&"a:b:c ".repeat(1000)).len(), MOST);
    }
}
