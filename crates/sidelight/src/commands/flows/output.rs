//! Standard output of commands that print much. In: lines. Out: the same, buffered; a reader that leaves ends the command quietly.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::exit::Failure;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody reads.
    There,
    /// Nobody reads any more.
    Gone,
}

/// Standard output.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Locks standard output.
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    /// Prints `text`.
    ///
    /// # Errors
    /// When it cannot be written, although somebody reads.
    pub(super) fn print(&mut self, text: &str) -> Result<Reader, Failure> {
        still_read(self.0.write_all(text.as_bytes()))
    }

    /// Lets `write` print.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(super) fn with(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Reader, Failure> {
        still_read(write(&mut self.0))
    }

    /// Prints `value` as JSON on a line.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(super) fn line(&mut self, value: &impl Serialize) -> Result<Reader, Failure> {
        let mut line = serde_json::to_vec(value).map_err(Failure::new)?;
        line.push(b'\n');
        still_read(self.0.write_all(&line))
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(super) fn flush(&mut self) -> Result<Reader, Failure> {
        still_read(self.0.flush())
    }
}

fn still_read(written: io::Result<()>) -> Result<Reader, Failure> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::new(format_args!("standard output: {error}"))),
    }
}
