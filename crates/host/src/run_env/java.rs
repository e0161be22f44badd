//! Java's part: options for every virtual machine that starts. In: the options in force, the proxy, the trust store. Out: the value of
//! `JAVA_TOOL_OPTIONS`.
//! Source: the JVM Tool Interface's "JAVA_TOOL_OPTIONS" (white space separates, quotes join), `java.net` "Networking Properties".

use super::{RunInputs, variables};
use std::ffi::OsString;
use std::path::Path;

/// The user's options, then ours: of two that set the same property the last one counts.
pub(super) fn tool_options(inputs: &RunInputs<'_>, store: &Path) -> OsString {
    let mut options = inputs.value(variables::JAVA_TOOL_OPTIONS).unwrap_or_default();
    let mut add = |property: &str, value: &str| {
        if !options.is_empty() {
            options.push(" ");
        }
        options.push(quoted(&format!("-D{property}={value}")));
    };
    if !store.as_os_str().is_empty() {
        add("javax.net.ssl.trustStore", &store.to_string_lossy());
        add("javax.net.ssl.trustStoreType", "JKS");
        add("javax.net.ssl.trustStorePassword", "changeit");
    }
    if let Some(proxy) = &inputs.proxy {
        let reachable = proxy.reachable();
        for scheme in ["http", "https"] {
            add(&format!("{scheme}.proxyHost"), &reachable.ip().to_string());
            add(&format!("{scheme}.proxyPort"), &reachable.port().to_string());
        }
        // Java goes around the proxy for loopback unless told otherwise. An empty list means "no exceptions".
        add("http.nonProxyHosts", "");
    }
    options
}

/// An option as one word. Within quotes nothing is special but the quote itself.
fn quoted(option: &str) -> String {
    if !option.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        option.to_owned()
    } else if option.contains('"') {
        format!("'{option}'")
    } else {
        format!("\"{option}\"")
    }
}
