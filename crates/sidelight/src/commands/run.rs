//! `sidelight run`. In: a command. Out: its exit status, and what it said over TLS. Spec: env(1) for the statuses.

mod child;
mod sandboxed;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidelight_engine::dial::Proxy;
use sidelight_host::run_env::{ProxyAddr, RunDirectory, RunEnvironment, RunInputs};

use super::environment_proxy;
use super::interception::{Interception, Surroundings};
use super::recording::Recording;
use super::registry_verbs::watch;
use crate::cli::{GlobalOptions, ModeKind, ModeSpec, RunCommand};
use crate::exit::{Exit, Failure};
use crate::render::Stream;
use crate::ui::Ui;

/// After the command has ended, connections get so long to end as well.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the command with its TLS going through us.
///
/// # Errors
/// When sidelight cannot do its part; the exit status is then 125.
pub(crate) fn run(command: &RunCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    start(command, global, ui).map_err(|failure| match failure.exit {
        Exit::NotFound | Exit::NotExecutable | Exit::Usage => failure,
        _ => failure.exit(Exit::RunFailed),
    })
}

fn start(command: &RunCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let options = &command.options;
    if let Some(named) = talks_by_daemon(command) {
        let words = &command.command;
        match watch::of_run(named, options, words, recording_name(words), global, ui) {
            Ok(ended) => return ended,
            Err(failure) => {
                ui.warning(&format!("the daemon does the talking, and cannot be watched: {failure}"));
                failure.hints.iter().for_each(|hint| ui.note(&format!("hint: {hint}")));
            }
        }
    }
    // Standard output is the command's; people's text goes beside it.
    let mut recording = Recording::plan(options, global, recording_name(&command.command), Stream::Error)?;
    let output_is_ours = recording.takes_output();
    let chained = chained_proxy()?;
    let mut interception = Interception::prepare(options, Surroundings::default(), || recording.open(ui), ui)?;
    let ended = intercept(command, &mut interception, chained, output_is_ours, ui);
    let ledger = interception.stop();
    if let (Ok((_, refused_udp)), false) = (&ended, options.show.quiet) {
        epilogue(ledger.seen, *refused_udp, command.transparent, ui);
    }
    recording.conclude(ledger.seen, ui);
    ended.map(|(exit, _)| exit)
}

/// The daemon that does the talking for this command, unless a way in was chosen by hand.
fn talks_by_daemon(command: &RunCommand) -> Option<watch::which::Named> {
    let chosen = command.transparent || !command.options.ways_in.mode.is_empty();
    watch::which::of_command(&command.command, &watch::which::text_of).filter(|_| !chosen)
}

/// Runs the command; gives how it ended, and how many UDP flows were turned away meanwhile.
fn intercept(
    command: &RunCommand,
    interception: &mut Interception,
    chained: Option<Arc<Proxy>>,
    output_is_ours: bool,
    ui: Ui,
) -> Result<(Exit, u64), Failure> {
    let folder = RunDirectory::create(&std::env::temp_dir()).map_err(|error| Failure::new(error.to_string()))?;
    let address = proxy_address(command, interception, chained.as_ref())?;
    let authority = interception.authority().clone();
    let pem = authority.cert_pem();
    let inputs = RunInputs {
        ca_der: authority.cert_der(),
        ca_pem: &pem,
        proxy: address.map(|address| ProxyAddr { address, credentials: login_of(command) }),
        environment: &|name| std::env::var_os(name),
        root: Path::new("/"),
    };
    let environment =
        RunEnvironment::prepare(&inputs, folder.path()).map_err(|error| Failure::new(error.to_string()))?;
    environment.warnings.iter().for_each(|warning| ui.warning(warning));
    let mut started = child::Prepared::new(&command.command, &environment, output_is_ours)?;
    let sandbox = if command.transparent {
        let binds = sidelight_host::run_env::trust_binds(&inputs, folder.path())
            .map_err(|error| Failure::new(error.to_string()))?;
        Some(sandboxed::enter(interception, &mut started, binds, chained)?)
    } else {
        None
    };
    let ended = child::run(started, interception)?;
    let left = Instant::now() + GRACE;
    while interception.connections() > 0 && Instant::now() < left {
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused_udp = sandbox.as_ref().and_then(|sandbox| sandbox.refused_udp().ok()).unwrap_or(0);
    Ok((ended, refused_udp))
}

/// Runs a command with its environment as it is.
///
/// # Errors
/// When it cannot be started.
pub(super) fn plainly(words: &[OsString], interception: &Interception, output_is_ours: bool) -> Result<Exit, Failure> {
    child::run(child::Prepared::new(words, &RunEnvironment::default(), output_is_ours)?, interception)
}

/// What a recording of this command is called after.
fn recording_name(command: &[OsString]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    format!("run-{}", program.to_string_lossy())
}

/// What a person would wonder about at the end.
fn epilogue(seen: u64, refused_udp: u64, transparent: bool, ui: Ui) {
    if seen == 0 && !transparent {
        ui.note("no connection came through sidelight: the command made none, or it ignores proxy variables (then try: sidelight run --transparent -- …)");
    }
    if refused_udp > 0 {
        ui.note(&format!("{refused_udp} UDP flows (QUIC, HTTP/3 …) were turned away, so that programs fall back to TCP, where they can be seen"));
    }
}

/// The proxy that the command is pointed at; none in transparent mode unless `--mode` asks for one.
fn proxy_address(
    command: &RunCommand,
    interception: &mut Interception,
    chained: Option<&Arc<Proxy>>,
) -> Result<Option<SocketAddr>, Failure> {
    let mut address = None;
    for mode in &command.options.ways_in.mode {
        let listening = interception.serve(mode, chained)?;
        if matches!(mode.kind, ModeKind::Explicit { tls: false } | ModeKind::Upstream(_)) {
            address = address.or(Some(listening));
        }
    }
    if address.is_none() && !command.transparent {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mode = ModeSpec { kind: ModeKind::Explicit { tls: false }, listen: any_port };
        address = Some(interception.serve(&mode, chained)?);
    }
    Ok(address.filter(|_| !command.transparent))
}

fn login_of(command: &RunCommand) -> Option<(String, String)> {
    let login = command.options.ways_in.proxy_auth.as_ref()?.login().ok()?;
    Some((login.user, login.password.reveal().clone()))
}

/// The proxy that the command would have used without us: we go through it instead.
fn chained_proxy() -> Result<Option<Arc<Proxy>>, Failure> {
    environment_proxy::proxy(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
}

/// Arguments for people.
fn shown(command: &[OsString]) -> String {
    command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
