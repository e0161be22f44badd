//! What is shown of a diagnosis, and where. In: facts and the diagnosis. Out: text or JSON, progress, files, an exit status.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use sidelight_engine::probe::Progress;
use sidelight_model::diagnose::{Diagnosis, Facts};
use sidelight_model::finding::Cause;
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::{Tagged, line};

use super::save;
use crate::cli::{DiagnoseCommand, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::{Look, Stream, diagnosis as text};
use crate::schema;
use crate::ui::Ui;

/// How results are shown.
pub(super) struct Outcome<'o> {
    command: &'o DiagnoseCommand,
    json: bool,
    look: Look,
    ui: Ui,
}

impl<'o> Outcome<'o> {
    /// By the options.
    pub(super) fn new(command: &'o DiagnoseCommand, global: &GlobalOptions, ui: Ui) -> Self {
        let stream = if global.json { Stream::Error } else { Stream::Output };
        Self { command, json: global.json, look: Look::of(stream, global, Redactor::new(false)), ui }
    }

    /// Shows what is tried, on one line of a terminal.
    pub(super) fn progress(&self) -> Option<Progress> {
        let shown = std::io::stderr().is_terminal();
        shown.then(|| -> Progress {
            Arc::new(|what: &str| {
                let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}", crate::render::escape::clip(what, 78));
            })
        })
    }

    /// Takes the line away.
    pub(super) fn end_progress(&self) {
        if std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    /// The whole diagnosis.
    pub(super) fn show(&self, facts: &Facts, diagnosis: &Diagnosis) -> Result<(), Failure> {
        self.document(facts, diagnosis)?;
        self.print(&text::render(&self.look, facts, diagnosis, self.command.effort.showcerts && !self.json))
    }

    /// The JSON of it, where that is wanted.
    pub(super) fn document(&self, facts: &Facts, diagnosis: &Diagnosis) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let shape = schema::Diagnosis::new(facts, diagnosis, self.look.redactor);
        let bytes = line(&Tagged::new("diagnosis", shape)).map_err(Failure::new)?;
        let mut out = std::io::stdout().lock();
        Ok(out.write_all(&bytes).and_then(|()| out.flush())?)
    }

    /// One line of many.
    pub(super) fn line(&self, diagnosis: &Diagnosis) -> Result<(), Failure> {
        self.print(&text::line(&self.look, diagnosis))
    }

    /// The details of one that failed, among many.
    pub(super) fn details(&self, facts: &Facts, diagnosis: &Diagnosis) -> Result<(), Failure> {
        self.print(&format!("\n{}", text::render(&self.look, facts, diagnosis, false)))
    }

    /// Text for people: on standard error where JSON has the other.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let written = if self.json {
            std::io::stderr().lock().write_all(text.as_bytes())
        } else {
            std::io::stdout().lock().write_all(text.as_bytes())
        };
        Ok(written?)
    }

    /// Writes the chain, where that is wanted.
    pub(super) fn save(&self, diagnosis: &Diagnosis) -> Result<(), Failure> {
        match &self.command.effort.save_chain {
            Some(file) => save::write(file, diagnosis, self.ui),
            None => Ok(()),
        }
    }

    /// 0 for what works, 1 for what does not.
    pub(super) fn exit(diagnosis: &Diagnosis) -> Exit {
        if diagnosis.finding.cause == Cause::Ok { Exit::Done } else { Exit::No }
    }
}
