//! The readers in docs/content-log.md do what is said there. In: a log, and the programs out of the document. Out: what they print.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded, Direction, Exchange, WebSocketKind, WebSocketMessage};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::content_log::ContentLog;
use sidelight_sink::import::{Format, ImportOptions, import_bytes};
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;

/// Keeps exchanges.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<Exchange>>>);

impl Consumer for Told {
    fn exchange(&mut self, _: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.0.lock().expect("no panic while it was held").push(Exchange::clone(exchange));
    }
    fn decoded(&mut self, _: &ConnectionRecord, _: &Decoded) {}
    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}
    fn end(&mut self, _: &Ledger) {}
}

/// The first program of the document in this language.
fn program(language: &str) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/content-log.md");
    let text = std::fs::read_to_string(document).expect("the document");
    let (_, after) = text.split_once(&format!("```{language}\n")).expect("a program");
    after.split("```").next().unwrap_or_default().to_owned()
}

#[test]
fn the_python_reader_finds_every_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    let to = Destination::File(path.clone());
    let file = CaptureFile::create("--log", to, Rotation::default(), Timestamp(0)).expect("a file");
    let mut log = ContentLog::new(file, Notices::none());
    let record = ConnectionRecord::new(ConnId(1), Timestamp(1));
    let texts = ["plain", "two\n\nlines\n", "@ 2026 no head\n@ nor this", "naïve \u{1b}[2J", ""];
    for text in texts {
        let message = WebSocketMessage {
            stream: 3,
            direction: Direction::ToServer,
            at: Timestamp(1_795_372_833_000_001),
            kind: WebSocketKind::Text,
            length: text.len() as u64,
            kept: Bytes::from_static(text.as_bytes()),
            frames: 1,
            compressed: false,
        };
        log.decoded(&record, &Decoded::WebSocket(message));
    }
    log.end(&Ledger::default());
    let output = Command::new("python3").args(["-c", &program("python")]).arg(&path).output().expect("python3");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].contains(" connection "), "{printed}");
    // Escapes make the third and fourth longer: `\x40` for `@` twice, `\x1b` for ESC.
    let lengths = [5, 11, texts[2].len() + 6, texts[3].len() + 3, 0];
    for (line, length) in lines[1..].iter().zip(lengths) {
        assert_eq!(*line, format!("2026-11-22T18:40:33.000001Z 1/3 websocket-text  {length}"));
    }
    assert_eq!(lines.len(), 1 + texts.len());
}

#[test]
fn the_example_is_a_log() {
    let example = program("");
    let told = Told::default();
    let consumer = Box::new(told.clone());
    let report =
        import_bytes("example", example.as_bytes(), &ImportOptions::default(), &mut [consumer]).expect("a log");
    assert_eq!((report.format, report.damage), (Format::ContentLog, Vec::new()));
    let told = told.0.lock().expect("no panic while it was held");
    let [exchange] = &told[..] else { panic!("{told:?}") };
    assert_eq!(exchange.request.as_ref().map(|it| it.headers.len()), Some(2));
    assert_eq!(exchange.response.as_ref().map(|it| it.body.kept.as_ref()), Some(&b"{}"[..]));
}

#[test]
fn the_awk_line_prints_urls() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    let head =
        "@ 2026-11-22T18:40:33.000001Z 1/3 - <- a.test:443 response url=https://a.test/x status=200 us=1 bytes=5";
    std::fs::write(&path, format!("{head}\nhello\n\n{}\nhello\n\n", head.replace("response", "request")))
        .expect("a log");
    let script = program("sh").replace("FILE", "\"$0\"");
    let output = Command::new("sh").args(["-c", &script]).arg(&path).output().expect("sh");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "url=https://a.test/x status=200 \n");
}
