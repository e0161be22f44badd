//! Real programs as peers. In: a command. Out: what it printed and how it ended, or a running server that is ended by its process id.
//! Every wait is bounded; a program that overstays is killed and the panic shows what it said.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Hosts;

/// The longest that a client may run unless a test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The command, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself, or a panic that shows all it said, if it did not end with status 0.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]).into_owned();
        writeln!(f, "`{}` ended with {}", self.line, self.status)?;
        write!(f, "stdout: {}\nstderr: {}", cut(&self.stdout), cut(&self.stderr))
    }
}

/// Runs a program to its end, which must come within [`PATIENCE`].
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    run_within(command, PATIENCE)
}

/// Runs a program to its end, which must come within `patience`.
#[track_caller]
pub fn run_within(command: &mut Command, patience: Duration) -> Finished {
    let line = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start `{line}`: {e}; run `cargo xtask setup`"));
    let stdout = gather(child.stdout.take());
    let stderr = gather(child.stderr.take());
    let status = wait(&mut child, patience);
    if status.is_none() {
        end(&mut child, Duration::ZERO);
    }
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    let Some(status) = status else {
        let said = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]).into_owned();
        panic!("`{line}` did not end within {patience:?}\nstdout: {}\nstderr: {}", said(&stdout), said(&stderr));
    };
    Finished { line, status, stdout, stderr }
}

fn gather(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Asks a program to end, waits, and kills it if it does not.
fn end(child: &mut Child, grace: Duration) {
    if !grace.is_zero() {
        signal(child, Signal::TERM);
        if wait(child, grace).is_some() {
            return;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
    line: String,
    grace: Duration,
}

impl Running {
    /// Starts a server; what it prints goes to `log`.
    #[track_caller]
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let line = shown(command);
        let file = File::create(log).unwrap_or_else(|e| panic!("cannot create {}: {e}", log.display()));
        let both = file.try_clone().expect("a second handle of a file");
        command.stdin(Stdio::null()).stdout(file).stderr(both);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start `{line}`: {e}; run `cargo xtask setup`"));
        Self { child, log: log.to_path_buf(), line, grace: Duration::from_secs(5) }
    }

    /// Gives the server this long to end by itself once it is told to.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until something holds; a panic shows the server's log if it ends or takes more than a minute.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("`{}` ended with {status} before {what}\n{}", self.line, self.said());
            }
            assert!(Instant::now() < deadline, "`{}` is not ready: {what}\n{}", self.line, self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the server accepts connections, seen from `place`.
    #[track_caller]
    pub fn until_it_listens(&mut self, place: &Hosts, address: SocketAddr) {
        self.until(&format!("listening on {address}"), || place.reaches(address));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child, self.grace);
    }
}

/// A port on 127.0.0.1 that was free a moment ago, for servers that cannot be given port 0.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
