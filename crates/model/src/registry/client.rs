//! Which program asks a registry. In: `User-Agent`. Out: [`Program`]. Source: the agents that the programs send, as measured.

/// A program by its user agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Program {
    /// `docker`, `containerd`, `podman` …; the first word of an unknown agent; empty where there is none.
    pub name: String,
    /// Its version, as it says.
    pub version: Option<String>,
}

/// Products in user agents and what they are called, those first that tell more: a program names its library as well.
const KNOWN: &[(&str, &str)] = &[
    ("buildkit", "buildkit"),
    ("buildx", "buildx"),
    ("kubelet", "kubelet"),
    ("cri-o", "cri-o"),
    ("nerdctl", "nerdctl"),
    ("libpod", "podman"),
    ("podman", "podman"),
    ("buildah", "buildah"),
    ("skopeo", "skopeo"),
    ("docker", "docker"),
    ("containerd", "containerd"),
    ("crane", "crane"),
    ("gcrane", "crane"),
    ("kaniko", "kaniko"),
    ("cosign", "cosign"),
    ("trivy", "trivy"),
    ("helm", "helm"),
    ("oras", "oras"),
    ("regclient", "regctl"),
    ("regctl", "regctl"),
    ("ko", "ko"),
    ("flux", "flux"),
    ("harbor-registry-client", "harbor"),
    ("go-containerregistry", "go-containerregistry"),
    ("containers", "containers/image"),
    ("oras-go", "oras-go"),
    ("sidelight", "sidelight"),
    ("curl", "curl"),
    ("go-http-client", "a Go program"),
];

/// The most characters of an unknown name or of a version.
const LONGEST: usize = 64;

impl Program {
    /// Reads a user agent.
    pub fn of(agent: &str) -> Self {
        let products: Vec<(&str, Option<&str>)> = agent
            .split_whitespace()
            .take(32)
            .map(|word| word.split_once('/').map_or((word, None), |(name, version)| (name, Some(version))))
            .collect();
        // What the daemon says of the client behind it is no product of its own.
        let own = products.iter().position(|(name, _)| name.starts_with("UpstreamClient(")).unwrap_or(products.len());
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        for (product, name) in KNOWN {
            if let Some((_, version)) = products[..own].iter().find(|(it, _)| it.eq_ignore_ascii_case(product)) {
                // `regclient/regctl (v0.5)`: what stands after the slash is no version.
                let version = version.filter(|it| it.starts_with(|c: char| c.is_ascii_digit() || c == 'v'));
                return Self { name: (*name).to_owned(), version: version.map(cut) };
            }
        }
        let (name, version) = products.first().copied().unwrap_or(("", None));
        Self { name: cut(name), version: version.map(cut) }
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&*self.name, &self.version) {
            ("", _) => f.write_str("an unnamed client"),
            (name, Some(version)) => write!(f, "{name} {version}"),
            (name, None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_by_their_agents() {
        for (agent, shown) in [
            (
                r"docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1 os/linux arch/amd64 UpstreamClient(Docker-Client/28.2.2 \(linux\))",
                "docker 20.10.24+dfsg1",
            ),
            ("containerd/1.6.20~ds1", "containerd 1.6.20~ds1"),
            ("skopeo/1.9.3", "skopeo 1.9.3"),
            ("libpod/4.3.1", "podman 4.3.1"),
            ("containers/5.23.1 (github.com/containers/image)", "containers/image 5.23.1"),
            ("buildkit/v0.12.5", "buildkit v0.12.5"),
            ("crane/v0.19.1 go-containerregistry/v0.19.1", "crane v0.19.1"),
            ("go-containerregistry/v0.19.1", "go-containerregistry v0.19.1"),
            ("regclient/regctl (v0.5.7)", "regctl"),
            ("kubelet/v1.29.0 (linux/amd64) kubernetes/3f7a50f", "kubelet v1.29.0"),
            ("Helm/3.14.0", "helm 3.14.0"),
            ("Go-http-client/1.1", "a Go program 1.1"),
            ("Something/3 else", "Something 3"),
            ("", "an unnamed client"),
        ] {
            assert_eq!(Program::of(agent).to_string(), shown, "{agent}");
        }
    }
}
