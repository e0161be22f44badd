//! A place where conversations are captured. In: an origin, a client's command line. Out: a capture, a key log, what import makes of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Event, EventKind, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::import::{self, ImportOptions, ImportReport};
use sidelight_sink::ledger::Ledger;
use sidelight_testkit::netns::Namespace;
use sidelight_testkit::world::{identity, names};
use sidelight_testkit::{Hosts, Issuer, Origin, Running};
use sidelight_wire::flow_decoder::Limits;
use tempfile::TempDir;

/// A namespace in which everything on the loopback is captured.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) namespace: Namespace,
    pub(crate) root: Issuer,
    hosts: Hosts,
    tcpdump: Option<Running>,
}

impl Stage {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let namespace = Namespace::new();
        let hosts = names(folder.path()).inside(&namespace);
        let root = Issuer::root("Origin Test Root");
        root.write_to(&folder.path().join("root.pem"));
        let mut command = namespace.command("tcpdump");
        command.args(["-U", "--immediate-mode", "-w"]).arg(folder.path().join("capture")).args(["-B", "65536"]);
        command.args(if arguments.is_empty() { &["-i", "lo"] } else { arguments });
        let mut tcpdump = Running::start(&mut command, &folder.path().join("tcpdump.log"));
        let log = folder.path().join("tcpdump.log");
        tcpdump.until("listening", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("listening on")));
        Self { folder, namespace, root, hosts, tcpdump: Some(tcpdump) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The test kit's origin, inside.
    pub(crate) fn origin(&self, address: &str, protocols: &[&str]) -> Origin {
        Origin::on(self.namespace.listen(address), &identity(&self.root), protocols)
    }

    /// A command inside, with a key log and the origin's names.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.hosts.command(program);
        command.env("SSLKEYLOGFILE", self.path("keys")).current_dir(self.folder.path());
        command
    }

    /// curl(1) that trusts the root.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("curl");
        command.args(["--silent", "--show-error", "--cacert", "root.pem"]).args(arguments);
        command
    }

    /// A server inside, that is ready when it accepts connections.
    pub(crate) fn server(&self, command: &mut Command, address: SocketAddr) -> Running {
        let mut server = Running::start(command, &self.path("server.log"));
        server.until_it_listens(&self.hosts, address);
        server
    }

    /// Ends the capture once nothing more is written to it.
    pub(crate) fn stop(&mut self) {
        let file = self.path("capture");
        let mut size = 0;
        loop {
            std::thread::sleep(Duration::from_millis(250));
            let now = std::fs::metadata(&file).map_or(0, |it| it.len());
            if now == size {
                break;
            }
            size = now;
        }
        self.tcpdump = None;
    }

    /// Ends the capture and imports it with the key log.
    pub(crate) fn import(&mut self) -> Imported {
        self.stop();
        import(&self.path("capture"), &[self.path("keys")])
    }
}

/// What an import handed out.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    pub(crate) exchanges: Vec<(ConnectionRecord, Exchange)>,
    pub(crate) decoded: Vec<Decoded>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) closed: Vec<ConnectionRecord>,
    /// Decrypted or plain bytes of each connection.
    pub(crate) data: BTreeMap<ConnId, [Vec<u8>; 2]>,
    pub(crate) ends: u32,
}

pub(crate) struct Imported {
    pub(crate) report: ImportReport,
    pub(crate) heard: Heard,
}

impl Imported {
    /// The only exchange for this path.
    #[track_caller]
    pub(crate) fn exchange(&self, path: &str) -> &(ConnectionRecord, Exchange) {
        let is_it =
            |exchange: &Exchange| exchange.request.as_ref().is_some_and(|it| it.target.raw.as_ref() == path.as_bytes());
        let found: Vec<_> = self.heard.exchanges.iter().filter(|(_, exchange)| is_it(exchange)).collect();
        let [one] = found.as_slice() else { panic!("{} exchanges for {path}; {:#?}", found.len(), self.summary()) };
        one
    }

    pub(crate) fn summary(&self) -> Vec<String> {
        let exchanges = self.heard.exchanges.iter().map(|(_, it)| {
            let target = it.request.as_ref().map(|it| it.target.raw.escape_ascii().to_string());
            format!(
                "{} {target:?} {:?} {:?}",
                it.conn.0,
                it.response.as_ref().map(|it| (it.status, it.body.length)),
                it.outcome
            )
        });
        let closed = self.heard.closed.iter().map(|it| {
            format!(
                "{} {:?} {:?} {:?} {:?}",
                it.id.0,
                it.decision,
                it.target,
                it.closed,
                it.finding.as_ref().map(|it| &it.summary)
            )
        });
        let damage = self.report.damage.iter().map(|it| format!("{} {}", it.offset, it.what));
        exchanges.chain(closed).chain(damage).collect()
    }
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

impl Consumer for Ear {
    fn event(&mut self, _: &ConnectionRecord, event: &Event) {
        if let EventKind::Data(direction, bytes) = &event.kind {
            let mut heard = self.0.lock().unwrap();
            heard.data.entry(event.conn).or_default()[direction.index()].extend_from_slice(bytes);
        }
    }
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.0.lock().unwrap().exchanges.push((conn.clone(), Exchange::clone(exchange)));
    }
    fn decoded(&mut self, _: &ConnectionRecord, decoded: &Decoded) {
        self.0.lock().unwrap().decoded.push(decoded.clone());
    }
    fn finding(&mut self, _: &ConnectionRecord, finding: &Finding) {
        self.0.lock().unwrap().findings.push(finding.clone());
    }
    fn closed(&mut self, conn: &ConnectionRecord) {
        self.0.lock().unwrap().closed.push(conn.clone());
    }
    fn end(&mut self, _: &Ledger) {
        self.0.lock().unwrap().ends += 1;
    }
}

fn options(key_logs: &[PathBuf]) -> ImportOptions {
    let limits = Limits { body_kept: 64 << 20, hash_bodies: true, ..Limits::default() };
    ImportOptions { format: None, key_logs: key_logs.to_vec(), limits }
}

#[track_caller]
pub(crate) fn import(file: &Path, key_logs: &[PathBuf]) -> Imported {
    let ear = Ear::default();
    let report = import::import(file, &options(key_logs), &mut [Box::new(ear.clone())]);
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    heard(report, ear)
}

pub(crate) fn import_bytes(bytes: &[u8], key_logs: &[PathBuf]) -> Result<Imported, import::ImportError> {
    let ear = Ear::default();
    let report = import::import_bytes("bytes", bytes, &options(key_logs), &mut [Box::new(ear.clone())])?;
    Ok(heard(report, ear))
}

#[track_caller]
fn heard(report: ImportReport, ear: Ear) -> Imported {
    let heard = ear.0.lock().unwrap().clone();
    assert_eq!(heard.ends, 1, "consumers are told the end once");
    assert_eq!(report.ledger.seen, heard.closed.len() as u64);
    Imported { report, heard }
}

/// A proxy inside that grants every CONNECT and SOCKS request for `origin.test`, for as long as the test runs.
pub(crate) fn proxy(namespace: &Namespace, address: &str) {
    let listener = namespace.listen(address);
    let name = namespace.name().to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let name = name.clone();
            std::thread::spawn(move || serve(client, &name));
        }
    });
}

fn serve(mut client: TcpStream, namespace: &str) -> std::io::Result<()> {
    let mut byte = [0; 1];
    client.peek(&mut byte)?;
    let (port, answer): (u16, &[u8]) = match byte[0] {
        5 => {
            read(&mut client, 2).and_then(|head| read(&mut client, usize::from(head[1])))?;
            client.write_all(&[5, 0])?;
            let head = read(&mut client, 5)?;
            let rest = read(&mut client, usize::from(head[4]) + 2)?;
            let [.., high, low] = rest.as_slice() else { panic!("a request without port") };
            (u16::from_be_bytes([*high, *low]), &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        }
        4 => {
            let head = read(&mut client, 8)?;
            for _ in 0..2 {
                while read(&mut client, 1)? != [0] {}
            }
            (u16::from_be_bytes([head[2], head[3]]), &[0, 0x5a, 0, 0, 0, 0, 0, 0])
        }
        _ => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.extend(read(&mut client, 1)?);
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            let port = text.split([':', ' ']).nth(2).and_then(|port| port.parse().ok()).expect("a port");
            (port, b"HTTP/1.1 200 Connection established\r\n\r\n")
        }
    };
    let connect = move || TcpStream::connect(("127.0.0.1", port));
    let mut service = sidelight_testkit::netns::within(namespace, connect)?;
    client.write_all(answer)?;
    let (mut from, mut to) = (client.try_clone()?, service.try_clone()?);
    let upward = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut service, &mut client)?;
    client.shutdown(Shutdown::Write)?;
    upward.join().expect("the way upward");
    Ok(())
}

fn read(stream: &mut TcpStream, count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
