//! From a client's settings to conversations. In: options, and what `host` reads of the client's files. Out: one [`Prepared`] for each
//! place that the client asks, in its order.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sidelight_engine::dial::{Dialer, OwnAddresses, Way};
use sidelight_engine::registry_client::{Client, FoundLogins, Options, Place, Trust, Url};
use sidelight_engine::resolve::Resolver;
use sidelight_engine::tls::{Identities, Service, Trusted, Verifier};
use sidelight_host::pull_settings::{self, Asked, PullSettings, Surroundings};
use sidelight_model::diagnose::Adding;
use sidelight_model::flow::Authority;
use sidelight_model::registry::{Reference, symptom};

use super::trail::Trail;
use crate::cli::{AsClient, CheckCommand};
use crate::commands::environment_proxy::{FOR_HTTP, FOR_HTTPS, exceptions_in, further_proxy, named_in};
use crate::exit::Failure;
use crate::ui::Ui;

/// TCP and TLS handshakes get so long: docker gives 15 and 10 s.
const LIMIT: Duration = Duration::from_secs(15);

/// One place to ask.
pub(super) struct Prepared {
    /// The client for it.
    pub(super) client: Arc<Client>,
    /// What happens on it.
    pub(super) trail: Trail,
    /// As the settings have it.
    pub(super) asked: Asked,
    /// Host and port.
    pub(super) authority: Authority,
}

/// The name by which the table of messages knows a client.
pub(super) const fn known_as(client: AsClient) -> Option<symptom::Client> {
    match client {
        AsClient::Docker => Some(symptom::Client::Docker),
        AsClient::Containerd => Some(symptom::Client::Containerd),
        AsClient::Podman => Some(symptom::Client::Podman),
        AsClient::Native => None,
    }
}

/// Reads the client's settings.
pub(super) fn settings(options: &CheckCommand, image: &Reference, addresses: &[IpAddr]) -> PullSettings {
    let environment = &|name: &str| std::env::var_os(name);
    let here = Surroundings {
        root: options.host_root.as_deref().unwrap_or(Path::new("/")),
        environment,
        uid: rustix::process::getuid().as_raw(),
        authfile: options.registry.authfile.clone(),
    };
    match options.client {
        AsClient::Docker => pull_settings::docker(&here, &image.registry, addresses),
        AsClient::Containerd => pull_settings::containerd(&here, &image.registry),
        AsClient::Podman => pull_settings::podman(&here, &image.name()),
        AsClient::Native => pull_settings::native(&here),
    }
}

/// The command that lets this client trust a root.
pub(super) fn adding(client: AsClient, registry: &str) -> Adding {
    let folder = match client {
        AsClient::Docker => format!("/etc/docker/certs.d/{registry}"),
        AsClient::Containerd => format!("/etc/containerd/certs.d/{registry}"),
        AsClient::Podman | AsClient::Native => format!("/etc/containers/certs.d/{registry}"),
    };
    let after = match client {
        AsClient::Containerd => format!("{folder}/ca.crt  # and in {folder}/hosts.toml: ca = \"{folder}/ca.crt\""),
        _ => format!("{folder}/ca.crt"),
    };
    Adding { before: format!("mkdir -p {folder} && cp"), after }
}

/// Makes everything ready; nothing is asked yet. To be called where a runtime runs.
///
/// # Errors
/// When roots, the proxy that the environment names, or a location cannot be used.
pub(super) fn prepare(
    options: &CheckCommand,
    image: &Reference,
    settings: &PullSettings,
    ui: Ui,
) -> Result<Vec<Prepared>, Failure> {
    settings.asked.iter().map(|asked| one(options, image, settings, asked, ui)).collect()
}

fn one(
    options: &CheckCommand,
    image: &Reference,
    settings: &PullSettings,
    asked: &Asked,
    ui: Ui,
) -> Result<Prepared, Failure> {
    let trail = Trail::default();
    let place = place(asked, image)?;
    let variable =
        |name: &str| settings.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let way = |names| -> Result<Way, Failure> {
        Ok(Way { proxy: named_in(names, variable)?.map(|(upstream, _)| further_proxy(&upstream)), inside: None })
    };
    let client_options = Options {
        https_way: way(FOR_HTTPS)?,
        http_way: way(FOR_HTTP)?,
        insecure: options.registry.insecure_registry || asked.insecure.is_some(),
        strict_loopback: options.client != AsClient::Native && !asked.may_be_plain,
        follow_plain: true,
        user_agent: concat!("sidelight/", env!("CARGO_PKG_VERSION")).to_owned(),
        logins: Some(logins(settings, login_place(options, asked, place.as_ref()))),
        listener: Some(trail.listener()),
        place: place.clone(),
    };
    let trusted = crate::commands::registry::trusted(&options.registry, ui)?;
    let trust = Trust::new(trusted, settings.cert_folders.clone(), LIMIT);
    let trust = trust.with_own(asked.roots.clone(), asked.identity.clone());
    let proxy_tls = Verifier::new(&Trusted::of_host()).map_err(Failure::new)?;
    let proxy_tls = Arc::new(Service::new(proxy_tls, Identities::default(), LIMIT));
    let resolver = Resolver::new(std::collections::HashMap::new());
    let own = Arc::new(OwnAddresses::default());
    let dialer = Dialer::new(resolver, own, LIMIT, exceptions_in(variable), proxy_tls);
    let authority = place.map_or_else(|| image.authority(), |place| place.authority);
    Ok(Prepared { client: Client::new(image, dialer, trust, client_options), trail, asked: asked.clone(), authority })
}

/// Where to ask; `None`: where the image names.
fn place(asked: &Asked, image: &Reference) -> Result<Option<Place>, Failure> {
    if asked.location.is_empty() {
        return Ok(None);
    }
    let with_scheme = asked.location.contains("://");
    let text = if with_scheme { asked.location.clone() } else { format!("https://{}", asked.location) };
    let url = Url::parse(&text)
        .map_err(|why| Failure::new(format!("the client's settings name `{}`: {why}", asked.location)))?;
    let path = url.path().trim_matches('/').to_owned();
    let namespace = asked.names_registry.then(|| image.registry.clone());
    let (base, repository) = match (with_scheme, path.is_empty()) {
        // containerd and docker put the image's own name behind the URL.
        (true, false) if asked.overrides_path => (format!("/{path}"), None),
        (true, false) => (format!("/{path}/v2"), None),
        // podman's location holds the name already.
        (false, false) => ("/v2".to_owned(), Some(path)),
        (_, true) => ("/v2".to_owned(), None),
    };
    let base = if base.ends_with("/v2/v2") { base.trim_end_matches("/v2").to_owned() + "/v2" } else { base };
    Ok(Some(Place { authority: url.authority.clone(), plain: !url.tls, base, repository, namespace }))
}

/// For which registry and repository podman takes a login: those of the location, not those that the image names.
fn login_place(options: &CheckCommand, asked: &Asked, place: Option<&Place>) -> Option<(String, Option<String>)> {
    let place = place.filter(|_| options.client == AsClient::Podman && !asked.location.contains("://"))?;
    let host = asked.location.split('/').next().unwrap_or_default().to_owned();
    Some((host, place.repository.clone()))
}

fn logins(
    settings: &PullSettings,
    elsewhere: Option<(String, Option<String>)>,
) -> sidelight_engine::registry_client::FindLogins {
    let files = settings.login_files.clone();
    Arc::new(move |registry, repository| {
        let (registry, repository) = match &elsewhere {
            Some((host, name)) => (host.as_str(), name.as_deref().unwrap_or(repository)),
            None => (registry, repository),
        };
        let found = sidelight_host::registry_login::find(&files, registry, repository);
        FoundLogins { logins: found.logins, problems: found.problems }
    })
}
