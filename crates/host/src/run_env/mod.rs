//! What `sidelight run` sets for the command, so that its TLS goes through the proxy and is trusted.
//!
//! In: our CA, the proxy's address, the environment that the command would have had, and where the host's roots are. Out: variables to
//! set and to unset ([`RunEnvironment`]), and the files that they name, in one folder ([`RunDirectory`]).
//!
//! **Trust.** Every runtime's variable gets a bundle of the roots it would use now (its own present value, or what the program falls back
//! to, or the host's) and our CA. A variable whose present value cannot be read is left as it is, with a warning: the command then fails
//! as it would have failed without us. Java gets a generated store.
//!
//! **Proxy.** All proxy variables are set and the lists of exceptions (`NO_PROXY`) are unset: people test against localhost, and what
//! goes around the proxy is not seen. Nothing is lost by it, for the proxy itself dials such hosts directly. Go's own rule stays: its
//! HTTP client never uses a proxy for loopback addresses, whatever the variables say; such traffic needs `--transparent`.
//! Without a proxy address (transparent mode) the proxy variables are unset, so that the command connects directly and is redirected.

mod bundle;
mod directory;
mod java;
mod settings_files;
mod variables;

pub use directory::{RunDirectory, remove_leftovers};

use crate::files::FileError;
use crate::trust_store::{find_host_bundles, find_java_stores};
use bundle::Bundles;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Why the environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunEnvError {
    /// The host's roots, or those that a variable names, cannot be read.
    #[error("the roots to combine with the CA cannot be read: {0}")]
    Source(#[source] FileError),
    /// A file for the command cannot be written.
    #[error("the command's files cannot be written: {0}")]
    Write(#[source] FileError),
    /// Java's trust store cannot be written.
    #[error("the trust store {} for Java cannot be written: {why}", path.display())]
    Java {
        /// The store.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// The proxy as the command is to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddr {
    /// Where it listens; an unspecified address stands for loopback.
    pub address: SocketAddr,
    /// User and password, where the proxy asks for them.
    pub credentials: Option<(String, String)>,
}

impl ProxyAddr {
    /// The address to connect to.
    fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }

    /// As a URL for the proxy variables.
    fn url(&self) -> String {
        let userinfo = self.credentials.as_ref().map(|(user, password)| {
            let (user, password) = (percent_encoded(user), percent_encoded(password));
            format!("{user}:{password}@")
        });
        format!("http://{}{}", userinfo.unwrap_or_default(), self.reachable())
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What the environment is made from.
pub struct RunInputs<'a> {
    /// Our CA's certificate.
    pub ca_der: &'a [u8],
    /// The same as PEM.
    pub ca_pem: &'a str,
    /// The proxy; none in transparent mode.
    pub proxy: Option<ProxyAddr>,
    /// The environment that the command would have without us.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The root below which the host's trust stores are looked for: `/`.
    pub root: &'a Path,
}

impl RunInputs<'_> {
    /// A variable's value, when it is set and not empty.
    fn value(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }
}

/// The changes to the command's environment.
#[derive(Clone, Debug, Default)]
pub struct RunEnvironment {
    /// Variables to set, by name.
    pub set: Vec<(OsString, OsString)>,
    /// Variables to remove.
    pub unset: Vec<OsString>,
    /// The host's roots and our CA.
    pub bundle: PathBuf,
    /// The Java trust store (JKS, password `changeit`); none when the user's own cannot be read.
    pub java_store: Option<PathBuf>,
    /// What could not be combined, in one sentence each, for people.
    pub warnings: Vec<String>,
}

impl RunEnvironment {
    /// Writes the command's files into `folder` and says which variables it needs.
    ///
    /// # Errors
    /// When the host's roots cannot be read, or a file cannot be written into `folder`.
    pub fn prepare(inputs: &RunInputs<'_>, folder: &Path) -> Result<Self, RunEnvError> {
        let mut bundles = Bundles::new(folder, inputs.ca_pem);
        let host = find_host_bundles(inputs.root).into_iter().next();
        let mut made = Self { bundle: bundles.combined(host.as_deref())?, ..Self::default() };
        if host.is_none() {
            made.warnings.push(
                "this machine has no bundle of root certificates; the command trusts sidelight's CA alone".to_owned(),
            );
        }
        made.set_ca_variables(inputs, host.as_deref(), &mut bundles)?;
        made.set_proxy_variables(inputs);
        made.java_store = java::write_store(inputs, &[inputs.ca_der], host.as_deref(), folder, &mut made.warnings)?;
        let options = java::tool_options(inputs, made.java_store.as_deref());
        made.set(variables::JAVA_TOOL_OPTIONS, options);
        settings_files::write(inputs, &mut made, folder)?;
        Ok(made)
    }

    /// The same without a word about proxies: what is set up for those stays. `certificates` are added to Java's store.
    ///
    /// # Errors
    /// As [`RunEnvironment::prepare`].
    pub fn trust_alone(inputs: &RunInputs<'_>, certificates: &[Vec<u8>], folder: &Path) -> Result<Self, RunEnvError> {
        let mut bundles = Bundles::new(folder, inputs.ca_pem);
        let host = find_host_bundles(inputs.root).into_iter().next();
        let mut made = Self { bundle: bundles.combined(host.as_deref())?, ..Self::default() };
        made.set_ca_variables(inputs, host.as_deref(), &mut bundles)?;
        let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        made.java_store = java::write_store(inputs, &certificates, host.as_deref(), folder, &mut made.warnings)?;
        if let Some(options) = java::trust_options(inputs, made.java_store.as_deref()) {
            made.set(variables::JAVA_TOOL_OPTIONS, options);
        }
        settings_files::write(inputs, &mut made, folder)?;
        Ok(made)
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.set.push((name.into(), value.into()));
    }

    fn set_ca_variables(
        &mut self,
        inputs: &RunInputs<'_>,
        host: Option<&Path>,
        bundles: &mut Bundles<'_>,
    ) -> Result<(), RunEnvError> {
        for variable in variables::CA_VARIABLES {
            let names = std::iter::once(&variable.name).chain(variable.otherwise);
            let named = names.filter_map(|name| inputs.value(name).map(|value| (*name, PathBuf::from(value)))).next();
            let source = named.as_ref().map(|(_, path)| path.as_path()).or(host);
            match (bundles.combined(source), named) {
                (Ok(path), _) => self.set(variable.name, path),
                (Err(RunEnvError::Source(error)), Some((name, _))) => {
                    if name == variable.name {
                        self.warnings.push(format!("{name} is left as it is: {error}; correct it or unset it"));
                    }
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_proxy_variables(&mut self, inputs: &RunInputs<'_>) {
        let own = variables::OWN_PROXY_VARIABLES.iter().filter(|name| (inputs.environment)(name).is_some());
        let names = variables::PROXY_VARIABLES.iter().chain(own);
        let Some(proxy) = &inputs.proxy else {
            self.unset.extend(names.map(OsString::from));
            return;
        };
        let url = proxy.url();
        for name in names {
            self.set(name, &url);
        }
        self.set(variables::NODE_USE_ENV_PROXY, "1");
        self.unset.extend(variables::NO_PROXY_VARIABLES.iter().map(OsString::from));
    }
}

/// What to bind over the host's trust stores in a mount namespace: for each bundle and Java store, the combined file (written into
/// `folder`) and the true path that it goes over.
///
/// # Errors
/// When a store cannot be read or a combined file cannot be written.
pub fn trust_binds(inputs: &RunInputs<'_>, folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>, RunEnvError> {
    let mut binds = Vec::new();
    for (index, target) in find_host_bundles(inputs.root).into_iter().enumerate() {
        let old = crate::files::read_bounded(&target, bundle::LARGEST).map_err(RunEnvError::Source)?;
        let path = folder.join(format!("bind-{index}.pem"));
        crate::files::write_short_lived(&path, &bundle::combine(inputs.ca_pem, &old), 0o644)
            .map_err(RunEnvError::Write)?;
        binds.push((path, target));
    }
    let home = inputs.value("JAVA_HOME");
    for (index, target) in find_java_stores(inputs.root, home.as_ref()).into_iter().enumerate() {
        let path = folder.join(format!("bind-{index}.cacerts"));
        if java::write_combined(&target, inputs.ca_der, &path)? {
            binds.push((path, target));
        }
    }
    Ok(binds)
}

#[cfg(test)]
mod tests;
