//! Users of the token server. In: an htpasswd file, a name with a password. Out: whether they are right. Spec: htpasswd(1); of its forms
//! bcrypt alone, as registries themselves read.

use std::collections::BTreeMap;

use sidelight_model::redact::Secret;

/// The dearest password that is checked: at 2^16 rounds a check takes seconds.
const DEAREST: u32 = 16;

/// A hash of nobody's password: who is unknown takes as long as who is wrong.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.";

/// Users by their names.
#[derive(Debug)]
pub(super) struct Users(BTreeMap<String, Secret<String>>);

impl Users {
    /// Reads an htpasswd file.
    ///
    /// # Errors
    /// The line that is not as it must be, and why.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut users = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |why: &str| format!("line {}: {why}", number + 1);
            let (name, hash) = line.split_once(':').ok_or_else(|| at("it is no `user:hash`"))?;
            let cost = hash.strip_prefix("$2").and_then(|rest| rest.get(2..4)?.parse::<u32>().ok());
            match cost {
                Some(0..=DEAREST) if hash.len() == 60 => {}
                Some(17..) => return Err(at("its bcrypt cost is over 16, which takes too long")),
                _ => return Err(at("it is no bcrypt hash; make it with htpasswd -B")),
            }
            users.insert(name.to_owned(), Secret::new(hash.to_owned()));
        }
        Ok(Self(users))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether that is the user's password. Takes its time: not for threads on which others wait.
    pub(super) fn is_right(&self, name: &str, password: &str) -> bool {
        let hash = self.0.get(name);
        let is_right = bcrypt::verify(password, hash.map_or(NOBODY, |hash| hash.reveal())).unwrap_or(false);
        is_right && hash.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_checked() {
        let line = "joe:$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";
        let users = Users::read(&format!("# people\n\n{line}")).unwrap();
        assert_eq!(users.len(), 1);
        assert!(users.is_right("joe", "hunter2"));
        assert!(!users.is_right("joe", "hunter3") && !users.is_right("jim", "hunter2"));
        assert!(!format!("{users:?}").contains("$2b$"));
        assert!(Users::read("joe:{SHA}x").unwrap_err().starts_with("line 1: "));
        assert!(Users::read(&line.replace("$05$", "$31$")).unwrap_err().contains("cost"));
    }
}
