//! Colours by meaning. In: what a piece of text means. Out: the text, painted or plain. Nothing is told by colour alone.

use anstyle::{AnsiColor, Effects, Style};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing in particular.
    Plain,
    /// The point of the line.
    Strong,
    /// Beside the point.
    Faint,
    /// As it should be.
    Good,
    /// Goes on elsewhere: redirections, upgrades, interim responses.
    Onward,
    /// The client's mistake, or an oddity.
    Caution,
    /// Broken.
    Bad,
    /// A name of a field.
    Name,
}

/// Paints, or does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    /// With colours or without.
    pub(crate) const fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// `text`, painted by its meaning. Escaping is the caller's business.
    pub(crate) fn as_(self, meaning: Meaning, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let style = style(meaning);
        format!("{style}{text}{style:#}")
    }
}

fn style(meaning: Meaning) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match meaning {
        Meaning::Plain => Style::new(),
        Meaning::Strong => Style::new().effects(Effects::BOLD),
        Meaning::Faint => Style::new().effects(Effects::DIMMED),
        Meaning::Good => colour(AnsiColor::Green),
        Meaning::Onward => colour(AnsiColor::Cyan),
        Meaning::Caution => colour(AnsiColor::Yellow),
        Meaning::Bad => colour(AnsiColor::Red).effects(Effects::BOLD),
        Meaning::Name => colour(AnsiColor::Blue),
    }
}

/// What a status code means.
pub(crate) const fn of_status(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Good,
        100..=199 | 300..=399 => Meaning::Onward,
        400..=499 => Meaning::Caution,
        _ => Meaning::Bad,
    }
}
