//! `sidelight demo`. In: how much to show. Out: a real interception between services and clients of our own, scene by scene.

use std::time::Duration;

use clap::Parser as _;

use super::interception::{Interception, Surroundings};
use super::recording::Recording;
use crate::cli::{Cli, Command, DemoCommand, GlobalOptions, ProxyOptions};
use crate::demo::{Services, visits};
use crate::exit::{Exit, Failure};
use crate::render::Stream;
use crate::ui::Ui;

/// What one scene prints gets so long to appear before the title of the next.
const PAUSE: Duration = Duration::from_millis(250);

/// Plays every scene.
///
/// # Errors
/// When loopback cannot be used, or a scene ends otherwise than it should.
pub(crate) fn run(command: &DemoCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::new(format_args!("{what}: {error}"));
    let mut options = proxy_options()?;
    options.show = command.show.clone();
    options.recording.store.clone_from(&command.store);
    options.recording.no_store = command.store.is_none();
    let mut recording = Recording::plan(&options, global, "demo", Stream::Output)?;
    let stage = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| failed("no threads", error))?;
    let services = stage.block_on(Services::start()).map_err(|error| failed("the demo's services", error))?;

    let around = Surroundings {
        hosts: services.hosts(),
        roots: vec![services.ca_der.clone()],
        only_these_roots: true,
        ..Surroundings::default()
    };
    let mut interception = Interception::prepare(&options, around, || recording.open(ui), ui)?;
    let proxy = interception.serve(&options.ways_in.mode[0], None)?;
    let authority = interception.authority().cert_der().to_vec();
    for visit in visits(proxy, &authority, &services) {
        if !command.show.quiet {
            ui.note(&format!("\n# {}", visit.title));
        }
        let outcome = stage.block_on(visit.act);
        outcome.map_err(|error| failed(visit.title, error))?;
        std::thread::sleep(PAUSE);
    }
    stage.shutdown_background();
    let ledger = interception.stop();
    recording.conclude(ledger.seen, ui);
    Ok(Exit::Done)
}

/// The defaults of `proxy`, with an authority in memory and a port that the kernel chooses.
fn proxy_options() -> Result<ProxyOptions, Failure> {
    let words = ["sidelight", "proxy", "--ephemeral-ca", "--mode", "explicit@127.0.0.1:0"];
    match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Proxy(proxy)) => Ok(proxy.options),
        Ok(_) => Err(Failure::new("the demo's own command line names another verb")),
        Err(error) => Err(Failure::new(error)),
    }
}
