//! What this process says besides its results. In: messages. Out: lines on standard error, in colour where that is wanted. Control
//! characters do not reach the terminal, whatever went into a message: certificates, paths of images, words of registries.
//! Spec: no-color.org; CLICOLOR and CLICOLOR_FORCE (bixense.com/clicolors).

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

use crate::cli::ColorWhen;
use crate::exit::Failure;
use crate::render::escape;
use crate::settings::Environment;

/// Whether a stream gets colours.
pub(crate) fn colours(when: ColorWhen, is_terminal: bool, environment: Environment<'_>) -> bool {
    let set = |name: &str| environment(name).filter(|value: &OsString| !value.is_empty());
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if set("NO_COLOR").is_some() => false,
        ColorWhen::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorWhen::Auto => {
            is_terminal
                && set("CLICOLOR").is_none_or(|value| value != "0")
                && set("TERM").is_none_or(|value| value != "dumb")
        }
    }
}

/// Standard error, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    colours: bool,
}

impl Ui {
    /// Speaks with or without colours as asked, or as the terminal has it.
    pub(crate) fn new(when: ColorWhen) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { colours: colours(when, terminal, &|name| std::env::var_os(name)) }
    }

    /// Says why something failed, and what helps.
    pub(crate) fn failure(self, failure: &Failure) {
        self.say(AnsiColor::Red, "error", &failure.message);
        for hint in &failure.hints {
            self.say(AnsiColor::Cyan, "hint", hint);
        }
    }

    /// Warns; the work goes on.
    pub(crate) fn warning(self, text: &str) {
        self.say(AnsiColor::Yellow, "warning", text);
    }

    /// Tells something useful.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", escape::block(text));
    }

    /// One line of JSON for programs that read standard error, where standard output is somebody else's. In ASCII: nothing in it steers a
    /// terminal.
    pub(crate) fn json(self, value: &serde_json::Value) {
        let mut line = String::new();
        for c in value.to_string().chars() {
            if c.is_ascii() {
                line.push(c);
            } else {
                let mut units = [0; 2];
                line.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    fn say(self, colour: AnsiColor, label: &str, text: &str) {
        // Nobody is left to be told when standard error is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", self.line(colour, label, text));
    }

    fn line(self, colour: AnsiColor, label: &str, text: &str) -> String {
        let style = if self.colours { Style::new().fg_color(Some(colour.into())).bold() } else { Style::new() };
        format!("{style}{label}:{style:#} {}", escape::block(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_option_then_environment_then_terminal() {
        let with = |when, terminal, set: &[(&str, &str)]| {
            colours(when, terminal, &|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert!(with(ColorWhen::Auto, true, &[]));
        assert!(!with(ColorWhen::Auto, false, &[]));
        assert!(!with(ColorWhen::Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(with(ColorWhen::Auto, true, &[("NO_COLOR", "")]));
        assert!(with(ColorWhen::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(ColorWhen::Auto, true, &[("CLICOLOR", "0")]));
        assert!(!with(ColorWhen::Auto, true, &[("TERM", "dumb")]));
        assert!(with(ColorWhen::Always, false, &[("NO_COLOR", "1")]));
        assert!(!with(ColorWhen::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn no_message_steers_the_terminal() {
        let failure = Failure::new("the subject CN=\u{1b}]0;x\u{7}\u{202e}\r is escaped\nand what was: \\x1b");
        let line = Ui { colours: false }.line(AnsiColor::Red, "error", &failure.message);
        assert_eq!(line, "error: the subject CN=\\x1b]0;x\\x07\\u{202e}\\r is escaped\nand what was: \\x1b");
    }
}
