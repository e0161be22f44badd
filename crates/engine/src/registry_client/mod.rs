//! A client of one repository in a registry, on our own dialer and TLS, so that what goes wrong is seen where it happens.
//! In: a name, roots, logins. Out: manifests and blobs, and images pushed; each step is told to whoever listens.
//! Spec: OCI distribution-spec 1.1, distribution's token authentication.

mod auth;
mod blob;
mod body;
mod error;
mod event;
mod http;
mod pull;
mod push;
mod trust;
mod url;

pub use blob::Blob;
pub use error::RegistryError;
pub use event::{Event, Listener, Party, Proof};
pub use pull::Manifest;
pub use push::BlobSource;
pub use trust::{Trust, TrustInputs};
pub use url::Url;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use sidelight_model::flow::Authority;
use sidelight_model::registry::Reference;
use sidelight_wire::registry::Login;
use tokio::sync::OnceCell;

use crate::dial::{Dialer, Way};
use auth::Known;
use http::Pool;

/// The most bytes of a manifest or index, as registries have it.
pub const LARGEST_MANIFEST: usize = 4 << 20;

/// The most bytes of an error's body that are read.
const LARGEST_ERROR: usize = 16 * 1024;

/// Finds logins: registry and repository to what is known of them.
pub type FindLogins = Arc<dyn Fn(&str, &str) -> FoundLogins + Send + Sync>;

/// What is known of logins for a repository.
#[derive(Clone, Debug, Default)]
pub struct FoundLogins {
    /// Logins, the one to use first.
    pub logins: Vec<Login>,
    /// What could not be read or asked, one line each. It matters only where the registry then refuses.
    pub problems: Vec<String>,
}

/// Another place than the registry's own that is asked for its images: a mirror, or the address that a client's settings give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub authority: Authority,
    /// Whether plain HTTP is spoken there from the beginning.
    pub plain: bool,
    /// What stands before the repository in paths: `/v2`, or another beginning of it.
    pub base: String,
    /// The repository there, where it has another name.
    pub repository: Option<String>,
    /// The registry that is meant, told with each request (`?ns=`).
    pub namespace: Option<String>,
}

/// How a registry is talked to.
#[derive(Clone, Default)]
pub struct Options {
    /// Asked in the registry's place.
    pub place: Option<Place>,
    /// Plain HTTP is not spoken on loopback either, unless `insecure`.
    pub strict_loopback: bool,
    /// Token servers and redirects without TLS are followed, as most clients do. For those who ask what such a client meets.
    pub follow_plain: bool,
    /// How TLS connections go out: through which proxy.
    pub https_way: Way,
    /// How plain connections go out.
    pub http_way: Way,
    /// Certificates are not verified, and plain HTTP is spoken where TLS is not. On loopback plain HTTP is spoken without this.
    pub insecure: bool,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Finds logins, asked only when the registry wants to know who asks.
    pub logins: Option<FindLogins>,
    /// Is told each step.
    pub listener: Option<Listener>,
}

/// What a registry answered to the first question, `/v2/`, which is asked as nobody.
#[derive(Clone, Debug)]
pub struct FirstAnswer {
    /// Its status.
    pub status: u16,
    /// Its fields, in the order in which they came.
    pub fields: Vec<(String, String)>,
    /// The beginning of its body.
    pub body: bytes::Bytes,
}

/// A client of one repository.
pub struct Client {
    dialer: Dialer,
    trust: Trust,
    options: Options,
    /// As people write it: what logins and files are found by.
    registry: String,
    repository: String,
    /// The place that answers for it.
    authority: Authority,
    /// Whether it speaks TLS, once that is known.
    tls: OnceLock<bool>,
    first: OnceLock<FirstAnswer>,
    idle: Pool,
    known: Mutex<HashMap<String, Known>>,
    logins: OnceCell<FoundLogins>,
}

impl Client {
    /// A client for the repository of `reference`; nothing is asked yet.
    pub fn new(reference: &Reference, dialer: Dialer, trust: Trust, options: Options) -> Arc<Self> {
        let place = options.place.as_ref();
        let repository = place.and_then(|place| place.repository.clone());
        Arc::new(Self {
            registry: reference.registry.clone(),
            repository: repository.unwrap_or_else(|| reference.repository.clone()),
            authority: place.map_or_else(|| reference.authority(), |place| place.authority.clone()),
            dialer,
            trust,
            options,
            tls: OnceLock::new(),
            first: OnceLock::new(),
            idle: Mutex::default(),
            known: Mutex::default(),
            logins: OnceCell::new(),
        })
    }

    /// The registry as people write it.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What kept logins from being read, once they were looked for.
    pub fn login_problems(&self) -> &[String] {
        self.logins.get().map_or(&[], |found| &found.problems)
    }

    /// Whether the registry was found to speak TLS; TLS until it is known.
    fn speaks_tls(&self) -> bool {
        *self.tls.get().unwrap_or(&true)
    }

    fn url(&self, rest: &str) -> Url {
        let place = self.options.place.as_ref();
        let base = place.map_or("/v2", |place| place.base.as_str());
        let url = Url::new(self.speaks_tls(), self.authority.clone(), format!("{base}/{}/{rest}", self.repository));
        match place.and_then(|place| place.namespace.as_deref()) {
            Some(registry) => url.with_param("ns", registry),
            None => url,
        }
    }

    /// What was answered to the first question, `/v2/`; `None` before [`Client::find_scheme`].
    pub fn first_answer(&self) -> Option<&FirstAnswer> {
        self.first.get()
    }

    /// What a place is verified against, as a handshake with it would be.
    ///
    /// # Errors
    /// When a file in one of the folders cannot be used; the words name it.
    pub fn trust_inputs(&self, at: &Authority) -> Result<TrustInputs, String> {
        self.trust.inputs(&self.registry, at)
    }

    /// How names become addresses, and through which proxy this place is reached.
    pub fn way_to(&self, at: &Authority) -> Option<Arc<crate::dial::Proxy>> {
        self.dialer.proxy_for(at, &self.options.https_way).cloned()
    }

    /// What a request that reads must be allowed to do.
    fn pull_scope(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }

    /// The event is made only when somebody listens.
    fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.options.listener {
            listener(&event());
        }
    }

    /// Finds out whether the registry speaks TLS, where plain HTTP would be allowed; asks `/v2/`, as docker does first.
    /// Whatever it answers there proves that it is a server of HTTP; only connections that fail are errors.
    ///
    /// # Errors
    /// When it cannot be reached, or its TLS fails.
    pub async fn find_scheme(&self) -> Result<(), RegistryError> {
        if self.tls.get().is_some() {
            return Ok(());
        }
        let base = self.options.place.as_ref().map_or("/v2", |place| place.base.as_str());
        let at = |tls| Url::new(tls, self.authority.clone(), format!("{base}/"));
        let ask = |tls| http::Ask::new(Party::Registry, hyper::Method::GET, at(tls));
        let allowed = self.options.insecure || (at(true).is_loopback() && !self.options.strict_loopback);
        if self.options.place.as_ref().is_some_and(|place| place.plain) {
            let answer = self.exchange(ask(false)).await?;
            self.note_first(answer).await;
            let _ = self.tls.set(false);
            return Ok(());
        }
        let speaks_tls = match self.exchange(ask(true)).await {
            Ok(answer) => {
                self.note_first(answer).await;
                true
            }
            Err(error) if allowed && may_be_plain(&error) => {
                self.tell(|| Event::Plain { at: self.authority.clone() });
                let answer = self.exchange(ask(false)).await.map_err(|_| error)?;
                self.note_first(answer).await;
                false
            }
            Err(RegistryError::Tls { at, error: crate::tls::ServiceError::NotTls(heard) })
                if heard.starts_with(b"HTTP/") =>
            {
                return Err(RegistryError::PlainHttp { at });
            }
            Err(error) => return Err(error),
        };
        let _ = self.tls.set(speaks_tls);
        Ok(())
    }

    async fn note_first(&self, answer: http::Answer) {
        let (status, fields) = (answer.status, http::told(&answer.fields));
        let body = answer.beginning(self, LARGEST_ERROR).await;
        let _ = self.first.set(FirstAnswer { status, fields, body });
    }
}

/// Whether the failure is one that a server without TLS gives. A refused connection is none: it would be refused again.
const fn may_be_plain(error: &RegistryError) -> bool {
    use crate::tls::ServiceError;
    matches!(error, RegistryError::Tls { error: ServiceError::NotTls(_) | ServiceError::Io(_), .. })
}
