//! Captures in bad times: a disk that is full for a while, a process that is killed. In: exchanges without end. Out: files that are
//! read again, and an exact account of what is not in them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{
    Body, ConnId, ConnectionRecord, Decoded, Exchange, Header, HttpVersion, Outcome, Request, RequestTarget, Response,
    Timings,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::content_log::ContentLog;
use sidelight_sink::har::Har;
use sidelight_sink::import::{ImportOptions, ImportReport, import};
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;

/// Where a child process of these tests writes.
const FOLDER: &str = "SIDELIGHT_TEST_FOLDER";

fn exchange(number: u64) -> Exchange {
    let content = format!("{number} ").repeat(2_000);
    let body = Body { length: content.len() as u64, kept: Bytes::from(content), ..Body::default() };
    let target =
        RequestTarget { raw: Bytes::from(format!("/{number}")), scheme: None, authority: Some("a.test".to_owned()) };
    let headers = vec![Header::new("Host", "a.test"), Header::new("Content-Type", "text/plain")];
    let request = Request {
        method: Bytes::from_static(b"GET"),
        target,
        headers: headers.clone(),
        trailers: Vec::new(),
        body: Body::default(),
    };
    let reason = Bytes::from_static(b"OK");
    Exchange {
        conn: ConnId(1),
        stream: number,
        version: HttpVersion::Http11,
        request: Some(request),
        interim: Vec::new(),
        response: Some(Response { status: 200, reason, headers, trailers: Vec::new(), body }),
        timings: Timings { request_start: Timestamp(1_795_372_833_000_001), ..Timings::default() },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn create(option: &'static str, path: &Path) -> CaptureFile {
    CaptureFile::create(option, Destination::File(path.to_owned()), Rotation::default(), Timestamp(0)).expect("a file")
}

/// Counts exchanges by the number in their path.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Vec<u64>>>);

impl Consumer for Numbers {
    fn exchange(&mut self, _: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.0.lock().expect("no panic while it was held").push(exchange.stream);
    }
    fn decoded(&mut self, _: &ConnectionRecord, _: &Decoded) {}
    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}
    fn end(&mut self, _: &Ledger) {}
}

fn read(path: &Path) -> (ImportReport, Vec<u64>) {
    let numbers = Numbers::default();
    let report = import(path, &ImportOptions::default(), &mut [Box::new(numbers.clone())]).expect("a capture");
    let numbers = numbers.0.lock().expect("no panic while it was held").clone();
    (report, numbers)
}

/// This test alone, in a process of its own.
fn child(test: &str, folder: &Path, before: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &format!("{before} exec \"$1\" --exact {test} --nocapture"), "sh"]);
    command.arg(std::env::current_exe().expect("its own path")).env(FOLDER, folder);
    command
}

#[test]
fn a_full_disk_loses_whole_records_and_says_how_many() {
    let Some(disk) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = format!("mount -t tmpfs -o size=512k tmpfs \"${FOLDER}\" &&");
        let name = "a_full_disk_loses_whole_records_and_says_how_many";
        let output = child(name, folder.path(), &mount).output().expect("unshare");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    type Make = fn(CaptureFile, Notices) -> Box<dyn Consumer>;
    let formats: [(&'static str, &str, Make); 2] = [
        ("--har", "x.har", |file, notices| Box::new(Har::new(file, notices))),
        ("--log", "x.log", |file, notices| Box::new(ContentLog::new(file, notices))),
    ];
    for (option, name, make) in formats {
        let path = disk.join(name);
        let said = Arc::new(Mutex::new(Vec::<String>::new()));
        let keep = Arc::clone(&said);
        let notices =
            Notices::new(move |words| keep.lock().expect("no panic while it was held").push(words.to_owned()));
        let mut consumer = make(create(option, &path), notices);
        let record = ConnectionRecord::new(ConnId(1), Timestamp(1_795_372_833_000_001));
        let mut written = 0;
        let mut write_until = |words: &str, pause: Duration| {
            while !said.lock().expect("no panic while it was held").iter().any(|it| it.contains(words)) {
                assert!(written < 2_000, "{words}: {said:?}");
                written += 1;
                consumer.exchange(&record, &Arc::new(exchange(written)));
                consumer.idle();
                std::thread::sleep(pause);
            }
        };
        std::fs::write(disk.join("filler"), vec![0; 200 * 1024]).expect("room for it");
        write_until("No space left", Duration::ZERO);
        // Whole, while the disk is full.
        assert_eq!(read(&path).0.damage, [], "{name}");
        write_until("No space left", Duration::ZERO);
        std::fs::remove_file(disk.join("filler")).expect("it is there");
        write_until("is written again", Duration::from_millis(150));
        consumer.end(&Ledger::default());
        drop(consumer);
        let (report, numbers) = read(&path);
        assert_eq!(report.damage, [], "{name}");
        let said = said.lock().expect("no panic while it was held");
        let last = said.last().expect("the account at the end");
        let lost = written - numbers.len() as u64;
        assert!(lost > 0 && last.contains(&format!(": {lost} ")) && last.contains("missing"), "{lost}: {said:?}");
        assert_eq!(said.len(), 3, "{said:?}");
        std::fs::remove_file(&path).expect("it is there");
    }
}

#[test]
fn a_killed_process_leaves_what_it_wrote() {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let record = ConnectionRecord::new(ConnId(1), Timestamp(1_795_372_833_000_001));
        let mut har = Har::new(create("--har", &folder.join("x.har")), Notices::none());
        let mut log = ContentLog::new(create("--log", &folder.join("x.log")), Notices::none());
        // A line for each exchange that must be found again; the test ends it by a signal long before.
        for number in 1..100_000 {
            for consumer in [&mut har as &mut dyn Consumer, &mut log] {
                consumer.exchange(&record, &Arc::new(exchange(number)));
                consumer.idle();
            }
            println!("written {number}");
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = child("a_killed_process_leaves_what_it_wrote", folder.path(), "");
    let mut process = command.stdout(Stdio::piped()).spawn().expect("unshare");
    let mut said = Vec::new();
    let mut stdout = process.stdout.take().expect("a pipe");
    let mut piece = [0; 256];
    while said.len() < 20_000 {
        let count = stdout.read(&mut piece).expect("its words");
        assert!(count > 0, "it ended by itself");
        said.extend_from_slice(&piece[..count]);
    }
    process.kill().expect("it runs");
    process.wait().expect("its end");
    let said = String::from_utf8_lossy(&said).into_owned();
    let promised = said.lines().filter(|line| line.starts_with("written ")).count() as u64 - 1;
    for name in ["x.har", "x.log"] {
        let (report, numbers) = read(&folder.path().join(name));
        assert!(numbers.len() as u64 >= promised, "{name}: {} of {promised}", numbers.len());
        assert!(numbers.iter().zip(1..).all(|(found, expected)| *found == expected), "{name}");
        assert!(report.damage.len() <= 1, "{name}: {:?}", report.damage);
    }
}
