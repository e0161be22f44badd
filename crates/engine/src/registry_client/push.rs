//! Writing to a repository. In: blobs that can be read again, manifests. Out: what the registry then has.
//! Spec: OCI distribution-spec 1.1 "Push": asked for first, mounted from another repository where it can be, sent whole, or in
//! chunks where something on the way takes no large bodies.

use std::io::{self, Read};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE};

use super::body::SentBody;
use super::event::Party;
use super::http::{Answer, Ask};
use super::{Client, LARGEST_ERROR, RegistryError, Url};

/// Bytes of a chunk, where chunks are needed; what takes no more than this is not a place for images.
const CHUNK: u64 = 8 << 20;

/// The largest chunk that a registry may demand.
const LARGEST_CHUNK: u64 = 1 << 30;

/// How often an upload that breaks is begun anew.
const AGAIN: usize = 2;

/// A blob to be pushed.
pub trait BlobSource: Send + Sync {
    /// Its digest, `sha256:…`.
    fn digest(&self) -> &str;

    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Its bytes from one on; asked for again when a transfer broke.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send>>;
}

impl Client {
    /// Whether the repository has a blob.
    ///
    /// # Errors
    /// [`RegistryError`], when it cannot be told.
    pub async fn has_blob(&self, digest: &str) -> Result<bool, RegistryError> {
        self.find_scheme().await?;
        let make = || Ok(Ask::new(Party::Registry, Method::HEAD, self.url(&format!("blobs/{digest}"))));
        let (answer, with_login) = self.authorised(&self.push_scope(None), &make).await?;
        match answer.status {
            // A redirect to storage is what registries answer for what they have.
            200 | 301..=308 => {
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(true)
            }
            404 => {
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(false)
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    /// Asks the registry to take a blob from another of its repositories. Says whether it did; if not, the blob has to be sent.
    ///
    /// # Errors
    /// [`RegistryError`]. A registry that may not read there for this login says no rather than failing.
    pub async fn mount_blob(&self, digest: &str, from: &str) -> Result<bool, RegistryError> {
        self.find_scheme().await?;
        let begin = self.url("blobs/uploads/").with_param("mount", digest).with_param("from", from);
        let make = || Ok(Ask::new(Party::Registry, Method::POST, begin.clone()));
        let (answer, with_login) = self.authorised(&self.push_scope(Some(from)), &make).await?;
        let status = answer.status;
        match status {
            201 | 202 | 401 | 403 | 404 => {
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(status == 201)
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    /// Sends a blob, whole or in chunks.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn push_blob(&self, blob: &dyn BlobSource) -> Result<(), RegistryError> {
        self.find_scheme().await?;
        let mut chunked = None;
        let mut again = 0;
        loop {
            let failure = match self.push_once(blob, chunked).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match &failure {
                RegistryError::Status { status: 413, .. } if chunked.is_none() => chunked = Some(CHUNK),
                failure if failure.is_passing() && again < AGAIN => again += 1,
                _ => return Err(failure),
            }
        }
    }

    async fn push_once(&self, blob: &dyn BlobSource, chunk: Option<u64>) -> Result<(), RegistryError> {
        let begin = self.url("blobs/uploads/");
        let scope = self.push_scope(None);
        let make = || Ok(Ask::new(Party::Registry, Method::POST, begin.clone()));
        let (answer, with_login) = self.authorised(&scope, &make).await?;
        if answer.status != 202 {
            return Err(self.failure(answer, with_login).await);
        }
        let least = answer.field("oci-chunk-min-length").and_then(|text| text.trim().parse::<u64>().ok());
        let mut place = self.upload_place(&answer)?;
        let _ = answer.beginning(self, LARGEST_ERROR).await;
        let mut sent = 0;
        if let Some(chunk) = chunk {
            let chunk = chunk.max(least.unwrap_or(0)).min(LARGEST_CHUNK);
            while sent < blob.length() {
                let length = chunk.min(blob.length() - sent);
                place = self.push_chunk(blob, &scope, &place, (sent, length)).await?;
                sent += length;
            }
        }
        let place = place.with_param("digest", blob.digest());
        let make = || {
            let mut ask =
                Ask::new(Party::Registry, Method::PUT, place.clone()).with(CONTENT_TYPE, "application/octet-stream");
            ask.body = if chunk.is_some() { SentBody::empty() } else { body(blob, 0, blob.length())? };
            Ok(ask)
        };
        let (answer, with_login) = self.authorised(&scope, &make).await?;
        match answer.status {
            200 | 201 | 204 => {
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(())
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    async fn push_chunk(
        &self,
        blob: &dyn BlobSource,
        scope: &str,
        place: &Url,
        (from, length): (u64, u64),
    ) -> Result<Url, RegistryError> {
        let make = || {
            let mut ask = Ask::new(Party::Registry, Method::PATCH, place.clone())
                .with(CONTENT_TYPE, "application/octet-stream")
                .with(CONTENT_RANGE, &format!("{from}-{}", from + length - 1));
            ask.body = body(blob, from, length)?;
            Ok(ask)
        };
        let (answer, with_login) = self.authorised(scope, &make).await?;
        match answer.status {
            202 | 204 => {
                let place = self.upload_place(&answer)?;
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(place)
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    /// Where an upload goes on. Logins go there, so it may be at the registry alone; a wrong scheme or port of the same host, which
    /// registries behind a proxy that ends TLS name, is put right.
    fn upload_place(&self, answer: &Answer) -> Result<Url, RegistryError> {
        let refused = |why: String| RegistryError::Redirect { from: answer.url.clone(), why };
        let location =
            answer.field("location").ok_or_else(|| refused("it does not say where the upload goes".to_owned()))?;
        let place = answer.url.join(location).map_err(refused)?;
        if place.authority.host != answer.url.authority.host {
            return Err(refused(format!("the upload would go to {place}, which is not the registry")));
        }
        Ok(Url::new(answer.url.tls, answer.url.authority.clone(), place.target))
    }

    /// Puts a manifest or index under a tag or digest; its blobs and manifests must be there. Gives the digest that the registry
    /// names, where it does.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn push_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Option<String>, RegistryError> {
        self.find_scheme().await?;
        let url = self.url(&format!("manifests/{reference}"));
        let make = || {
            let mut ask = Ask::new(Party::Registry, Method::PUT, url.clone()).with(CONTENT_TYPE, media_type);
            ask.body = SentBody::Whole(Some(bytes.clone()));
            Ok(ask)
        };
        let (answer, with_login) = self.authorised(&self.push_scope(None), &make).await?;
        match answer.status {
            200..=202 => {
                let digest = answer.field("docker-content-digest").map(str::to_owned);
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                Ok(digest)
            }
            _ => Err(self.failure(answer, with_login).await),
        }
    }

    /// What a request that writes must be allowed to do; to mount, also to read where the blob is.
    fn push_scope(&self, from: Option<&str>) -> String {
        let own = format!("repository:{}:pull,push", self.repository);
        from.map_or(own.clone(), |from| format!("{own} repository:{from}:pull"))
    }
}

fn body(blob: &dyn BlobSource, from: u64, length: u64) -> Result<SentBody, RegistryError> {
    let failed = |error: io::Error| RegistryError::Source { what: blob.digest().to_owned(), why: error.to_string() };
    Ok(SentBody::reader(blob.open(from).map_err(failed)?, length))
}
