//! Pulls, pushes and logins as text. In: blocks. Out: the answer in the first line of each, its steps with a waterfall, then the
//! evidence, and what to do.

mod step;

use std::time::Duration;

use sidelight_model::registry::timeline::{Block, Outcome, Step, Verdict};
use sidelight_model::time::Timestamp;

use super::quantity::{bytes, day, duration, moment, time_of_day};
use super::style::Meaning;
use super::{Look, escape};

/// What one source holds.
pub(crate) struct Told {
    /// What it is called.
    pub(crate) name: String,
    /// What kind it is: `recording`, `capture`, `registry log`, `ctr --http-dump`.
    pub(crate) kind: &'static str,
    /// What it cannot tell.
    pub(crate) caveat: Option<&'static str>,
    /// Its blocks.
    pub(crate) blocks: Vec<Block>,
}

/// Columns of the waterfall.
const BAR: usize = 16;

/// Columns before what a step says: offset, length, waterfall, and what stands between.
const BEFORE: usize = 2 + 8 + 1 + 7 + 1 + BAR + 2;

/// The same where there are no lengths and no waterfall.
const BEFORE_COARSE: usize = 2 + 8 + 2;

/// Columns for the name of a step.
const NAME: usize = 12;

/// All blocks of a source; with its name where there are several.
pub(crate) fn render(look: &Look, told: &Told, several: bool) -> String {
    let mut text = String::new();
    if several {
        text.push_str(&format!("{} ({}):\n", look.peer(&told.name), told.kind));
    }
    if let Some(caveat) = told.caveat {
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, caveat)));
    }
    let blocks: Vec<String> = told.blocks.iter().map(|it| block(look, it)).collect();
    text + &blocks.join("\n") + if several { "\n" } else { "" }
}

fn block(look: &Look, block: &Block) -> String {
    let (mark, meaning) = match block.verdict.outcome {
        Outcome::Ok => ("✓", Meaning::Good),
        Outcome::Failed => ("✗", Meaning::Bad),
        Outcome::Unfinished => ("?", Meaning::Caution),
    };
    let what = look.peer(&format!("{} {}", block.action.name(), block.image()));
    let summary = look.peer(&block.verdict.summary);
    let mut text = String::new();
    words(look, 0, (mark, meaning), &format!("{what}: {summary}"), meaning, &mut text);
    words(look, 2, ("", Meaning::Plain), &about(look, block), Meaning::Faint, &mut text);
    let span = block.span();
    let times = span.map(|(start, end)| Times { start, end, is_coarse: is_coarse(block) });
    for (at, step) in block.steps.iter().enumerate() {
        line(look, step, times, block.verdict.step == Some(at), &mut text);
    }
    verdict(look, &block.verdict, &mut text);
    text
}

/// When a block was, and whether its source tells times in whole seconds alone.
#[derive(Clone, Copy)]
struct Times {
    start: Timestamp,
    end: Timestamp,
    is_coarse: bool,
}

impl Times {
    /// Columns before what a step says.
    fn columns(&self) -> usize {
        if self.is_coarse { BEFORE_COARSE } else { BEFORE }
    }
}

fn is_coarse(block: &Block) -> bool {
    let seen = || block.steps.iter().flat_map(|it| &it.seen);
    seen().flat_map(|it| [it.start, it.end]).flatten().all(|it| it.0 % 1_000_000 == 0)
}

/// Who, when, how long, how much.
fn about(look: &Look, block: &Block) -> String {
    let mut parts = vec![look.peer(&block.program.to_string())];
    let process = block.caller.process.as_ref().map(|(pid, name)| format!("{}[{pid}]", look.peer(name)));
    let address = block.caller.address.map(|it| format!("at {it}"));
    let place: Vec<String> = process.into_iter().chain(address).collect();
    if !place.is_empty() {
        parts.push(place.join(" "));
    }
    match block.span() {
        Some((start, end)) if is_coarse(block) => {
            parts.push(format!("{} {}", day(start, &look.zone), time_of_day(start, &look.zone)));
            let length = end.since(start);
            parts.push(if length.is_zero() { "within a second".to_owned() } else { duration(length) });
        }
        Some((start, end)) => {
            parts.push(moment(start, &look.zone));
            parts.push(duration(end.since(start)));
        }
        None => parts.push("times are not told".to_owned()),
    }
    parts.push(bytes(block.steps.iter().map(Step::bytes).fold(0, u64::saturating_add)));
    parts.join(", ")
}

/// A step: when, how long, its place in the waterfall, and what it was; further lines below.
fn line(look: &Look, step: &Step, block: Option<Times>, is_cause: bool, text: &mut String) {
    let before = match (block, step.span()) {
        (Some(Times { start, is_coarse: true, .. }), Some((from, _))) => {
            format!("  {}  ", escape::pad_left(&format!("+{} s", from.since(start).as_secs()), 8))
        }
        (Some(Times { start, end, .. }), Some((from, to))) => {
            let offset = format!("+{}", duration(from.since(start)));
            format!(
                "  {} {} {}  ",
                escape::pad_left(&offset, 8),
                escape::pad_left(&duration(to.since(from)), 7),
                bar(from.since(start), to.since(start), end.since(start))
            )
        }
        _ => "  ".to_owned(),
    };
    let indent = block.map_or(2, |it| it.columns());
    let mark = step::meaning(step, is_cause);
    let name = escape::pad(&step::name(step), NAME);
    let lines = step::lines(step);
    let first = lines.first().cloned().unwrap_or_default();
    let start = look.paint.as_(Meaning::Faint, &before) + &look.paint.as_(mark, &name) + " ";
    push(look, &start, indent + NAME + 1, &look.peer(&first), text);
    for more in lines.iter().skip(1) {
        let start = " ".repeat(indent + NAME + 1);
        push(look, &start, indent + NAME + 1, &look.peer(more), text);
    }
}

/// Where between the beginning and the end of a block something happened.
fn bar(from: Duration, to: Duration, all: Duration) -> String {
    let all = all.as_micros().max(1);
    let cell = |at: Duration| usize::try_from(at.as_micros() * BAR as u128 / all).unwrap_or(BAR).min(BAR - 1);
    let (from, to) = (cell(from), cell(to));
    (0..BAR).map(|at| if (from..=to).contains(&at) { '█' } else { '·' }).collect()
}

fn push(look: &Look, start: &str, indent: usize, words: &str, text: &mut String) {
    let room = look.width.map(|width| width.saturating_sub(indent + 1).max(24));
    for (n, line) in escape::wrap(words, room).iter().enumerate() {
        let start = if n == 0 { start.to_owned() } else { " ".repeat(indent) };
        text.push_str(format!("{start}{line}").trim_end());
        text.push('\n');
    }
}

/// A label and words after it; further lines begin under the first word.
fn words(look: &Look, indent: usize, label: (&str, Meaning), words: &str, meaning: Meaning, text: &mut String) {
    let mark = if label.0.is_empty() { String::new() } else { look.paint.as_(label.1, label.0) + " " };
    let under = indent + if label.0.is_empty() { 0 } else { escape::columns(label.0) + 1 };
    let room = look.width.map(|width| width.saturating_sub(under + 1).max(24));
    for (n, line) in escape::wrap(words, room).iter().enumerate() {
        let start = if n == 0 { " ".repeat(indent) + &mark } else { " ".repeat(under) };
        text.push_str(&format!("{start}{}\n", look.paint.as_(meaning, line)));
    }
}

/// Evidence, notes, what to do, the cause.
fn verdict(look: &Look, verdict: &Verdict, text: &mut String) {
    let width = verdict.evidence.iter().map(|it| escape::columns(&it.what)).max().unwrap_or_default();
    for it in &verdict.evidence {
        let start = format!("  {}  {}  ", escape::pad(&look.peer(&it.what), width), look.peer(&it.place));
        push(look, &look.paint.as_(Meaning::Faint, &start), escape::columns(&start), &look.peer(&it.value), text);
    }
    for note in &verdict.notes {
        words(look, 2, ("note:", Meaning::Caution), &look.peer(note), Meaning::Plain, text);
    }
    for fix in &verdict.fixes {
        words(look, 2, ("fix:", Meaning::Good), &look.peer(&fix.action), Meaning::Plain, text);
        for line in fix.how.lines() {
            text.push_str(&format!("       {}\n", look.paint.as_(Meaning::Strong, &look.peer(line))));
        }
    }
    if verdict.outcome != Outcome::Ok {
        let code = format!("cause: {}", verdict.cause.code());
        text.push_str(&format!("  {}\n", look.paint.as_(Meaning::Faint, &code)));
    }
}
