//! JSON Lines of an interception. In: calls of [`Consumer`]. Out: one object a line, in the shapes of [`crate::schema`].

use std::io::{self, Write};

use serde::Serialize;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};

use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;
use crate::schema::{self, Tagged, View};

/// Writes JSON Lines. After the first error of its writer it writes no more; [`JsonLines::problem`] tells it.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
    view: View,
    problem: Option<io::Error>,
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
        let line = serde_json::to_vec(&Tagged::new(kind, value)).map_err(io::Error::from);
        self.attempt(|out| {
            let mut line = line?;
            line.push(b'\n');
            out.write_all(&line)
        });
    }

    fn attempt(&mut self, step: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.problem.is_none() {
            self.problem = step(&mut self.out).err();
        }
    }
}

impl<W: Write + Send> Consumer for JsonLines<W> {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Exchange) {
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
