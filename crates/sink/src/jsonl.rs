//! JSON Lines of an interception. In: calls of [`Consumer`]. Out: one object a line, in the shapes of [`crate::schema`], to any
//! writer, or to a capture file that rotates.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};
use sidelight_model::time::Timestamp;

use crate::bus::Consumer;
use crate::capture::{CaptureFile, Writer};
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;
use crate::schema::{self, Tagged, View};

/// Writes JSON Lines. After the first error of its writer it writes no more; [`JsonLines::problem`] tells it.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
    view: View,
    problem: Option<io::Error>,
}

/// A capture file that takes each write as one line.
#[derive(Debug)]
pub struct Lines(Writer);

impl Write for Lines {
    /// Never fails: what cannot be written is counted, and the person is told.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.record(Timestamp::from(SystemTime::now()), line, Vec::new);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush();
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl JsonLines<Lines> {
    /// Writes to `file`, rotated between lines.
    pub const fn to_file(file: CaptureFile, view: View, notices: Notices) -> Self {
        Self::new(Lines(Writer::new(file, "lines", notices)), view)
    }
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, which should be buffered: it is flushed whenever nothing more is waiting.
    pub const fn new(out: W, view: View) -> Self {
        Self { out, view, problem: None }
    }

    /// Why writing ended early, if it did.
    pub const fn problem(&self) -> Option<&io::Error> {
        self.problem.as_ref()
    }

    fn line(&mut self, kind: &'static str, value: impl Serialize) {
        let line = schema::line(&Tagged::new(kind, value)).map_err(io::Error::from);
        self.attempt(|out| out.write_all(&line?));
    }

    fn attempt(&mut self, step: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.problem.is_none() {
            self.problem = step(&mut self.out).err();
        }
    }
}

impl<W: Write + Send> Consumer for JsonLines<W> {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.line("exchange", schema::Exchange::new(conn, exchange, self.view));
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        let view = self.view;
        match decoded {
            Decoded::Exchange(exchange) => self.exchange(conn, exchange),
            Decoded::WebSocket(message) => self.line("websocket", schema::WebSocket::new(conn, message, view)),
            Decoded::Grpc(message) => self.line("grpc", schema::Grpc::new(conn, message, view)),
            Decoded::ServerSent(event) => self.line("event", schema::ServerSent::new(conn, event, view)),
            Decoded::Opaque(data) if data.ended => self.line("opaque", schema::Opaque::new(conn, data)),
            Decoded::Opaque(_) => {}
            Decoded::Stopped(direction, because) => {
                self.line("stopped", schema::Stopped::new(conn, *direction, because, view));
            }
            Decoded::Anomaly(direction, anomaly) => {
                self.line("anomaly", schema::Anomaly::of(conn, *direction, anomaly, view));
            }
        }
    }

    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        let at = conn.latest;
        self.line("finding", schema::Finding::about(conn, at, finding, self.view.redactor));
    }

    fn closed(&mut self, conn: &ConnectionRecord) {
        self.line("connection", schema::Connection::new(conn, self.view));
    }

    fn idle(&mut self) {
        self.attempt(Write::flush);
    }

    fn end(&mut self, ledger: &Ledger) {
        self.line("ledger", schema::Ledger::new(ledger, self.view));
        self.attempt(Write::flush);
    }
}

#[cfg(test)]
mod tests {
    use sidelight_model::flow::{ConnId, Direction};

    use super::*;
    use crate::capture::{Destination, Rotation};

    #[test]
    fn a_file_is_rotated_between_lines() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { size: Some(200), ..Rotation::default() };
        let to = Destination::File(folder.path().join("x.jsonl"));
        let file = CaptureFile::create("--jsonl", to, rotation, Timestamp(0)).unwrap();
        let mut lines = JsonLines::to_file(file, View::default(), Notices::none());
        let record = ConnectionRecord::new(ConnId(7), Timestamp(1));
        for n in 0..5 {
            lines.decoded(&record, &Decoded::Stopped(Direction::ToClient, format!("reason {n}")));
        }
        lines.end(&Ledger::default());
        let mut kinds = Vec::new();
        let files = ["x.jsonl", "x-0002.jsonl", "x-0003.jsonl", "x-0004.jsonl"];
        for name in files {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.ends_with('\n'), "{name}");
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                kinds.push(value["because"].as_str().or(value["type"].as_str()).unwrap().to_owned());
            }
        }
        assert_eq!(kinds, ["reason 0", "reason 1", "reason 2", "reason 3", "reason 4", "ledger"]);
    }
}
