//! `sidelight proxy`. In: ways in. Out: what passes, until it is told to stop; then the ledger.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::interception::{Interception, Surroundings};
use crate::cli::{GlobalOptions, ModeSpec, ProxyCommand};
use crate::exit::{Exit, Failure};
use crate::render::{self, Stream};
use crate::ui::Ui;

/// Listens until SIGINT or SIGTERM.
///
/// # Errors
/// When something that the options name cannot be used, or a port is taken.
pub(crate) fn run(command: &ProxyCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let options = &command.options;
    let body_limit = usize::try_from(options.limits.body_limit.0).unwrap_or(usize::MAX);
    let consumers = render::consumers(global, &options.show, body_limit, Stream::Output);
    let mut interception = Interception::prepare(options, Surroundings::default(), consumers, ui)?;
    let default = [ModeSpec::default()];
    let modes = if options.ways_in.mode.is_empty() { &default[..] } else { &options.ways_in.mode };
    for mode in modes {
        let address = interception.serve(mode, None)?;
        announce(mode, address, global.json, ui);
    }
    let stopped = interception.runtime().block_on(told_to_stop());
    let ledger = interception.stop();
    if ledger.seen == 0 && !options.show.quiet {
        ui.note("no connection came");
    }
    stopped.map(|()| Exit::Done)
}

fn announce(mode: &ModeSpec, address: std::net::SocketAddr, json: bool, ui: Ui) {
    let name = mode.kind.name();
    if json {
        println!("{}", json!({"v": 1, "type": "listening", "mode": name, "address": address.to_string()}));
    } else {
        ui.note(&format!("listening {name} on {address}"));
    }
    if !mode.is_local() {
        ui.warning(&format!("{address} can be reached from outside this machine; clients from public addresses are refused unless --allow-public is given"));
    }
}

/// Waits for the first signal that asks this process to end.
///
/// # Errors
/// When signals cannot be received.
pub(crate) async fn told_to_stop() -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
