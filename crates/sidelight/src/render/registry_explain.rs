//! What a message means, in words. In: an explanation. Out: the likeliest causes with how to tell, what to do and the next command.

use sidelight_model::finding::Party;
use sidelight_model::registry::symptom::{Candidate, Explanation, Subject};

use super::style::Meaning;
use super::{Look, escape, finding};

/// Causes that are told whole; of further ones only what tells them apart.
const WHOLE: usize = 2;

/// The next command where an entry names none.
pub(crate) const NEXT: &str = "sidelight registry check {image} --as {client}";

/// The whole answer.
pub(crate) fn render(look: &Look, explanation: &Explanation<'_>) -> String {
    let mut page = Page { look, text: String::new() };
    let subject = &explanation.subject;
    if explanation.candidates.is_empty() {
        page.unknown(explanation);
        return page.text;
    }
    for (index, candidate) in explanation.candidates.iter().take(WHOLE).enumerate() {
        page.cause(index, candidate, subject);
    }
    let others = explanation.candidates.get(WHOLE..).unwrap_or_default();
    if !others.is_empty() {
        page.line(("", Meaning::Plain), "The same words are printed for these, too; each is told by:", Meaning::Plain);
        for candidate in others {
            let words = format!("{}: {}", candidate.entry.cause.code(), subject.sentence(&candidate.entry.seen));
            page.line(("    -", Meaning::Faint), &words, Meaning::Plain);
        }
    }
    if subject.failed_elsewhere() {
        let host = subject.host.as_deref().unwrap_or_default();
        let words = format!(
            "the message is about {host}, not about the registry itself: its token server, storage or a mirror"
        );
        page.line(("    note:", Meaning::Caution), &words, Meaning::Plain);
    }
    page.text
}

struct Page<'l> {
    look: &'l Look,
    text: String,
}

impl Page<'_> {
    fn cause(&mut self, index: usize, candidate: &Candidate<'_>, subject: &Subject) {
        let entry = candidate.entry;
        let head = if index == 0 { ("✗", Meaning::Bad) } else { ("  or:", Meaning::Caution) };
        self.line(head, &subject.sentence(&entry.means), if index == 0 { Meaning::Bad } else { Meaning::Strong });
        self.line(
            ("    read:", Meaning::Faint),
            &format!("`{}` ({})", candidate.pattern.text, candidate.pattern.by),
            Meaning::Plain,
        );
        self.line(("    told by:", Meaning::Faint), &subject.sentence(&entry.seen), Meaning::Plain);
        for (action, how) in &entry.fixes {
            self.line(("    fix:", Meaning::Good), &subject.sentence(action), Meaning::Plain);
            self.command(&subject.command(how));
        }
        self.line(("    next:", Meaning::Good), "", Meaning::Plain);
        self.command(&subject.command(entry.next.as_deref().unwrap_or(NEXT)));
        // Where the words only point to others, nobody has to change anything.
        let whose = match entry.cause.party() {
            Party::None => String::new(),
            party => format!(" (to change: {})", finding::party(entry.cause, party)),
        };
        let code = format!("    cause: {}{whose}", entry.cause.code());
        self.text.push_str(&format!("{}\n", self.look.paint.as_(Meaning::Faint, &code)));
    }

    fn unknown(&mut self, explanation: &Explanation<'_>) {
        self.line(("?", Meaning::Caution), "this message is not known", Meaning::Strong);
        for near in &explanation.nearest {
            let words = format!(
                "`{}` ({}): {}",
                near.pattern.text,
                near.entry.cause.code(),
                explanation.subject.sentence(&near.entry.means)
            );
            self.line(("    near:", Meaning::Faint), &words, Meaning::Plain);
        }
        self.line(
            ("    next:", Meaning::Good),
            "make the pull's conversation from here, and see the step that fails:",
            Meaning::Plain,
        );
        self.command(&explanation.subject.command(NEXT));
        self.line(("    next:", Meaning::Good), "or record what the client itself does:", Meaning::Plain);
        self.command(&explanation.subject.command("sidelight run -- COMMAND; sidelight registry timeline"));
    }

    /// A label and words after it; further lines begin under the first word.
    fn line(&mut self, label: (&str, Meaning), words: &str, meaning: Meaning) {
        let indent = if label.0.is_empty() { 0 } else { escape::columns(label.0) + 1 };
        let room = self.look.width.map(|width| width.saturating_sub(indent + 1));
        for (n, line) in escape::wrap(&escape::line(words), room).iter().enumerate() {
            let start = match (n, label.0) {
                (_, "") => String::new(),
                (0, text) => self.look.paint.as_(label.1, text) + " ",
                _ => " ".repeat(indent),
            };
            let whole = format!("{start}{}", self.look.paint.as_(meaning, line));
            self.text.push_str(whole.trim_end());
            self.text.push('\n');
        }
    }

    /// Commands are not broken: they are copied.
    fn command(&mut self, command: &str) {
        for line in command.lines() {
            self.text.push_str(&format!("         {}\n", self.look.paint.as_(Meaning::Strong, &escape::line(line))));
        }
    }
}
