//! Registries, for all commands. In: an image's name, options. Out: a [`Session`] with its repository, which pulls
//! ([`remote`]) and pushes ([`push`]); failures in words, with what helps ([`explain`]).

mod explain;
mod push;
mod remote;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sidelight_engine::dial::{Dialer, OwnAddresses, Way};
use sidelight_engine::registry_client::{Client, FoundLogins, Listener, Options, RegistryError, Trust};
use sidelight_engine::resolve::Resolver;
use sidelight_engine::tls::{Identities, Service, Trusted, Verifier};
use sidelight_model::registry::Reference;
use tokio::runtime::Runtime;

use super::environment_proxy::{FOR_HTTP, FOR_HTTPS, exceptions, proxy};
use crate::cli::RegistryOptions;
use crate::exit::Failure;
use crate::ui::Ui;

pub(crate) use remote::RemoteImage;

/// A registry gets so long for a TCP or TLS handshake; docker gives 15 and 10 s.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// A repository of a registry, and the threads that talk to it.
#[derive(Clone)]
pub(crate) struct Session {
    reference: Reference,
    client: Arc<Client>,
    runtime: Arc<Runtime>,
}

impl Session {
    /// Makes everything ready for the image `name` (`HOST/NAME:TAG`, or short as docker has it); nothing is asked yet. `listener` is
    /// told each step of what follows.
    ///
    /// # Errors
    /// When the name, roots or the environment's proxy cannot be used.
    pub(crate) fn new(
        name: &str,
        options: &RegistryOptions,
        listener: Option<Listener>,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let reference: Reference = name.parse().map_err(Failure::usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("no threads: {error}")))?;
        let trusted = trusted(options, ui)?;
        let way = |proxy| Way { proxy, inside: None };
        let settings = Options {
            place: None,
            strict_loopback: false,
            follow_plain: false,
            https_way: way(proxy(FOR_HTTPS)?),
            http_way: way(proxy(FOR_HTTP)?),
            insecure: options.insecure_registry,
            user_agent: concat!("sidelight/", env!("CARGO_PKG_VERSION")).to_owned(),
            logins: Some(find_logins(options.authfile.clone())),
            listener,
        };
        let proxy_tls = Verifier::new(&Trusted::of_host()).map_err(Failure::new)?;
        let proxy_tls = Arc::new(Service::new(proxy_tls, Identities::default(), HANDSHAKE_LIMIT));
        let resolver = runtime.block_on(async { Resolver::new(std::collections::HashMap::new()) });
        let own = Arc::new(OwnAddresses::default());
        let dialer = Dialer::new(resolver, own, HANDSHAKE_LIMIT, exceptions(), proxy_tls);
        let trust = Trust::new(trusted, host_folders(), HANDSHAKE_LIMIT);
        let client = Client::new(&reference, dialer, trust, settings);
        Ok(Self { reference, client, runtime: Arc::new(runtime) })
    }

    /// Waits for something that the client does, and puts its failure into words.
    ///
    /// # Errors
    /// What went wrong, and what helps.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, Failure> {
        self.runtime.block_on(work).map_err(|error| explain::failure(&error, &self.reference, &self.client))
    }
}

pub(crate) fn trusted(options: &RegistryOptions, ui: Ui) -> Result<Trusted, Failure> {
    if options.registry_roots.is_empty() {
        return Ok(Trusted::of_host());
    }
    let trusted = Trusted::from_paths(&options.registry_roots)
        .map_err(|error| Failure::new(format!("--registry-roots: {error}")))?;
    for warning in &trusted.warnings {
        ui.warning(warning);
    }
    Ok(trusted)
}

/// Where docker, podman and their kin look for roots and client certificates of single hosts.
fn host_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/etc/docker/certs.d"), PathBuf::from("/etc/containers/certs.d")];
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let settings = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    folders.extend(settings.map(|folder| folder.join("containers/certs.d")));
    folders
}

fn find_logins(authfile: Option<PathBuf>) -> sidelight_engine::registry_client::FindLogins {
    Arc::new(move |registry, repository| {
        let uid = rustix::process::getuid().as_raw();
        let files = sidelight_host::registry_login::files(authfile.clone(), &|name| std::env::var_os(name), uid);
        let found = sidelight_host::registry_login::find(&files, registry, repository);
        FoundLogins { logins: found.logins, problems: found.problems }
    })
}
