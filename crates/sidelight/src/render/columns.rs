//! Text fitted into the columns of a terminal. In: text without control characters. Out: no more of it than there is room for.
//! Spec: Unicode UAX #11, of which the wide ranges.

/// Columns that `text` takes on a terminal; wide East Asian characters and emoji take two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// At most `width` columns of `text`; where something is left out of the middle, `…` stands for it.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let room = width - 1;
    // The beginning tells the host, the end the thing: the beginning gets a little more.
    let head = take(text.chars(), room.div_ceil(2) + room / 10);
    let tail = take(text.chars().rev(), room - columns(&head));
    head + "…" + &tail.chars().rev().collect::<String>()
}

/// The beginning of `text`, at most `width` columns of it, with `…` at its end when something is left out.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    if width == 0 { String::new() } else { take(text.chars(), width - 1) + "…" }
}

/// `text` in lines of at most `width` columns, broken at spaces where there are any; one line when there is no width.
pub(crate) fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width.map(|width| width.max(20)) else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        let used = lines.last().map_or(0, |line| columns(line));
        if used > 0 && used + 1 + columns(&word) > width {
            lines.push(String::new());
        }
        let line = lines.len() - 1;
        if !lines[line].is_empty() {
            lines[line].push(' ');
        }
        // A word that is wider than a line is broken anywhere.
        while columns(&word) > width {
            let head = take(word.chars(), width);
            word.drain(..head.len());
            lines.last_mut().into_iter().for_each(|line| line.push_str(&head));
            lines.push(String::new());
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(&word));
    }
    lines
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += char_columns(*c);
            used <= width
        })
        .collect()
}

/// `text` and as many spaces as fill `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// As many spaces as fill `width` columns, and `text`.
pub(crate) fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_keeps_both_ends() {
        assert_eq!(fit("https://a.test/some/long/path/end", 20), "https://a.t…path/end");
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("日本語日本語", 7), "日…本語");
        for width in 0..12 {
            assert!(columns(&fit("日本語 and more 日本語", width)) <= width);
        }
        assert_eq!(clip("password", 5), "pass…");
        assert_eq!(
            wrap("a sentence that is longer than twenty columns", Some(20)),
            ["a sentence that is", "longer than twenty", "columns"]
        );
        assert_eq!(wrap(&"x".repeat(45), Some(20)).iter().map(String::len).collect::<Vec<_>>(), [20, 20, 5]);
        assert_eq!(wrap("a b", None), ["a b"]);
        assert_eq!(pad("日", 3), "日 ");
        assert_eq!(pad_left("ab", 4), "  ab");
    }
}
