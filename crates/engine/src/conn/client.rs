//! Who the client is. In: its address, a way to find programs. Out: the program's name, once it is known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidelight_model::flow::{EventKind, Process};
use sidelight_model::policy::ClientKey;
use tokio::task::JoinHandle;

use crate::engine::Identify;
use crate::tap::ConnTap;

/// How long those who need the program's name wait for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The look-up of a client's program, which runs beside the connection.
pub(crate) struct ClientProgram {
    under_way: Option<JoinHandle<Option<Process>>>,
    found: Option<Process>,
    told: bool,
}

impl ClientProgram {
    /// Begins to look for the program behind `peer`.
    pub(crate) fn find(
        identify: Option<Arc<dyn Identify>>,
        peer: SocketAddr,
        local: SocketAddr,
        tap: &ConnTap,
    ) -> Self {
        let teller = tap.teller();
        let under_way = identify.map(|identify| {
            tokio::task::spawn_blocking(move || {
                let found = identify.process(peer, local);
                if let Some(process) = &found {
                    teller.event(EventKind::Process(process.clone()));
                }
                found
            })
        });
        Self { under_way, found: None, told: false }
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

    /// By what fail-open remembers this client.
    pub(crate) async fn key(&mut self, peer: SocketAddr) -> ClientKey {
        match self.wait().await {
            Some(process) => ClientKey::Program(process.exe.clone().unwrap_or_else(|| process.name.clone())),
            None => ClientKey::Address(peer.ip().to_canonical()),
        }
    }

    /// `curl[1234]`, or the address.
    pub(crate) async fn name(&mut self, peer: SocketAddr) -> String {
        match self.wait().await {
            Some(process) => format!("{}[{}]", process.name, process.pid),
            None => peer.ip().to_canonical().to_string(),
        }
    }

    /// Makes sure that the sinks have heard of the program before the connection is closed.
    pub(crate) async fn tell(&mut self, _tap: &ConnTap) {
        if !self.told {
            self.told = true;
            self.wait().await;
        }
    }
}
