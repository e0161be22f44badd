//! The pull's conversation with one place. In: a prepared client. Out: a [`Way`]: the steps, and the finding where it stops.

use aws_lc_rs::digest::{Context, SHA256};
use sidelight_engine::registry_client::{Manifest, Party, RegistryError};
use sidelight_image::Platform;
use sidelight_model::diagnose::Adding;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::Authority;
use sidelight_model::registry::{Reference, symptom};
use sidelight_wire::registry::{Blob, Parts, parse_parts};

use super::prepare::Prepared;
use super::probed;
use super::refusal::Scene;
use super::report::{State, Step, Way};
use super::trail::step;
use crate::render::bytes;

/// The most blobs of an image that are asked for.
const MOST_BLOBS: usize = 512;

/// Media types of manifests and indexes that today's clients take.
const KNOWN_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// What is asked for, and how far.
pub(super) struct Wanted<'w> {
    pub(super) image: &'w Reference,
    pub(super) platform: &'w Platform,
    pub(super) read_blobs: bool,
    pub(super) client: Option<symptom::Client>,
    pub(super) adding: Adding,
    /// Whose environment named the proxy.
    pub(super) proxy_named: String,
}

/// Why a conversation stopped.
enum Stop {
    /// The registry client failed.
    Refused(Box<RegistryError>),
    /// Something was seen that no client would take.
    Seen(Box<Finding>),
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// A conversation in progress.
struct Talk<'t> {
    with: &'t Prepared,
    wanted: &'t Wanted<'t>,
    steps: Vec<Step>,
    told: usize,
}

/// Has the whole conversation.
pub(super) async fn converse(with: &Prepared, wanted: &Wanted<'_>) -> Way {
    let mut talk = Talk { with, wanted, steps: Vec::new(), told: 0 };
    let outcome = talk.pull().await;
    talk.tell();
    let finding = match outcome {
        Ok(summary) => Finding::new(Cause::Ok, summary.0, "manifest", with.authority.to_string(), summary.1),
        Err(Stop::Seen(finding)) => *finding,
        Err(Stop::Refused(error)) => talk.explain(*error).await,
    };
    let mut subject = talk.scene().subject(Some(shown(&with.authority)));
    subject.address = talk.address();
    let prints = wanted.client.and_then(|client| printed(finding.cause, client));
    Way {
        place: shown(&with.authority),
        is_mirror: with.asked.is_mirror,
        insecure: with.asked.insecure.clone(),
        steps: talk.steps,
        prints: prints.map(|words| subject.command(words)),
        finding,
    }
}

/// What a client prints for a cause: for every token that is refused the same.
fn printed(cause: Cause, client: symptom::Client) -> Option<&'static String> {
    let of = |cause| symptom::Table::builtin().of(cause)?.prints.get(client.name());
    let is_refused = matches!(
        cause,
        Cause::TokenWrongAudience | Cause::TokenWrongIssuer | Cause::TokenExpired | Cause::TokenNotYetValid
    );
    of(cause).or_else(|| of(Cause::TokenRefused).filter(|_| is_refused))
}

/// Without the port of TLS.
fn shown(at: &Authority) -> String {
    if at.port == 443 { at.host.to_string() } else { at.to_string() }
}

impl Talk<'_> {
    fn scene(&self) -> Scene<'_> {
        Scene {
            image: self.wanted.image,
            client: self.wanted.client,
            registry: &self.with.client,
            trail: &self.with.trail,
        }
    }

    /// The address that the registry's name led to.
    fn address(&self) -> Option<String> {
        let tcp = self.steps.iter().rev().find(|step| step.name == "tcp" && step.party == "registry")?;
        let (ip, _) = tcp.words.split(' ').next()?.trim_end_matches(':').rsplit_once(':')?;
        Some(ip.to_owned())
    }

    /// Takes over what happened on the connections.
    fn tell(&mut self) {
        let (steps, told) = self.with.trail.steps(self.told, &self.steps);
        self.steps.extend(steps);
        self.told = told;
    }

    fn note(&mut self, name: &'static str, state: State, words: String) {
        self.tell();
        self.steps.push(step(name, Party::Registry, &self.with.authority, state, words));
    }

    fn seen(&mut self, cause: Cause, name: &'static str, value: &str) -> Stop {
        self.note(name, State::Bad, value.to_owned());
        let mut finding = self.scene().finding(cause, Some(shown(&self.with.authority)), name, value);
        finding.summary = format!("{}: {value}", finding.summary);
        Stop::Seen(Box::new(finding))
    }

    /// Gives a summary, and the digest of what was found.
    async fn pull(&mut self) -> Result<(String, String), Stop> {
        self.with.client.find_scheme().await?;
        self.judge_ping()?;
        let top = self.manifest(self.wanted.image.asked()).await?;
        let digest = top.digest.clone();
        let parts = self.for_platform(&top).await?;
        let blobs: Vec<&Blob> = parts.config.iter().chain(&parts.layers).filter(|blob| !blob.is_foreign).collect();
        let mut sum = 0;
        for blob in blobs.iter().take(MOST_BLOBS) {
            sum += self.blob(blob).await?;
        }
        let how = if self.wanted.read_blobs { "read and verified" } else { "there" };
        self.note("blob", State::Good, format!("{} blobs are {how}, {}", blobs.len(), bytes(sum)));
        let image = self.wanted.image;
        Ok((format!("{image} can be pulled: {} layers, {}", parts.layers.len(), bytes(sum)), digest))
    }

    /// `/v2/`, as nobody.
    fn judge_ping(&mut self) -> Result<(), Stop> {
        let Some(first) = self.with.client.first_answer().cloned() else { return Ok(()) };
        let field = |name: &str| first.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let is_page = field("content-type").is_some_and(|kind| kind.contains("html"))
            || first.body.trim_ascii_start().starts_with(b"<");
        let here = field("location")
            .is_some_and(|to| to.ends_with("/v2/") && to.contains(&self.with.authority.host.to_string()));
        let server = field("server").map_or(String::new(), |server| format!(", Server: {server}"));
        let words = format!("/v2/ answers {}{server}", first.status);
        // containerd asks no such question: what is odd here may not matter to it.
        let matters = self.wanted.client != Some(symptom::Client::Containerd);
        let cause = match first.status {
            200 if is_page => Some(Cause::WebPageInstead),
            301 | 302 | 307 | 308 if here => Some(Cause::RedirectLoop),
            401 if field("www-authenticate").is_none() => Some(Cause::ChallengeMissing),
            403 if is_page => Some(Cause::RequestBlocked),
            404 => Some(Cause::NotARegistry),
            429 => Some(Cause::RateLimited),
            500.. => Some(Cause::RegistryFailed),
            _ => None,
        };
        match cause {
            Some(cause) if matters => return Err(self.seen(cause, "ping", &words)),
            Some(_) => self.note("ping", State::Odd, words),
            None if field("docker-distribution-api-version").is_none() => {
                self.note("ping", State::Odd, format!("{words}, without Docker-Distribution-Api-Version"));
            }
            None => self.note("ping", State::Good, words),
        }
        Ok(())
    }

    async fn manifest(&mut self, reference: &str) -> Result<Manifest, Stop> {
        let found = self.with.client.manifest(reference).await?;
        let answer = self.with.trail.last_answer();
        let said = answer.as_ref().and_then(|it| it.field("content-type")).unwrap_or("none").to_owned();
        let bare = said.split(';').next().unwrap_or_default().trim();
        if bare.contains("docker.distribution.manifest.v1") {
            return Err(self.seen(Cause::ManifestSchemaOld, "manifest", &format!("{reference} comes as `{said}`")));
        }
        if !KNOWN_TYPES.contains(&bare) {
            return Err(self.seen(
                Cause::MediaTypeWrong,
                "manifest",
                &format!("{reference} comes with Content-Type `{said}`"),
            ));
        }
        let kind = if bare.contains("index") || bare.contains("list") { "an index" } else { "a manifest" };
        self.note("manifest", State::Good, format!("{reference} is {kind}, {}", found.digest));
        Ok(found)
    }

    /// The manifest for the platform.
    async fn for_platform(&mut self, top: &Manifest) -> Result<Parts, Stop> {
        let parts = self.parts(top)?;
        let Some(offered) = &parts.manifests else { return Ok(parts) };
        let wanted = self.wanted.platform;
        let fit = |blob: &&Blob| {
            let [os, architecture, variant] = &blob.platform;
            wanted.suits(os, architecture, Some(variant.as_str()))
        };
        let best = offered.iter().filter(|blob| fit(blob) > 0).max_by_key(fit);
        let Some(best) = best else {
            let real = offered.iter().filter(|blob| blob.platform[0] != "unknown");
            let list: Vec<String> = real.map(|blob| blob.platform.join("/").trim_end_matches('/').to_owned()).collect();
            let words = format!("the index has {}, not {wanted}", list.join(", "));
            return Err(self.seen(Cause::PlatformMissing, "platform", &words));
        };
        self.note("platform", State::Good, format!("{wanted} is {}", best.digest));
        let found = self.manifest(&best.digest.clone()).await?;
        self.parts(&found)
    }

    fn parts(&mut self, manifest: &Manifest) -> Result<Parts, Stop> {
        let parts = parse_parts(&manifest.bytes).map_err(|why| self.seen(Cause::ManifestAltered, "manifest", &why))?;
        if parts.schema == 1 {
            return Err(self.seen(Cause::ManifestSchemaOld, "manifest", "schemaVersion 1"));
        }
        Ok(parts)
    }

    /// The head of a blob's answer, or all of it. Gives its size.
    async fn blob(&mut self, blob: &Blob) -> Result<u64, Stop> {
        let mut answer = self.with.client.blob(&blob.digest).await?;
        self.tell();
        if let (Some(said), Some(size)) = (answer.length(), blob.size)
            && said != size
        {
            let page = self.with.trail.last_answer().is_some_and(|it| it.is_page());
            let page = if page { " and is a web page" } else { "" };
            let words = format!("{} has {said} bytes here, {size} by the manifest{page}", blob.digest);
            return Err(self.seen(Cause::BlobAltered, "blob", &words));
        }
        if !self.wanted.read_blobs {
            return Ok(blob.size.or(answer.length()).unwrap_or(0));
        }
        let (mut hash, mut read) = (Context::new(&SHA256), 0u64);
        while let Some(piece) = answer.next().await? {
            hash.update(&piece);
            read += piece.len() as u64;
        }
        let got = format!("sha256:{}", data_encoding::HEXLOWER.encode(hash.finish().as_ref()));
        if blob.digest.starts_with("sha256:") && got != blob.digest {
            let words = format!("{}: its {read} bytes have the digest {got}", blob.digest);
            return Err(self.seen(Cause::BlobAltered, "blob", &words));
        }
        Ok(read)
    }

    /// What stopped it: for connections by looking closer, for answers by the table.
    async fn explain(&mut self, error: RegistryError) -> Finding {
        let party = |at: &Authority| match () {
            () if *at == self.with.authority => Party::Registry,
            () if self.with.trail.redirects().iter().any(|(_, to)| to.authority == *at) => Party::Storage,
            () => Party::TokenServer,
        };
        let at = match &error {
            RegistryError::Dial { at, .. }
            | RegistryError::Tls { at, .. }
            | RegistryError::PlainHttp { at }
            | RegistryError::Untrusted { at, .. } => Some((at.clone(), party(at))),
            // A connection that ends before the answer, as when a client certificate is missed.
            RegistryError::Broken { url, .. } if url.tls && !url.path().contains("/blobs/") => {
                Some((url.authority.clone(), party(&url.authority)))
            }
            _ => None,
        };
        if let Some((at, party)) = at {
            let (adding, named) = (self.wanted.adding.clone(), self.wanted.proxy_named.clone());
            let (steps, finding) = probed::look(&self.with.client, party, &at, adding, &named).await;
            if let Some(finding) = finding {
                self.steps.retain(|it| it.at != at.to_string() || it.state == State::Bad);
                self.steps.extend(steps);
                return finding;
            }
            if let RegistryError::Untrusted { finding, .. } = error {
                return *finding;
            }
        }
        let finding = self.scene().judge(&error);
        let (name, party) = stage(&error, self.with.trail.last_answer().map(|it| it.party));
        let at = finding.evidence().first().map_or_else(String::new, |it| it.place.clone());
        let party = super::trail::party_name(party);
        self.steps.push(Step {
            name,
            party,
            at,
            state: State::Bad,
            words: super::refusal::words(&error, self.with.trail.last_answer().as_ref()),
        });
        self.with
            .client
            .login_problems()
            .iter()
            .fold(finding, |finding, problem| finding.with_warning(format!("a login could not be read: {problem}")))
    }
}

/// In which step an error stopped it.
fn stage(error: &RegistryError, last: Option<Party>) -> (&'static str, Party) {
    let path =
        |url: &sidelight_engine::registry_client::Url| if url.path().contains("/blobs/") { "blob" } else { "manifest" };
    match error {
        RegistryError::Token { .. } | RegistryError::Realm { .. } | RegistryError::NoScheme { .. } => {
            ("token", Party::TokenServer)
        }
        RegistryError::HostFiles(_) => ("tls", Party::Registry),
        RegistryError::Denied { url, .. }
        | RegistryError::NotFound { url, .. }
        | RegistryError::RateLimited { url, .. }
        | RegistryError::Status { url, .. }
        | RegistryError::TooLarge { url, .. }
        | RegistryError::Broken { url, .. }
        | RegistryError::Redirect { from: url, .. } => match last {
            Some(Party::Storage) => ("blob", Party::Storage),
            Some(Party::TokenServer) => ("token", Party::TokenServer),
            _ => (path(url), Party::Registry),
        },
        _ => ("manifest", Party::Registry),
    }
}
