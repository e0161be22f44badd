//! `sidelight proxy`. In: ways in. Out: what passes, until it is told to stop or nobody reads it any more; then the ledger.

use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::interception::{Interception, Surroundings};
use super::recording::Recording;
use crate::cli::{GlobalOptions, ModeSpec, ProxyCommand, ProxyOptions};
use crate::exit::{Exit, Failure};
use crate::render::Stream;
use crate::ui::Ui;

/// Listens until SIGINT or SIGTERM, or until the reader of standard output is gone.
///
/// # Errors
/// When something that the options name cannot be used, or a port is taken.
pub(crate) fn run(command: &ProxyCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let options = &command.options;
    let mut recording = Recording::plan(options, global, "proxy", Stream::Output)?;
    let mut interception = Interception::prepare(options, Surroundings::default(), || recording.open(ui), ui)?;
    if let Err(failure) = listen(options, &mut interception, global.json, ui) {
        // What was made for the recording is not needed any more.
        let ledger = interception.stop();
        recording.conclude(ledger.seen, ui);
        return Err(failure);
    }
    let stopped = interception.runtime().block_on(async {
        tokio::select! {
            stopped = told_to_stop() => stopped,
            () = nobody_reads() => Ok(()),
        }
    });
    end_at_once_when_told_again();
    let ledger = interception.stop();
    if ledger.seen == 0 && !options.show.quiet {
        ui.note("no connection came");
    }
    recording.conclude(ledger.seen, ui);
    stopped.map(|()| Exit::Done)
}

fn listen(options: &ProxyOptions, interception: &mut Interception, json: bool, ui: Ui) -> Result<(), Failure> {
    let default = [ModeSpec::default()];
    let modes = if options.ways_in.mode.is_empty() { &default[..] } else { &options.ways_in.mode };
    for mode in modes {
        let address = interception.serve(mode, None)?;
        announce(mode, address, json, ui);
    }
    Ok(())
}

fn announce(mode: &ModeSpec, address: std::net::SocketAddr, json: bool, ui: Ui) {
    let name = mode.kind.name();
    if json {
        let line = json!({"v": 1, "type": "listening", "mode": name, "address": address.to_string()});
        // A reader that is gone already ends the command soon: see `nobody_reads`.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    } else {
        ui.note(&format!("listening {name} on {address}"));
    }
    if !mode.is_local() {
        ui.warning(&format!("{address} can be reached from outside this machine; clients from public addresses are refused unless --allow-public is given"));
    }
}

/// Waits until standard output is a pipe (or terminal) whose other end is closed; for ever where that cannot be. Without this,
/// `sidelight proxy | head` would go on unseen, and notice only when something is to be printed.
pub(crate) async fn nobody_reads() {
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own, which waits until the process ends: nothing is to be read or written, so only errors are awaited.
    std::thread::spawn(move || {
        let output = std::io::stdout();
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        while poll(&mut watched, None) == Err(Errno::INTR) {}
        let gone = watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
        let _ = tell.send(gone);
    });
    if told.await != Ok(true) {
        std::future::pending().await
    }
}

/// From now on a signal ends this process at once: a reader that stands still (a pager) must not keep it.
fn end_at_once_when_told_again() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if runtime.is_ok_and(|runtime| runtime.block_on(told_to_stop()).is_ok()) {
            // As a shell would see a command that SIGINT ended.
            std::process::exit(130);
        }
    });
}

/// Waits for the first signal that asks this process to end.
///
/// # Errors
/// When signals cannot be received.
pub(crate) async fn told_to_stop() -> Result<(), Failure> {
    StopSignals::listen()?.next().await;
    Ok(())
}

/// The signals that ask this process to end. From [`Self::listen`] on none of them ends it by itself.
pub(crate) struct StopSignals([Signal; 3]);

impl StopSignals {
    /// Begins to listen; inside a runtime.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let open = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be received: {error}")));
        Ok(Self([open(SignalKind::interrupt())?, open(SignalKind::terminate())?, open(SignalKind::hangup())?]))
    }

    /// Waits for the first of them, also if it came since.
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
