//! Further proxies: those that the environment names, and those of options. In: HTTPS_PROXY and its kin, URLs. Out: a proxy as the engine wants it.

use std::sync::Arc;

use sidelight_engine::dial::{NoProxy, Proxy, ProxyKind};

use crate::cli::{Upstream, UpstreamScheme, parse_upstream};
use crate::exit::Failure;

/// The variables that name a proxy for TLS, and for plain HTTP. HTTP_PROXY in capitals is left out by programs that may run as
/// CGI; sidelight never does.
pub(crate) const FOR_HTTPS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
#[cfg(feature = "full")]
pub(crate) const FOR_HTTP: &[&str] = &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The proxy that the first of these variables names.
///
/// # Errors
/// When its value is no URL of a proxy; the failure names the variable.
#[cfg(feature = "full")]
pub(crate) fn proxy(names: &[&'static str]) -> Result<Option<Arc<Proxy>>, Failure> {
    Ok(named_in(names, own)?.map(|(upstream, _)| further_proxy(&upstream)))
}

/// The variables of this process.
#[cfg(feature = "full")]
pub(crate) fn own(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The proxy that the first of these variables names, and which it is; `variable` looks them up in whatever environment counts.
///
/// # Errors
/// As [`proxy`].
pub(crate) fn named_in(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<(Upstream, &'static str)>, Failure> {
    let set = |name: &&'static str| Some((*name, variable(name).filter(|url| !url.is_empty())?));
    let Some((name, url)) = names.iter().find_map(set) else { return Ok(None) };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let url = url.replacen("socks5h://", "socks5://", 1);
    let upstream = parse_upstream(url.trim_end_matches('/')).map_err(|why| {
        Failure::new(format!("the environment's {name} cannot be used: {why}"))
            .hint(format!("correct it, or unset it: env -u {name} sidelight …"))
    })?;
    Ok(Some((upstream, name)))
}

/// The hosts that the environment excepts from its proxies.
#[cfg(feature = "full")]
pub(crate) fn exceptions() -> NoProxy {
    exceptions_in(own)
}

/// The hosts that an environment excepts from its proxies.
pub(crate) fn exceptions_in(variable: impl Fn(&str) -> Option<String>) -> NoProxy {
    let list = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variable(name));
    NoProxy::parse(&list.unwrap_or_default())
}

/// A further proxy, as the engine wants it.
pub(crate) fn further_proxy(upstream: &Upstream) -> Arc<Proxy> {
    let kind = match upstream.scheme {
        UpstreamScheme::Http => ProxyKind::Http,
        UpstreamScheme::Https => ProxyKind::Https,
        UpstreamScheme::Socks5 => ProxyKind::Socks5,
    };
    let login = upstream.login.as_ref().map(|login| (login.user.clone(), login.password.clone()));
    Arc::new(Proxy { kind, at: upstream.at.clone(), login })
}
