//! One connection to each host. In: hosts, ways, ordinary roots. Out: what each showed. What is checked and what is kept come from
//! the same connection; issuers that are not sent are looked for elsewhere.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::sign::CertifiedKey;
use sidelight_engine::probe::{self, Ways};
use sidelight_engine::resolve::Resolver;
use sidelight_engine::tls::Trusted;
use sidelight_engine::wrapper;
use sidelight_model::diagnose::{Adding, Attempt, ClientIdentity, Facts, Question, Unreached};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{Endpoint, Shown, classify};
use sidelight_model::x509::Certificate;
use sidelight_model::x509::path::{AnchorSet, Profile};
use sidelight_wire::pem;

use crate::cli::{self, ProxyChoice, TofuLook, Upstream};
use crate::commands::environment_proxy;
use crate::commands::environment_proxy::further_proxy;
use crate::exit::Failure;

/// Files of issuers that are read from one folder.
const MOST_FILES: usize = 1_000;
/// Most bytes of one.
const LARGEST: u64 = 4 << 20;
/// The first wait before another try; it doubles.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// The port of TLS where none is given.
const PORT: u16 = 443;

/// A host, and what it showed.
pub(super) struct Seen {
    /// Where it is recorded.
    pub(super) endpoint: Endpoint,
    /// The name that its certificate must be for.
    pub(super) name: Host,
    /// What it showed.
    pub(super) shown: Shown,
    /// What it sent, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// The address that answered, or the proxy's.
    pub(super) peer: Option<String>,
}

/// What all hosts have in common.
pub(super) struct Looker {
    look: TofuLook,
    client: Option<(ClientIdentity, Option<Arc<CertifiedKey>>)>,
    ordinary: AnchorSet,
    issuers: Vec<Vec<u8>>,
    now: Timestamp,
}

impl Looker {
    /// Reads roots, issuers and the client's certificate.
    ///
    /// # Errors
    /// When a file that was named cannot be read.
    pub(super) fn new(
        look: &TofuLook,
        roots: &[PathBuf],
        issuers: &[PathBuf],
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let trusted = if roots.is_empty() {
            Trusted::of_host()
        } else {
            Trusted::from_paths(roots).map_err(|error| Failure::new(format!("--roots: {error}")))?
        };
        // What an earlier start put there is not ordinary: it must be verified against the record once more.
        let is_ordinary = |der: &&[u8]| wrapper::read_ours(der).is_none();
        let ordinary = AnchorSet::new(trusted.roots.iter().map(AsRef::as_ref).filter(is_ordinary));
        let read = |cert: &PathBuf| probe::read_identity(cert, look.key.as_deref(), None);
        let client = look.cert.as_ref().map(read).transpose();
        let client = client.map_err(|why| Failure::new(format!("--cert: {why}")))?;
        let mut ders = Vec::new();
        for path in issuers {
            read_issuers(path, &mut ders)?;
        }
        Ok(Self { look: look.clone(), client, ordinary, issuers: ders, now })
    }

    /// Looks at every host; those that cannot be reached, again until the deadline.
    ///
    /// # Errors
    /// When the proxy that the environment names cannot be read.
    pub(super) fn all(self: &Arc<Self>, hosts: &[cli::Endpoint]) -> Result<Vec<Seen>, Failure> {
        let mut asked = Vec::new();
        for host in hosts {
            asked.push(self.question(host)?);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no threads: {error}")))?;
        let seen = runtime.block_on(async {
            let tasks: Vec<_> = asked
                .into_iter()
                .map(|(question, ways, endpoint)| {
                    let looker = self.clone();
                    tokio::spawn(async move { looker.one(question, ways, endpoint).await })
                })
                .collect();
            let mut seen = Vec::new();
            for task in tasks {
                seen.push(task.await.map_err(|error| Failure::new(format!("looking at a host broke: {error}")))?);
            }
            Ok(seen)
        });
        runtime.shutdown_background();
        seen
    }

    async fn one(&self, question: Question, ways: Arc<Ways>, endpoint: Endpoint) -> Seen {
        let deadline = Instant::now() + self.look.deadline.0;
        let mut wait = BACKOFF;
        loop {
            let seen = self.once(question.clone(), &ways, &endpoint).await;
            let is_late = Instant::now() + wait > deadline;
            if is_late || !matches!(seen.shown, Shown::Unreachable(_)) {
                return seen;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_BACKOFF);
        }
    }

    async fn once(&self, question: Question, ways: &Arc<Ways>, endpoint: &Endpoint) -> Seen {
        let facts = probe::look(question, ways.clone()).await;
        let question = &facts.question;
        let attempt = facts.attempts.first();
        let chain = attempt.map(|attempt| attempt.chain.clone()).unwrap_or_default();
        let peer = attempt.and_then(|attempt| attempt.peer).map(|peer| peer.to_string());
        let is_proved = attempt.is_some_and(|attempt| attempt.key_proved == Some(true));
        let shown = match (chain.is_empty(), is_proved) {
            (true, _) => Shown::Unreachable(why_not(&facts)),
            // A chain alone proves nothing: the peer must sign with the leaf's key.
            (false, false) => Shown::Unreachable(attempt.map(ended).unwrap_or_default()),
            (false, true) => self.classify(question, ways, &chain).await,
        };
        Seen { endpoint: endpoint.clone(), name: question.name.clone(), shown, chain, peer }
    }

    async fn classify(&self, question: &Question, ways: &Ways, chain: &[Vec<u8>]) -> Shown {
        let mut others = self.issuers.clone();
        let mut asked: Vec<String> = Vec::new();
        loop {
            let shown = classify(chain, &others, &self.ordinary, &question.name, self.now);
            let top = match &shown {
                Shown::UnknownIssuer(issuers) => issuers.first().map(|it| it.certificate.clone()),
                Shown::NoIssuer { .. } => chain.first().and_then(|der| Certificate::parse(der).ok()),
                _ => None,
            };
            let open = top.filter(|top| !self.look.no_fetch && !top.is_self_signed() && asked.len() < 4);
            let url = open.and_then(|top| top.issuer_urls.iter().find(|url| !asked.contains(url)).cloned());
            let Some(url) = url else { return shown };
            asked.push(url.clone());
            for fetched in probe::issuers_at(question, ways, url).await {
                others.extend(fetched.body.ok());
            }
        }
    }

    fn question(&self, host: &cli::Endpoint) -> Result<(Question, Arc<Ways>, Endpoint), Failure> {
        let target = host.authority(self.look.starttls.map_or(PORT, |protocol| protocol.port()));
        let name = match &self.look.sni {
            Some(sni) => Host::parse(sni).map_err(|why| Failure::usage(format!("--sni: {why}")))?,
            None => target.host.clone(),
        };
        let sni = match &name {
            Host::Name(name) => Some(name.clone()),
            Host::Ip(_) => None,
        };
        let proxy = self.proxy(&target)?;
        let other_name = (name != target.host).then(|| name.to_string());
        let endpoint = Endpoint {
            at: Some(target.to_string()),
            sni: other_name,
            via: proxy.as_ref().map(|(upstream, _)| upstream.at.to_string()),
        };
        let question = Question {
            target,
            name,
            sni,
            sni_forbidden: false,
            at: self.now,
            rules: Profile::Lenient,
            alpn: Vec::new(),
            starttls: self.look.starttls.map(|protocol| protocol.name()),
            proxy: proxy.as_ref().map(|(upstream, named)| (upstream.at.clone(), named.clone())),
            patience: self.look.timeout.0,
            may_fetch: !self.look.no_fetch,
            every_address: false,
            client: self.client.as_ref().map(|(identity, _)| identity.clone()),
            source: None,
            adding: Adding::default(),
            trust_options: String::new(),
        };
        let ways = Ways {
            resolver: Resolver::new(HashMap::new()),
            resolver_name: (String::new(), Vec::new()),
            proxy: proxy.map(|(upstream, _)| further_proxy(&upstream)),
            identity: self.client.as_ref().and_then(|(_, key)| key.clone()),
            trusted: Trusted::default(),
            progress: None,
        };
        Ok((question, Arc::new(ways), endpoint))
    }

    fn proxy(&self, target: &Authority) -> Result<Option<(Upstream, String)>, Failure> {
        match &self.look.via_proxy {
            Some(ProxyChoice::None) => return Ok(None),
            Some(ProxyChoice::Through(upstream)) => return Ok(Some((upstream.clone(), "--via-proxy".to_owned()))),
            None => {}
        }
        let variable = |name: &str| std::env::var(name).ok();
        let named = environment_proxy::named_in(environment_proxy::FOR_HTTPS, variable)
            .map_err(|failure| failure.hint("--via-proxy none goes around it"))?;
        let loopback = match &target.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        };
        let excepted = loopback || environment_proxy::exceptions_in(variable).covers(target);
        Ok(named.filter(|_| !excepted).map(|(upstream, named)| (upstream, named.to_owned())))
    }
}

/// Why nothing was shown, in plain words.
fn why_not(facts: &Facts) -> String {
    if let Some(failure) = &facts.proxy_failure {
        use sidelight_model::diagnose::ProxyFailure as P;
        let (P::Unreachable(why) | P::Login(why) | P::Refused(why)) = failure;
        return format!("the proxy: {why}");
    }
    if let Some(Err(why)) = &facts.resolution.addresses {
        return why.clone();
    }
    if let Some(attempt) = facts.attempts.first() {
        return ended(attempt);
    }
    let words = facts.reached.iter().filter_map(|reach| {
        let why = match reach.outcome.as_ref().err()? {
            Unreached::Refused => "the connection is refused".to_owned(),
            Unreached::TimedOut => "nobody answers".to_owned(),
            Unreached::Other(why) => why.clone(),
        };
        Some(format!("{}: {why}", reach.address))
    });
    let all: Vec<String> = words.collect();
    if all.is_empty() { "nobody answers".to_owned() } else { all.join("; ") }
}

fn ended(attempt: &Attempt) -> String {
    use sidelight_model::diagnose::End;
    match &attempt.end {
        End::Finished => "the peer did not prove that it has the certificate's key".to_owned(),
        End::Alert(alert) => format!("the TLS handshake was refused ({})", alert.name),
        End::Reset | End::Closed => "the connection was cut during the TLS handshake".to_owned(),
        End::TimedOut => "the TLS handshake was not answered".to_owned(),
        End::NotTls(..) => "what answers is not TLS".to_owned(),
        End::Incompatible(why)
        | End::ChainTooLarge(why)
        | End::Broken(why)
        | End::StarttlsRefused(why)
        | End::NotConnected(why) => why.clone(),
    }
}

fn read_issuers(path: &Path, ders: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::new(format!("--issuers: {why}"));
    let files = if path.is_dir() {
        sidelight_host::files::regular_files(path, MOST_FILES).map_err(|error| wrong(&error))?
    } else {
        vec![path.to_owned()]
    };
    for file in files {
        let bytes = sidelight_host::files::read_bounded(&file, LARGEST).map_err(|error| wrong(&error))?;
        let (blocks, _) = pem::read(&bytes);
        let found: Vec<Vec<u8>> =
            blocks.into_iter().filter(pem::Block::is_certificate).map(|block| block.data).collect();
        if found.is_empty() && Certificate::parse(&bytes).is_ok() {
            ders.push(bytes);
        } else if found.is_empty() && !path.is_dir() {
            return Err(wrong(&format_args!("{}: no certificate in it", file.display())));
        }
        ders.extend(found);
    }
    Ok(())
}
