//! What a request asks of an image registry. In: method and target. Out: [`Request`].
//! Spec: OCI distribution specification 1.1; the token endpoints of the distribution project's token authentication.

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reads manifests, blobs, tags, referrers. A push does that as well, to find out what is there already.
    Pull,
    /// Uploads blobs, puts manifests.
    Push,
    /// Removes manifests, blobs, tags.
    Delete,
    /// Asks whether the API is there and whether one may enter, or asks for a token.
    Login,
    /// Lists repositories.
    Catalog,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Pull, Self::Push, Self::Delete, Self::Login, Self::Catalog];

    /// The word for it in filters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Login => "login",
            Self::Catalog => "catalog",
        }
    }
}

/// A request of a registry's API, or for one of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'t> {
    /// What kind.
    pub kind: Kind,
    /// The repository, such as `library/alpine`. In a request for a token it is still percent-encoded.
    pub repository: Option<&'t str>,
    /// The tag, or the digest with its algorithm.
    pub reference: Option<&'t str>,
}

/// Reads the target of a request, absolute or not. `None` when it is no registry's.
pub fn classify<'t>(method: &str, target: &'t str) -> Option<Request<'t>> {
    let path_and_query = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => &rest[rest.find('/')?..],
        _ => target,
    };
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let api = path.strip_prefix("/v2/").or_else(|| (path == "/v2").then_some(""));
    match api.and_then(|rest| endpoint(method, rest)) {
        Some(request) => Some(request),
        None => token(method, path, query),
    }
}

/// What follows `/v2/`.
fn endpoint<'t>(method: &str, path: &'t str) -> Option<Request<'t>> {
    let reads = matches!(method, "GET" | "HEAD");
    let bare = |kind| Some(Request { kind, repository: None, reference: None });
    match path {
        "" if reads => return bare(Kind::Login),
        "_catalog" if reads => return bare(Kind::Catalog),
        _ => {}
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    for (marker, has_reference) in
        [("/blobs/uploads", false), ("/manifests/", true), ("/blobs/", true), ("/referrers/", true), ("/tags/", false)]
    {
        let Some(at) = path.rfind(marker) else { continue };
        let (repository, rest) = (&path[..at], &path[at + marker.len()..]);
        let is_upload = marker == "/blobs/uploads";
        let is_shaped = if is_upload { rest.is_empty() || rest.starts_with('/') } else { !rest.is_empty() };
        if repository.is_empty() || !is_shaped {
            continue;
        }
        let kind = match method {
            "DELETE" if !is_upload => Kind::Delete,
            _ if is_upload => Kind::Push,
            "GET" | "HEAD" => Kind::Pull,
            "PUT" | "POST" | "PATCH" => Kind::Push,
            _ => return None,
        };
        return Some(Request { kind, repository: Some(repository), reference: has_reference.then_some(rest) });
    }
    None
}

/// A request for a token: `service` in its query, or the POST of OAuth2, whose parameters are in its content.
fn token<'t>(method: &str, path: &str, query: &'t str) -> Option<Request<'t>> {
    let find = |name: &str| {
        query.split('&').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
    };
    let login = |repository| Some(Request { kind: Kind::Login, repository, reference: None });
    let asks =
        find("scope").is_some() || find("account").is_some() || find("client_id").is_some() || path.ends_with("token");
    match method {
        "GET" if find("service").is_some() && asks => login(find("scope").and_then(scope_repository)),
        "POST" if ["/token", "/oauth2/token", "/oauth2/exchange"].contains(&path) => login(None),
        _ => None,
    }
}

/// The repository in `repository:NAME:ACTIONS`, whose colons may be percent-encoded.
fn scope_repository(scope: &str) -> Option<&str> {
    let rest = scope.strip_prefix("repository")?;
    let colon = |text: &str| ["%3A", "%3a", ":"].into_iter().filter_map(|it| Some((text.rfind(it)?, it.len()))).max();
    let skip = ["%3A", "%3a", ":"].into_iter().find(|it| rest.starts_with(it))?.len();
    let name = &rest[skip..];
    let name = colon(name).map_or(name, |(at, _)| &name[..at]);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_the_specification() {
        let of = |method, target| classify(method, target).map(|it| (it.kind, it.repository, it.reference));
        for (method, target, expected) in [
            ("GET", "/v2/", Some((Kind::Login, None, None))),
            ("GET", "/v2", Some((Kind::Login, None, None))),
            ("HEAD", "/v2/library/alpine/manifests/3.20", Some((Kind::Pull, Some("library/alpine"), Some("3.20")))),
            ("GET", "https://r.test/v2/a/blobs/sha256:12", Some((Kind::Pull, Some("a"), Some("sha256:12")))),
            ("GET", "/v2/a/b/manifests/x?ns=docker.io", Some((Kind::Pull, Some("a/b"), Some("x")))),
            ("PUT", "/v2/a/b/manifests/x", Some((Kind::Push, Some("a/b"), Some("x")))),
            ("DELETE", "/v2/a/b/manifests/x", Some((Kind::Delete, Some("a/b"), Some("x")))),
            ("POST", "/v2/a/b/blobs/uploads/", Some((Kind::Push, Some("a/b"), None))),
            ("POST", "/v2/a/blobs/uploads/?mount=sha256:1&from=b", Some((Kind::Push, Some("a"), None))),
            ("PATCH", "/v2/a/b/blobs/uploads/uuid?_state=x", Some((Kind::Push, Some("a/b"), None))),
            ("DELETE", "/v2/a/b/blobs/uploads/uuid", Some((Kind::Push, Some("a/b"), None))),
            ("GET", "/v2/a/tags/list?n=3", Some((Kind::Pull, Some("a"), None))),
            ("GET", "/v2/a/referrers/sha256:12", Some((Kind::Pull, Some("a"), Some("sha256:12")))),
            ("GET", "/v2/_catalog", Some((Kind::Catalog, None, None))),
            ("GET", "/v2/manifests/manifests/x", Some((Kind::Pull, Some("manifests"), Some("x")))),
            ("GET", "/v2/manifests/x", None),
            ("GET", "/v1/a/manifests/x", None),
            ("OPTIONS", "/v2/a/manifests/x", None),
            ("GET", "/", None),
            ("GET", "https://r.test", None),
        ] {
            assert_eq!(of(method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn requests_for_tokens() {
        let of = |method, target| classify(method, target).map(|it| (it.kind, it.repository));
        for (method, target, expected) in [
            ("GET", "/token?service=r.test&scope=repository%3Alibrary/alpine%3Apull", Some(Some("library/alpine"))),
            ("GET", "/auth?scope=repository:a/b:pull,push&service=r", Some(Some("a/b"))),
            ("GET", "/service/token?service=harbor-registry", Some(None)),
            ("GET", "/jwt/auth?service=container_registry&account=me&client_id=docker", Some(None)),
            ("GET", "/v2/token?service=r&scope=registry:catalog:*", Some(None)),
            ("POST", "/oauth2/token", Some(None)),
            ("POST", "/api/token", None),
            ("GET", "/status?service=db", None),
            ("GET", "/token", None),
        ] {
            assert_eq!(of(method, target), expected.map(|repository| (Kind::Login, repository)), "{method} {target}");
        }
    }
}
