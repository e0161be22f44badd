//! Text as people paste it. In: terminal output with colours, wrapped lines, JSON and logfmt lines with escapes, quoted mails. Out: the
//! same for reading, and dense: without blanks, quotes and case, so that neither wrapping nor escaping hides a message.

/// The most bytes that are looked at; of more the end counts, where a log has what came last.
const LARGEST: usize = 256 * 1024;

/// So often escapes are taken out of escapes: a JSON line in a JSON line in a shell's quotes.
const DEEPEST: usize = 4;

/// A pasted text.
pub(super) struct Pasted {
    readable: String,
    dense: String,
}

impl Pasted {
    pub(super) fn new(text: &str) -> Self {
        let mut text = without_colours(end_of(text));
        for _ in 0..DEEPEST {
            if !text.contains('\\') {
                break;
            }
            text = unescaped(&text);
        }
        let lines = text.lines().map(|line| line.trim_start().trim_start_matches("> ").trim());
        let readable = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        let dense = dense(&readable);
        Self { readable, dense }
    }

    /// Lines for those who look for names in it.
    pub(super) fn readable(&self) -> &str {
        &self.readable
    }

    /// What patterns are looked for in.
    pub(super) fn dense(&self) -> &str {
        &self.dense
    }
}

/// Without blanks, quotes and backslashes, in lower case.
pub(super) fn dense(text: &str) -> String {
    let kept = |letter: &char| !letter.is_whitespace() && !letter.is_control() && !"\"'`\\“”‘’│".contains(*letter);
    text.chars().filter(kept).flat_map(char::to_lowercase).collect()
}

fn end_of(text: &str) -> &str {
    let mut from = text.len().saturating_sub(LARGEST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Takes out the sequences of ECMA-48 that colour text and move the cursor, and titles.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            // A control sequence ends with a letter or one of the signs around them.
            Some('[') => while letters.next().is_some_and(|it| !('@'..='~').contains(&it)) {},
            // A command to the terminal ends with a bell or an escape.
            Some(']') => while letters.next().is_some_and(|it| it != '\u{7}' && it != '\u{1b}') {},
            _ => {}
        }
    }
    out
}

/// One level of escapes, as JSON and Go's %q write them.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        rest = &rest[letter.len_utf8()..];
        match letter {
            'n' | 'r' => out.push('\n'),
            't' => out.push(' '),
            'u' => match rest.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
                Some(meant) => {
                    out.push(meant);
                    rest = &rest[4..];
                }
                None => out.push('u'),
            },
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_or_a_log_adds_is_taken_away() {
        let plain = Pasted::new("x509: certificate signed by unknown authority");
        for pasted in [
            "\u{1b}[31mx509:\u{1b}[0m certificate signed by\n   unknown authority",
            "x509: certificate sig\nned by unknown auth\nority",
            r#"{"log":"{\"msg\":\"x509: certificate signed by\\nunknown authority\"}"}"#,
            "> x509: certificate\n> signed by unknown authority\n",
            "\u{1b}]0;title\u{7}x509: certificate\tsigned by unknown authority",
        ] {
            let pasted = Pasted::new(pasted);
            assert!(pasted.dense().contains(plain.dense()), "{}", pasted.dense());
        }
        assert!(Pasted::new(r#"invalid character '<' \u003chtml\u003e"#).dense().contains("<html>"));
        assert_eq!(Pasted::new(r"\").readable(), "");
        assert_eq!(Pasted::new(&"ä".repeat(LARGEST)).dense().len(), LARGEST);
    }
}
