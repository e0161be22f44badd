//! Who the client is. In: its address, a way to find programs. Out: the program's name, once it is known.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidelight_model::flow::{EventKind, Process};
use sidelight_model::policy::ClientKey;
use tokio::task::JoinHandle;

use crate::engine::Identify;
use crate::tap::{ConnTap, Teller as TapTeller};

/// How long those who need the program's name wait for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long those wait who can do nothing without it.
const LONGEST: Duration = Duration::from_secs(10);

/// How often it is looked for again, and after how long: sockets and files of `/proc` are not read at one moment.
const AGAIN: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// The look-up of a client's program, which runs beside the connection.
pub(crate) struct ClientProgram {
    under_way: Option<JoinHandle<Option<Process>>>,
    found: Option<Process>,
    teller: Teller,
}

/// Tells the sinks once who the client is.
#[derive(Clone)]
struct Teller {
    tap: TapTeller,
    told: Arc<Mutex<bool>>,
}

impl Teller {
    fn tell(&self, found: Option<&Process>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *told, true) {
            self.tap.event(found.map_or(EventKind::NoProcess, |process| EventKind::Process(process.clone())));
        }
    }
}

impl ClientProgram {
    /// Begins to look for the program behind `peer`.
    pub(crate) fn find(
        identify: Option<Arc<dyn Identify>>,
        peer: SocketAddr,
        local: SocketAddr,
        tap: &ConnTap,
    ) -> Self {
        let teller = Teller { tap: tap.teller(), told: Arc::default() };
        if identify.is_none() {
            teller.tell(None);
        }
        let under_way = identify.map(|identify| {
            let teller = teller.clone();
            tokio::task::spawn_blocking(move || {
                let found = identify.process(peer, local);
                teller.tell(found.as_ref());
                found
            })
        });
        Self { under_way, found: None, teller }
    }

    async fn wait(&mut self) -> Option<&Process> {
        if let Some(handle) = self.under_way.as_mut()
            && let Ok(done) = tokio::time::timeout(PATIENCE, handle).await
        {
            self.found = done.ok().flatten();
            self.under_way = None;
        }
        self.found.as_ref()
    }

    /// Gives the look-up its time while the client is still there: a client that is refused something may be gone at once.
    pub(crate) async fn settle(&mut self) {
        self.wait().await;
    }

    /// The program; looked for again where it was not found at first, for what is done with the connection hangs on it.
    /// `again` looks once more.
    pub(crate) async fn surely(&mut self, again: impl Fn() -> JoinHandle<Option<Process>>) -> Option<Process> {
        let until = tokio::time::Instant::now() + LONGEST;
        while self.under_way.is_some() && tokio::time::Instant::now() < until {
            self.wait().await;
        }
        for _ in 0..AGAIN {
            if self.found.is_some() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            self.found = again().await.ok().flatten();
        }
        self.found.clone()
    }

    /// By what fail-open remembers this client: its program where that is known, else its address.
    pub(crate) async fn key(&mut self, peer: SocketAddr) -> ClientKey {
        match self.wait().await {
            Some(process) => ClientKey::Program(process.exe.clone().unwrap_or_else(|| process.name.clone())),
            None => ClientKey::Address(peer.ip().to_canonical()),
        }
    }

    /// The number of its process, if that has been found by now.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.found.as_ref().map(|process| process.pid)
    }

    /// `curl[1234]`, or the address.
    pub(crate) async fn name(&mut self, peer: SocketAddr) -> String {
        match self.wait().await {
            Some(process) => format!("{}[{}]", process.name, process.pid),
            None => peer.ip().to_canonical().to_string(),
        }
    }

    /// Makes sure that the sinks have heard of the program before the connection is closed, and hear nothing after that.
    pub(crate) async fn tell(&mut self) {
        if let Some(handle) = &self.under_way {
            // One that has not begun would look for a socket that is gone.
            handle.abort();
        }
        self.wait().await;
        self.teller.tell(self.found.as_ref());
    }
}
