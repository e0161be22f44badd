//! Which of an image's platforms is meant. In: `linux/arm64/v8`. Out: [`Platform`]. Spec: OCI image index, `platform`.

use std::fmt;
use std::str::FromStr;

/// An operating system and a processor, as OCI names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64` …
    pub architecture: String,
    /// `v7`, `v8` …
    pub variant: Option<String>,
}

impl Platform {
    /// This machine's.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// How well an offered platform serves this wish: 0 not at all, more is better.
    pub fn suits(&self, os: &str, architecture: &str, variant: Option<&str>) -> u8 {
        if os != self.os || architecture != self.architecture {
            return 0;
        }
        let plain = |variant: Option<&str>| match variant {
            // arm64 has one variant, which is often left out.
            Some("v8") if architecture == "arm64" => None,
            Some("") => None,
            other => other.map(str::to_owned),
        };
        match (plain(self.variant.as_deref()), plain(variant)) {
            (wanted, offered) if wanted == offered => 3,
            (None, Some(_)) => 2,
            (Some(_), None) => 1,
            _ => 0,
        }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("`{text}` is no platform; one is written linux/amd64 or linux/arm/v7"));
        };
        if os.is_empty() || architecture.is_empty() || variant == Some("") {
            return Err(format!("`{text}` is no platform: a part of it is empty"));
        }
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_matched_as_people_mean_them() {
        let wish = |text: &str| text.parse::<Platform>().unwrap();
        assert_eq!(wish("linux/arm64").suits("linux", "arm64", Some("v8")), 3);
        assert_eq!(wish("linux/arm64/v8").suits("linux", "arm64", None), 3);
        assert_eq!(wish("linux/arm").suits("linux", "arm", Some("v7")), 2);
        assert_eq!(wish("linux/arm/v6").suits("linux", "arm", Some("v7")), 0);
        assert_eq!(wish("linux/x86_64").suits("linux", "amd64", None), 3);
        assert_eq!(wish("linux/amd64").suits("windows", "amd64", None), 0);
        assert!("linux".parse::<Platform>().is_err());
        assert!("linux/amd64/v2/x".parse::<Platform>().is_err());
    }
}
