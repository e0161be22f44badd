//! Where a CA can be installed, as the command line names it. In: text. Out: [`Place`], and text again.

use sidelight_model::flow::Authority;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A trust store, or several that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine's: what OpenSSL, GnuTLS, Go and most others read.
    Host,
    /// The databases of NSS: Chromium's and Firefox's.
    Nss,
    /// Every `cacerts` of a Java installation.
    Java,
    /// Docker's daemon, for one registry: `HOST` or `HOST:PORT`, as in image names.
    Docker(String),
    /// The trust store of a root file system in a folder.
    Rootfs(PathBuf),
}

/// Text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no trust store{why}; it must be host, nss, java, docker:HOST[:PORT] or rootfs:DIR")]
pub struct ParsePlaceError {
    text: String,
    why: String,
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: String| ParsePlaceError { text: text.to_owned(), why };
        match text.split_once(':') {
            None if text == "host" => Ok(Self::Host),
            None if text == "nss" => Ok(Self::Nss),
            None if text == "java" => Ok(Self::Java),
            Some(("docker", host)) => {
                // The folder is named as the image is; the parser keeps slashes and dots out of its name.
                let authority = Authority::parse(host, Some(443)).map_err(|error| wrong(format!(": {error}")))?;
                if host.starts_with('.') {
                    return Err(wrong(": a registry's name does not begin with a dot".to_owned()));
                }
                let explicit = host.ends_with(&format!(":{}", authority.port));
                let named = if explicit { authority.to_string() } else { host_of(&authority) };
                Ok(Self::Docker(named))
            }
            Some(("rootfs", "")) => Err(wrong(": no folder is named".to_owned())),
            Some(("rootfs", folder)) => Ok(Self::Rootfs(folder.into())),
            _ => Err(wrong(String::new())),
        }
    }
}

fn host_of(authority: &Authority) -> String {
    let whole = authority.to_string();
    whole.strip_suffix(&format!(":{}", authority.port)).unwrap_or(&whole).to_owned()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Nss => f.write_str("nss"),
            Self::Java => f.write_str("java"),
            Self::Docker(host) => write!(f, "docker:{host}"),
            Self::Rootfs(folder) => write!(f, "rootfs:{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in [
            "host",
            "nss",
            "java",
            "docker:registry.test",
            "docker:registry.test:5000",
            "docker:[::1]:5000",
            "rootfs:/x",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "Host", "docker:", "docker:../x", "docker:a/b", "docker:..", "rootfs:", "docker:a:0", "nss:x"]
        {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
        let error = "system".parse::<Place>().unwrap_err().to_string();
        assert_eq!(error, "`system` is no trust store; it must be host, nss, java, docker:HOST[:PORT] or rootfs:DIR");
    }
}
