//! The program under test. In: its path and options. Out: a running `sidelight proxy --json` with its listening addresses, everything it reports, and its ledger.
//! The shapes of its lines: docs of `sidelight --json`; only the fields that tests ask for are read here.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a report may take to appear after the traffic it is about.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the program has printed, line by line.
#[derive(Debug, Default)]
struct Printed {
    lines: Mutex<Vec<Value>>,
    news: Condvar,
}

/// A running `sidelight proxy`.
#[derive(Debug)]
pub struct Sidelight {
    child: Child,
    printed: Arc<Printed>,
    readers: Vec<JoinHandle<()>>,
    log: Arc<Mutex<String>>,
    folder: PathBuf,
}

impl Sidelight {
    /// Starts `command` with `proxy --json`, a CA in `folder`, and `options`; waits until it listens in `modes` ways.
    ///
    /// # Panics
    /// If it ends or does not listen in time; the message shows what it said.
    #[track_caller]
    pub fn start(mut command: Command, folder: &Path, options: &[&str], modes: usize) -> Self {
        command.args(["proxy", "--json", "--ca"]).arg(folder.join("ca")).args(options);
        command.env("XDG_STATE_HOME", folder.join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start sidelight: {e}"));
        let printed = Arc::new(Printed::default());
        let log = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let readers = vec![
            thread::spawn({
                let printed = Arc::clone(&printed);
                move || read_reports(BufReader::new(stdout), &printed)
            }),
            thread::spawn({
                let log = Arc::clone(&log);
                move || read_log(BufReader::new(stderr), &log)
            }),
        ];
        let mut started = Self { child, printed, readers, log, folder: folder.to_path_buf() };
        started.until_it_listens(modes);
        started
    }

    #[track_caller]
    fn until_it_listens(&mut self, modes: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.of_type("listening").len() < modes {
            if let Ok(Some(status)) = self.child.try_wait() {
                thread::sleep(Duration::from_millis(100));
                panic!("sidelight ended with {status} before it listened\n{}", self.said());
            }
            assert!(Instant::now() < deadline, "sidelight does not say where it listens\n{}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens over IPv4, by the kind of mode (`explicit`, `socks5`, …).
    #[track_caller]
    pub fn address(&self, mode: &str) -> SocketAddr {
        self.listens(mode, SocketAddr::is_ipv4)
    }

    /// Where it listens over IPv6, by the kind of mode.
    #[track_caller]
    pub fn address6(&self, mode: &str) -> SocketAddr {
        self.listens(mode, SocketAddr::is_ipv6)
    }

    #[track_caller]
    fn listens(&self, mode: &str, family: impl Fn(&SocketAddr) -> bool) -> SocketAddr {
        let lines = self.of_type("listening");
        let of_kind = lines.iter().filter(|line| {
            let named = line["mode"].as_str().unwrap_or_default();
            named.split([':', '@']).next() == Some(mode)
        });
        let mut addresses = of_kind.filter_map(|line| line["address"].as_str()?.parse::<SocketAddr>().ok());
        addresses.find(family).unwrap_or_else(|| panic!("sidelight does not listen as {mode}\n{}", self.said()))
    }

    /// Its CA's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca/ca.pem")
    }

    /// The folder of recordings that nobody named.
    pub fn recordings(&self) -> PathBuf {
        self.folder.join("state/sidelight")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Memory of its own that it holds now, in KiB: `RssAnon` of proc(5). Pages of the program's file come and go as the kernel likes.
    #[track_caller]
    pub fn resident_kib(&self) -> u64 {
        let file = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("cannot read {file}: {e}"));
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("an RssAnon line");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// Every line of one type so far.
    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        let lines = self.printed.lines.lock().expect("no panic while it was held");
        lines.iter().filter(|line| line["type"] == kind).cloned().collect()
    }

    /// How many lines of one type there are so far.
    pub fn count(&self, kind: &str) -> u64 {
        let lines = self.printed.lines.lock().expect("no panic while it was held");
        lines.iter().filter(|line| line["type"] == kind).count() as u64
    }

    /// Waits for a line of a type that fits.
    #[track_caller]
    pub fn wait_for(&self, what: &str, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.printed.lines.lock().expect("no panic while it was held");
        loop {
            if let Some(line) = lines.iter().find(|line| line["type"] == kind && fits(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(lines);
                panic!("sidelight did not report {what}\n{}", self.said());
            }
            lines = self.printed.news.wait_timeout(lines, left).expect("no panic while it was held").0;
        }
    }

    /// Waits for the exchange with this method, end of the URL and status.
    #[track_caller]
    pub fn exchange(&self, method: &str, url_ends: &str, status: u16) -> Value {
        self.wait_for(&format!("{method} …{url_ends} {status}"), "exchange", |line| {
            line["method"] == method
                && line["url"].as_str().is_some_and(|url| url.ends_with(url_ends))
                && line["status"] == status
        })
    }

    /// Waits for a finding with this cause.
    #[track_caller]
    pub fn finding(&self, cause: &str) -> Value {
        self.wait_for(&format!("the cause {cause}"), "finding", |line| line["cause"] == cause)
    }

    /// Interrupts it as Ctrl-C does, waits for its end, and gives its ledger.
    #[track_caller]
    pub fn stop(mut self) -> Value {
        self.signal(Signal::INT);
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                break status;
            }
            assert!(Instant::now() < deadline, "sidelight does not end when interrupted\n{}", self.said());
            thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        assert!(status.success(), "sidelight ended with {status}\n{}", self.said());
        self.of_type("ledger").pop().unwrap_or_else(|| panic!("sidelight printed no ledger\n{}", self.said()))
    }

    /// All it has printed, for messages.
    pub fn said(&self) -> String {
        let lines = self.printed.lines.lock().expect("no panic while it was held");
        let short = |line: &Value| line.to_string().chars().take(400).collect::<String>();
        let shown: Vec<String> = lines.iter().rev().take(40).rev().map(short).collect();
        let log = self.log.lock().expect("no panic while it was held");
        format!(
            "--- its standard output ({} lines):\n{}\n--- its standard error:\n{log}",
            lines.len(),
            shown.join("\n")
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Sidelight {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_reports(reader: impl BufRead, printed: &Printed) {
    for line in reader.lines().map_while(Result::ok) {
        let value = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(format!("not JSON: {line}")));
        printed.lines.lock().expect("no panic while it was held").push(value);
        printed.news.notify_all();
    }
}

fn read_log(reader: impl BufRead, log: &Mutex<String>) {
    for line in reader.lines().map_while(Result::ok) {
        let mut log = log.lock().expect("no panic while it was held");
        // Enough to explain a failure; a flood of messages must not fill the test's memory.
        if log.len() < 200_000 {
            log.push_str(&line);
            log.push('\n');
        }
    }
}
