//! `sidelight flows stats`. In: a recording. Out: the account of what was talked to; with `--assert`, what of it breaks the rules.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use sidelight_host::files::read_bounded;
use sidelight_model::finding::Finding;
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::{self, Tagged, View};
use sidelight_sink::stats::{Assertions, Stats};

use super::output::Output;
use super::source::{self, Source, failed};
use crate::cli::{FlowsStats, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::{self, Look, Stream, count};
use crate::ui::Ui;

/// A file of host patterns is no longer than this.
const LARGEST: u64 = 16 << 20;

pub(super) fn run(command: &FlowsStats, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let assertions = command.assert.as_deref().map(read_assertions).transpose()?;
    let source = Source::open(&command.source, ui)?;
    let now = SystemTime::now().into();
    let stats = Stats::of(&source.recording, source.filter.as_ref(), now).map_err(failed)?;
    let findings = assertions.as_ref().map(|assertions| assertions.check(&stats));
    let redactor = Redactor::new(command.show_secrets);
    let mut out = Output::new();
    if global.json {
        let view = View { redactor, bodies: None };
        out.line(&Tagged::new("stats", schema::Stats::new(&stats, findings.as_deref(), view)))?;
    } else {
        let look = Look::of(Stream::Output, global, redactor);
        out.print(&match &findings {
            None => render::stats(&look, &stats),
            Some(findings) => judged(&look, &stats, findings),
        })?;
        source::tell_losses(&source.recording, ui)?;
    }
    out.flush()?;
    Ok(if findings.is_none_or(|findings| findings.is_empty()) { Exit::Done } else { Exit::No })
}

fn judged(look: &Look, stats: &Stats, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("holds of {}\n", count(stats.flows, "flow"));
    }
    findings.iter().map(|finding| render::finding(look, finding, true)).collect()
}

/// Reads the rules and the files that they name.
fn read_assertions(text: &str) -> Result<Assertions, Failure> {
    let open = &mut |file: &str| {
        let bytes = read_bounded(Path::new(file), LARGEST).map_err(io::Error::other)?;
        String::from_utf8(bytes).map_err(|_| io::Error::other(format!("{file} is not UTF-8")))
    };
    Assertions::parse(text, open).map_err(|error| {
        let failure = Failure::usage(format_args!("--assert: {error}"));
        match error.hint() {
            Some(_) => failure,
            None => failure
                .hint("docs/filters.md has the rules: tls>=1.2; expires>30d; hosts in FILE; verified; causes none"),
        }
    })
}
