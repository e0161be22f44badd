//! An interception, from options to a running one. In: the options that `proxy`, `run` and `demo` share. Out: listeners that
//! serve, a sink that prints, and the ledger when it is stopped.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rustix::process::Rlimit;
use sidelight_engine::ca::{Authority, CaOptions as NewCa, KeyKind};
use sidelight_engine::dial::{Dialer, NoProxy, OwnAddresses, Proxy, Way};
use sidelight_engine::forge::Forge;
use sidelight_engine::resolve::Resolver;
use sidelight_engine::serve::{listen, serve};
use sidelight_engine::tap::{Overload, Received, TapReceiver, queue};
use sidelight_engine::tls::{Face, Identities, Identity, Service, Trusted, Verifier};
use sidelight_engine::{Engine, Identify, Listener, Login, Mode, OnUntrusted, Parts, Settings};
use sidelight_model::flow::Process;
use sidelight_model::policy::Rules;
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::{Consumer, EventSource, Next, drain};
use sidelight_sink::ledger::Ledger;
use sidelight_wire::flow_decoder::Limits;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle as Task;

use super::environment_proxy::further_proxy;
use super::source_roots;
use crate::cli::{self, CaKey, ModeKind, OnOverload, ProxyOptions};
use crate::exit::Failure;
use crate::settings::xdg_folder;
use crate::ui::Ui;

/// Bytes that may be on their way to the sinks.
const TAP_LIMIT: usize = 16 << 20;

/// A peer gets so long for a TCP or TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// Threads that look for programs; the default of several hundred would each keep a stack and a heap of their own.
const BLOCKING_THREADS: usize = 8;

/// Days before its end from which on the CA's renewal is announced.
const RENEWAL_NOTICE: Duration = Duration::from_secs(7 * 86_400);

/// What the caller adds to the options.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// Names and their addresses, before any resolver.
    pub(crate) hosts: HashMap<String, Vec<IpAddr>>,
    /// Further roots, in DER.
    pub(crate) roots: Vec<Vec<u8>>,
    /// Roots instead of the host's, when the options name none.
    pub(crate) only_these_roots: bool,
    /// Hosts that are reached around a further proxy, in place of those that our own environment names.
    pub(crate) no_proxy: Option<String>,
    /// Bodies get digests though none of them is kept.
    pub(crate) hash_bodies: bool,
}

/// A running interception.
pub(crate) struct Interception {
    runtime: Runtime,
    engine: Arc<Engine>,
    authority: Arc<Authority>,
    sink: JoinHandle<Ledger>,
    serving: Serving,
    identify: Arc<Finder>,
    former_limit: Option<Rlimit>,
}

/// The tasks that serve; listeners come also later.
type Serving = Arc<Mutex<Vec<Task<()>>>>;

/// Opens listeners while an interception runs, from any thread.
#[derive(Clone)]
pub(crate) struct Doorman {
    runtime: Handle,
    engine: Weak<Engine>,
    serving: Serving,
}

impl Doorman {
    /// Serves a socket that is listening already; not any more once the interception has ended.
    ///
    /// # Errors
    /// When the runtime cannot wait for it.
    pub(crate) fn add(&self, listener: Listener, socket: std::net::TcpListener) -> std::io::Result<()> {
        let Some(engine) = self.engine.upgrade() else { return Ok(()) };
        socket.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let socket = tokio::net::TcpListener::from_std(socket)?;
        if let (false, Ok(address)) = (listener.foreign, socket.local_addr()) {
            // At once: the task may begin only after the first client.
            engine.expect_at(address);
        }
        let task = self.runtime.spawn(serve(engine, Arc::new(listener), socket));
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(())
    }
}

/// Finds the programs behind local clients.
struct Finder(sidelight_host::process::Finder);

impl Identify for Finder {
    fn process(&self, client: SocketAddr, local: SocketAddr) -> Option<Process> {
        self.0.find(client, local)
    }
}

impl Interception {
    /// Makes everything ready but listens nowhere yet. `consumers` is called last, so that no file is made when anything else is
    /// wrong.
    ///
    /// # Errors
    /// When the CA, roots, certificates or the login cannot be read; the failure names the file or option.
    pub(crate) fn prepare(
        options: &ProxyOptions,
        around: Surroundings,
        consumers: impl FnOnce() -> Result<Vec<Box<dyn Consumer>>, Failure>,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let former_limit = super::descriptors::raise();
        let now = Timestamp::from(SystemTime::now());
        let authority = Arc::new(authority(&options.ca, now, ui)?);
        let verifier =
            Verifier::new(&trusted(options, &around, ui)?).map_err(|why| Failure::new(format!("--crl: {why}")))?;
        let service = Arc::new(Service::new(verifier, identities(options)?, HANDSHAKE_LIMIT));
        let overload = match options.limits.on_overload {
            OnOverload::Drop => Overload::Drop,
            OnOverload::Wait => Overload::Wait,
        };
        let (tap, receiver) = queue(TAP_LIMIT, overload);
        let own = Arc::new(OwnAddresses::default());
        let own_no_proxy = || ["no_proxy", "NO_PROXY"].iter().find_map(|name| std::env::var(name).ok());
        let no_proxy = around.no_proxy.clone().or_else(own_no_proxy);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("no threads: {error}")))?;
        let resolver = runtime.block_on(async { Resolver::new(around.hosts.clone()) });
        let dialer = Dialer::new(
            resolver,
            own.clone(),
            HANDSHAKE_LIMIT,
            NoProxy::parse(&no_proxy.unwrap_or_default()),
            service.clone(),
        );
        let forge = Forge::new(authority.clone()).map_err(|error| Failure::new(error.to_string()))?;
        let face = Face::new(HANDSHAKE_LIMIT);
        let settings = settings(options)?;
        let warn = Arc::new(move |words: &str| ui.warning(words));
        let engine = Arc::new(Engine::new(Parts { settings, dialer, own, service, face, forge, tap, warn }));
        let sink = start_sink(receiver, consumers()?, (options, around.hash_bodies))?;
        let identify = Arc::new(Finder(sidelight_host::process::Finder::new()));
        Ok(Self { runtime, engine, authority, sink, serving: Serving::default(), identify, former_limit })
    }

    /// The limit on open files that this process was started with, where it is another now.
    pub(crate) const fn former_limit(&self) -> Option<Rlimit> {
        self.former_limit
    }

    /// Our authority.
    pub(crate) const fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The threads on which it runs.
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Number of client connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.engine.connections()
    }

    /// Looks for clients among the descendants of this process first.
    pub(crate) fn hint(&self, pid: u32) {
        self.identify.0.hint(pid);
    }

    /// Listens in one mode and serves; gives the address back.
    ///
    /// # Errors
    /// When it cannot be listened there; the failure says what to do.
    pub(crate) fn serve(&mut self, mode: &cli::ModeSpec, chained: Option<&Arc<Proxy>>) -> Result<SocketAddr, Failure> {
        let (kind, proxy) = engine_mode(&mode.kind);
        let _inside = self.runtime.enter();
        let socket = listen(&kind, mode.listen).map_err(|error| Failure::new(error.to_string()))?;
        let address = socket.local_addr().map_err(|error| Failure::new(error.to_string()))?;
        let listener = Listener {
            mode: kind,
            name: mode.kind.name().into(),
            way: Way { proxy: proxy.or_else(|| chained.cloned()), inside: None },
            foreign: false,
            identify: Some(self.identify.clone()),
            scope: None,
            edit: None,
        };
        self.add(listener, socket);
        Ok(address)
    }

    /// Serves a socket that is listening already.
    pub(crate) fn add(&mut self, listener: Listener, socket: tokio::net::TcpListener) {
        let task = self.runtime.spawn(serve(self.engine.clone(), Arc::new(listener), socket));
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Who opens further listeners later.
    pub(crate) fn doorman(&self) -> Doorman {
        Doorman {
            runtime: self.runtime.handle().clone(),
            engine: Arc::downgrade(&self.engine),
            serving: self.serving.clone(),
        }
    }

    /// Finds the programs behind clients of this machine.
    pub(crate) fn identify(&self) -> Arc<dyn Identify> {
        self.identify.clone()
    }

    /// Stops serving, lets the sink finish, and gives its account. Connections under way end.
    pub(crate) fn stop(self) -> Ledger {
        let serving = std::mem::take(&mut *self.serving.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &serving {
            task.abort();
        }
        self.runtime.block_on(async {
            for task in serving {
                let _ = task.await;
            }
        });
        // All taps are gone with the engine and its tasks; the sink sees the end of the queue.
        drop(self.engine);
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        self.sink.join().unwrap_or_default()
    }
}

/// The folder of our authority.
pub(crate) fn ca_folder(options: &cli::CaOptions) -> Result<PathBuf, Failure> {
    let default =
        || xdg_folder("XDG_DATA_HOME", ".local/share", &|name| std::env::var_os(name)).map(|folder| folder.join("ca"));
    options.ca.clone().or_else(default).ok_or_else(|| {
        Failure::usage("there is no folder for the certificate authority: neither XDG_DATA_HOME nor HOME is set")
            .hint("name one with --ca DIR, or use --ephemeral-ca")
    })
}

/// What a new authority is to be like.
pub(crate) fn new_ca(options: &cli::CaOptions) -> NewCa {
    let key = match options.ca_key {
        CaKey::Ecdsa => KeyKind::EcdsaP256,
        CaKey::Rsa2048 => KeyKind::Rsa2048,
        CaKey::Rsa4096 => KeyKind::Rsa4096,
    };
    NewCa { life: options.ca_life.0, key, permitted_names: options.ca_permit.clone() }
}

fn authority(options: &cli::CaOptions, now: Timestamp, ui: Ui) -> Result<Authority, Failure> {
    let failed = |error: sidelight_engine::ca::CaError| Failure::new(error.to_string());
    if options.ephemeral_ca {
        return Authority::ephemeral(&new_ca(options), now).map_err(failed);
    }
    let folder = ca_folder(options)?;
    let authority = Authority::load_or_create(&folder, &new_ca(options), now).map_err(failed)?;
    let left = authority.not_after().since(now);
    if left < RENEWAL_NOTICE && options.ca_life.0 > RENEWAL_NOTICE {
        ui.warning(&format!(
            "the certificate authority in {} ends in {} days; `sidelight ca create --replace` makes a new one (install it where this one was)",
            folder.display(),
            left.as_secs() / 86_400
        ));
    }
    Ok(authority)
}

fn trusted(options: &ProxyOptions, around: &Surroundings, ui: Ui) -> Result<Trusted, Failure> {
    let given = &options.services.roots;
    let mut trusted = match (given.is_empty(), around.only_these_roots) {
        (false, _) => {
            // A file without roots is a mistake here, where `diagnose` takes it for the trust store of the client that it explains.
            let files: Vec<PathBuf> = given.iter().filter(|it| !source_roots::is_source(it)).cloned().collect();
            if !files.is_empty() {
                Trusted::from_paths(&files).map_err(|error| Failure::new(format!("--roots: {error}")))?;
            }
            source_roots::of_option(given, ui)?
        }
        (true, false) => Trusted::of_host(),
        (true, true) => Trusted { source: "the roots of the demonstration".to_owned(), ..Trusted::default() },
    };
    trusted.roots.extend(around.roots.iter().map(|der| der.clone().into()));
    for warning in &trusted.warnings {
        ui.warning(warning);
    }
    if trusted.roots.is_empty() {
        ui.warning(&format!(
            "{} holds no roots: no service can be verified (give some with --roots SOURCE)",
            trusted.source
        ));
    }
    trusted.with_revoked(&options.services.crl).map_err(|error| Failure::new(format!("--crl: {error}")))
}

fn identities(options: &ProxyOptions) -> Result<Identities, Failure> {
    let mut identities = Identities::default();
    let keys = &options.services.upstream_key;
    let same = |one: &cli::PerHost, other: &cli::PerHost| {
        one.pattern.as_ref().map(ToString::to_string) == other.pattern.as_ref().map(ToString::to_string)
    };
    if let Some(alone) = keys.iter().find(|key| !options.services.upstream_cert.iter().any(|cert| same(cert, key))) {
        let whose = alone.pattern.as_ref().map_or_else(|| "without a pattern".to_owned(), |it| format!("for `{it}`"));
        return Err(Failure::usage(format!(
            "--upstream-key {whose}: there is no --upstream-cert with the same pattern"
        )));
    }
    for cert in &options.services.upstream_cert {
        let Some(chain) = &cert.file else {
            identities.add(cert.pattern.clone(), None);
            continue;
        };
        let matching = keys.iter().find(|key| same(cert, key));
        let key = matching.and_then(|key| key.file.as_ref()).unwrap_or(chain);
        let identity = Identity::read(chain, key).map_err(|why| Failure::new(format!("--upstream-cert: {why}")))?;
        identities.add(cert.pattern.clone(), Some(identity));
    }
    Ok(identities)
}

fn settings(options: &ProxyOptions) -> Result<Settings, Failure> {
    let login = options.ways_in.proxy_auth.as_ref().map(cli::Credentials::login).transpose().map_err(Failure::usage)?;
    Ok(Settings {
        rules: Rules { only: options.scope.only.clone(), pass: options.scope.pass.clone() },
        on_untrusted: match options.services.on_untrusted {
            cli::OnUntrusted::Mirror => OnUntrusted::Mirror,
            cli::OnUntrusted::Refuse => OnUntrusted::Refuse,
            cli::OnUntrusted::Warn => OnUntrusted::Warn,
        },
        insecure: options.services.insecure_upstream.clone(),
        login: login.map(|login| Login { user: login.user, password: login.password }),
        allow_public: options.ways_in.allow_public,
        idle_limit: options.limits.idle_limit.map(|limit| limit.0),
        fail_open_for: options.scope.fail_open_for.0,
        capture: super::recording::capture(&options.recording),
    })
}

fn engine_mode(kind: &ModeKind) -> (Mode, Option<Arc<Proxy>>) {
    let mode = match kind {
        ModeKind::Explicit { tls } => Mode::Explicit { tls: *tls },
        ModeKind::Upstream(upstream) => return (Mode::Explicit { tls: false }, Some(further_proxy(upstream))),
        ModeKind::Socks5 => Mode::Socks5,
        ModeKind::Transparent => Mode::Transparent,
        ModeKind::Tproxy => Mode::Tproxy,
        ModeKind::Forward(to) => Mode::Forward(to.clone()),
        ModeKind::Sni { port } => Mode::Sni { port: *port },
        ModeKind::Reverse { tls, to } => Mode::Reverse { tls: *tls, to: to.clone() },
    };
    (mode, None)
}

/// The engine's queue, as the bus reads it.
struct Queue(TapReceiver);

impl EventSource for Queue {
    fn next(&mut self, wait: Duration) -> Next {
        match self.0.next(wait) {
            Received::Event(event) => Next::Event(event),
            Received::Idle => Next::Idle,
            Received::End => Next::End,
        }
    }
}

fn start_sink(
    receiver: TapReceiver,
    mut consumers: Vec<Box<dyn Consumer>>,
    (options, hash): (&ProxyOptions, bool),
) -> Result<JoinHandle<Ledger>, Failure> {
    let body_kept = usize::try_from(options.limits.body_limit.0).unwrap_or(usize::MAX);
    let hash_bodies = hash || super::recording::keeps_bodies(&options.recording);
    let limits = Limits { body_kept, hash_bodies, ..Limits::default() };
    if !consumers.iter().any(|consumer| consumer.wants_content()) {
        receiver.decline_bytes();
    }
    let run = move || drain(&mut Queue(receiver), &mut consumers, limits);
    std::thread::Builder::new()
        .name("sink".to_owned())
        .spawn(run)
        .map_err(|error| Failure::new(format!("no thread: {error}")))
}
