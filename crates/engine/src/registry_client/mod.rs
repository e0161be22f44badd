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
pub use trust::Trust;
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

/// How a registry is talked to.
#[derive(Clone, Default)]
pub struct Options {
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
    idle: Pool,
    known: Mutex<HashMap<String, Known>>,
    logins: OnceCell<FoundLogins>,
}

impl Client {
    /// A client for the repository of `reference`; nothing is asked yet.
    pub fn new(reference: &Reference, dialer: Dialer, trust: Trust, options: Options) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            trust,
            options,
            registry: reference.registry.clone(),
            repository: reference.repository.clone(),
            authority: reference.authority(),
            tls: OnceLock::new(),
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
        Url::new(self.speaks_tls(), self.authority.clone(), format!("/v2/{}/{rest}", self.repository))
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
        let at = |tls| Url::new(tls, self.authority.clone(), "/v2/");
        let ask = |tls| http::Ask::new(Party::Registry, hyper::Method::GET, at(tls));
        let allowed = self.options.insecure || at(true).is_loopback();
        let speaks_tls = match self.exchange(ask(true)).await {
            Ok(answer) => {
                let _ = answer.beginning(self, LARGEST_ERROR).await;
                true
            }
            Err(error) if allowed && may_be_plain(&error) => {
                self.tell(|| Event::Plain { at: self.authority.clone() });
                let answer = self.exchange(ask(false)).await.map_err(|_| error)?;
                let _ = answer.beginning(self, LARGEST_ERROR).await;
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
}

/// Whether the failure is one that a server without TLS gives. A refused connection is none: it would be refused again.
const fn may_be_plain(error: &RegistryError) -> bool {
    use crate::tls::ServiceError;
    matches!(error, RegistryError::Tls { error: ServiceError::NotTls(_) | ServiceError::Io(_), .. })
}
