//! Files in which clients keep their logins to registries. In: `config.json` or `auth.json`. Out: [`LoginFile`], which says what it
//! holds for a registry: a login, a token, or the helper that knows it. Spec: docker's `config.json`, containers-auth.json(5),
//! docker-credential-helpers' protocol.

use std::collections::BTreeMap;

use serde_json::Value;
use sidelight_model::redact::Secret;

/// The key under which Docker Hub's login is kept.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// How to prove who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password or personal token.
        password: Secret<String>,
    },
    /// A token that a token server gives tokens for (an OAuth 2 refresh token).
    Identity(Secret<String>),
    /// A token that the registry itself takes.
    Registry(Secret<String>),
}

/// What a file knows of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The login itself.
    Login(Login),
    /// A program that knows it: `docker-credential-NAME`, asked for each of the keys in turn.
    Helper {
        /// NAME.
        name: String,
        /// What to ask it for, the likeliest first.
        keys: Vec<String>,
    },
}

/// Why a file cannot be read. The words never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoginFileError(String);

/// One such file.
#[derive(Clone, Debug, Default)]
pub struct LoginFile {
    auths: BTreeMap<String, Value>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

impl LoginFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no JSON, or not of that form.
    pub fn parse(bytes: &[u8]) -> Result<Self, LoginFileError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            LoginFileError(format!(
                "line {}, column {}: not the JSON that logins are kept in",
                error.line(),
                error.column()
            ))
        })?;
        let members = |name: &str| value.get(name).and_then(Value::as_object);
        if !value.is_object() {
            return Err(LoginFileError("it is JSON, but no object".to_owned()));
        }
        let auths = members("auths").map(|auths| auths.iter().map(|(key, auth)| (key.clone(), auth.clone())).collect());
        let helpers = members("credHelpers").map(|helpers| {
            let named = |(key, helper): (&String, &Value)| Some((key.clone(), helper.as_str()?.to_owned()));
            helpers.iter().filter_map(named).collect()
        });
        let store = value.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { auths: auths.unwrap_or_default(), helpers: helpers.unwrap_or_default(), store })
    }

    /// What it holds for a repository of a registry (`docker.io`, `ghcr.io`, `localhost:5000`), in the order in which it is to be
    /// tried: a helper of that registry alone goes before the login in the file, and that before the helper for all. Of several
    /// logins the one for the longest path counts.
    ///
    /// # Errors
    /// When there is an entry for it that cannot be read; the words name the entry.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Vec<Stored>, LoginFileError> {
        let mut found = Vec::new();
        let keys = helper_keys(registry);
        if let Some(name) = keys.iter().find_map(|key| self.helpers.get(key)).filter(|name| is_helper_name(name)) {
            found.push(Stored::Helper { name: name.clone(), keys: keys.clone() });
        }
        for key in scoped_keys(registry, repository) {
            let same = self.auths.iter().find(|(written, _)| normal(written) == key);
            if let Some((written, auth)) = same
                && let Some(login) =
                    read_auth(auth).map_err(|why| LoginFileError(format!("auths, `{written}`: {why}")))?
            {
                found.push(Stored::Login(login));
                break;
            }
        }
        if let Some(name) = self.store.as_ref().filter(|name| is_helper_name(name)) {
            found.push(Stored::Helper { name: name.clone(), keys });
        }
        Ok(found)
    }
}

/// A helper's name becomes part of a program's: no path may come in that way.
fn is_helper_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn helper_keys(registry: &str) -> Vec<String> {
    if registry == "docker.io" {
        return vec![DOCKER_HUB_KEY.to_owned(), registry.to_owned()];
    }
    vec![registry.to_owned(), format!("https://{registry}")]
}

/// `HOST/a/b`, `HOST/a`, `HOST`: the longest path first.
fn scoped_keys(registry: &str, repository: &str) -> Vec<String> {
    let mut key = format!("{registry}/{repository}");
    let mut keys = vec![key.clone()];
    while let Some(slash) = key.rfind('/') {
        key.truncate(slash);
        keys.push(key.clone());
    }
    keys
}

/// A key of `auths` without what does not count: the scheme, a closing slash, the API's path; Docker Hub's many names are one.
fn normal(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// One entry of `auths`; empty ones mark that a helper knows more.
fn read_auth(auth: &Value) -> Result<Option<Login>, &'static str> {
    let text = |name: &str| auth.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Login::Identity(Secret::new(token.to_owned()))));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Login::Registry(Secret::new(token.to_owned()))));
    }
    if let Some(encoded) = text("auth") {
        let encoded = encoded.trim();
        let decoded = data_encoding::BASE64.decode(encoded.as_bytes()).map_err(|_| "`auth` is not base64")?;
        let pair = String::from_utf8(decoded).map_err(|_| "`auth` is not UTF-8")?;
        let (user, password) = pair.split_once(':').ok_or("`auth` has no colon between user and password")?;
        return Ok(Some(password_login(user, password.trim_end_matches('\0'))));
    }
    Ok(text("username").zip(text("password")).map(|(user, password)| password_login(user, password)))
}

fn password_login(user: &str, password: &str) -> Login {
    // The mark with which docker and its helpers keep identity tokens in the place of a password.
    if user == "<token>" {
        return Login::Identity(Secret::new(password.to_owned()));
    }
    Login::Password { user: user.to_owned(), password: Secret::new(password.to_owned()) }
}

/// Reads what a helper's `get` prints.
///
/// # Errors
/// When it is not `{"Username":…,"Secret":…}`; the words never hold a secret.
pub fn parse_helper_answer(bytes: &[u8]) -> Result<Login, LoginFileError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|_| LoginFileError("what it printed is no JSON".to_owned()))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match (text("Username"), text("Secret")) {
        (Some(user), Some(secret)) => Ok(password_login(user, secret)),
        _ => Err(LoginFileError("what it printed lacks `Username` or `Secret`".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(user: &str, password: &str) -> Stored {
        Stored::Login(password_login(user, password))
    }

    #[test]
    fn entries_are_found_under_every_spelling_of_their_registry() {
        let text = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{}"}},"https://r.test:5000/v2/":{{"auth":"{}"}},
                "r.test:5000/team":{{"username":"t","password":"tp"}},"id.test":{{"auth":"","identitytoken":"it"}},
                "marker.test":{{}},"reg.test":{{"registrytoken":"rt"}}}}}}"#,
            data_encoding::BASE64.encode(b"hub:p:w"),
            data_encoding::BASE64.encode(b"u:p"),
        );
        let file = LoginFile::parse(text.as_bytes()).unwrap();
        let find = |registry: &str, repository: &str| file.find(registry, repository).unwrap();
        assert_eq!(find("docker.io", "library/alpine"), [pair("hub", "p:w")]);
        assert_eq!(find("r.test:5000", "other/app"), [pair("u", "p")]);
        assert_eq!(find("r.test:5000", "team/app"), [pair("t", "tp")]);
        assert_eq!(find("id.test", "a"), [Stored::Login(Login::Identity(Secret::new("it".to_owned())))]);
        assert_eq!(find("reg.test", "a"), [Stored::Login(Login::Registry(Secret::new("rt".to_owned())))]);
        assert!(find("marker.test", "a").is_empty() && find("r.test", "team/app").is_empty());
    }

    #[test]
    fn helpers_of_one_registry_go_first_and_the_one_for_all_last() {
        let file = LoginFile::parse(
            br#"{"auths":{"ecr.test":{"username":"u","password":"p"}},"credHelpers":{"ecr.test":"ecr-login","x.test":"../evil"},"credsStore":"desktop"}"#,
        )
        .unwrap();
        let helper = |name: &str, keys: &[&str]| Stored::Helper {
            name: name.to_owned(),
            keys: keys.iter().map(ToString::to_string).collect(),
        };
        let keys = ["ecr.test", "https://ecr.test"];
        assert_eq!(
            file.find("ecr.test", "a").unwrap(),
            [helper("ecr-login", &keys), pair("u", "p"), helper("desktop", &keys)]
        );
        assert_eq!(file.find("x.test", "a").unwrap(), [helper("desktop", &["x.test", "https://x.test"])]);
        assert_eq!(file.find("docker.io", "a").unwrap(), [helper("desktop", &[DOCKER_HUB_KEY, "docker.io"])]);
    }

    #[test]
    fn damage_is_named_without_secrets() {
        assert!(LoginFile::parse(b"{\"auths\": hunter2}").unwrap_err().to_string().contains("line 1"));
        assert!(LoginFile::parse(b"[]").is_err());
        for (auth, part) in [("%%%", "not base64"), ("aHVudGVyMg==", "no colon"), ("/w==", "not UTF-8")] {
            let file = LoginFile::parse(format!(r#"{{"auths":{{"r.test":{{"auth":"{auth}"}}}}}}"#).as_bytes()).unwrap();
            let why = file.find("r.test", "a").unwrap_err().to_string();
            assert!(why.contains(part) && why.contains("r.test") && !why.contains("hunter2"), "{why}");
            assert!(file.find("other.test", "a").unwrap().is_empty());
        }
    }

    #[test]
    fn answers_of_helpers_are_read() {
        let login = parse_helper_answer(br#"{"ServerURL":"r.test","Username":"u","Secret":"s"}"#).unwrap();
        assert_eq!(Stored::Login(login), pair("u", "s"));
        let login = parse_helper_answer(br#"{"Username":"<token>","Secret":"s"}"#).unwrap();
        assert_eq!(login, Login::Identity(Secret::new("s".to_owned())));
        assert!(parse_helper_answer(b"credentials not found in native keychain").is_err());
        assert!(parse_helper_answer(b"{}").is_err());
    }
}
