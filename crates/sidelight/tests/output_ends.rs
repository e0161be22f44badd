//! Standard output whose reader leaves, or stands still. Spec: pipe(7), POSIX "Shell Command Language" §2.8.2 (statuses).

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take; nothing is said about how long it does take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that is killed when a test fails.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Started {
    /// Starts `sidelight proxy` with JSON on a pipe.
    fn new(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        command
            .args(["proxy", "--json", "--ephemeral-ca", "--no-store", "--mode", "explicit@127.0.0.1:0"])
            .args(options);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The reader of its output and the address that its first line tells.
    fn listening(&mut self) -> (BufReader<ChildStdout>, SocketAddr) {
        let mut reader = BufReader::with_capacity(64, self.0.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["type"], "listening");
        let address = line["address"].as_str().unwrap().parse().unwrap();
        (reader, address)
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let last = Instant::now() + PATIENCE;
        while Instant::now() < last {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

#[test]
fn a_proxy_whose_reader_leaves_ends_though_nothing_passes() {
    let mut proxy = Started::new(&[]);
    let (reader, _) = proxy.listening();
    drop(reader);
    let status = proxy.ended().expect("it went on unseen");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_proxy_without_a_reader_from_the_start_does_not_panic() {
    let mut proxy = Started::new(&[]);
    drop(proxy.0.stdout.take());
    let status = proxy.ended().expect("it went on unseen");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_reader_that_stands_still_does_not_keep_a_proxy_that_is_told_to_stop_twice() {
    let mut proxy = Started::new(&[]);
    let (reader, address) = proxy.listening();
    // More than a pipe holds (64 KiB): each of these is told at some length, and nobody reads.
    for _ in 0..200 {
        let mut line = TcpStream::connect(address).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        std::io::Write::write_all(&mut line, b"GET /not-for-a-proxy HTTP/1.1\r\n\r\n").unwrap();
        line.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", answer.escape_ascii());
    }
    proxy.signal();
    std::thread::sleep(Duration::from_millis(500));
    assert!(proxy.0.try_wait().unwrap().is_none(), "what is to be told waits for the reader");
    // A signal that comes before its handler is in place is the first one still, so it is sent until it is heard.
    let last = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = proxy.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < last, "the reader keeps it");
        proxy.signal();
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(130));
    drop(reader);
}
