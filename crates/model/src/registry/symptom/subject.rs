//! What a message speaks of. In: its text. Out: the image, the host that failed, who printed it; and sentences of the table with these
//! in them.

use std::sync::LazyLock;

use regex::Regex;

use crate::registry::Reference;

/// Whose words they are, as `registry check --as` names clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// docker and its daemon.
    Docker,
    /// containerd, alone or under a kubelet.
    Containerd,
    /// podman, skopeo, buildah, CRI-O.
    Podman,
    /// A registry's own log.
    Registry,
}

impl Client {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::Registry => "registry",
        }
    }
}

/// What a message speaks of; what it does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The image.
    pub image: Option<Reference>,
    /// The host that was asked when it failed, with a port where one stands there. It may be the token server or the storage.
    pub host: Option<String>,
    /// Who printed it.
    pub client: Option<Client>,
    /// The address that was connected to, where that is known.
    pub address: Option<String>,
}

/// Words by which a client is known, the surest first.
const HANDWRITING: [(&str, Client); 22] = [
    ("error authorizing context", Client::Registry),
    ("http.request.uri", Client::Registry),
    ("token signed by untrusted key", Client::Registry),
    ("Error response from daemon", Client::Docker),
    ("Docker-Client", Client::Docker),
    ("initializing source docker://", Client::Podman),
    ("pinging container registry", Client::Podman),
    ("Trying to pull", Client::Podman),
    ("Error parsing image name \"docker://", Client::Podman),
    ("reading manifest", Client::Podman),
    ("from manifest list docker://", Client::Podman),
    ("from source docker://", Client::Podman),
    ("Getting image source signatures", Client::Podman),
    ("happened during read", Client::Podman),
    ("ctr: ", Client::Containerd),
    ("copying system image", Client::Podman),
    ("failed to resolve reference", Client::Containerd),
    ("failed to pull and unpack image", Client::Containerd),
    ("failed to do request", Client::Containerd),
    ("httpReadSeeker", Client::Containerd),
    ("containerd", Client::Containerd),
    ("dockerd", Client::Docker),
];

const NAME: &str = r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?";

/// An image where messages write one.
static IMAGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let path = format!("{NAME}(?::[0-9]+)?(?:/{NAME})*(?::[A-Za-z0-9_][A-Za-z0-9._-]*)?(?:@sha256:[0-9a-f]{{64}})?");
    let before =
        r#"(?:image|reference|docker://|Trying to pull|manifest for|access denied for|repository|from manifest list)"#;
    Regex::new(&format!(r#"{before}\s*"?(?:docker://)?({path})"#)).ok()
});

/// A URL, and what of the registry's interface it asks for.
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let reference = r"/v2/([a-z0-9._/-]+)/manifests/([A-Za-z0-9._:-]+)";
    Regex::new(&format!(
        r#"https?://(?:[^@/\s"']*@)?([A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-f:]+\](?::[0-9]+)?)(?:{reference})?"#
    ))
    .ok()
});

/// A name that was looked up.
static LOOKED_UP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"lookup ([A-Za-z0-9.-]+[A-Za-z0-9])").ok());

impl Subject {
    /// What a text speaks of.
    pub(super) fn of(text: &str) -> Self {
        let client = HANDWRITING.iter().find(|(words, _)| text.contains(words)).map(|(_, client)| *client);
        let urls: Vec<regex::Captures<'_>> = URL.iter().flat_map(|url| url.captures_iter(text).take(32)).collect();
        let of_url = urls.iter().find_map(|found| {
            let (host, name, tag) = (found.get(1)?, found.get(2)?, found.get(3)?.as_str().trim_end_matches(':'));
            let sign = if tag.contains(':') { '@' } else { ':' };
            let host = if host.as_str() == "registry-1.docker.io" { "docker.io" } else { host.as_str() };
            format!("{host}/{}{sign}{tag}", name.as_str()).parse().ok()
        });
        let written = IMAGE.iter().flat_map(|image| image.captures_iter(text).take(32));
        let written = written.filter_map(|found| found.get(1)).map(|it| it.as_str());
        // Words such as `image` stand before other words too: a name with a dot, a slash or a tag is meant.
        let image = written.filter(|it| it.contains(['/', ':'])).find_map(|it| it.parse().ok()).or(of_url);
        let last = urls.last().and_then(|found| found.get(1)).map(|host| host.as_str().to_owned());
        let looked_up = LOOKED_UP.iter().flat_map(|it| it.captures_iter(text)).last();
        let looked_up = looked_up.and_then(|found| found.get(1)).map(|name| name.as_str().to_owned());
        let host = last.or(looked_up).or_else(|| image.as_ref().map(|image: &Reference| place_of(image)));
        Self { image, host, client, address: None }
    }

    /// A subject that is known without a message.
    pub const fn new(image: Reference, host: Option<String>, client: Option<Client>) -> Self {
        Self { image: Some(image), host, client, address: None }
    }

    /// Whether the host that failed is another than the registry: its token server or storage.
    pub fn failed_elsewhere(&self) -> bool {
        let registry = self.image.as_ref().map(place_of);
        registry
            .zip(self.host.as_ref())
            .is_some_and(|(registry, host)| registry != *host && !host.starts_with(&format!("{registry}:")))
    }

    /// A sentence of the table with these names in it.
    pub fn sentence(&self, template: &str) -> String {
        self.filled(template, ["the registry", "the registry", "the repository", "what was asked for"])
    }

    /// A command or setting of the table with these names in it; what is not known stays in capitals.
    pub fn command(&self, template: &str) -> String {
        self.filled(template, ["HOST", "HOST", "NAME", "TAG"])
    }

    fn filled(&self, template: &str, [host_unknown, registry_unknown, name_unknown, tag_unknown]: [&str; 4]) -> String {
        let image = self.image.as_ref();
        let host = self.host.clone().or_else(|| image.map(place_of)).unwrap_or_else(|| host_unknown.to_owned());
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name.to_owned(), port.to_owned()),
            _ => (host.clone(), "443".to_owned()),
        };
        let client = match self.client {
            Some(Client::Registry) | None => "docker",
            Some(client) => client.name(),
        };
        let registry = image.map(|image| image.registry.clone()).or_else(|| self.host.clone());
        let values = [
            (
                "{image}",
                image
                    .map_or_else(|| format!("{}/NAME:TAG", registry.as_deref().unwrap_or("HOST")), ToString::to_string),
            ),
            ("{registry}", registry.clone().unwrap_or_else(|| registry_unknown.to_owned())),
            ("{repository}", image.map_or_else(|| name_unknown.to_owned(), |image| image.repository.clone())),
            ("{tag}", image.map_or_else(|| tag_unknown.to_owned(), |image| image.asked().to_owned())),
            ("{host}", host),
            ("{name}", name),
            ("{port}", port),
            ("{client}", client.to_owned()),
            ("{address}", self.address.clone().unwrap_or_else(|| "ADDRESS".to_owned())),
        ];
        values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
    }
}

/// Host and port of an image's registry as clients' URLs have them.
fn place_of(image: &Reference) -> String {
    if image.is_docker_hub() { "registry-1.docker.io".to_owned() } else { image.registry.clone() }
}
