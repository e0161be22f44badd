//! Which environment variables make which programs use a proxy, or trust a file of roots. In: nothing. Out: tables.
//! Source: the documentation or source of the named programs.

/// A variable that names a file of roots, which *replaces* or extends what the program trusts by itself.
pub(super) struct CaVariable {
    /// Its name.
    pub name: &'static str,
    /// What the program looks at when it is not set, in its order; after them come the host's roots.
    pub otherwise: &'static [&'static str],
}

const fn ca(name: &'static str, otherwise: &'static [&'static str]) -> CaVariable {
    CaVariable { name, otherwise }
}

/// Every variable is set to a bundle of what the program would trust now and our CA, so that connections which are not intercepted go on
/// to work, and our CA does not take the place of the user's own roots.
///
/// Left out on purpose: `SSL_CERT_DIR` (every reader of it reads `SSL_CERT_FILE` too, and a folder that the user named stays in force);
/// `UV_NATIVE_TLS` and `UV_SYSTEM_CERTS` (uv obeys `SSL_CERT_FILE` by itself and warns of the older of the two).
pub(super) const CA_VARIABLES: &[CaVariable] = &[
    // OpenSSL, hence Python's ssl, Ruby, PHP, .NET; Go; rustls-native-certs; uv; httpx; Julia.
    ca("SSL_CERT_FILE", &[]),
    // OpenSSL as nixpkgs builds it.
    ca("NIX_SSL_CERT_FILE", &["SSL_CERT_FILE"]),
    ca("CURL_CA_BUNDLE", &["SSL_CERT_FILE"]),
    ca("REQUESTS_CA_BUNDLE", &["CURL_CA_BUNDLE"]),
    ca("PIP_CERT", &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]),
    ca("HTTPLIB2_CA_CERTS", &[]),
    // Python's websocket-client.
    ca("WEBSOCKET_CLIENT_CA_BUNDLE", &[]),
    ca("AWS_CA_BUNDLE", &["REQUESTS_CA_BUNDLE"]),
    ca("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", &[]),
    ca("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", &[]),
    // Node, Bun, Electron.
    ca("NODE_EXTRA_CA_CERTS", &[]),
    ca("npm_config_cafile", &["NPM_CONFIG_CAFILE", "NODE_EXTRA_CA_CERTS"]),
    ca("DENO_CERT", &[]),
    ca("GIT_SSL_CAINFO", &[]),
    ca("CARGO_HTTP_CAINFO", &["SSL_CERT_FILE"]),
    ca("COMPOSER_CAFILE", &["SSL_CERT_FILE"]),
    // Ruby's Bundler.
    ca("BUNDLE_SSL_CA_CERT", &["SSL_CERT_FILE"]),
    ca("PERL_LWP_SSL_CA_FILE", &["HTTPS_CA_FILE"]),
    // Erlang and Elixir's Hex.
    ca("HEX_CACERTS_PATH", &[]),
];

/// Set to the proxy's address for every command. Both cases: curl reads `http_proxy` in lower case only, Java build tools and others
/// in upper case only. `ALL_PROXY` serves the programs that know no other, and curl's protocols beside HTTP.
pub(super) const PROXY_VARIABLES: &[&str] =
    &["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// One program's own, stronger than the common ones: set to the proxy's address where the user has set it, else left alone.
pub(super) const OWN_PROXY_VARIABLES: &[&str] = &[
    "grpc_proxy",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_HTTPS_PROXY",
    "PIP_PROXY",
    "CARGO_HTTP_PROXY",
    "ws_proxy",
    "wss_proxy",
];

/// Hosts that go around the proxy: unset, so that these are seen too.
pub(super) const NO_PROXY_VARIABLES: &[&str] =
    &["NO_PROXY", "no_proxy", "no_grpc_proxy", "npm_config_noproxy", "NPM_CONFIG_NOPROXY"];

/// Makes Node (22.21, 24.5 and later) obey the proxy variables.
pub(super) const NODE_USE_ENV_PROXY: &str = "NODE_USE_ENV_PROXY";

/// Options for every Java virtual machine that starts.
pub(super) const JAVA_TOOL_OPTIONS: &str = "JAVA_TOOL_OPTIONS";
