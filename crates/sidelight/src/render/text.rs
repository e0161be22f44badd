//! The consumer that prints for people. In: calls of the bus. Out: lines in the order of the events.

use std::io::{self, Write};
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::record::ConnectionRecord;

use super::{Look, detail, exchange, finding, ledger, stream};

/// Tells the present width of the terminal.
pub(crate) type Width = Box<dyn Fn() -> Option<usize> + Send>;

/// Prints what happens. After the first error of its writer it prints no more.
pub(crate) struct Text<W> {
    out: W,
    look: Look,
    width: Option<Width>,
    broken: bool,
}

impl<W: Write> Text<W> {
    /// Prints to `out`, which should be buffered: it is flushed whenever nothing more is waiting.
    pub(crate) const fn new(out: W, look: Look) -> Self {
        Self { out, look, width: None, broken: false }
    }

    /// Follows the width of a terminal as it changes.
    #[must_use]
    pub(crate) fn following(mut self, width: Width) -> Self {
        self.width = Some(width);
        self
    }

    fn print(&mut self, text: &str) {
        if !text.is_empty() {
            self.attempt(|out| out.write_all(text.as_bytes()));
        }
    }

    fn attempt(&mut self, step: impl FnOnce(&mut W) -> io::Result<()>) {
        if !self.broken {
            self.broken = step(&mut self.out).is_err();
        }
    }
}

impl<W: Write + Send> Consumer for Text<W> {
    fn wants_content(&self) -> bool {
        !self.look.quiet
    }

    fn exchange(&mut self, conn: &ConnectionRecord, it: &Arc<Exchange>) {
        if !self.look.quiet {
            let text = exchange::render(&self.look, conn, it) + &detail::render(&self.look, it);
            self.print(&text);
        }
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        if !self.look.quiet {
            let text = stream::render(&self.look, conn, decoded);
            self.print(&text);
        }
    }

    fn finding(&mut self, conn: &ConnectionRecord, it: &Finding) {
        let text = finding::render(&self.look, it, !conn.is_seen());
        self.print(&text);
    }

    fn closed(&mut self, conn: &ConnectionRecord) {
        if !self.look.quiet {
            let text = stream::closed(&self.look, conn);
            self.print(&text);
        }
    }

    fn idle(&mut self) {
        self.attempt(Write::flush);
        if let Some(width) = &self.width {
            self.look.width = width();
        }
    }

    fn end(&mut self, it: &Ledger) {
        if !self.look.quiet {
            let text = ledger::render(&self.look, it);
            self.print(&text);
        }
        self.attempt(Write::flush);
    }
}
