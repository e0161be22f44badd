//! Whom the command runs as. In: `USER[:GROUP]` as Docker writes it, /etc/passwd, /etc/group. Out: numbers. Spec: passwd(5), group(5).
//!
//! Both files are read here: a static program has no name service to ask.

use std::path::Path;
use std::str::FromStr;

/// A user by numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups: those that list the user, where no group was given.
    pub groups: Vec<u32>,
    /// Home directory, where the user is known.
    pub home: Option<String>,
    /// Name, where the user is known.
    pub name: Option<String>,
}

/// Why there is no such user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// A name that is in no file.
    #[error("there is no {kind} `{name}` in {file}; a number needs no entry")]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// As it was written.
        name: String,
        /// The file.
        file: String,
    },
    /// A name that is none.
    #[error("`{0}` is no user; write USER, USER:GROUP, UID or UID:GID")]
    Malformed(String),
}

impl User {
    /// Finds the user in the files below `root`.
    ///
    /// # Errors
    /// When a name stands in no file.
    pub fn find(text: &str, root: &Path) -> Result<Self, UserError> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        if user.is_empty() || group == Some("") {
            return Err(UserError::Malformed(text.to_owned()));
        }
        let read =
            |file: &str| std::fs::read(root.join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let passwd = read("etc/passwd").unwrap_or_default();
        let groups = read("etc/group").unwrap_or_default();
        let number = u32::from_str(user).ok();
        let entry = lines(&passwd).find(|fields| {
            fields.first() == Some(&user) || number.is_some_and(|uid| fields.get(2) == Some(&uid.to_string().as_str()))
        });
        let field = |index: usize| entry.as_ref().and_then(|fields| fields.get(index)).and_then(|it| it.parse().ok());
        let unknown = |kind, name: &str, file: &str| UserError::Unknown {
            kind,
            name: name.to_owned(),
            file: root.join(file).display().to_string(),
        };
        let uid = field(2).or(number).ok_or_else(|| unknown("user", user, "etc/passwd"))?;
        let gid = match group {
            None => field(3).unwrap_or(0),
            Some(group) => {
                let entry = lines(&groups).find(|fields| fields.first() == Some(&group));
                let listed = entry.and_then(|fields| fields.get(2).and_then(|it| it.parse().ok()));
                listed.or_else(|| group.parse().ok()).ok_or_else(|| unknown("group", group, "etc/group"))?
            }
        };
        let name = entry.as_ref().and_then(|fields| fields.first()).map(|name| (*name).to_owned());
        let member = |fields: &Vec<&str>| {
            let members = fields.get(3).map(|it| it.split(',')).into_iter().flatten();
            name.as_deref().is_some_and(|name| members.into_iter().any(|member| member == name))
        };
        let further = lines(&groups).filter(member).filter_map(|fields| fields.get(2)?.parse().ok());
        let groups = if group.is_some() { Vec::new() } else { further.filter(|it| *it != gid).collect() };
        let home = entry.as_ref().and_then(|fields| fields.get(5)).map(|home| (*home).to_owned());
        Ok(Self { uid, gid, groups, home, name })
    }
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_as_docker_finds_them() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(
            root.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nkim:x:1000:100::/home/kim:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(root.path().join("etc/group"), "root:x:0:\nusers:x:100:\nvideo:x:44:kim,root\n").unwrap();
        let find = |text: &str| User::find(text, root.path());
        let kim =
            User { uid: 1000, gid: 100, groups: vec![44], home: Some("/home/kim".into()), name: Some("kim".into()) };
        assert_eq!(find("kim"), Ok(kim.clone()));
        assert_eq!(find("1000"), Ok(kim.clone()));
        assert_eq!(find("kim:video"), Ok(User { gid: 44, groups: vec![], ..kim }));
        assert_eq!(find("65534:65534").map(|it| (it.uid, it.gid, it.home)), Ok((65534, 65534, None)));
        assert!(find("nobody").unwrap_err().to_string().contains("there is no user `nobody` in "));
        assert!(matches!(find("kim:"), Err(UserError::Malformed(_))));
        assert!(User::find("7", Path::new("/nowhere")).is_ok_and(|it| (it.uid, it.gid) == (7, 0)));
    }
}
