//! Speaking with NATS. In: an address, credentials. Out: the record's bytes and revision; whether a newer one was written in its place.
//! Spec: docs.nats.io (JetStream key-value store); a revision is the sequence of the stream KV_BUCKET.
//!
//! Each question has a connection of its own: a server that was restarted in between is not noticed. Names are resolved by us (a
//! static program has no resolver of the C library), so that NATS' client sees addresses, and the certificate is compared with the name.

use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::kv::{Store, UpdateErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectErrorKind, ConnectOptions, Event};
use sidelight_engine::resolve::Resolver;
use sidelight_host::files::read_bounded;
use sidelight_model::flow::Authority;

use super::address::{Address, Login};
use super::tls;
use crate::cli::NatsOptions;
use crate::exit::Failure;
use crate::render::escape;

/// The key under which the record stands.
pub(super) const KEY: &str = "known-roots";
/// Revisions that are kept.
const HISTORY: i64 = 16;
/// Most bytes of a file with credentials.
const LARGEST: u64 = 64 << 10;

/// Why there is no answer.
pub(super) enum Trouble {
    /// It may be there in a moment.
    Down(String),
    /// It will not.
    Final(Failure),
}

/// What stands under the key.
pub(super) struct Found {
    /// Nothing when it was deleted.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) revision: u64,
}

/// What is needed to connect.
pub(super) struct Client {
    pub(super) address: Address,
    creds: Option<String>,
    seed: Option<String>,
    tls: Option<tls::Settings>,
    step: Duration,
}

struct Connected {
    context: jetstream::Context,
    /// What the server said we may not do.
    denied: Arc<Mutex<Option<String>>>,
}

impl Client {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn new(address: Address, options: &NatsOptions, step: Duration) -> Result<Self, Failure> {
        let read = |option: &str, path: &Path| {
            let wrong = |why: String| Failure::new(format!("{option}: {}", escape::line(&why)));
            let bytes = read_bounded(path, LARGEST).map_err(|error| wrong(error.to_string()))?;
            String::from_utf8(bytes).map_err(|_| wrong(format!("{}: this is not UTF-8", path.display())))
        };
        let named = |path: &Path, why: &str| format!("{}: {why}", escape::line(&path.display().to_string()));
        let creds = options.nats_creds.as_deref().map(|path| read("--nats-creds", path)).transpose()?;
        if let (Some(path), Some(creds)) = (&options.nats_creds, &creds)
            && ConnectOptions::new().credentials(creds).is_err()
        {
            let why = named(path, "no user's JWT and seed are in this file");
            return Err(Failure::new(format!("--nats-creds: {why}"))
                .hint("make it: nsc generate creds --account ACCOUNT --name USER"));
        }
        let seed = options.nats_nkey.as_deref().map(|path| read("--nats-nkey", path)).transpose()?;
        let is_seed = |line: &&str| line.starts_with("SU");
        let seed = seed.map(|text| text.lines().map(str::trim).find(is_seed).map(str::to_owned));
        if let (Some(path), Some(None)) = (&options.nats_nkey, &seed) {
            let why = named(path, "no line begins with SU, as the seed of a user's nkey does");
            return Err(Failure::new(format!("--nats-nkey: {why}")));
        }
        let wants_tls = address.tls || options.nats_ca.is_some() || options.nats_cert.is_some();
        let tls = tls::Settings::read(options, wants_tls)?;
        Ok(Self { address, creds, seed: seed.flatten(), tls, step })
    }

    /// Asks for the record.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn find(&self) -> Result<Option<Found>, Trouble> {
        let connected = self.connect().await?;
        let Some(store) = self.bounded(&connected, self.bucket(&connected)).await? else { return Ok(None) };
        self.bounded(&connected, async {
            // The stream's leader is asked: a follower may lag behind.
            let subject = format!("{}{KEY}", store.prefix);
            match store.stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) => {
                    let operation = message.headers.get("KV-Operation").map(|it| it.as_str().to_owned());
                    let is_deleted = matches!(operation.as_deref(), Some("DEL" | "PURGE"));
                    let bytes = (!is_deleted).then(|| message.payload.to_vec());
                    Ok(Some(Found { bytes, revision: message.sequence }))
                }
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(Trouble::Down(said(&error))),
            }
        })
        .await
    }

    /// Writes the record if what stands there is of this revision (0: if nothing stands there); gives the new one, or nothing when
    /// another wrote meanwhile. A bucket that is missing is made.
    ///
    /// # Errors
    /// When there is no answer (it may be written all the same), or NATS does not let us.
    pub(super) async fn put(&self, text: String, revision: u64) -> Result<Option<u64>, Trouble> {
        let connected = self.connect().await?;
        let store = match self.bounded(&connected, self.bucket(&connected)).await? {
            Some(store) => store,
            None => self.bounded(&connected, self.make(&connected)).await?,
        };
        self.bounded(&connected, async {
            match store.update(KEY, text.into(), revision).await {
                Ok(revision) => Ok(Some(revision)),
                // A cluster has a second code for the same, which the library does not tell apart.
                Err(error)
                    if error.kind() == UpdateErrorKind::WrongLastRevision
                        || said(&error).contains("wrong last sequence") =>
                {
                    Ok(None)
                }
                Err(error) => Err(self.not_written(&error)),
            }
        })
        .await
    }

    fn not_written(&self, error: &jetstream::kv::UpdateError) -> Trouble {
        let words = said(error);
        let mut cause = error.source();
        while let Some(inner) = cause {
            let is_too_large = inner
                .downcast_ref::<jetstream::context::PublishError>()
                .is_some_and(|it| it.kind() == PublishErrorKind::MaxPayloadExceeded);
            // A server that is being elected has no word on that; what it does say is final.
            let is_final = inner.downcast_ref::<jetstream::Error>().is_some_and(|it| it.code() < 500);
            if is_too_large || is_final {
                return Trouble::Final(Failure::new(format!(
                    "{} cannot be written: {}",
                    self.address,
                    escape::line(&words)
                )));
            }
            cause = inner.source();
        }
        Trouble::Down(words)
    }

    async fn bucket(&self, connected: &Connected) -> Result<Option<Store>, Trouble> {
        let error = match connected.context.get_key_value(&self.address.bucket).await {
            Ok(store) => return Ok(Some(store)),
            Err(error) => error,
        };
        let kind = error.source().and_then(|it| it.downcast_ref::<GetStreamError>()).map(GetStreamError::kind);
        match kind {
            Some(GetStreamErrorKind::JetStream(why)) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Some(GetStreamErrorKind::JetStream(why))
                if why.error_code() == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT =>
            {
                Err(Trouble::Final(
                    Failure::new(format!("{}: JetStream is not enabled for this account", self.address))
                        .hint("in the server's configuration: accounts { NAME: { jetstream: enabled, users: […] } }"),
                ))
            }
            Some(GetStreamErrorKind::Request) => Err(Trouble::Down(format!(
                "JetStream does not answer ({}); does the server run with it (nats-server -js)?",
                said(&error)
            ))),
            _ => Err(Trouble::Down(said(&error))),
        }
    }

    async fn make(&self, connected: &Connected) -> Result<Store, Trouble> {
        let bucket = &self.address.bucket;
        // As `nats kv add` makes it. The library's own way first asks for what older servers (2.9) do not tell.
        let config = Config {
            name: format!("KV_{bucket}"),
            description: Some("known roots of sidelight".to_owned()),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: HISTORY,
            storage: StorageType::File,
            num_replicas: 1,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        };
        let made = connected.context.create_stream(config).await;
        // Another may have made it, with settings of its own.
        match (self.bucket(connected).await?, made) {
            (Some(store), _) => Ok(store),
            (None, Err(error)) => Err(Trouble::Down(said(&error))),
            (None, Ok(_)) => Err(Trouble::Down(format!("the bucket {bucket} is gone as soon as it is made"))),
        }
    }

    /// One question, within its time; a denial explains a silence.
    async fn bounded<T>(
        &self,
        connected: &Connected,
        question: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let answer = tokio::time::timeout(self.step, question).await;
        let answer = answer.unwrap_or_else(|_| Err(Trouble::Down("no answer in time".to_owned())));
        let denied = connected.denied.lock().ok().and_then(|mut it| it.take());
        match (answer, denied) {
            (Err(Trouble::Down(_)), Some(denied)) => {
                let bucket = &self.address.bucket;
                Err(Trouble::Final(
                    Failure::new(format!("{} does not let us: {}", self.address, escape::line(&denied)))
                        .hint(format!(
                            "the NATS user needs: publish $JS.API.STREAM.INFO.KV_{bucket}, $JS.API.STREAM.MSG.GET.KV_{bucket} and \
                             $KV.{bucket}.{KEY}; subscribe _INBOX.>"
                        ))
                        .hint(format!("and to make the bucket: publish $JS.API.STREAM.CREATE.KV_{bucket}")),
                ))
            }
            (answer, _) => answer,
        }
    }

    async fn connect(&self) -> Result<Connected, Trouble> {
        let resolver = Resolver::new(std::collections::HashMap::new());
        // Of each address, not of the one that was tried last.
        let mut why = Vec::new();
        for server in &self.address.servers {
            let found = tokio::time::timeout(self.step, resolver.addresses(&server.host)).await;
            let addresses = match found {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(wrong)) => {
                    why.push(format!("{}: {wrong}", server.host));
                    continue;
                }
                Err(_) => {
                    why.push(format!("{}: no name server answers", server.host));
                    continue;
                }
            };
            for address in addresses {
                let at = std::net::SocketAddr::from((address, server.port));
                match self.connect_to(server, at).await {
                    Ok(connected) => return Ok(connected),
                    Err(Trouble::Down(wrong)) => why.push(format!("{at}: {wrong}")),
                    Err(wrong) => return Err(wrong),
                }
            }
        }
        Err(Trouble::Down(why.join("; ")))
    }

    async fn connect_to(&self, server: &Authority, address: std::net::SocketAddr) -> Result<Connected, Trouble> {
        let denied = Arc::new(Mutex::new(None));
        let into = denied.clone();
        let mut options = ConnectOptions::new()
            .name("sidelight tofu")
            .connection_timeout(self.step)
            .request_timeout(Some(self.step))
            .ignore_discovered_servers()
            .reconnect_delay_callback(|tries| Duration::from_millis(if tries > 1 { 250 } else { 0 }))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event
                    && let Ok(mut denied) = into.lock()
                {
                    *denied = Some(error.to_string());
                }
                async {}
            });
        match &self.address.login {
            Login::None => {}
            Login::Token(token) => options = options.token(token.clone()),
            Login::User(user, password) => options = options.user_and_password(user.clone(), password.clone()),
        }
        if let Some(creds) = &self.creds {
            options = options.credentials(creds).map_err(|error| Trouble::Down(error.to_string()))?;
        }
        if let Some(seed) = &self.seed {
            options = options.nkey(seed.clone());
        }
        if let Some(tls) = &self.tls {
            options = options
                .tls_client_config(tls.config(&server.host).map_err(Trouble::Final)?)
                .require_tls(tls.is_demanded);
        }
        let scheme = if self.address.tls { "tls" } else { "nats" };
        let connecting = options.connect(format!("{scheme}://{address}"));
        let client = match tokio::time::timeout(self.step, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(self.not_connected(server, &error)),
            Err(_) => return Err(Trouble::Down("no answer in time".to_owned())),
        };
        let mut context = jetstream::new(client);
        context.set_timeout(self.step);
        Ok(Connected { context, denied })
    }

    fn not_connected(&self, server: &Authority, error: &async_nats::ConnectError) -> Trouble {
        let words = said(error);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let with = match (&self.creds, &self.seed, &self.address.login) {
                    (Some(_), ..) => "the credentials of --nats-creds",
                    (_, Some(_), _) => "the seed of --nats-nkey",
                    (.., Login::User(..)) => "the user and password of --pins",
                    (.., Login::Token(_)) => "the token of --pins",
                    _ => "no credentials at all",
                };
                let failure = Failure::new(format!("NATS at {server} refuses the login: we came with {with}"));
                Trouble::Final(failure.hint(
                    "credentials: --nats-creds FILE, --nats-nkey FILE, or --pins nats://USER:PASSWORD@HOST:PORT/BUCKET (percent-encoded; SIDELIGHT_PINS keeps it out of the process list)",
                ))
            }
            _ if words.contains("certificate") || words.contains("Certificate") => Trouble::Final(
                Failure::new(format!("NATS at {server}: its certificate is not accepted: {}", escape::line(&words)))
                    .hint("its CA: --nats-ca FILE; a client certificate: --nats-cert FILE --nats-key FILE")
                    .hint(format!("look closer: sidelight diagnose {server}")),
            ),
            ConnectErrorKind::TimedOut => Trouble::Down("no answer in time".to_owned()),
            // The library names the kind of each error before its words.
            _ => Trouble::Down(words.strip_prefix("IO error: ").map_or(words.clone(), str::to_owned)),
        }
    }
}

/// The error with its causes, each once.
fn said(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = inner.source();
    }
    words
}
