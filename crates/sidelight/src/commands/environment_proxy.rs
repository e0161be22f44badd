//! The proxies that the environment names. In: HTTPS_PROXY and its kin. Out: a proxy as the engine wants it.

use std::sync::Arc;

use sidelight_engine::dial::{NoProxy, Proxy};

use super::interception::further_proxy;
use crate::cli::{Upstream, parse_upstream};
use crate::exit::Failure;

/// The variables that name a proxy for TLS, and for plain HTTP. HTTP_PROXY in capitals is left out by programs that may run as
/// CGI; sidelight never does.
pub(crate) const FOR_HTTPS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
pub(crate) const FOR_HTTP: &[&str] = &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The proxy that the first of these variables names.
///
/// # Errors
/// When its value is no URL of a proxy; the failure names the variable.
pub(crate) fn proxy(names: &[&str]) -> Result<Option<Arc<Proxy>>, Failure> {
    let found =
        names.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()).map(|url| (name, url)));
    let Some((name, url)) = found else { return Ok(None) };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let url = url.replacen("socks5h://", "socks5://", 1);
    let upstream: Upstream = parse_upstream(&url).map_err(|why| {
        Failure::new(format!("the environment's {name} cannot be used: {why}"))
            .hint(format!("correct it, or unset it: env -u {name} sidelight …"))
    })?;
    Ok(Some(further_proxy(&upstream)))
}

/// The hosts that the environment excepts from its proxies.
pub(crate) fn exceptions() -> NoProxy {
    let list = ["no_proxy", "NO_PROXY"].iter().find_map(|name| std::env::var(name).ok());
    NoProxy::parse(&list.unwrap_or_default())
}
