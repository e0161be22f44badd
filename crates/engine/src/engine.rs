//! Everything that all connections share. In: the user's wishes and what the outer world lends. Out: [`Engine`].

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, SystemTime};

use sidelight_model::flow::{Authority, ConnId, Exchange, Process};
use sidelight_model::policy::{FailOpen, Pattern, Rules, Subject};
use sidelight_model::redact::Secret;
use sidelight_model::time::Timestamp;

use crate::capture::Capture;
use crate::dial::{Dialer, OwnAddresses, Way};
use crate::forge::Forge;
use crate::tap::{ConnTap, Tap};
use crate::tls::{Face, Service};
use crate::transport::Edit;

/// What a client is shown when the service cannot be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUntrusted {
    /// A certificate with the very same fault.
    #[default]
    Mirror,
    /// Nothing: an alert.
    Refuse,
    /// A sound certificate; the finding stays.
    Warn,
}

/// User and password that clients must give.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// What the user wants.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Which connections are opened.
    pub rules: Rules,
    /// What is shown for services that cannot be trusted.
    pub on_untrusted: OnUntrusted,
    /// Services whose faults are not shown to clients.
    pub insecure: Vec<Pattern>,
    /// What clients of explicit and SOCKS proxies must give.
    pub login: Option<Login>,
    /// Whether clients from public addresses are served.
    pub allow_public: bool,
    /// How long a connection may be silent.
    pub idle_limit: Option<Duration>,
    /// How long a client that refused our certificate is left alone.
    pub fail_open_for: Duration,
    /// What is told besides the conversations themselves.
    pub capture: Capture,
}

/// Finds the program behind a client's socket. May block for some milliseconds.
pub trait Identify: Send + Sync {
    /// The program whose end is `client` of a connection to `local`, when it runs here.
    fn process(&self, client: SocketAddr, local: SocketAddr) -> Option<Process>;
}

/// Which of a listener's connections are opened, beyond the rules of the user: those of one program to hosts that become known on the way.
pub trait Scope: Send + Sync {
    /// Why connections of this program are relayed unseen, if they are; `None` where it cannot be found.
    fn is_foreign(&self, program: Option<&Process>) -> Option<String>;

    /// Why a connection to this service is relayed unseen, if it is.
    fn is_outside(&self, subject: &Subject<'_>) -> Option<String>;

    /// An exchange with `from` has passed the tap; its client has not got the end of it yet.
    fn heard(&self, from: &Authority, exchange: &Exchange);
}

/// Makes what edits the heads of one more connection.
pub type NewEdit = Arc<dyn Fn() -> Box<dyn Edit> + Send + Sync>;

/// How the destination of a listener's connections is found.
#[derive(Clone, Debug)]
pub enum Mode {
    /// An HTTP proxy; with `tls`, clients speak TLS to it.
    Explicit {
        /// Clients that do not speak TLS are refused.
        tls: bool,
    },
    /// A SOCKS5 proxy.
    Socks5,
    /// SO_ORIGINAL_DST.
    Transparent,
    /// The socket's own address.
    Tproxy,
    /// Always this place.
    Forward(Authority),
    /// The server name in the ClientHello, at this port.
    Sni {
        /// The port.
        port: u16,
    },
    /// In front of a service.
    Reverse {
        /// TLS to the service.
        tls: bool,
        /// The service.
        to: Authority,
    },
}

/// A place where clients arrive.
#[derive(Clone)]
pub struct Listener {
    /// The mode.
    pub mode: Mode,
    /// Its name in events: `explicit`, `upstream` …
    pub name: Arc<str>,
    /// How its connections go out.
    pub way: Way,
    /// Clients live in another network namespace: their addresses say nothing about ours.
    pub foreign: bool,
    /// Finds programs.
    pub identify: Option<Arc<dyn Identify>>,
    /// Which connections are opened; `None`: as the user's rules have it.
    pub scope: Option<Arc<dyn Scope>>,
    /// Edits the heads that clients send and get; `None`: not a byte is changed.
    pub edit: Option<NewEdit>,
}

/// What all connections share.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) dialer: Dialer,
    pub(crate) own: Arc<OwnAddresses>,
    pub(crate) service: Arc<Service>,
    pub(crate) face: Face,
    pub(crate) forge: Forge,
    pub(crate) fail_open: Mutex<FailOpen>,
    tap: Tap,
    warn: Warn,
    no_descriptors: Once,
    last: AtomicU64,
    open: AtomicUsize,
}

/// The parts of an engine.
pub struct Parts {
    /// What the user wants.
    pub settings: Settings,
    /// Reaches services.
    pub dialer: Dialer,
    /// Our own ends of connections; the same as the dialer's.
    pub own: Arc<OwnAddresses>,
    /// Shakes hands with services.
    pub service: Arc<Service>,
    /// Shakes hands with clients.
    pub face: Face,
    /// Mints certificates.
    pub forge: Forge,
    /// Where events go.
    pub tap: Tap,
    /// Tells the person what is wrong with the whole, not with one connection.
    pub warn: Warn,
}

/// Takes a sentence for the person in front of the program; returns at once.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

impl Engine {
    /// An engine made of these parts.
    pub fn new(parts: Parts) -> Self {
        let fail_open = Mutex::new(FailOpen::new(parts.settings.fail_open_for));
        Self {
            settings: parts.settings,
            dialer: parts.dialer,
            own: parts.own,
            service: parts.service,
            face: parts.face,
            forge: parts.forge,
            fail_open,
            tap: parts.tap,
            warn: parts.warn,
            no_descriptors: Once::new(),
            last: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// Number of client connections that are open.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Notes where it is listened, so that no connection of ours is made to it.
    pub fn expect_at(&self, address: SocketAddr) {
        self.own.listen(address);
    }

    /// Counts a connection for as long as the value lives.
    pub(crate) fn count(self: &Arc<Self>) -> impl Drop + use<> {
        self.open.fetch_add(1, Ordering::AcqRel);
        Counted(self.clone())
    }

    /// The tap of a new connection; waits for room in it, where traffic is to wait for slow sinks.
    pub(crate) async fn new_connection(&self) -> ConnTap {
        let conn = ConnId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.tap.admit(conn).await;
        self.tap.connection(conn)
    }

    /// Clients wait because this process can open no more files; says so once.
    pub(crate) fn out_of_descriptors(&self, error: &std::io::Error) {
        self.no_descriptors.call_once(|| {
            (self.warn)(&format!(
                "clients wait to be accepted: {error}; {} connections are open. Each takes two descriptors: raise the limit with `ulimit -n`",
                self.connections()
            ));
        });
    }

    /// Whether faults of this service are kept from clients by `--insecure-upstream`.
    pub(crate) fn is_insecure(&self, target: &Authority, name: &str) -> bool {
        let asked = target.host.to_string();
        let subject = Subject { names: &[name, &asked], address: target.host.ip(), port: target.port };
        self.settings.insecure.iter().any(|pattern| pattern.matches(&subject))
    }

    pub(crate) fn fail_open(&self) -> std::sync::MutexGuard<'_, FailOpen> {
        self.fail_open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Counted(Arc<Engine>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The time now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
