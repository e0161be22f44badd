//! What a request asks of a registry. In: method, place, query, content. Out: [`Asks`]. Spec: OCI distribution-spec 1.1 (end-1 to
//! end-13), distribution's token specification and its OAuth2 form.

use std::borrow::Cow;

use sidelight_model::filter::registry::{Kind, classify};
use sidelight_model::flow::Request;
use sidelight_model::registry::seen::{Asks, Place};

use super::fields::{cut, parameter, parameters, scopes};

/// Bytes of a form that are read.
const MOST_FORM: usize = 64 << 10;

/// What a request asks, where its path tells that it is for a registry or a token server.
pub(super) fn of(method: &str, place: &Place, query: &str, request: &Request) -> Option<Asks> {
    let target = if query.is_empty() { place.path.clone() } else { format!("{}?{query}", place.path) };
    let known = classify(method, &target)?;
    let is_api = place.path.starts_with("/v2/") || place.path == "/v2";
    match (known.kind, known.repository) {
        (Kind::Login, _) if is_api && matches!(&*place.path, "/v2/" | "/v2") => Some(Asks::Ping),
        (Kind::Login, _) => Some(token(query, request)),
        (Kind::Catalog, _) => Some(Asks::Catalog),
        (_, None) => None,
        (_, Some(repository)) => {
            let rest = place.path.strip_prefix("/v2/")?.strip_prefix(repository)?.trim_end_matches('/');
            Some(about(method, &cut(repository), rest, query, known.reference.map(cut)))
        }
    }
}

fn about(method: &str, repository: &str, rest: &str, query: &str, reference: Option<String>) -> Asks {
    let repository = repository.to_owned();
    let digest = || parameter(query, "digest").map(|it| cut(&it));
    if let Some(upload) = rest.strip_prefix("/blobs/uploads") {
        return match (method, upload) {
            ("POST", _) => {
                let mount = parameter(query, "mount").map(|it| cut(&it));
                // Docker mounts from a repository that the registry is to find by itself, too.
                let from = mount.as_ref().map(|_| parameter(query, "from").map(|it| cut(&it)).unwrap_or_default());
                Asks::UploadStart { repository, digest: mount.or_else(digest), from }
            }
            ("PATCH", _) => Asks::UploadChunk { repository },
            ("PUT", _) => Asks::UploadEnd { repository, digest: digest().unwrap_or_default() },
            _ => Asks::UploadState { repository },
        };
    }
    let reference = reference.unwrap_or_default();
    match rest {
        _ if rest.starts_with("/manifests/") => Asks::Manifest { repository, reference },
        _ if rest.starts_with("/blobs/") => Asks::Blob { repository, digest: reference },
        _ if rest.starts_with("/referrers/") => Asks::Referrers { repository, digest: reference },
        _ => Asks::Tags { repository },
    }
}

/// A request for a token: its parameters stand in the query, or in the form of OAuth2.
pub(super) fn token(query: &str, request: &Request) -> Asks {
    let form = form(request);
    let sources = [query, form.as_deref().unwrap_or_default()];
    let one = |name: &str| sources.iter().find_map(|it| parameter(it, name));
    let asked = sources.iter().flat_map(|it| parameters(it, "scope")).take(16).flat_map(|it| scopes(&it));
    Asks::Token {
        service: one("service").map(|it| cut(&it)).unwrap_or_default(),
        scopes: asked.take(64).collect(),
        account: one("account").or_else(|| one("username")).map(|it| cut(&it)),
    }
}

/// The form of a POST.
pub(super) fn form(request: &Request) -> Option<Cow<'_, str>> {
    let kept = &request.body.kept;
    (request.method.as_ref() == b"POST" && !kept.is_empty() && kept.len() <= MOST_FORM)
        .then(|| String::from_utf8_lossy(kept))
}
