//! Why a registry did not do what was asked, in words. In: the client's error, the image. Out: a [`Failure`] with what helps. The
//! registry's own words are escaped: they come from a peer.

use sidelight_engine::registry_client::{Client, RegistryError};
use sidelight_model::registry::Reference;

use crate::exit::Failure;
use crate::render::escape;

/// Puts an error into words.
pub(super) fn failure(error: &RegistryError, image: &Reference, client: &Client) -> Failure {
    let host = &image.registry;
    let mut failure = Failure::new(escape::line(&format!("{image}: {error}")));
    let mut hint = |text: String| failure.hints.push(escape::line(&text));
    match error {
        RegistryError::Untrusted { at, finding } => {
            for fix in &finding.fixes {
                // The finding speaks of the option of those commands that verify services.
                hint(format!("{}: {}", fix.action, fix.how.replace("--roots ", "--registry-roots ")));
            }
            hint(format!(
                "docker, podman and sidelight read the registry's own CA from /etc/docker/certs.d/{}/ca.crt",
                place(at)
            ));
        }
        RegistryError::PlainHttp { at } => {
            hint(format!("if {at} is meant to be without TLS: --insecure-registry"));
        }
        RegistryError::Dial { at, error } => {
            for fix in &error.finding(at).fixes {
                hint(format!("{}: {}", fix.action, fix.how));
            }
        }
        RegistryError::Denied { with_login: false, .. } => {
            hint(format!(
                "there is no login for {host}: docker login {host}, or name the file that has it with --authfile"
            ));
        }
        RegistryError::Denied { with_login: true, status: 401, .. } => {
            hint(format!("the stored login, or the token that it gave, is not taken: docker login {host}"));
        }
        RegistryError::Denied { with_login: true, .. } => {
            hint(format!("the login for {host} may lack the right, or the name is another: `{}`", image.name()));
        }
        RegistryError::Token { status: 401 | 403, user: Some(_), .. } => {
            hint(format!(
                "the stored login is old or wrong: docker login {host}, or docker logout {host} for public images"
            ));
        }
        RegistryError::Token { status: 401 | 403, user: None, .. } => {
            hint(format!(
                "it may be private, or not exist: docker login {host}, or name the file with the login with --authfile"
            ));
        }
        RegistryError::NotFound { .. } => {
            hint(format!("check name and tag of {image}; a login that may not see it is told the same"));
        }
        RegistryError::RateLimited { .. } => hint(format!("logged in one may ask more often: docker login {host}")),
        RegistryError::Digest { .. } => {
            hint(format!(
                "ask without what stands between: NO_PROXY={host}; a proxy or scanner may rewrite what passes"
            ));
        }
        _ => {}
    }
    tell_login_problems(&mut failure, error, client);
    failure
}

/// Where the registry refused, what kept a login from being read may be why.
fn tell_login_problems(failure: &mut Failure, error: &RegistryError, client: &Client) {
    if matches!(error, RegistryError::Denied { .. } | RegistryError::Token { .. } | RegistryError::NotFound { .. }) {
        let told = client.login_problems().iter();
        failure.hints.extend(told.map(|problem| escape::line(&format!("a login could not be read: {problem}"))));
    }
}

/// As folders of `certs.d` are named: without the port of TLS.
fn place(at: &sidelight_model::flow::Authority) -> String {
    if at.port == 443 { at.host.to_string() } else { at.to_string() }
}
