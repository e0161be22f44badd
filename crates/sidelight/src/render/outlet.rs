//! Where results go. In: the settings of a command. Out: the consumers of the bus that print them.

use std::io::{BufWriter, IsTerminal as _, Write};

use jiff::tz::TimeZone;
use sidelight_sink::bus::Consumer;
use sidelight_sink::jsonl::JsonLines;
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::View;

use super::{Look, Paint, Text};
use crate::cli::{GlobalOptions, ShowOptions};
use crate::ui;

/// Bytes of a body that people are shown; what is recorded may hold more.
const MOST_SHOWN: usize = 64 << 10;

/// One of the two streams of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl Stream {
    fn writer(self) -> Box<dyn Write + Send> {
        match self {
            Self::Output => Box::new(BufWriter::new(std::io::stdout())),
            Self::Error => Box::new(BufWriter::new(std::io::stderr())),
        }
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Output => std::io::stdout().is_terminal(),
            Self::Error => std::io::stderr().is_terminal(),
        }
    }

    /// Columns of the terminal, when it is one that tells.
    fn width(self) -> Option<usize> {
        let size = match self {
            Self::Output => rustix::termios::tcgetwinsize(std::io::stdout()),
            Self::Error => rustix::termios::tcgetwinsize(std::io::stderr()),
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }
}

/// The consumers that the settings ask for: text on `stream`; with `--json`, JSON Lines on standard output, and findings for
/// people on standard error. `body_limit` is the number of bytes of each decoded body that `-vv` shows.
pub(crate) fn consumers(
    global: &GlobalOptions,
    show: &ShowOptions,
    body_limit: usize,
    stream: Stream,
) -> Vec<Box<dyn Consumer>> {
    let redactor = Redactor::new(show.show_secrets);
    let stream = if global.json { Stream::Error } else { stream };
    let look = Look {
        verbose: show.verbose,
        quiet: show.quiet || global.json,
        body_limit: body_limit.min(MOST_SHOWN),
        ..Look::of(stream, global, redactor)
    };
    let text = Text::new(stream.writer(), look).following(Box::new(move || stream.width()));
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(text)];
    if global.json {
        let view = View { redactor, bodies: (show.verbose > 1).then_some(body_limit) };
        consumers.push(Box::new(JsonLines::new(Stream::Output.writer(), view)));
    }
    consumers
}

impl Look {
    /// How `stream` wants it: its width and colours, local time.
    pub(crate) fn of(stream: Stream, global: &GlobalOptions, redactor: Redactor) -> Self {
        Self {
            paint: Paint::new(ui::colours(global.color, stream.is_terminal(), &|name| std::env::var_os(name))),
            width: stream.width(),
            zone: TimeZone::system(),
            redactor,
            verbose: 0,
            quiet: false,
            body_limit: MOST_SHOWN,
        }
    }
}
