//! Names of images. In: `alpine`, `ghcr.io/org/app:1.2`, `localhost:5000/a/b@sha256:…`. Out: [`Reference`].
//! Spec: OCI distribution-spec 1.1 (names, tags, digests); distribution's reference grammar for what is left out.

use std::fmt;
use std::str::FromStr;

use crate::flow::{Authority, Host};

/// The registry that names without a registry mean.
const DOCKER_HUB: &str = "docker.io";

/// The most bytes of registry and repository together, as the reference grammar has it.
const LONGEST_NAME: usize = 255;

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry as people write it, `HOST` or `HOST:PORT`, in lower case; `docker.io` where none is written.
    pub registry: String,
    /// The repository, `library/` included for the official images of Docker Hub.
    pub repository: String,
    /// The tag; `latest` where neither tag nor digest is written.
    pub tag: Option<String>,
    /// The digest, `sha256:…`; where there is one it decides, and the tag is only told.
    pub digest: Option<String>,
}

/// A name that no image can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no image name: {why}")]
pub struct ParseReferenceError {
    /// What was written.
    pub text: String,
    /// Why not: one clause, with the correction in it where it is plain.
    pub why: String,
}

impl Reference {
    /// What a manifest is asked for by: the digest, else the tag.
    pub fn asked(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The place that answers for the registry, without scheme: Docker Hub's is not the one in its names.
    /// The port is 443 where none is written.
    pub fn authority(&self) -> Authority {
        let host = if self.is_docker_hub() { "registry-1.docker.io" } else { &self.registry };
        // It was checked when it was read.
        Authority::parse(host, Some(443)).unwrap_or(Authority { host: Host::Name(host.to_owned()), port: 443 })
    }

    /// Whether a port is written, so that plain HTTP would be spoken there too.
    pub fn has_port(&self) -> bool {
        Authority::parse(&self.registry, None).is_ok()
    }

    /// Whether it is Docker Hub.
    pub fn is_docker_hub(&self) -> bool {
        self.registry == DOCKER_HUB
    }

    /// The same repository by another tag or digest.
    #[must_use]
    pub fn with_digest(&self, digest: &str) -> Self {
        Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// `HOST/REPOSITORY`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        parse(text).map_err(|why| ParseReferenceError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("it has no scheme in front (`{rest}` rather than `{scheme}://…`)"));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(checked_digest(digest)?)),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    let tag = tag.map(checked_tag).transpose()?;
    let (registry, path) = split_registry(name);
    let registry = checked_registry(registry)?;
    let repository = checked_repository(path, text)?;
    let official = registry == DOCKER_HUB && !repository.contains('/');
    let repository = if official { format!("library/{repository}") } else { repository.to_owned() };
    if registry.len() + 1 + repository.len() > LONGEST_NAME {
        return Err(format!("it is longer than {LONGEST_NAME} characters"));
    }
    let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
    Ok(Reference { registry, repository, tag, digest })
}

/// The last colon begins a tag, unless a slash follows: then it begins a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// What stands before the first slash is a registry if it could be a host and no part of a name: it has a dot or a colon, is
/// `localhost`, or has capital letters, which no repository has.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.chars().any(|letter| letter.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, name),
    }
}

fn checked_registry(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return Ok(DOCKER_HUB.to_owned());
    }
    match Authority::parse(&lower, Some(443)) {
        Ok(_) => Ok(lower),
        Err(_) => Err(format!("`{text}` is no host and port of a registry")),
    }
}

fn checked_repository<'t>(path: &'t str, text: &str) -> Result<&'t str, String> {
    if path.is_empty() {
        return Err("the repository is missing, as in `HOST/NAME:TAG`".to_owned());
    }
    if path.chars().any(|letter| letter.is_ascii_uppercase()) {
        return Err(format!(
            "repositories are written in lower case (`{}`)",
            text.replacen(path, &path.to_lowercase(), 1)
        ));
    }
    match path.split('/').find(|part| !is_component(part)) {
        None => Ok(path),
        Some("") => Err("a slash has nothing on one side".to_owned()),
        Some(part) => Err(format!(
            "`{part}` is no part of a repository: a-z and 0-9, with single `.`, `_`, `__` or dashes within"
        )),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends =
        bytes.first().is_some_and(|byte| alphanumeric(*byte)) && bytes.last().is_some_and(|byte| alphanumeric(*byte));
    let separators = part.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    ends && separators
        .filter(|run| !run.is_empty())
        .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

fn checked_tag(tag: &str) -> Result<String, String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let sound = tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
    if sound {
        Ok(tag.to_owned())
    } else {
        Err(format!("`{tag}` is no tag: up to 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`"))
    }
}

fn checked_digest(digest: &str) -> Result<String, String> {
    if is_digest(digest) {
        Ok(digest.to_owned())
    } else {
        Err(format!("`{digest}` is no digest: `sha256:` and 64 hexadecimal digits in lower case"))
    }
}

/// Whether this is a digest in the one algorithm that registries use for images (sha256), or in sha512.
pub fn is_digest(text: &str) -> bool {
    let hex = |hex: &str, length| {
        hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn names_are_completed() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let pinned = format!("r.test/x@{digest}");
        let both = format!("r.test:5000/x/y:1@{digest}");
        let table: &[(&str, &str, &str, &str)] = &[
            ("alpine", "docker.io/library/alpine:latest", "registry-1.docker.io:443", "latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20", "registry-1.docker.io:443", "3.20"),
            ("org/app", "docker.io/org/app:latest", "registry-1.docker.io:443", "latest"),
            ("index.docker.io/org/app", "docker.io/org/app:latest", "registry-1.docker.io:443", "latest"),
            ("localhost/app", "localhost/app:latest", "localhost:443", "latest"),
            ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000", "v1"),
            ("GHCR.io/org/app:1", "ghcr.io/org/app:1", "ghcr.io:443", "1"),
            ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000", "latest"),
            ("127.0.0.1:5000/a__b/c--d.e", "127.0.0.1:5000/a__b/c--d.e:latest", "127.0.0.1:5000", "latest"),
            (&pinned, &pinned, "r.test:443", &digest),
            (&both, &both, "r.test:5000", &digest),
        ];
        for (text, whole, authority, asked) in table {
            let reference = read(text);
            assert_eq!(reference.to_string(), *whole, "{text}");
            assert_eq!(reference.authority().to_string(), *authority, "{text}");
            assert_eq!(reference.asked(), *asked, "{text}");
            assert_eq!(read(whole), reference, "{text}: read again");
        }
        assert!(read("r.test:5000/x").has_port() && !read("r.test/x").has_port() && !read("x").has_port());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_correction() {
        let table = [
            ("docker://alpine", "rather than `docker://"),
            ("Alpine", "lower case (`alpine`)"),
            ("ghcr.io/Org/App:V1", "lower case (`ghcr.io/org/app:V1`)"),
            ("r.test/", "repository is missing"),
            ("", "repository is missing"),
            ("r.test/a//b", "nothing on one side"),
            ("r.test/a/../b", "`..` is no part"),
            ("r.test/a___b", "`a___b` is no part"),
            ("alpine:", "`` is no tag"),
            ("alpine:-1", "is no tag"),
            ("alpine@sha256:abc", "64 hexadecimal"),
            ("alpine@sha256:ABC", "no digest"),
            ("r.test:99999/a", "no host and port"),
            ("r.test/a b", "is no part"),
        ];
        for (text, part) in table {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let long = format!("r.test/{}", "a".repeat(250));
        assert!(long.parse::<Reference>().unwrap_err().why.contains("longer than 255"));
    }
}
