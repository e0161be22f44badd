//! What every file of the project keeps to. In: the workspace's folder. Out: one complaint a line, `file:line: what is wrong`.
//! The rules: ARCHITECTURE.md, "Sizes and names, by habit".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// No Rust file is longer than this.
const LONGEST: usize = 500;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];
/// Folders that hold no source of ours.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", "corpus", "artifacts"];
/// Files with words in them, by extension.
const TEXTS: &[&str] = &["rs", "toml", "md", "py", "go", "java", "mjs", "sh", "yml", "yaml"];

/// Checks every file below `root`.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    walk(root, &mut files)?;
    files.sort();
    let mut complaints = Vec::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(&file);
        check_file(shown, &String::from_utf8_lossy(&bytes), &mut complaints);
    }
    Ok(complaints)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !SKIPPED.contains(&name.as_ref()) && !path.join("CACHEDIR.TAG").exists() {
            walk(&path, files)?;
        }
        let text = path.extension().and_then(|ext| ext.to_str()).is_some_and(|ext| TEXTS.contains(&ext));
        if kind.is_file() && text {
            files.push(path);
        }
    }
    Ok(())
}

fn check_file(path: &Path, text: &str, complaints: &mut Vec<String>) {
    let shown = path.display();
    if path.extension().is_some_and(|ext| ext == "rs") {
        if !text.starts_with("//!") {
            complaints.push(format!("{shown}:1: opens without `//!` (what goes in, what comes out, which spec)"));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            complaints.push(format!("{shown}:{LONGEST}: {lines} lines; split it by idea ({LONGEST} at most)"));
        }
        for part in path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str()) {
            if EMPTY_NAMES.contains(&part) {
                complaints.push(format!("{shown}:1: `{part}` names nothing of the field; say what is inside"));
            }
        }
    }
    for (number, line) in text.lines().enumerate() {
        for (needle, why) in forbidden() {
            if contains_word(line, &needle) {
                complaints.push(format!("{shown}:{}: `{needle}` {why}", number + 1));
            }
        }
    }
}

/// Words that no file may hold, put together here so that this file passes its own check.
fn forbidden() -> [(String, &'static str); 5] {
    let unfinished = "marks unfinished work; finish it or leave it out";
    let machine = "is a path of one machine";
    [
        (["TO", "DO"].concat(), unfinished),
        (["FIX", "ME"].concat(), unfinished),
        (["XX", "X:"].concat(), unfinished),
        (["/wo", "rk/"].concat(), machine),
        (["/root", "/."].concat(), machine),
    ]
}

/// Whether `needle` stands in `line` with no letter right before or after it.
fn contains_word(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let path = needle.starts_with('/');
        let open = |side: Option<char>| side.is_none_or(|c| !c.is_alphanumeric());
        open(before) && (path || open(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check_file(Path::new(path), text, &mut found);
        found
    }

    #[test]
    fn a_tidy_file_passes() {
        assert_eq!(complaints("crates/wire/src/http1/head.rs", "//! Heads.\nfn f() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn each_rule_bites() {
        assert!(complaints("a.rs", "fn f() {}\n")[0].contains("opens without"));
        assert!(complaints("a.rs", &format!("//! x\n{}", "\n".repeat(LONGEST)))[0].contains("501 lines"));
        assert!(complaints("src/utils/a.rs", "//! x\n")[0].contains("utils"));
        let unfinished = format!("//! x\n// {}: later\n", ["TO", "DO"].concat());
        assert!(complaints("a.rs", &unfinished)[0].starts_with("a.rs:2:"));
        let machine = format!("path = {}x\n", ["/wo", "rk/"].concat());
        assert_eq!(complaints("a.toml", &machine).len(), 1);
    }

    #[test]
    fn words_inside_words_are_left_alone() {
        let inside = format!("//! x\n// MAS{}N and net{}\n", ["TO", "DO"].concat(), ["/wo", "rk/"].concat());
        assert_eq!(complaints("a.rs", &inside), Vec::<String>::new());
    }
}
