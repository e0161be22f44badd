//! The command itself. In: its words, the changes to its environment. Out: a process with this one's streams and terminal, and
//! the status with which it ended. Signals that are sent to us are passed on.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use sidelight_host::run_env::RunEnvironment;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::super::descriptors;
use super::super::interception::Interception;
use super::shown;
use crate::exit::{Exit, Failure};

/// A command that is ready to be started.
pub(super) struct Prepared {
    /// The process to be.
    pub(super) command: Command,
    name: String,
}

impl Prepared {
    /// The command with its environment. Where standard output `is_ours` alone, the command's goes to standard error.
    pub(super) fn new(words: &[OsString], environment: &RunEnvironment, is_ours: bool) -> Result<Self, Failure> {
        let (program, arguments) = words.split_first().ok_or_else(|| Failure::usage("no command is given"))?;
        let mut command = Command::new(program);
        command.args(arguments);
        for name in &environment.unset {
            command.env_remove(name);
        }
        command.envs(environment.set.iter().map(|(name, value)| (name, value)));
        if is_ours {
            let error = std::io::stderr().as_fd().try_clone_to_owned();
            command.stdout(error.map_err(|error| Failure::new(format!("standard error cannot be shared: {error}")))?);
        }
        Ok(Self { command, name: shown(words) })
    }
}

/// Runs it to its end.
///
/// # Errors
/// When it cannot be started: 127 when it is not there, 126 when it cannot be executed.
pub(super) fn run(prepared: Prepared, interception: &Interception) -> Result<Exit, Failure> {
    interception.runtime().block_on(async {
        let Prepared { mut command, name } = prepared;
        let mut signals = Signals::listen()?;
        if let Some(limit) = interception.former_limit() {
            descriptors::restore_in(&mut command, limit);
        }
        let mut child = command.spawn().map_err(|error| not_started(&name, &error))?;
        if let Some(pid) = child.id() {
            interception.hint(pid);
        }
        loop {
            tokio::select! {
                status = child.wait() => {
                    let status = status.map_err(|error| Failure::new(format!("the end of `{name}` cannot be awaited: {error}")))?;
                    return Ok(exit(status));
                }
                signal = signals.next() => pass_on(&child, signal),
            }
        }
    })
}

fn not_started(name: &str, error: &std::io::Error) -> Failure {
    let (exit, hint) = match error.kind() {
        ErrorKind::NotFound => (Exit::NotFound, "check the spelling, and PATH"),
        _ => (Exit::NotExecutable, "check that it is a program and may be executed"),
    };
    Failure::new(format!("`{name}` cannot be started: {error}")).hint(hint).exit(exit)
}

fn exit(status: ExitStatus) -> Exit {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Exit::Command(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Whether a process sent the latest SIGINT or SIGQUIT, by their number; those of a terminal come from the kernel.
static SENT_BY_PROCESS: [AtomicBool; 4] = [const { AtomicBool::new(false) }; 4];

/// Begins to note where SIGINT and SIGQUIT come from. Has to be called before anybody else listens to them: who hears of a
/// signal first is called first.
fn note_senders() {
    for number in [Signal::INT, Signal::QUIT].map(Signal::as_raw) {
        let Some(sent) = usize::try_from(number).ok().and_then(|index| SENT_BY_PROCESS.get(index)) else { continue };
        // SAFETY: the action stores into an atomic, and does nothing else that a signal handler must not do. The codes of
        // sigaction(2) that say that a process sent a signal are not positive; SI_KERNEL is.
        #[allow(unsafe_code, reason = "only a signal handler is told where a signal comes from")]
        let _ = unsafe {
            signal_hook_registry::register_sigaction(number, move |info| {
                if info.si_code <= 0 {
                    sent.store(true, Ordering::Release);
                }
            })
        };
    }
}

/// The signals that are passed on.
struct Signals([(tokio::signal::unix::Signal, Signal); 7]);

impl Signals {
    fn listen() -> Result<Self, Failure> {
        note_senders();
        let open = |kind: SignalKind, number: Signal| {
            signal(kind)
                .map(|stream| (stream, number))
                .map_err(|error| Failure::new(format!("signals cannot be received: {error}")))
        };
        Ok(Self([
            open(SignalKind::interrupt(), Signal::INT)?,
            open(SignalKind::quit(), Signal::QUIT)?,
            open(SignalKind::terminate(), Signal::TERM)?,
            open(SignalKind::hangup(), Signal::HUP)?,
            open(SignalKind::user_defined1(), Signal::USR1)?,
            open(SignalKind::user_defined2(), Signal::USR2)?,
            open(SignalKind::window_change(), Signal::WINCH)?,
        ]))
    }

    async fn next(&mut self) -> Signal {
        let waits = self.0.iter_mut().map(|(stream, number)| (stream, *number)).collect::<Vec<_>>();
        let mut waits = waits;
        std::future::poll_fn(|cx| {
            for (stream, number) in &mut waits {
                if stream.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The terminal sends its signals to every process of the foreground group, the command among them: those are not sent again.
fn pass_on(child: &Child, signal: Signal) {
    let number = usize::try_from(signal.as_raw()).unwrap_or(usize::MAX);
    let by_process = SENT_BY_PROCESS.get(number).is_some_and(|sent| sent.swap(false, Ordering::AcqRel));
    let by_terminal = matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH) && in_foreground();
    if by_terminal && !by_process {
        return;
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process(pid, signal);
    }
}

/// Whether a terminal sends its signals to our process group.
fn in_foreground() -> bool {
    let group = rustix::process::getpgrp();
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|foreground| foreground == group)
}
