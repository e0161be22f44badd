//! Reading from a repository. In: tags and digests. Out: [`Manifest`]s that have the digest they were asked for by, [`Blob`]s that
//! stream. Redirects to storage are followed, without the login where they leave the registry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, RANGE};
use sidelight_wire::registry::parse_errors;

use super::event::{Event, Party};
use super::http::{Answer, Ask};
use super::{Blob, Client, LARGEST_ERROR, LARGEST_MANIFEST, RegistryError, Url};

/// Every form of manifest and index that is read.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Redirects of one request that are followed.
const MOST_REDIRECTS: usize = 5;

/// How often a request is made again when the conversation breaks or the server is ill, and the first pause before it.
const AGAIN: usize = 2;
const PAUSE: Duration = Duration::from_millis(500);

/// A rate limit that ends within so many seconds is waited for.
const PATIENCE: u64 = 10;

/// The most characters of an unknown body in a message.
const SHOWN: usize = 120;

/// A manifest or index.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its media type: the answer's, or what it says of itself where that is missing.
    pub media_type: String,
    /// Its digest, computed from its bytes.
    pub digest: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Client {
    /// The manifest or index behind a tag or digest.
    ///
    /// # Errors
    /// [`RegistryError`]; among them that its bytes do not have the digest asked for, or the one that the registry names.
    pub async fn manifest(&self, reference: &str) -> Result<Manifest, RegistryError> {
        self.find_scheme().await?;
        let url = self.url(&format!("manifests/{reference}"));
        let answer = self.read(&url, |ask| ask.with(ACCEPT, MANIFESTS)).await?;
        let said_type =
            answer.field("content-type").map(|text| text.split(';').next().unwrap_or_default().trim().to_owned());
        let said_digest = answer.field("docker-content-digest").map(str::to_owned);
        let bytes = answer.whole(self, LARGEST_MANIFEST).await?;
        let what = || format!("the manifest {}:{reference}", self.repository);
        let asked = Some(reference.to_owned()).filter(|reference| sidelight_model::registry::is_digest(reference));
        let expected = asked.or_else(|| said_digest.filter(|digest| sidelight_model::registry::is_digest(digest)));
        let digest = digest_like(expected.as_deref(), &bytes);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(RegistryError::Digest { what: what(), expected, got: digest });
        }
        let media_type = media_type(said_type, &bytes).ok_or_else(|| RegistryError::Broken {
            url,
            why: format!("the answer is no manifest: {}", began(&bytes)),
        })?;
        Ok(Manifest { media_type, digest, bytes })
    }

    /// A blob, as a stream that goes on where a transfer breaks. Its digest is the reader's to check, as it is the reader who
    /// sees all of it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn blob(self: &Arc<Self>, digest: &str) -> Result<Blob, RegistryError> {
        self.find_scheme().await?;
        let answer = self.read(&self.url(&format!("blobs/{digest}")), |ask| ask).await?;
        Ok(Blob::new(self.clone(), digest.to_owned(), answer))
    }

    /// The rest of a blob from a byte on: the answer, and how many bytes of it stand before that byte because the server does not
    /// know ranges.
    pub(super) async fn blob_from(&self, digest: &str, at: u64) -> Result<(Answer, u64), RegistryError> {
        let url = self.url(&format!("blobs/{digest}"));
        let answer = self.read(&url, |ask| ask.with(RANGE, &format!("bytes={at}-"))).await?;
        if answer.status != 206 {
            return Ok((answer, at));
        }
        let begins = answer
            .field("content-range")
            .and_then(|range| range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse::<u64>().ok());
        match begins {
            Some(begins) if begins <= at => Ok((answer, at - begins)),
            _ => Err(RegistryError::Broken { url, why: format!("asked for the bytes from {at} on, it sends others") }),
        }
    }

    /// A request that reads: retried a little, redirects followed, any answer but success an error.
    async fn read(&self, url: &Url, dress: impl Fn(Ask) -> Ask + Send + Sync) -> Result<Answer, RegistryError> {
        let mut pause = PAUSE;
        let mut again = 0;
        loop {
            let failure = match self.read_once(url, &dress).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let wait = match &failure {
                RegistryError::RateLimited { retry_after: Some(seconds), .. } if *seconds <= PATIENCE => {
                    Duration::from_secs(*seconds)
                }
                failure if failure.is_passing() => pause,
                _ => return Err(failure),
            };
            if again >= AGAIN {
                return Err(failure);
            }
            again += 1;
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
    }

    async fn read_once(&self, url: &Url, dress: &(impl Fn(Ask) -> Ask + Send + Sync)) -> Result<Answer, RegistryError> {
        let make = || Ok(dress(Ask::new(Party::Registry, Method::GET, url.clone())));
        let (mut answer, with_login) = self.authorised(&self.pull_scope(), &make).await?;
        for _ in 0..MOST_REDIRECTS {
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                break;
            }
            let from = answer.url.clone();
            let to = self.redirect(&answer)?;
            let _ = answer.beginning(self, LARGEST_ERROR).await;
            let with_login = to.same_origin(url);
            self.tell(|| Event::Redirected { from, to: to.clone(), with_login });
            // Within the registry the login goes along; to any other place it does not, which storage services also insist on.
            answer = if with_login {
                let make = || Ok(dress(Ask::new(Party::Registry, Method::GET, to.clone())));
                self.authorised(&self.pull_scope(), &make).await?.0
            } else {
                self.exchange(dress(Ask::new(Party::Storage, Method::GET, to.clone()))).await?
            };
        }
        match answer.status {
            200 | 206 => Ok(answer),
            301..=308 => {
                let why = format!("this is redirect number {}", MOST_REDIRECTS + 1);
                Err(RegistryError::Redirect { from: answer.url, why })
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    fn redirect(&self, answer: &Answer) -> Result<Url, RegistryError> {
        let refused = |why: String| RegistryError::Redirect { from: answer.url.clone(), why };
        let location = answer.field("location").ok_or_else(|| refused("it does not say where to".to_owned()))?;
        let to = answer.url.join(location).map_err(refused)?;
        if answer.url.tls && !to.tls && !self.options.insecure && !self.options.follow_plain {
            return Err(refused(format!("it leads from TLS to plain HTTP at {to}")));
        }
        Ok(to)
    }

    /// What an answer that is no success means.
    pub(super) async fn failure(&self, answer: Answer, with_login: bool) -> RegistryError {
        let (url, status) = (answer.url.clone(), answer.status);
        let retry_after = answer.field("retry-after").and_then(|text| text.trim().parse().ok());
        let body = answer.beginning(self, LARGEST_ERROR).await;
        let errors = parse_errors(&body);
        match status {
            401 | 403 => RegistryError::Denied { url, status, with_login, errors },
            404 => RegistryError::NotFound { url, status, errors },
            429 => RegistryError::RateLimited { url, retry_after, errors },
            _ => {
                let body = if errors.is_empty() { began(&body) } else { String::new() };
                RegistryError::Status { url, status, errors, body }
            }
        }
    }
}

/// The beginning of a body, for a message.
fn began(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").escape_debug().to_string()
}

/// What the answer says it is; where that is of no use, what the JSON says, or what its members mean.
fn media_type(said: Option<String>, bytes: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let known = |text: &String| MANIFESTS.split(", ").any(|known| known.trim() == text);
    let own = value.get("mediaType").and_then(serde_json::Value::as_str).map(str::to_owned);
    if let Some(found) = said.filter(known).or_else(|| own.filter(known)) {
        return Some(found);
    }
    if value.get("manifests").is_some_and(serde_json::Value::is_array) {
        return Some("application/vnd.oci.image.index.v1+json".to_owned());
    }
    let is_manifest = value.get("config").is_some() && value.get("layers").is_some();
    is_manifest.then(|| "application/vnd.oci.image.manifest.v1+json".to_owned())
}

/// The digest of some bytes, by the algorithm of `like`.
fn digest_like(like: Option<&str>, bytes: &[u8]) -> String {
    let (algorithm, name) = match like {
        Some(digest) if digest.starts_with("sha512:") => (&aws_lc_rs::digest::SHA512, "sha512"),
        _ => (&aws_lc_rs::digest::SHA256, "sha256"),
    };
    let digest = aws_lc_rs::digest::digest(algorithm, bytes);
    format!("{name}:{}", data_encoding::HEXLOWER.encode(digest.as_ref()))
}
